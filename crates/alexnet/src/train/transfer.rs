//! Starting from a model: what of its weights is taken, and what is new.

use crate::engine::Tensor;
use crate::model::Model;
use crate::{Error, Result};

/// Initial parameters with those of a model in them, where they fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transfer {
    /// Weights and biases, first layer first.
    pub parameters: Vec<Tensor>,
    /// Names of those that were taken from the model.
    pub taken: Vec<String>,
    /// Names of those that were not, and why.
    pub fresh: Vec<(String, String)>,
    /// What the model has beside them.
    pub unused: Vec<String>,
}

impl Transfer {
    /// Takes every tensor of `model` that has the name and the shape of one of `fresh`, the new network's initial
    /// parameters. The last layer's are taken only if its outputs mean the same `classes`.
    ///
    /// # Errors
    /// When nothing fits.
    pub fn new(model: &Model, classes: &[String], fresh: Vec<Tensor>) -> Result<Self> {
        let head = fresh.len().saturating_sub(2);
        let mut transfer = Self::default();
        for (i, tensor) in fresh.into_iter().enumerate() {
            let name = tensor.name.clone();
            let found = model.parameters.iter().find(|other| other.name == name);
            let why = match found {
                None => "the model has none of that name".to_owned(),
                Some(other) if other.shape != tensor.shape => {
                    format!("{:?} in the model, {:?} here", other.shape, tensor.shape)
                }
                Some(_) if i >= head && model.classes != classes => {
                    "its outputs are other classes".to_owned()
                }
                Some(other) => {
                    transfer.parameters.push(other.clone());
                    transfer.taken.push(name);
                    continue;
                }
            };
            transfer.parameters.push(tensor);
            transfer.fresh.push((name, why));
        }
        let names: Vec<&str> = transfer.parameters.iter().map(|tensor| tensor.name.as_str()).collect();
        let unused = model.parameters.iter().map(|tensor| &tensor.name);
        transfer.unused = unused.filter(|name| !names.contains(&name.as_str())).cloned().collect();
        if transfer.taken.is_empty() {
            let (name, why) = transfer.fresh.first().cloned().unwrap_or_default();
            return Err(Error::usage(format!("nothing of the model fits the recipe: {name}: {why}"))
                .help("the model's own recipe: leave --recipe out"));
        }
        Ok(transfer)
    }

    /// What is told of it.
    pub fn told(&self) -> Vec<String> {
        if self.taken.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![format!("taken from the model: {}", self.taken.join(", "))];
        lines.extend(self.fresh.iter().map(|(name, why)| format!("new: {name}: {why}")));
        if !self.unused.is_empty() {
            lines.push(format!("not used of the model: {}", self.unused.join(", ")));
        }
        lines
    }
}
