//! The recipe of an imported network.

use std::rc::Rc;

use super::chain::Chain;
use super::options::ChannelOrder;
use super::problem::Supported;
use super::signal::{FoundLayer, FoundParameters};
use crate::engine::Tensor;
use crate::error::Kind;
use crate::net::{ConvSpec, Difference, DropoutScale, Layer, LayerSpec, Network, Recipe, Spec};
use crate::{Error, Result};

/// The recipe of a graph: its layers, with everything else from `base`.
pub(super) fn of_graph(chain: &Chain, base: Recipe, name: &str) -> Result<Recipe> {
    let recipe = Recipe {
        name: name.to_owned(),
        summary: "imported from ONNX".to_owned(),
        source: format!("the graph of {name}, with the training settings of the recipe {}", base.name),
        classes: chain.outputs,
        differences: vec![Difference {
            what: "Layers: those of the imported graph".to_owned(),
            why: "The weights were trained with them".to_owned(),
        }],
        edits: Vec::new(),
        layers: named(chain.layers.iter().map(|layer| &layer.spec)),
        ..base
    };
    // The checks of any recipe: ranges, and whether the layers fit their inputs.
    let as_model = |error: Error| Error { kind: Kind::Model, ..error };
    let recipe = Recipe::parse(&recipe.to_toml(), "the imported network").map_err(as_model)?;
    Network::new(&recipe, recipe.classes).map_err(as_model)?;
    Ok(recipe)
}

/// Layers named by kind and depth: `conv1`, `relu1`, `pool1` to `fc8`.
fn named<'a>(specs: impl Iterator<Item = &'a Spec>) -> Vec<LayerSpec> {
    let mut layers: Vec<LayerSpec> = Vec::new();
    let mut depth = 0;
    for spec in specs {
        depth += usize::from(spec.weights().is_some());
        let prefix = match spec {
            Spec::Conv(_) => "conv",
            Spec::Local(_) => "local",
            Spec::Fc { .. } => "fc",
            Spec::MaxPool(_) | Spec::AvgPool(_) => "pool",
            Spec::Lrn { .. } | Spec::MapNorm { .. } => "norm",
            Spec::Relu {} => "relu",
            Spec::Tanh {} => "tanh",
            Spec::Logistic {} => "logistic",
            Spec::Dropout { .. } => "drop",
        };
        let numbered = format!("{prefix}{depth}");
        let names = std::iter::once(numbered.clone()).chain((2..).map(|n| format!("{numbered}-{n}")));
        let is_free = |name: &String| layers.iter().all(|layer| layer.name != *name);
        let name = names.into_iter().find(is_free).unwrap_or(numbered);
        layers.push(LayerSpec { name, spec: spec.clone() });
    }
    layers
}

/// The parameters of a network whose layers with weights are those of the chain.
pub(super) fn parameters(chain: Chain, network: &Network) -> Vec<Tensor> {
    let found = chain.layers.into_iter().filter_map(|layer| layer.parameters);
    let layers = network.layers.iter().filter_map(|layer| Some((layer, layer.parameter_shapes()?)));
    let owned = |data: Rc<Vec<f32>>| Rc::try_unwrap(data).unwrap_or_else(|shared| shared.to_vec());
    let tensors = |((layer, (weights, biases)), found): ((&Layer, _), FoundParameters)| {
        let tensor = |name, shape, data| Tensor { name, shape, data: owned(data) };
        [tensor(layer.weight_name(), weights, found.weights), tensor(layer.bias_name(), biases, found.biases)]
    };
    layers.zip(found).flat_map(tensors).collect()
}

/// Exchanges the first and the last channel of the network's input, which is red and blue, in the first layer's weights.
pub(super) fn exchange_red_and_blue(chain: &mut Chain, order: ChannelOrder) -> Supported<()> {
    match order {
        ChannelOrder::Rgb => return Ok(()),
        ChannelOrder::Bgr => {}
    }
    let pixels = chain.input.pixels();
    let first = chain.layers.first_mut();
    let (parameters, area) = match first {
        Some(FoundLayer { spec: Spec::Conv(conv), parameters: Some(parameters) }) if conv.groups == 1 => {
            (parameters, conv.kernel * conv.kernel)
        }
        Some(FoundLayer { spec: Spec::Fc { .. }, parameters: Some(parameters) }) => (parameters, pixels),
        Some(_) | None => {
            return Err(
                "the first layer is no convolution without groups, whose channels can be exchanged".into()
            );
        }
    };
    for kernel in Rc::make_mut(&mut parameters.weights).chunks_exact_mut(3 * area) {
        let (blue, rest) = kernel.split_at_mut(area);
        blue.swap_with_slice(&mut rest[area..]);
    }
    Ok(())
}

/// Whether a recipe computes the same as the layers of a chain. Dropout that scales in training computes nothing in inference.
pub(super) fn is_same_function(chain: &Chain, recipe: &Recipe) -> bool {
    let is_computed = |spec: &&Spec| !matches!(spec, Spec::Dropout { scale: DropoutScale::Train, .. });
    let found: Vec<&Spec> = chain.layers.iter().map(|layer| &layer.spec).filter(is_computed).collect();
    let declared: Vec<&Spec> = recipe.layers.iter().map(|layer| &layer.spec).filter(is_computed).collect();
    let Ok(network) = Network::new(recipe, chain.outputs) else { return false };
    network.input == chain.input
        && found.len() == declared.len()
        && found.iter().zip(declared).all(|(found, declared)| computes_same(found, declared, chain.outputs))
}

fn computes_same(found: &Spec, declared: &Spec, outputs: usize) -> bool {
    // What was written in single precision.
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs();
    let mean = |alpha: f64, size: usize, over_size: bool| if over_size { alpha } else { alpha * size as f64 };
    match (found, declared) {
        (Spec::Conv(found), Spec::Conv(declared)) | (Spec::Local(found), Spec::Local(declared)) => {
            let window =
                |conv: &ConvSpec| (conv.maps, conv.kernel, conv.stride, conv.pad, conv.groups, conv.rounding);
            window(found) == window(declared)
        }
        (Spec::Fc { units: found, .. }, Spec::Fc { units: declared, .. }) => {
            found.unwrap_or(outputs) == declared.unwrap_or(outputs)
        }
        (Spec::MaxPool(found), Spec::MaxPool(declared)) | (Spec::AvgPool(found), Spec::AvgPool(declared)) => {
            found == declared
        }
        (
            Spec::Lrn { size, alpha, beta, k, alpha_over_size, groups },
            Spec::Lrn {
                size: other_size,
                alpha: other_alpha,
                beta: other_beta,
                k: other_k,
                alpha_over_size: other_over_size,
                groups: other_groups,
            },
        ) => {
            let (alpha, other) =
                (mean(*alpha, *size, *alpha_over_size), mean(*other_alpha, *other_size, *other_over_size));
            (size, groups) == (other_size, other_groups)
                && close(alpha, other)
                && close(*beta, *other_beta)
                && close(*k, *other_k)
        }
        (
            Spec::MapNorm { size, alpha, beta },
            Spec::MapNorm { size: other_size, alpha: other_alpha, beta: other_beta },
        ) => size == other_size && close(*alpha, *other_alpha) && close(*beta, *other_beta),
        (Spec::Dropout { rate, .. }, Spec::Dropout { rate: other, .. }) => (rate - other).abs() < 1e-6,
        (Spec::Relu {}, Spec::Relu {})
        | (Spec::Tanh {}, Spec::Tanh {})
        | (Spec::Logistic {}, Spec::Logistic {}) => true,
        (
            Spec::Conv(_)
            | Spec::Local(_)
            | Spec::Fc { .. }
            | Spec::MaxPool(_)
            | Spec::AvgPool(_)
            | Spec::Lrn { .. }
            | Spec::MapNorm { .. }
            | Spec::Relu {}
            | Spec::Tanh {}
            | Spec::Logistic {}
            | Spec::Dropout { .. },
            _,
        ) => false,
    }
}
