//! Named tensors, as in a model file.

use serde::{Deserialize, Serialize};

use crate::error::Kind;
use crate::net::{Layer, Network};
use crate::{Error, Result};

/// A named, row-major tensor in the layout of the model file (see [`crate::net::Layer::parameter_shapes`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The name: `conv1.weight`, `fc8.bias`.
    pub name: String,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The values: `shape.iter().product()` of them.
    pub data: Vec<f32>,
}

/// Which of a layer's values a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TensorKind {
    /// Weights and biases.
    Parameters,
    /// The gradients of the last step that kept them.
    Gradients,
    /// Momentum.
    Velocities,
}

/// The part of a layer that a tensor name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Weights,
    Biases,
}

/// Returns the names and shapes of a network's tensors, first layer first.
pub(crate) fn names(network: &Network) -> Vec<(String, Vec<usize>)> {
    let shapes = network.layers.iter().filter_map(|layer| Some((layer, layer.parameter_shapes()?)));
    shapes
        .flat_map(|(layer, (weights, biases))| [(layer.weight_name(), weights), (layer.bias_name(), biases)])
        .collect()
}

/// Returns the layer and the part that a tensor name refers to.
///
/// # Errors
/// Returns an error if the network has no tensor of this name.
pub(crate) fn locate(network: &Network, name: &str) -> Result<(usize, Part)> {
    let found = name.rsplit_once('.').and_then(|(layer, part)| {
        let part = match part {
            "weight" => Part::Weights,
            "bias" => Part::Biases,
            _ => return None,
        };
        let has_weights = |found: &Layer| found.name == layer && found.weights().is_some();
        Some((network.layers.iter().position(has_weights)?, part))
    });
    found.ok_or_else(|| Error::model(format!("tensor `{name}` does not belong to the network")))
}

/// Checks that a tensor is one of the network's, and finite.
///
/// # Errors
/// Returns an error that names the tensor.
pub(crate) fn check_one(network: &Network, tensor: &Tensor) -> Result<()> {
    let (layer, part) = locate(network, &tensor.name)?;
    match (network.layers[layer].parameter_shapes(), part) {
        (Some((shape, _)), Part::Weights) | (Some((_, shape)), Part::Biases) => check_values(tensor, &shape),
        (None, _) => Ok(()),
    }
}

fn check_values(tensor: &Tensor, shape: &[usize]) -> Result<()> {
    let name = &tensor.name;
    if tensor.shape != *shape || tensor.data.len() != shape.iter().product::<usize>() {
        let found = format!("shape {:?} and {} values", tensor.shape, tensor.data.len());
        let error = Error::shape(format!("tensor `{name}`"), found, format!("{shape:?}"));
        return Err(Error { kind: Kind::Model, ..error });
    }
    match tensor.data.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::model(format!(
            "tensor `{name}` has the value {} at position {at}, expected finite values",
            tensor.data[at]
        ))),
        None => Ok(()),
    }
}

/// Checks that `tensors` are the network's weights and biases, in network order, and finite.
///
/// # Errors
/// Returns an error that names the first tensor that is missing, unknown, has the wrong shape, or is non-finite.
pub(crate) fn check(network: &Network, tensors: &[Tensor]) -> Result<()> {
    let expected = names(network);
    for (i, (name, shape)) in expected.iter().enumerate() {
        let Some(tensor) = tensors.get(i).filter(|tensor| tensor.name == *name) else {
            let found = tensors.get(i).map_or("nothing".to_owned(), |tensor| format!("`{}`", tensor.name));
            return Err(Error::model(format!(
                "missing tensor `{name}` of shape {shape:?}: found {found} in its place"
            )));
        };
        check_values(tensor, shape)?;
    }
    match tensors.get(expected.len()) {
        Some(extra) => Err(Error::model(format!("tensor `{}` does not belong to the network", extra.name))),
        None => Ok(()),
    }
}
