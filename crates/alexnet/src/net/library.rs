//! Where recipes come from and go to: the built-in ones, files, TOML text.

use super::parse;
use super::reader::{Source, guess};
use super::recipe::Recipe;
use crate::{Error, Result};

/// The built-in recipes: name and text, the paper's first.
const BUILTIN: &[(&str, &str)] = &[
    ("paper", include_str!("../../../../recipes/paper.toml")),
    ("original-2012", include_str!("../../../../recipes/original-2012.toml")),
    ("caffe", include_str!("../../../../recipes/caffe.toml")),
    ("caffenet", include_str!("../../../../recipes/caffenet.toml")),
    ("torchvision", include_str!("../../../../recipes/torchvision.toml")),
    ("small", include_str!("../../../../recipes/small.toml")),
    ("fashion-mnist", include_str!("../../../../recipes/fashion-mnist.toml")),
    ("cifar-18pct", include_str!("../../../../recipes/cifar-18pct.toml")),
    ("cifar-13pct", include_str!("../../../../recipes/cifar-13pct.toml")),
    ("cifar-11pct", include_str!("../../../../recipes/cifar-11pct.toml")),
    ("four-layer-relu", include_str!("../../../../recipes/four-layer-relu.toml")),
    ("four-layer-tanh", include_str!("../../../../recipes/four-layer-tanh.toml")),
];

/// The largest recipe file that is read; the built-in ones are below 10 KB.
const LARGEST_FILE: u64 = 1 << 20;

impl Recipe {
    /// Names of the built-in recipes, the paper's first.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// The commented text of a built-in recipe, as in `recipes/`.
    pub fn builtin_text(name: &str) -> Option<&'static str> {
        BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// The built-in recipe of that name, else the recipe in the file of that path.
    ///
    /// # Errors
    /// When there is neither, or the file cannot be read, or it is not a recipe.
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

    /// Reads a recipe's file.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn read(path: &std::path::Path) -> Result<Self> {
        let shown = path.display().to_string();
        let size = std::fs::metadata(path).map_err(|e| unreadable(&shown, &e))?.len();
        if size > LARGEST_FILE {
            return Err(Error::usage(format!(
                "{shown}: {size} bytes, expected a recipe of at most {LARGEST_FILE}"
            ))
            .help("name a recipe's TOML file, or one of `alexnet recipe list`"));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(&shown, &e))?;
        Self::parse(&text, &shown)
    }

    /// Reads a recipe from TOML. `origin` is what messages call the text: its file's name.
    ///
    /// # Errors
    /// When the text is not TOML, a key is unknown or missing, or a value is out of range: the message names
    /// origin, line, key and value, the help says what to write.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        parse::recipe(&Source { origin, text, lines: true })
    }

    /// The recipe as TOML, every value written out; [`Recipe::parse`] reads the same recipe back.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe holds strings, numbers and tables only")
    }

    /// The recipe as TOML values. By way of the text, which writes single precision as people do: 0.1.
    pub(super) fn to_table(&self) -> toml::Table {
        self.to_toml().parse().expect("a recipe's own text is TOML")
    }
}

fn unknown_name(name: &str) -> Error {
    let names: Vec<&str> = Recipe::builtin_names().collect();
    let guess = guess(name, names.iter().copied());
    Error::usage(format!("no recipe and no file is called `{name}`"))
        .help(format!("{guess}The built-in recipes are {}", names.join(", ")))
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::usage(format!("{path}: cannot read the recipe: {error}"))
        .help("name a recipe's TOML file, or one of `alexnet recipe list`")
}
