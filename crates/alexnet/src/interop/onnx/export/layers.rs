//! The nodes of a layer.

use alexnet_kernels::geometry::{ConvGeometry, PoolGeometry};

use super::graph::{Current, Form, GraphWriter, integer};
use super::parameters::{Parameters, window};
use super::{local, norm};
use crate::interop::onnx::proto::AttributeProto;
use crate::net::{Activation, DropoutScale, Layer, Operation, PoolKind};

/// Adds the parameters of a layer in f32, under its own names.
pub(super) fn add_parameters(
    graph: &mut GraphWriter,
    layer: &Layer,
    weights: &[f32],
    biases: &[f32],
) -> Parameters {
    let names = Parameters { weights: layer.weight_name(), biases: layer.bias_name() };
    let [weight_shape, bias_shape] = match &layer.operation {
        Operation::Local(g, _) => local::shapes(g),
        Operation::Conv(..)
        | Operation::Fc(..)
        | Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => {
            layer.parameter_shapes().map_or_else(Default::default, |(weights, biases)| [weights, biases])
        }
    };
    graph.floats(&names.weights, &weight_shape, weights);
    graph.floats(&names.biases, &bias_shape, biases);
    names
}

/// Adds the nodes of a layer that reads `current`, and returns what the next layer reads: the tensor `output`, or the same if there is
/// nothing to compute.
///
/// # Panics
/// Panics if a layer has weights but no `parameters` are named.
pub(super) fn add(
    graph: &mut GraphWriter,
    layer: &Layer,
    parameters: Option<&Parameters>,
    current: &Current,
    output: &str,
) -> Current {
    let name = layer.name.as_str();
    let of_layer = || parameters.expect("a layer with weights");
    let maps = |graph: &mut GraphWriter| graph.as_maps(current, name, layer.input);
    let form = match &layer.operation {
        Operation::Conv(g, _) => {
            let (x, Parameters { weights, biases }) = (maps(graph), of_layer());
            graph.node("Conv", &[&x, weights, biases], &[output], convolution(g));
            Form::Maps
        }
        Operation::Local(g, _) => {
            let x = maps(graph);
            local::add(graph, name, g, of_layer(), &x, output);
            Form::Maps
        }
        Operation::Fc(..) => {
            let (x, Parameters { weights, biases }) = (graph.as_units(current, name), of_layer());
            graph.node("Gemm", &[&x, weights, biases], &[output], vec![integer("transB", 1)]);
            Form::Units
        }
        Operation::Pool(kind, g) => {
            let x = maps(graph);
            let (operator, attributes) = pooling(*kind, g);
            graph.node(operator, &[&x], &[output], attributes);
            Form::Maps
        }
        Operation::Lrn(g) => {
            let x = maps(graph);
            norm::across_maps(graph, name, g, &x, output);
            Form::Maps
        }
        Operation::MapNorm(g) => {
            let x = maps(graph);
            norm::within_maps(graph, name, g, &x, output);
            Form::Maps
        }
        Operation::Activation(function) => {
            let operator = match function {
                Activation::Relu => "Relu",
                Activation::Tanh => "Tanh",
                Activation::Logistic => "Sigmoid",
            };
            graph.node(operator, &[&current.name], &[output], Vec::new());
            current.form
        }
        Operation::Dropout { rate, scale: DropoutScale::Test } if *rate > 0.0 => {
            let factor = format!("{name}.factor");
            graph.scalar(&factor, 1.0 - rate);
            graph.node("Mul", &[&current.name, &factor], &[output], Vec::new());
            current.form
        }
        // Nothing is left of it after training.
        Operation::Dropout { scale: DropoutScale::Test | DropoutScale::Train, .. } => return current.clone(),
    };
    Current { name: output.to_owned(), form }
}

fn convolution(g: &ConvGeometry) -> Vec<AttributeProto> {
    let mut attributes = window(&g.window(), g.input(), g.output());
    attributes.push(integer("group", g.groups()));
    attributes
}

fn pooling(kind: PoolKind, g: &PoolGeometry) -> (&'static str, Vec<AttributeProto>) {
    let mut attributes = window(&g.window(), g.input(), g.output());
    match kind {
        PoolKind::Max => ("MaxPool", attributes),
        PoolKind::Average => {
            attributes.push(integer("count_include_pad", 0));
            ("AveragePool", attributes)
        }
    }
}
