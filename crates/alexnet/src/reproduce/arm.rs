//! An arm: a recipe with named edits.

use std::fmt;

use super::experiment::Experiment;
use crate::net::Recipe;
use crate::{Error, Result};

/// The name of the arm without edits.
pub const CONTROL: &str = "control";

/// A change of a recipe, as for `--set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What to change.
    pub key: String,
    /// The new value; `none` removes a layer.
    pub value: String,
}

impl Setting {
    pub(super) fn new(key: impl Into<String>, value: impl ToString) -> Self {
        Self { key: key.into(), value: value.to_string() }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// A recipe with named edits.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The name, which is also the name of its folder.
    pub name: String,
    /// What differs from the control.
    pub edits: Vec<Setting>,
    /// The edited recipe.
    pub recipe: Recipe,
}

impl Arm {
    /// The recipe without edits.
    pub fn control(recipe: &Recipe) -> Self {
        Self { name: CONTROL.to_owned(), edits: Vec::new(), recipe: recipe.clone() }
    }

    /// A recipe with edits.
    ///
    /// # Errors
    /// Returns an error if the recipe does not allow an edit.
    pub fn new(name: impl Into<String>, recipe: &Recipe, edits: Vec<Setting>) -> Result<Self> {
        let mut edited = recipe.clone();
        edited.set_all(edits.iter().map(|edit| (edit.key.as_str(), edit.value.as_str())))?;
        Ok(Self { name: name.into(), edits, recipe: edited })
    }
}

/// The error for a recipe that lacks what an experiment removes.
pub(super) fn lacks(recipe: &Recipe, experiment: Experiment, ingredient: &str) -> Error {
    let (name, recipe) = (experiment.name(), &recipe.name);
    Error::usage(format!("experiment `{name}`: recipe `{recipe}` has no {ingredient}"))
        .help("use a recipe with every ingredient: `--recipe cifar-paper`; or leave this experiment out")
}
