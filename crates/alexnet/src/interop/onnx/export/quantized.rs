//! Quantized networks: layers in f32 between `QuantizeLinear` and `DequantizeLinear`, which runtimes fuse to integers.

use super::graph::{Current, Form, GraphWriter, integer};
use super::kernels::spatial;
use super::layers;
use super::parameters::Parameters;
use crate::Result;
use crate::engine::{IntegerWeights, QuantizedLayer, QuantizedNetwork, Quantizer, Values};
use crate::net::{Activation, Layer, Operation};

/// Adds all layers to a graph whose input is `current`. Returns the logits; what was changed is added to `notes`.
pub(super) fn add(
    graph: &mut GraphWriter,
    quantized: &QuantizedNetwork,
    mut current: Current,
    notes: &mut Vec<String>,
) -> Result<Current> {
    let outputs = quantized.outputs()?;
    let mut input = quantized.input;
    if let Values::Bytes(bytes) = input {
        let base = current.name.clone();
        current = rounded(graph, &base, bytes, current, &format!("{base}.rounded"));
    }
    let layers = quantized.network.layers.iter().zip(&quantized.layers);
    for (at, ((layer, form), &output)) in layers.zip(&outputs).enumerate() {
        let parameters = parameters(graph, layer, form, input, notes)?;
        current = as_bytes(graph, layer, current, input);
        // The bytes of a layer whose ReLU is their clamp are those after the ReLU.
        let next = quantized.network.layers.get(at + 1).zip(quantized.layers.get(at + 1));
        current = match (output, is_clamped(form, next)) {
            (Values::Bytes(bytes), false) => {
                let exact = format!("{}.exact", layer.name);
                let computed = layers::add(graph, layer, parameters.as_ref(), &current, &exact);
                // Dropout that changes nothing has no nodes.
                match computed.name == exact {
                    true => rounded(graph, &layer.name, bytes, computed, &layer.name),
                    false => computed,
                }
            }
            (Values::Bytes(_), true) | (Values::Floats, _) => {
                layers::add(graph, layer, parameters.as_ref(), &current, &layer.name)
            }
        };
        graph.shape(&current, layer.output);
        input = output;
    }
    Ok(current)
}

/// What a fully connected layer reads: bytes again, after maps were arranged as units.
fn as_bytes(graph: &mut GraphWriter, layer: &Layer, current: Current, input: Values) -> Current {
    match (&layer.operation, current.form, input) {
        (Operation::Fc(..), Form::Maps, Values::Bytes(bytes)) => {
            let name = graph.as_units(&current, &layer.name);
            let output = format!("{name}.rounded");
            rounded(graph, &name.clone(), bytes, Current { name, form: Form::Units }, &output)
        }
        _ => current,
    }
}

/// Whether the bytes of a layer are those after a ReLU that follows.
fn is_clamped(form: &QuantizedLayer, next: Option<(&Layer, &QuantizedLayer)>) -> bool {
    let Some((next, QuantizedLayer::Absorbed)) = next else { return false };
    match (form, &next.operation) {
        (
            QuantizedLayer::Direct(..) | QuantizedLayer::Winograd(..) | QuantizedLayer::Floats(..),
            Operation::Activation(Activation::Relu),
        ) => true,
        (
            QuantizedLayer::Direct(..)
            | QuantizedLayer::Winograd(..)
            | QuantizedLayer::Lrn(_)
            | QuantizedLayer::MaxPool
            | QuantizedLayer::Absorbed
            | QuantizedLayer::Table(..)
            | QuantizedLayer::Floats(..),
            _,
        ) => false,
    }
}

/// Rounds a tensor to the numbers that bytes stand for.
fn rounded(graph: &mut GraphWriter, base: &str, bytes: Quantizer, current: Current, output: &str) -> Current {
    let name = |what: &str| format!("{base}.{what}");
    let [scale, zero, quantized] = ["scale", "zero_point", "bytes"].map(name);
    graph.scalar(&scale, bytes.scale);
    graph.byte(&zero, bytes.zero);
    graph.node("QuantizeLinear", &[&current.name, &scale, &zero], &[&quantized], Vec::new());
    graph.node("DequantizeLinear", &[&quantized, &scale, &zero], &[output], Vec::new());
    Current { name: output.to_owned(), ..current }
}

/// Adds the parameters of a layer, if it has any.
///
/// # Errors
/// Returns an error as [`spatial`] does.
fn parameters(
    graph: &mut GraphWriter,
    layer: &Layer,
    form: &QuantizedLayer,
    input: Values,
    notes: &mut Vec<String>,
) -> Result<Option<Parameters>> {
    Ok(match form {
        QuantizedLayer::Direct(weights, _) => Some(integers(graph, layer, weights, input)),
        QuantizedLayer::Winograd(weights, _) => {
            notes.push(format!(
                "layer {}: its 8-bit weights are those of {}, which ONNX lacks; they become 8-bit weights of the convolution itself",
                layer.name,
                weights.algorithm.name()
            ));
            Some(integers(graph, layer, &spatial(layer, weights)?, input))
        }
        QuantizedLayer::Floats(Some(floats), _) => {
            Some(layers::add_parameters(graph, layer, &floats.weights, &floats.biases))
        }
        QuantizedLayer::Floats(None, _)
        | QuantizedLayer::Lrn(_)
        | QuantizedLayer::MaxPool
        | QuantizedLayer::Absorbed
        | QuantizedLayer::Table(..) => None,
    })
}

/// Adds 8-bit weights with a scale for each output channel, and biases in units of the sums: 32-bit integers. A bias beyond their
/// range stays a float.
fn integers(graph: &mut GraphWriter, layer: &Layer, weights: &IntegerWeights, input: Values) -> Parameters {
    let names = Parameters { weights: layer.weight_name(), biases: layer.bias_name() };
    let IntegerWeights { weights, scales, biases } = weights;
    let (shape, bias_shape) = layer.parameter_shapes().unwrap_or_default();
    let [stored, zeros] = ["stored", "zero_point"].map(|what| format!("{}.{what}", names.weights));
    graph.signed_bytes(&stored, &shape, weights);
    graph.signed_bytes(&zeros, &[scales.len()], &vec![0; scales.len()]);
    dequantized(graph, &names.weights, scales);
    let units: Vec<f32> = match input {
        Values::Bytes(bytes) => scales.iter().map(|scale| scale * bytes.scale).collect(),
        Values::Floats => Vec::new(),
    };
    match in_units(biases, &units) {
        Some(sums) => {
            let [stored, zeros] = ["stored", "zero_point"].map(|what| format!("{}.{what}", names.biases));
            graph.sums(&stored, &sums);
            graph.sums(&zeros, &vec![0; sums.len()]);
            dequantized(graph, &names.biases, &units);
        }
        None => graph.floats(&names.biases, &bias_shape, biases),
    }
    names
}

/// Adds the node from stored integers to floats, with a scale for each output channel. onnxruntime has kernels for integers only where
/// the zero points are spelled out.
fn dequantized(graph: &mut GraphWriter, name: &str, scales: &[f32]) {
    let [stored, scale, zeros] = ["stored", "scale", "zero_point"].map(|what| format!("{name}.{what}"));
    graph.floats(&scale, &[scales.len()], scales);
    graph.node("DequantizeLinear", &[&stored, &scale, &zeros], &[name], vec![integer("axis", 0)]);
}

/// The nearest multiples of the units, if all fit 32 bits.
fn in_units(biases: &[f32], units: &[f32]) -> Option<Vec<i32>> {
    let nearest = |(&bias, &unit): (&f32, &f32)| {
        let sum = (f64::from(bias) / f64::from(unit)).round_ties_even();
        (sum.abs() <= f64::from(i32::MAX)).then_some(sum as i32)
    };
    (biases.len() == units.len()).then(|| biases.iter().zip(units).map(nearest).collect()).flatten()
}
