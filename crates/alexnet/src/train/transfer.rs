//! Starting from a model: which of its weights are used, and which are new.

use std::fmt;

use crate::engine::Tensor;
use crate::model::Model;
use crate::{Error, Result};

/// Initial parameters, with those of a model where they fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transfer {
    /// Weights and biases, first layer first.
    pub parameters: Vec<Tensor>,
    /// Names of the tensors from the model.
    pub loaded: Vec<String>,
    /// The other tensors.
    pub new: Vec<NewTensor>,
    /// Names of the model's tensors that are not used.
    pub unused: Vec<String>,
}

/// A tensor that does not come from the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTensor {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

impl Transfer {
    /// Replaces every tensor of `initial`, the network's initial parameters, by the tensor of `model` with the same name and
    /// shape. The last layer's are replaced only if its outputs mean the same `classes`.
    ///
    /// # Errors
    /// Returns an error if no tensor fits.
    pub fn new(model: &Model, classes: &[String], initial: Vec<Tensor>) -> Result<Self> {
        let head = initial.len().saturating_sub(2);
        let mut transfer = Self::default();
        for (i, tensor) in initial.into_iter().enumerate() {
            let name = tensor.name.clone();
            let found = model.parameters.iter().find(|other| other.name == name);
            let reason = match found {
                None => "not in the model".to_owned(),
                Some(other) if other.shape != tensor.shape => {
                    format!("shape {:?} in the model, {:?} here", other.shape, tensor.shape)
                }
                Some(_) if i >= head && model.classes != classes => "the model has other classes".to_owned(),
                Some(other) => {
                    transfer.parameters.push(other.clone());
                    transfer.loaded.push(name);
                    continue;
                }
            };
            transfer.parameters.push(tensor);
            transfer.new.push(NewTensor { name, reason });
        }
        let names: Vec<&str> = transfer.parameters.iter().map(|tensor| tensor.name.as_str()).collect();
        let unused = model.parameters.iter().map(|tensor| &tensor.name);
        transfer.unused = unused.filter(|name| !names.contains(&name.as_str())).cloned().collect();
        if transfer.loaded.is_empty() {
            let why = transfer.new.first().map_or(String::new(), NewTensor::to_string);
            return Err(Error::usage(format!("no tensor of the model fits the recipe: {why}"))
                .help("leave out --recipe to use the model's own recipe"));
        }
        Ok(transfer)
    }

    /// Describes the transfer, one message per line.
    pub fn messages(&self) -> Vec<String> {
        if self.loaded.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![format!("loaded from the model: {}", self.loaded.join(", "))];
        lines.extend(self.new.iter().map(|tensor| format!("initialized: {tensor}")));
        if !self.unused.is_empty() {
            lines.push(format!("unused tensors of the model: {}", self.unused.join(", ")));
        }
        lines
    }
}

impl fmt::Display for NewTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.reason)
    }
}
