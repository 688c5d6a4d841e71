//! Recipes.

use std::path::PathBuf;

use pyo3::prelude::*;

use alexnet::net::{Network, RecipeUse, show};

use crate::failure::Outcome;
use crate::options::{Whole, whole};
use crate::values::to_python;

/// The most classes, as in recipes.
const MAX_CLASSES: usize = 1 << 20;

/// A recipe, which does not change.
#[pyclass(frozen, module = "alexnet._native")]
pub(crate) struct Recipe {
    pub(crate) recipe: alexnet::net::Recipe,
}

#[pymethods]
impl Recipe {
    /// The names of the built-in recipes.
    #[staticmethod]
    fn names() -> Vec<&'static str> {
        alexnet::net::Recipe::builtin_names().collect()
    }

    /// The built-in recipe of a name, or the one in the file at a path.
    #[staticmethod]
    fn load(name_or_path: &str) -> Outcome<Self> {
        Ok(Self { recipe: alexnet::net::Recipe::load(name_or_path)? })
    }

    /// The recipe in a file.
    #[staticmethod]
    fn read(path: PathBuf) -> Outcome<Self> {
        Ok(Self { recipe: alexnet::net::Recipe::read(&path)? })
    }

    /// The recipe of a TOML text.
    #[staticmethod]
    fn parse(text: &str) -> Outcome<Self> {
        Ok(Self { recipe: alexnet::net::Recipe::parse(text, "the recipe")? })
    }

    /// The recipe with settings, and the settings that it had already. In `training`, settings without effect are errors.
    fn with_settings(&self, settings: Vec<(String, String)>, training: bool) -> Outcome<(Self, Vec<String>)> {
        let mut recipe = self.recipe.clone();
        let pairs = || settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let unchanged = recipe.set_all(pairs())?;
        let usage = if training { RecipeUse::Training } else { RecipeUse::Display };
        recipe.check_effect(pairs().map(|(key, _)| key), usage)?;
        Ok((Self { recipe }, unchanged))
    }

    #[getter]
    fn name(&self) -> &str {
        &self.recipe.name
    }

    #[getter]
    fn summary(&self) -> &str {
        &self.recipe.summary
    }

    /// The recipe as TOML.
    fn to_toml(&self) -> String {
        self.recipe.to_toml()
    }

    /// The table of layers for a number of classes, by default that of the recipe, as `alexnet recipe show --json` prints it.
    fn describe<'py>(&self, py: Python<'py>, classes: Option<Whole>) -> Outcome<Bound<'py, PyAny>> {
        let classes = classes.map(|classes| whole("classes", classes, 1, MAX_CLASSES)).transpose()?;
        let network = Network::new(&self.recipe, classes.unwrap_or(self.recipe.classes))?;
        Ok(to_python(py, &show::json(&self.recipe, &network))?)
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.recipe == other.recipe
    }
}
