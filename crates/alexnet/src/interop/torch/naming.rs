//! The names of a network's tensors in a state dict.

use crate::net::{Activation, DropoutScale, Layer, Network, Operation, Recipe};
use crate::{Error, Result};

/// How the tensors of a state dict are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// As in torchvision's `AlexNet`: `features.0.weight`, ..., `classifier.6.bias`.
    Torchvision,
    /// By the layers of the recipe: `conv1.weight`, ..., `fc8.bias`, as in model files and in `interop/alexnet_torch.py`.
    Recipe,
}

/// The parts of torchvision's `AlexNet` that have weights, in order.
const MODULES: [&str; 8] = [
    "features.0",
    "features.3",
    "features.6",
    "features.8",
    "features.10",
    "classifier.1",
    "classifier.4",
    "classifier.6",
];

/// The name of the recipe with torchvision's network.
pub(super) const TORCHVISION: &str = "torchvision";

impl Naming {
    /// The naming of these tensors, by their names.
    pub(super) fn of<'n>(mut names: impl Iterator<Item = &'n str>) -> Self {
        match names.any(|name| torchvision_position(name).is_some()) {
            true => Self::Torchvision,
            false => Self::Recipe,
        }
    }

    /// The modules with weights, in the order of the network, for these names of tensors.
    pub(super) fn modules<'n>(self, recipe: &Recipe, names: impl Iterator<Item = &'n str>) -> Vec<String> {
        match self {
            Self::Torchvision => {
                let mut modules: Vec<(Section, usize)> = names.filter_map(torchvision_position).collect();
                modules.sort_unstable();
                modules.dedup();
                modules.into_iter().map(|(section, at)| format!("{}.{at}", section.name())).collect()
            }
            Self::Recipe => {
                let with_weights = recipe.layers.iter().filter(|layer| layer.spec.weights().is_some());
                with_weights.map(|layer| layer.name.clone()).collect()
            }
        }
    }

    /// Whether a tensor belongs to one of the modules, by its name.
    pub(super) fn is_inside(self, modules: &[String], name: &str) -> bool {
        match self {
            Self::Torchvision => torchvision_position(name).is_some(),
            Self::Recipe => {
                let module = name.split('.').next();
                modules.iter().any(|known| Some(known.as_str()) == module)
            }
        }
    }

    /// The names that `network` is exported with: torchvision's if it computes the same.
    pub(super) fn of_export(network: &Network) -> (Self, Vec<String>) {
        match is_torchvision(network) {
            true => (Self::Torchvision, MODULES.map(str::to_owned).to_vec()),
            false => (Self::Recipe, with_weights(network).map(|layer| layer.name.clone()).collect()),
        }
    }
}

/// The layers with weights.
pub(super) fn with_weights(network: &Network) -> impl Iterator<Item = &Layer> {
    network.layers.iter().filter(|layer| layer.weights().is_some())
}

/// A part of torchvision's network, in the order in which they are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Features,
    Classifier,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::Classifier => "classifier",
        }
    }
}

/// The module of a tensor with one of torchvision's names, such as `features.0.weight`.
fn torchvision_position(name: &str) -> Option<(Section, usize)> {
    let mut parts = name.split('.');
    let section = match parts.next()? {
        "features" => Section::Features,
        "classifier" => Section::Classifier,
        _ => return None,
    };
    Some((section, parts.next()?.parse().ok()?))
}

/// Whether the network computes in inference what torchvision's does.
fn is_torchvision(network: &Network) -> bool {
    let recipe = Recipe::load(TORCHVISION);
    let theirs = recipe.and_then(|recipe| Network::new(&recipe, network.classes));
    let Ok(theirs) = theirs else { return false };
    let inference = |network: &Network| network.layers.iter().filter_map(computation).collect::<Vec<_>>();
    network.input == theirs.input && inference(network) == inference(&theirs)
}

/// What a layer computes in inference, without initial weights and learning rates; `None` if nothing.
fn computation(layer: &Layer) -> Option<Operation> {
    let weights = Default::default;
    match &layer.operation {
        Operation::Conv(geometry, _) => Some(Operation::Conv(*geometry, weights())),
        Operation::Local(geometry, _) => Some(Operation::Local(*geometry, weights())),
        Operation::Fc(geometry, _) => Some(Operation::Fc(*geometry, weights())),
        Operation::Dropout { scale: DropoutScale::Train, .. } => None,
        Operation::Dropout { rate: 0.0, .. } => None,
        Operation::Dropout { scale: DropoutScale::Test, .. }
        | Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(Activation::Relu | Activation::Tanh | Activation::Logistic) => {
            Some(layer.operation.clone())
        }
    }
}

/// The built-in recipes whose layers have tensors of these shapes, by name.
pub(super) fn recipes_with(shapes: &dyn Fn(&str) -> Option<Vec<usize>>) -> Vec<&'static str> {
    let fits = |name: &&str| -> Result<bool> {
        let recipe = Recipe::load(name)?;
        let head = recipe.layers.last().map_or("", |layer| layer.name.as_str());
        let Some(classes) = shapes(&format!("{head}.bias")).and_then(|shape| shape.first().copied()) else {
            return Ok(false);
        };
        let network = Network::new(&recipe, classes)?;
        Ok(with_weights(&network).all(|layer| {
            layer.parameter_shapes().is_some_and(|(weights, biases)| {
                shapes(&layer.weight_name()) == Some(weights) && shapes(&layer.bias_name()) == Some(biases)
            })
        }))
    };
    Recipe::builtin_names().filter(|name| fits(name).unwrap_or(false)).collect()
}

/// The error if a state dict with names of a recipe comes without one.
pub(super) fn recipe_needed(fitting: &[&str], names: &str) -> Error {
    match fitting {
        [first, ..] => Error::usage(format!(
            "the tensors fit a recipe ({}), but their names and shapes do not say what is computed between them",
            fitting.join(", ")
        ))
        .help(format!("add the recipe that the network was trained with, such as `--recipe {first}`")),
        [] => Error::model(format!(
            "the tensors are neither those of torchvision's AlexNet (`features.0.weight`, ..., `classifier.6.bias`) nor those \
             of a built-in recipe (`conv1.weight`, ..., `fc8.bias`): {names}"
        ))
        .help(
            "name the tensors by the layers of a recipe, and add it with `--recipe FILE`; in Python: \
             `torch.save({\"conv1.weight\": weights[\"layer1.0.weight\"], ...}, \"weights.pth\")`",
        ),
    }
}
