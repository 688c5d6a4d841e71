//! Loads recipes, built in or from files, and writes them as TOML.

use super::parse;
use super::reader::{Source, guess};
use super::recipe::Recipe;
use crate::{Error, Result};
use std::fs::File;
use std::io::Read;

/// Names and texts of the built-in recipes.
const BUILTIN: &[(&str, &str)] = &[
    ("paper", include_str!("../../recipes/paper.toml")),
    ("original-2012", include_str!("../../recipes/original-2012.toml")),
    ("caffe", include_str!("../../recipes/caffe.toml")),
    ("caffenet", include_str!("../../recipes/caffenet.toml")),
    ("torchvision", include_str!("../../recipes/torchvision.toml")),
    ("small", include_str!("../../recipes/small.toml")),
    ("fashion-mnist", include_str!("../../recipes/fashion-mnist.toml")),
    ("cifar-18pct", include_str!("../../recipes/cifar-18pct.toml")),
    ("cifar-13pct", include_str!("../../recipes/cifar-13pct.toml")),
    ("cifar-11pct", include_str!("../../recipes/cifar-11pct.toml")),
    ("cifar-paper", include_str!("../../recipes/cifar-paper.toml")),
    ("four-layer-relu", include_str!("../../recipes/four-layer-relu.toml")),
    ("four-layer-tanh", include_str!("../../recipes/four-layer-tanh.toml")),
];

/// The largest recipe file that is read, in bytes. The built-in ones are below 10 KB.
const MAX_FILE: u64 = 1 << 20;

impl Recipe {
    /// Returns the names of the built-in recipes, starting with `paper`.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// Returns the text of a built-in recipe, with its comments.
    pub fn builtin_text(name: &str) -> Option<&'static str> {
        BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// Loads the built-in recipe with that name, or else the recipe in the file at that path.
    ///
    /// # Errors
    /// Returns an error if neither exists, or if the file cannot be read or parsed.
    pub fn load(name_or_path: &str) -> Result<Self> {
        if let Some(text) = Self::builtin_text(name_or_path) {
            return Self::parse(text, &format!("recipes/{name_or_path}.toml"));
        }
        let path = std::path::Path::new(name_or_path);
        let looks_like_a_path = name_or_path.ends_with(".toml") || name_or_path.contains(['/', '\\']);
        if !path.is_file() && !looks_like_a_path {
            return Err(unknown_name(name_or_path));
        }
        Self::read(path)
    }

    /// Reads a recipe from a file.
    ///
    /// # Errors
    /// See [`Recipe::load`].
    pub fn read(path: &std::path::Path) -> Result<Self> {
        let shown = path.display().to_string();
        let mut text = String::new();
        // A pipe does not know its size.
        let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
        if read.map_err(|e| unreadable(&shown, &e))? as u64 > MAX_FILE {
            return Err(Error::usage(format!(
                "{shown} is too large, expected a recipe of at most {MAX_FILE} bytes"
            ))
            .help("specify a recipe file, or a name from `alexnet recipe list`"));
        }
        Self::parse(&text, &shown)
    }

    /// Parses a recipe from TOML. `origin` names the text in messages, such as its file name.
    ///
    /// # Errors
    /// Returns an error if the text is not valid TOML, if a key is unknown or missing, or if a value is out of range. The
    /// message states the line, key and value; the help says what to write.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        parse::recipe(&Source { origin, text, lines: true })
    }

    /// Formats the recipe as TOML, with all default values. [`Recipe::parse`] restores it exactly.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("recipes consist of strings, numbers and tables")
    }

    /// Converts the recipe to TOML values. By way of the text, so that 0.1 in single precision stays 0.1.
    pub(super) fn to_table(&self) -> toml::Table {
        self.to_toml().parse().expect("recipes are written as valid TOML")
    }
}

fn unknown_name(name: &str) -> Error {
    let names: Vec<&str> = Recipe::builtin_names().collect();
    let guess = guess(name, names.iter().copied());
    Error::usage(format!("no recipe or file is named `{name}`"))
        .help(format!("{guess}Built-in recipes: {}", names.join(", ")))
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::usage(format!("{path}: cannot read the recipe: {error}"))
        .help("specify a recipe file, or a name from `alexnet recipe list`")
}
