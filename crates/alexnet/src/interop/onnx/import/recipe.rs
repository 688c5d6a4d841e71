//! The recipe of an imported network.

use std::rc::Rc;

use super::chain::Chain;
use super::options::ChannelOrder;
use super::problem::Supported;
use super::signal::{FoundLayer, FoundParameters};
use crate::engine::Tensor;
use crate::error::Kind;
use crate::net::{Difference, Layer, LayerSpec, Network, Recipe, Spec};
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
