//! A network with its weights, as another program stored it, in this program's terms.

use std::collections::HashMap;

use crate::data::{Image, Preprocess};
use crate::engine::{self, Device, Options, Tensor};
use crate::model::{Golden, Model, Summary};
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// A network with its weights, as another program stored it, in this program's terms: what every reader of a format returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The network and, as far as the file says, how to train it.
    pub recipe: Recipe,
    /// The class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// How an image becomes the input of the network.
    pub preprocess: Preprocess,
    /// The weights and biases, first layer first.
    pub parameters: Vec<Tensor>,
    /// What was assumed, converted, or left out, a sentence each, for the user.
    pub notes: Vec<String>,
}

impl Imported {
    /// Builds the model, with the logits that this program computes for `squares` as golden samples. `source` says where the
    /// weights come from.
    ///
    /// # Errors
    /// Returns an error if the layers do not fit each other, if the parameters do not fit the layers, or if an engine fails.
    pub fn into_model(self, squares: Vec<Image>, source: String) -> Result<Model> {
        let Self { recipe, classes, preprocess, parameters, notes: _ } = self;
        let network = Network::new(&recipe, classes.len())?;
        let threads = 1;
        let mut engine =
            engine::open(Device::Cpu, network, &Options::inference(squares.len().max(1), threads))?;
        engine.load(&parameters)?;
        let golden = Golden::record(&mut *engine, &preprocess, squares)?;
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let summary = Summary { program, data: source, ..Summary::default() };
        Ok(Model { recipe, classes, preprocess, parameters, summary, golden })
    }
}

/// Puts tensors into the order of the network. Their names are those of [`crate::net::Layer::weight_name`] and
/// [`crate::net::Layer::bias_name`].
///
/// # Errors
/// Returns an error that names the first tensor that is missing, has another shape, is non-finite, or belongs to no layer.
pub fn arrange(network: &Network, tensors: Vec<Tensor>) -> Result<Vec<Tensor>> {
    let mut by_name: HashMap<String, Tensor> =
        tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let shapes = network.layers.iter().filter_map(|layer| Some((layer, layer.parameter_shapes()?)));
    let expected = shapes
        .flat_map(|(layer, (weights, biases))| [(layer.weight_name(), weights), (layer.bias_name(), biases)]);
    let mut arranged = Vec::new();
    for (name, shape) in expected {
        let tensor = by_name
            .remove(&name)
            .ok_or_else(|| Error::model(format!("missing tensor `{name}` of shape {shape:?}")))?;
        arranged.push(tensor);
    }
    if let Some(extra) = by_name.keys().min() {
        return Err(Error::model(format!("tensor `{extra}` does not belong to any layer")));
    }
    engine::check_tensors(network, &arranged)?;
    Ok(arranged)
}
