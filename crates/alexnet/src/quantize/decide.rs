//! How each layer of a quantized network is computed, and why.

use super::calibration::Calibration;
use super::form::{Decision, Form};
use super::range::{Range, RangeRule};
use super::weights::Rounded;
use super::winograd::{Comparison, Convolution};
use crate::engine::{
    FloatWeights, QuantizedLayer, QuantizedNetwork, Quantizer, Tensor, Values, after_dropout, kernel_layout,
};
use crate::net::{Activation, Layer, Network, Operation, PoolKind};
use alexnet_kernels::int8::LONGEST_SUM;

/// The largest relative RMS error of activations stored as bytes; with a larger one they stay floats.
const MAX_ACTIVATION_ERROR: f64 = 0.1;

/// The largest share of non-zero activations that may become 0.
const MAX_VANISHING: f64 = 0.5;

/// The largest relative RMS error of 8-bit weights.
const MAX_WEIGHT_ERROR: f64 = 0.05;

/// Decides how each layer is computed.
pub(super) fn decide(
    network: &Network,
    parameters: &[Tensor],
    calibration: &Calibration,
    rule: RangeRule,
) -> (QuantizedNetwork, Vec<Decision>) {
    let decider = Decider { network, parameters, calibration, rule };
    let input = decider.input();
    let (mut values, mut layers, mut decisions) = (input, Vec::new(), Vec::new());
    for position in 0..network.layers.len() {
        let (layer, decision, output) = decider.layer(position, values);
        layers.push(layer);
        decisions.push(decision);
        values = output;
    }
    (QuantizedNetwork { network: network.clone(), input, layers }, decisions)
}

struct Decider<'a> {
    network: &'a Network,
    parameters: &'a [Tensor],
    calibration: &'a Calibration,
    rule: RangeRule,
}

/// A layer, what was decided, and the values of its output.
type Decided = (QuantizedLayer, Decision, Values);

impl Decider<'_> {
    /// The values of the images.
    fn input(&self) -> Values {
        let range = Range::choose(&self.calibration.images, self.rule, &|value| value);
        match self.reads_bytes(0) && why_unusable(&range).is_none() {
            true => Values::Bytes(range.quantizer()),
            false => Values::Floats,
        }
    }

    fn layer(&self, at: usize, input: Values) -> Decided {
        let layer = &self.network.layers[at];
        match (&layer.operation, input) {
            (Operation::Conv(..) | Operation::Fc(..), Values::Bytes(bytes)) => self.products(at, bytes),
            (Operation::Lrn(_), Values::Bytes(_)) => {
                let range = self.range(at, None);
                match why_unusable(&range) {
                    None => {
                        let bytes = range.quantizer();
                        let decision = Decision { range: Some(range), ..Decision::new(layer, Form::Bytes) };
                        (QuantizedLayer::Lrn(bytes), decision, Values::Bytes(bytes))
                    }
                    Some(why) => self.floats(at, format!("output in f32: {why}")),
                }
            }
            (Operation::Pool(PoolKind::Max, _), Values::Bytes(_)) => {
                (QuantizedLayer::MaxPool, Decision::new(layer, Form::Bytes), input)
            }
            // Bytes above a zero point of 0 are not negative.
            (Operation::Activation(Activation::Relu), Values::Bytes(Quantizer { zero: 0, .. })) => {
                (QuantizedLayer::Absorbed, Decision::new(layer, Form::Fused), input)
            }
            (Operation::Activation(function), Values::Bytes(bytes)) => self.table(at, *function, bytes),
            (Operation::Dropout { rate, scale }, Values::Bytes(bytes)) => {
                let bytes = after_dropout(bytes, *rate, *scale);
                (QuantizedLayer::Absorbed, Decision::new(layer, Form::Fused), Values::Bytes(bytes))
            }
            (
                Operation::Conv(..)
                | Operation::Fc(..)
                | Operation::Lrn(_)
                | Operation::Pool(PoolKind::Max, _)
                | Operation::Activation(_)
                | Operation::Dropout { .. },
                Values::Floats,
            ) => self.floats(at, "its input is in f32".to_owned()),
            (Operation::Local(..) | Operation::Pool(PoolKind::Average, _) | Operation::MapNorm(_), _) => {
                self.floats(at, format!("there is no integer kernel for `{}`", layer.kind()))
            }
        }
    }

    /// A convolution or fully connected layer with this input.
    fn products(&self, at: usize, input: Quantizer) -> Decided {
        let layer = &self.network.layers[at];
        let rounded = Rounded::new(&self.parameters(layer));
        if layer.fan_in() > LONGEST_SUM {
            return self.floats(at, format!("sums of {} products may overflow 32 bits", layer.fan_in()));
        }
        if rounded.error > MAX_WEIGHT_ERROR {
            let percent = 100.0 * rounded.error;
            return self.floats(at, format!("8-bit weights would have an error of {percent:.1} %"));
        }
        let (output, decision) = self.products_output(at);
        let decision =
            Decision { weight_error: Some(rounded.error), zero_channels: rounded.zero_channels, ..decision };
        match self.compare(at, input, &rounded) {
            None => (QuantizedLayer::Direct(rounded.weights, output), decision, output),
            Some(comparison) => {
                let decision = Decision {
                    direct_error: Some(comparison.direct),
                    winograd_errors: comparison.errors(),
                    ..decision
                };
                match comparison.choice() {
                    None => (QuantizedLayer::Direct(rounded.weights, output), decision, output),
                    Some(weights) => {
                        let form = Form::Winograd(weights.algorithm);
                        (QuantizedLayer::Winograd(weights, output), Decision { form, ..decision }, output)
                    }
                }
            }
        }
    }

    /// The output of a layer of products, and what was decided about it.
    fn products_output(&self, at: usize) -> (Values, Decision) {
        let decision = Decision::new(&self.network.layers[at], Form::Direct);
        if !self.reads_bytes(at + 1) {
            return (Values::Floats, decision);
        }
        let range = match self.relu_after(at) {
            Some(relu) => self.range(relu, None),
            None => self.range(at, self.function_after(at)),
        };
        match why_unusable(&range) {
            None => (Values::Bytes(range.quantizer()), Decision { range: Some(range), ..decision }),
            Some(why) => {
                let reason = Some(format!("output in f32: {why}"));
                (Values::Floats, Decision { rejected_range: Some(range), reason, ..decision })
            }
        }
    }

    /// Compares a direct convolution with the algorithms that fit its geometry; `None` if no algorithm fits.
    fn compare(&self, at: usize, bytes: Quantizer, rounded: &Rounded) -> Option<Comparison> {
        let layer = &self.network.layers[at];
        let Operation::Conv(g, _) = &layer.operation else { return None };
        let inputs = self.calibration.inputs[at].as_ref()?;
        let weights = kernel_layout(layer, &self.parameters(layer).weights);
        let values = kernel_layout(layer, &rounded.weights.weights);
        let biases = &rounded.weights.biases;
        let rectified = self.relu_after(at).is_some();
        let convolution = Convolution { g, weights: &weights, biases, inputs, bytes, rectified };
        Some(convolution.compare(&values, &rounded.weights.scales))
    }

    /// An activation function of bytes.
    fn table(&self, at: usize, function: Activation, input: Quantizer) -> Decided {
        let range = self.range(at, None);
        let output = range.quantizer();
        let byte =
            |byte: usize| output.quantize(value(function, f64::from(input.dequantize(byte as u8))) as f32);
        let table = Box::new(std::array::from_fn(byte));
        let decision =
            Decision { range: Some(range), ..Decision::new(&self.network.layers[at], Form::Table) };
        (QuantizedLayer::Table(table, output), decision, Values::Bytes(output))
    }

    /// A layer in floats.
    fn floats(&self, at: usize, reason: String) -> Decided {
        let layer = &self.network.layers[at];
        // An activation function is better applied to floats.
        let to_bytes = self.reads_bytes(at + 1) && self.function_after(at).is_none();
        let decision = Decision { reason: Some(reason), ..Decision::new(layer, Form::F32) };
        let (output, decision) = match to_bytes.then(|| self.range(at, None)) {
            Some(range) if why_unusable(&range).is_none() => {
                (Values::Bytes(range.quantizer()), Decision { range: Some(range), ..decision })
            }
            rejected_range => (Values::Floats, Decision { rejected_range, ..decision }),
        };
        let parameters = layer.weights().map(|_| self.parameters(layer));
        (QuantizedLayer::Floats(parameters, output), decision, output)
    }

    /// Whether an integer kernel reads the input of a layer, perhaps after pooling, dropout or an activation function.
    fn reads_bytes(&self, at: usize) -> bool {
        let Some(layer) = self.network.layers.get(at) else { return false };
        match &layer.operation {
            Operation::Conv(..) | Operation::Fc(..) | Operation::Lrn(_) => true,
            Operation::Pool(PoolKind::Max, _) | Operation::Activation(_) | Operation::Dropout { .. } => {
                self.reads_bytes(at + 1)
            }
            Operation::Local(..) | Operation::Pool(PoolKind::Average, _) | Operation::MapNorm(_) => false,
        }
    }

    /// The ReLU that clamps a layer's bytes: the next layer, or after max pooling, before which it would do the same.
    fn relu_after(&self, at: usize) -> Option<usize> {
        let mut following = (at + 1..self.network.layers.len()).zip(&self.network.layers[at + 1..]);
        let (next, layer) =
            following.find(|(_, layer)| !matches!(layer.operation, Operation::Pool(PoolKind::Max, _)))?;
        matches!(layer.operation, Operation::Activation(Activation::Relu)).then_some(next)
    }

    /// The activation function that is the next layer.
    fn function_after(&self, at: usize) -> Option<Activation> {
        match self.network.layers.get(at + 1).map(|layer| &layer.operation) {
            Some(Operation::Activation(function)) => Some(*function),
            Some(_) | None => None,
        }
    }

    /// The range of a layer's output, for its values or those of a function of them.
    fn range(&self, at: usize, function: Option<Activation>) -> Range {
        let histogram = &self.calibration.outputs[at];
        match function {
            None => Range::choose(histogram, self.rule, &|value| value),
            Some(function) => Range::choose(histogram, self.rule, &move |x| value(function, x)),
        }
    }

    fn parameters(&self, layer: &Layer) -> FloatWeights {
        let find = |name: String| {
            let tensor = self.parameters.iter().find(|tensor| tensor.name == name);
            tensor.map_or_else(Vec::new, |tensor| tensor.data.clone())
        };
        FloatWeights { weights: find(layer.weight_name()), biases: find(layer.bias_name()) }
    }
}

/// Why activations cannot be stored as bytes, if so.
fn why_unusable(range: &Range) -> Option<String> {
    let ratio = range.outlier_ratio;
    if range.vanishing > MAX_VANISHING {
        let percent = 100.0 * range.vanishing;
        return Some(format!(
            "{percent:.0} % of its values would become 0 (outliers of {ratio:.0} times the 99.99th percentile)"
        ));
    }
    (range.error > MAX_ACTIVATION_ERROR).then(|| {
        let percent = 100.0 * range.error;
        format!("bytes would have an error of {percent:.1} % (outliers of {ratio:.0} times the 99.99th percentile)")
    })
}

fn value(function: Activation, x: f64) -> f64 {
    match function {
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Logistic => 1.0 / (1.0 + (-x).exp()),
    }
}
