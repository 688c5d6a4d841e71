//! Named tensors, as in a model file.

use crate::net::Network;
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

/// Checks that `tensors` are the network's weights and biases, in network order, and finite.
///
/// # Errors
/// Returns an error that names the first tensor that is missing, unknown, has the wrong shape, or is non-finite.
pub(crate) fn check(network: &Network, tensors: &[Tensor]) -> Result<()> {
    let expected = network.layers.iter().filter_map(|layer| Some((layer, layer.parameter_shapes()?)));
    let expected: Vec<(String, Vec<usize>)> = expected
        .flat_map(|(layer, (weights, biases))| {
            [(format!("{}.weight", layer.name), weights), (format!("{}.bias", layer.name), biases)]
        })
        .collect();
    for (i, (name, shape)) in expected.iter().enumerate() {
        let Some(tensor) = tensors.get(i).filter(|tensor| tensor.name == *name) else {
            let found = tensors.get(i).map_or("nothing".to_owned(), |tensor| format!("`{}`", tensor.name));
            return Err(Error::model(format!(
                "tensor `{name}` of shape {shape:?} is missing: {found} is in its place"
            )));
        };
        if tensor.shape != *shape || tensor.data.len() != shape.iter().product::<usize>() {
            return Err(Error::model(format!(
                "tensor `{name}` has shape {:?} and {} values; the network needs {shape:?}",
                tensor.shape,
                tensor.data.len()
            )));
        }
        if let Some(at) = tensor.data.iter().position(|value| !value.is_finite()) {
            return Err(Error::model(format!("tensor `{name}` holds {} at position {at}", tensor.data[at])));
        }
    }
    match tensors.get(expected.len()) {
        Some(extra) => Err(Error::model(format!("tensor `{}` does not belong to the network", extra.name))),
        None => Ok(()),
    }
}
