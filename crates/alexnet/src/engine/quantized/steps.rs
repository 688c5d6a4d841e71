//! Lowering: from the layers of a quantized network to the steps that an engine executes.

use alexnet_kernels::geometry::{FcGeometry, PoolGeometry};
use alexnet_kernels::int8::{
    ConvWeights, QuantizedConv, QuantizedFc, QuantizedLrn, Quantizer, WinogradWeights as Transformed,
};

use super::contents::{
    FloatWeights, IntegerWeights, QuantizedLayer, QuantizedNetwork, Values, WinogradWeights,
};
use crate::Result;
use crate::engine::cpu::layout;
use crate::net::{Layer, Operation};

/// A step of the forward pass: reads the current values, and replaces them.
#[derive(Debug)]
pub(super) enum Step {
    /// Floats to bytes, of one side of the layer.
    Quantize(Quantizer, Side),
    /// Bytes to floats, of one side of the layer.
    Dequantize(Quantizer, Side),
    /// A convolution of bytes.
    Conv(Box<QuantizedConv>, Values),
    /// A fully connected layer, from bytes.
    Fc(Box<QuantizedFc>, Values),
    /// Response normalization of bytes.
    Lrn(QuantizedLrn),
    /// Max pooling of bytes.
    MaxPool(PoolGeometry),
    /// A function of single bytes.
    Table(Box<[u8; 256]>),
    /// The layer's computation in floats, with its parameters in the kernels' layout.
    Floats(Option<FloatWeights>),
}

/// The values before or after a layer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Input,
    Output,
}

/// The steps of a network.
pub(super) struct Lowered {
    /// The steps of each layer; none for a layer that is computed as a part of another.
    pub(super) steps: Vec<Vec<Step>>,
    /// The values of each layer's output.
    pub(super) outputs: Vec<Values>,
}

/// Lowers a network. Its logits are floats in the end.
///
/// # Errors
/// See [`QuantizedNetwork::outputs`].
pub(super) fn lower(quantized: &QuantizedNetwork) -> Result<Lowered> {
    let outputs = quantized.outputs()?;
    let mut input = quantized.input;
    let mut steps = Vec::with_capacity(outputs.len());
    for (i, (layer, quantized_layer)) in quantized.network.layers.iter().zip(&quantized.layers).enumerate() {
        let mut own = Vec::new();
        if let (0, Values::Bytes(bytes)) = (i, input) {
            own.push(Step::Quantize(bytes, Side::Input));
        }
        add_steps(layer, quantized_layer, input, &mut own);
        input = outputs[i];
        if let (true, Values::Bytes(bytes)) = (i + 1 == outputs.len(), input) {
            own.push(Step::Dequantize(bytes, Side::Output));
        }
        steps.push(own);
    }
    Ok(Lowered { steps, outputs })
}

/// Adds the steps of a layer that reads these values.
fn add_steps(layer: &Layer, quantized: &QuantizedLayer, input: Values, steps: &mut Vec<Step>) {
    match (quantized, &layer.operation, input) {
        (QuantizedLayer::Floats(parameters, output), _, _) => {
            if let Values::Bytes(bytes) = input {
                steps.push(Step::Dequantize(bytes, Side::Input));
            }
            let parameters = parameters.as_ref().map(|pair| FloatWeights {
                weights: layout::to_kernels(layer, &pair.weights),
                biases: pair.biases.clone(),
            });
            steps.push(Step::Floats(parameters));
            if let Values::Bytes(bytes) = output {
                steps.push(Step::Quantize(*bytes, Side::Output));
            }
        }
        (QuantizedLayer::Direct(weights, output), Operation::Conv(g, _), Values::Bytes(input)) => {
            let IntegerWeights { weights, scales, biases } = weights;
            let values = layout::to_kernels(layer, weights);
            let weights = ConvWeights::Direct { values: &values, scales };
            steps.push(Step::Conv(Box::new(QuantizedConv::new(g, weights, biases, input)), *output));
        }
        (QuantizedLayer::Direct(weights, output), Operation::Fc(g, _), Values::Bytes(input)) => {
            steps.push(Step::Fc(Box::new(fully_connected(layer, g, weights, input)), *output));
        }
        (QuantizedLayer::Winograd(weights, output), Operation::Conv(g, _), Values::Bytes(input)) => {
            let WinogradWeights { algorithm, weights, scales, input_scales, biases } = weights;
            let algorithm = *algorithm;
            let weights = Transformed { algorithm, values: weights, scales, input_scales };
            let weights = ConvWeights::Winograd(weights);
            steps.push(Step::Conv(Box::new(QuantizedConv::new(g, weights, biases, input)), *output));
        }
        (QuantizedLayer::Lrn(output), Operation::Lrn(g), Values::Bytes(input)) => {
            steps.push(Step::Lrn(QuantizedLrn::new(g, input, *output)));
        }
        (QuantizedLayer::MaxPool, Operation::Pool(_, g), _) => steps.push(Step::MaxPool(*g)),
        (QuantizedLayer::Absorbed, _, _) => {}
        (QuantizedLayer::Table(table, _), _, _) => steps.push(Step::Table(table.clone())),
        (
            QuantizedLayer::Direct(..)
            | QuantizedLayer::Winograd(..)
            | QuantizedLayer::Lrn(_)
            | QuantizedLayer::MaxPool,
            ..,
        ) => unreachable!("the network was checked"),
    }
}

fn fully_connected(layer: &Layer, g: &FcGeometry, weights: &IntegerWeights, input: Quantizer) -> QuantizedFc {
    let values = layout::to_kernels(layer, &weights.weights);
    QuantizedFc::new(g, &values, &weights.scales, &weights.biases, input)
}
