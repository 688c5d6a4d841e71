//! Where recipes come from and go to: the built-in ones, files, TOML text, and `--set KEY=VALUE`.

use super::parse;
use super::reader::{Source, nearest};
use super::recipe::Recipe;
use crate::{Error, Result};

/// The built-in recipes: name and text, the paper's first.
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
    ("four-layer-relu", include_str!("../../recipes/four-layer-relu.toml")),
    ("four-layer-tanh", include_str!("../../recipes/four-layer-tanh.toml")),
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
        let size = std::fs::metadata(path).map_err(|e| unreadable(name_or_path, &e))?.len();
        if size > LARGEST_FILE {
            return Err(Error::usage(format!(
                "{name_or_path}: {size} bytes, expected a recipe of at most {LARGEST_FILE}"
            ))
            .help("name a recipe's TOML file, or one of `alexnet recipe list`"));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(name_or_path, &e))?;
        Self::parse(&text, name_or_path)
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

    /// Changes one value: `set("optimiser.rate", "0.001")`, `set("layer.conv1.groups", "1")`. Layers go by their
    /// names. `none` removes an optional value, as in `set("schedule.plateau", "none")`.
    ///
    /// # Errors
    /// As [`Recipe::parse`]; the recipe is then unchanged.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.set_all([(key, value)])
    }

    /// Changes several values and then checks the whole, so that values which depend on each other can change
    /// together.
    ///
    /// # Errors
    /// As [`Recipe::parse`]; the recipe is then unchanged.
    pub fn set_all<'a>(&mut self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let mut document = self.to_table();
        let mut origin = Vec::new();
        for (key, value) in settings {
            let setting = format!("--set {key}={value}");
            place(&mut document, key, value).map_err(|error| error.context(&setting))?;
            origin.push(setting);
        }
        let text = document.to_string();
        *self = parse::recipe(&Source { origin: &origin.join(" "), text: &text, lines: false })?;
        Ok(())
    }
}

/// Puts `value` at the dotted `key`. Whether the key is known is for the parser to say.
fn place(document: &mut toml::Table, key: &str, value: &str) -> Result<()> {
    let mut parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(Error::usage(format!("the key is `{key}`, expected names between dots"))
            .help("for example `--set optimiser.rate=0.001`"));
    }
    let last = parts.pop().unwrap_or_default();
    let mut table = document;
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        // Only the list of layers is an array of tables that has names: `layer.conv1.groups`.
        table = if part == "layer" {
            let name = parts.next().unwrap_or(last);
            layer_table(table, name)?
        } else {
            let inner = table.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            // `init = "he"` becomes a table when `init.normal` is set.
            if !inner.is_table() && matches!(part, "init" | "mean") {
                *inner = toml::Value::Table(toml::Table::new());
            }
            inner.as_table_mut().ok_or_else(|| {
                Error::usage(format!("`{part}` is a value and has no `{last}`"))
                    .help(format!("`--set` the value of `{part}` itself"))
            })?
        };
    }
    if value == "none" {
        table.remove(last);
    } else {
        // What is not TOML is a word without its quotes: `--set input.mean=channels`.
        let parsed = value.parse().unwrap_or_else(|_| toml::Value::String(value.to_string()));
        table.insert(last.to_string(), parsed);
    }
    Ok(())
}

/// The table of the layer called `name`.
fn layer_table<'t>(table: &'t mut toml::Table, name: &str) -> Result<&'t mut toml::Table> {
    let layers = table.get_mut("layer").and_then(toml::Value::as_array_mut);
    let tables = layers.into_iter().flatten().filter_map(toml::Value::as_table_mut);
    let mut named: Vec<(String, &mut toml::Table)> = tables
        .map(|table| (table.get("name").and_then(|n| n.as_str()).unwrap_or_default().to_string(), table))
        .collect();
    if let Some(i) = named.iter().position(|(known, _)| known == name) {
        return Ok(named.swap_remove(i).1);
    }
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    let guess =
        nearest(name, names.iter().copied()).map_or(String::new(), |g| format!("did you mean `{g}`? "));
    Err(Error::usage(format!("no layer is called `{name}`"))
        .help(format!("{guess}The layers are {}", names.join(", "))))
}

fn unknown_name(name: &str) -> Error {
    let names: Vec<&str> = Recipe::builtin_names().collect();
    let guess =
        nearest(name, names.iter().copied()).map_or(String::new(), |g| format!("did you mean `{g}`? "));
    Error::usage(format!("no recipe and no file is called `{name}`"))
        .help(format!("{guess}The built-in recipes are {}", names.join(", ")))
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::usage(format!("{path}: cannot read the recipe: {error}"))
        .help("name a recipe's TOML file, or one of `alexnet recipe list`")
}
