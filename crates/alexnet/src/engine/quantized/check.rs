//! Which values a quantized network has between its layers, and whether each layer can compute with them.

use alexnet_kernels::int8::{LONGEST_SUM, Quantizer};

use super::contents::{IntegerWeights, QuantizedLayer, QuantizedNetwork, Values, WinogradWeights};
use crate::net::{Activation, DropoutScale, Layer, Operation, PoolKind};
use crate::{Error, Result};

/// Why a layer cannot be computed.
type Problem = String;

impl QuantizedNetwork {
    /// Returns the values of each layer's output.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be computed as it says, from the values of the layer before it.
    pub fn outputs(&self) -> Result<Vec<Values>> {
        let layers = &self.network.layers;
        if layers.len() != self.layers.len() {
            return Err(Error::model(format!(
                "{} quantized layers, expected {}, as many as the recipe has",
                self.layers.len(),
                layers.len()
            )));
        }
        check_values("input", self.input)?;
        let mut values = self.input;
        let mut outputs = Vec::with_capacity(layers.len());
        for (layer, quantized) in layers.iter().zip(&self.layers) {
            values = output(layer, quantized, values)
                .map_err(|what| Error::model(format!("quantized layer `{}`: {what}", layer.name)))?;
            check_values(&layer.name, values)?;
            outputs.push(values);
        }
        Ok(outputs)
    }
}

fn check_values(of: &str, values: Values) -> Result<()> {
    match values {
        Values::Bytes(Quantizer { scale, .. }) if !is_scale(scale) => {
            Err(Error::model(format!("the scale of `{of}` is {scale}, expected a normal number above 0")))
        }
        Values::Bytes(_) | Values::Floats => Ok(()),
    }
}

/// Whether a number can be the distance between two bytes. A subnormal number has lost its precision.
fn is_scale(scale: f32) -> bool {
    scale.is_normal() && scale > 0.0
}

/// The values of a layer's output for an input with these values.
fn output(layer: &Layer, quantized: &QuantizedLayer, input: Values) -> std::result::Result<Values, Problem> {
    match (quantized, &layer.operation, input) {
        (QuantizedLayer::Floats(parameters, output), ..) => {
            let found = parameters.as_ref().map(|pair| (pair.weights.len(), pair.biases.len()));
            let expected = layer.parameter_shapes().map(|(w, b)| (w.iter().product(), b.iter().product()));
            match found == expected {
                true => Ok(*output),
                false => Err(format!("{found:?} weights and biases, expected {expected:?}")),
            }
        }
        (_, _, Values::Floats) => {
            Err(format!("a layer of kind `{}` needs bytes, but the layer before it has floats", layer.kind()))
        }
        (QuantizedLayer::Direct(weights, output), Operation::Conv(..) | Operation::Fc(..), _) => {
            check_weights(layer, weights).map(|()| *output)
        }
        (QuantizedLayer::Winograd(weights, output), Operation::Conv(..), _) => {
            check_transformed(layer, weights).map(|()| *output)
        }
        (QuantizedLayer::Lrn(output), Operation::Lrn(_), _) => Ok(Values::Bytes(*output)),
        (QuantizedLayer::MaxPool, Operation::Pool(PoolKind::Max, _), _) => Ok(input),
        (QuantizedLayer::Absorbed, Operation::Activation(Activation::Relu), Values::Bytes(bytes)) => {
            match bytes.zero {
                0 => Ok(input),
                zero => Err(format!("the zero point is {zero}, expected 0: the ReLU is the clamp at byte 0")),
            }
        }
        (QuantizedLayer::Absorbed, Operation::Dropout { rate, scale }, Values::Bytes(bytes)) => {
            Ok(Values::Bytes(after_dropout(bytes, *rate, *scale)))
        }
        (QuantizedLayer::Table(_, output), Operation::Activation(_), _) => Ok(Values::Bytes(*output)),
        (
            QuantizedLayer::Direct(..)
            | QuantizedLayer::Winograd(..)
            | QuantizedLayer::Lrn(_)
            | QuantizedLayer::MaxPool
            | QuantizedLayer::Absorbed
            | QuantizedLayer::Table(..),
            ..,
        ) => Err(format!("a layer of kind `{}` cannot be computed in this way", layer.kind())),
    }
}

/// What bytes stand for after dropout at test time, which leaves them as they are.
pub(crate) fn after_dropout(bytes: Quantizer, rate: f32, scale: DropoutScale) -> Quantizer {
    match scale {
        DropoutScale::Test => Quantizer { scale: bytes.scale * (1.0 - rate), ..bytes },
        DropoutScale::Train => bytes,
    }
}

fn check_weights(layer: &Layer, weights: &IntegerWeights) -> std::result::Result<(), Problem> {
    let IntegerWeights { weights, scales, biases } = weights;
    let shape = layer.parameter_shapes().map_or(Vec::new(), |(shape, _)| shape);
    check_depth(layer.fan_in())?;
    check_len("weights", weights.len(), shape.iter().product())?;
    check_len("scales", scales.len(), layer.output.channels)?;
    check_len("biases", biases.len(), layer.output.channels)?;
    check_integers(weights)?;
    check_scales("scales", scales)
}

fn check_transformed(layer: &Layer, weights: &WinogradWeights) -> std::result::Result<(), Problem> {
    let WinogradWeights { algorithm, weights, scales, input_scales, biases } = weights;
    let Operation::Conv(g, _) = &layer.operation else { return Ok(()) };
    if !algorithm.fits(g) {
        return Err(format!("{} does not compute this convolution", algorithm.name()));
    }
    let channels = layer.output.channels;
    check_depth(algorithm.depth(g))?;
    check_len("weights", weights.len(), algorithm.transformed_len(g))?;
    check_len("scales", scales.len(), algorithm.elements() * channels)?;
    check_len("scales of inputs", input_scales.len(), algorithm.elements())?;
    check_len("biases", biases.len(), channels)?;
    check_integers(weights)?;
    check_scales("scales", scales)?;
    check_scales("scales of inputs", input_scales)
}

fn check_depth(products: usize) -> std::result::Result<(), Problem> {
    match products <= LONGEST_SUM {
        true => Ok(()),
        false => Err(format!("sums of {products} products, expected at most {LONGEST_SUM}")),
    }
}

fn check_len(what: &str, found: usize, expected: usize) -> std::result::Result<(), Problem> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{found} {what}, expected {expected}")),
    }
}

fn check_integers(weights: &[i8]) -> std::result::Result<(), Problem> {
    match weights.contains(&i8::MIN) {
        true => Err("a weight is -128, expected -127 to 127".to_owned()),
        false => Ok(()),
    }
}

fn check_scales(what: &str, scales: &[f32]) -> std::result::Result<(), Problem> {
    match scales.iter().position(|&scale| !is_scale(scale)) {
        Some(at) => Err(format!("{what}: {} at index {at}, expected a normal number above 0", scales[at])),
        None => Ok(()),
    }
}
