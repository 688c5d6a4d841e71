//! Changing single values of a recipe: `--set KEY=VALUE`.

use toml::{Table, Value};

use super::parse;
use super::reader::{Source, current_key, guess, unknown_key};
use super::recipe::Recipe;
use crate::{Error, Result};

/// What removes a value, or a whole layer.
const NONE: &str = "none";

impl Recipe {
    /// Changes one value: `set("optimizer.rate", "0.001")`, `set("layer.conv1.groups", "1")`. Layers go by their
    /// names, several at once between commas. `none` removes an optional value, as in
    /// `set("schedule.plateau", "none")`, or a whole layer, as in `set("layer.norm1,norm2", "none")`.
    ///
    /// # Errors
    /// As [`Recipe::set_all`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.set_all([(key, value)]).map(drop)
    }

    /// Changes several values and then checks the whole, so that values which depend on each other can change
    /// together. Gives the settings that changed nothing, as `KEY=VALUE`: the recipe had those values already.
    ///
    /// # Errors
    /// As [`Recipe::parse`], and when a setting would undo one before it; the recipe is then unchanged.
    pub fn set_all<'a>(
        &mut self,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<String>> {
        let before = self.to_table();
        let mut document = before.clone();
        let mut made: Vec<(String, String)> = Vec::new();
        for (key, value) in settings {
            let setting = format!("--set {key}={value}");
            for key in each_layer(key) {
                check_undone(&made, &key)
                    .and_then(|()| place(&mut document, &key, value))
                    .map_err(|error| error.context(&setting))?;
                made.push((key, setting.clone()));
            }
        }
        let mut origin: Vec<&str> = made.iter().map(|(_, setting)| setting.as_str()).collect();
        origin.dedup();
        let text = document.to_string();
        let changed = parse::recipe(&Source { origin: &origin.join(" "), text: &text, lines: false })?;
        let after = changed.to_table();
        let same = |key: &str| find(&before, key) == find(&after, key);
        let mut unchanged: Vec<String> = Vec::new();
        for setting in origin {
            let mut keys = made.iter().filter(|(_, other)| other == setting);
            if keys.all(|(key, _)| same(key)) {
                unchanged.push(setting.trim_start_matches("--set ").to_owned());
            }
        }
        *self = changed;
        Ok(unchanged)
    }
}

/// `layer.norm1,norm2.size` means `layer.norm1.size` and `layer.norm2.size`.
fn each_layer(key: &str) -> Vec<String> {
    match key.strip_prefix("layer.") {
        Some(rest) if rest.contains(',') => {
            let (names, inner) = rest.find('.').map_or((rest, ""), |dot| rest.split_at(dot));
            names.split(',').map(|name| format!("layer.{}{inner}", name.trim())).collect()
        }
        _ => vec![current_key(key)],
    }
}

/// Refuses a setting that leaves nothing of one before it.
fn check_undone(made: &[(String, String)], key: &str) -> Result<()> {
    let undone =
        |other: &str| other.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match made.iter().find(|(other, _)| undone(other)) {
        None => Ok(()),
        Some((_, before)) => Err(Error::usage(format!("`{key}` is set twice, so `{before}` has no effect"))
            .help("keep one of the two")),
    }
}

/// Puts `value` at the dotted `key`. Whether a key that gets a value is known is for the parser to say.
fn place(document: &mut Table, key: &str, value: &str) -> Result<()> {
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(Error::usage(format!("the key is `{key}`, expected names between dots"))
            .help("for example `--set optimizer.rate=0.001`"));
    }
    match (&parts[..], value) {
        (["layer", name], NONE) => remove_layer(document, name),
        (["layer", name], _) => {
            layer_table(document, name)?;
            Err(Error::usage(format!("`{key}` is a layer, not a value")).help(format!(
                "set one of its values, as in `{key}.kind`, or remove the layer: `--set {key}=none`"
            )))
        }
        (["layer", name, path @ .., last], NONE) => {
            let layer = layer_table(document, name)?;
            let kind = layer.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            let prefix = format!("layer.{name}.");
            remove(layer, &prefix, path, last, &|path| parse::layer_keys(&kind, path))
        }
        ([path @ .., last], NONE) => remove(document, "", path, last, &parse::keys),
        (["layer", name, path @ .., last], _) => insert(layer_table(document, name)?, path, last, value),
        ([path @ .., last], _) => insert(document, path, last, value),
        ([], _) => unreachable!("splitting gives at least one part"),
    }
}

/// Puts a value into the table at `path`, which is made where it is missing.
fn insert(mut table: &mut Table, path: &[&str], last: &str, value: &str) -> Result<()> {
    for part in path {
        let inner = table.entry(*part).or_insert_with(|| Value::Table(Table::new()));
        // `init = "he"` becomes a table when `init.normal` is set.
        if !inner.is_table() && matches!(*part, "init" | "mean") {
            *inner = Value::Table(Table::new());
        }
        table = inner.as_table_mut().ok_or_else(|| {
            Error::usage(format!("`{part}` is a value and has no `{last}`"))
                .help(format!("`--set` the value of `{part}` itself"))
        })?;
    }
    // What is not TOML is a word without its quotes: `--set input.mean=channels`.
    let parsed = value.parse().unwrap_or_else(|_| Value::String(value.to_string()));
    table.insert(last.to_string(), parsed);
    Ok(())
}

/// Removes a value from the table at `path`. One that is not there needs no removing, as long as `keys` knows it.
fn remove(
    mut table: &mut Table,
    prefix: &str,
    path: &[&str],
    last: &str,
    keys: &dyn Fn(&[&str]) -> Option<&'static [&'static str]>,
) -> Result<()> {
    let whole: Vec<&str> = path.iter().copied().chain([last]).collect();
    for depth in 0..whole.len() {
        match keys(&whole[..depth]) {
            Some(known) if known.contains(&whole[depth]) => {}
            Some(known) => return Err(unknown_key(&format!("{prefix}{}", whole[..=depth].join(".")), known)),
            None => {
                let value = format!("{prefix}{}", whole[..depth].join("."));
                return Err(Error::usage(format!("`{value}` is a value and has no `{}`", whole[depth]))
                    .help(format!("`--set` the value of `{value}` itself")));
            }
        }
    }
    for part in path {
        match table.get_mut(*part).and_then(Value::as_table_mut) {
            Some(inner) => table = inner,
            None => return Ok(()),
        }
    }
    table.remove(last);
    Ok(())
}

/// Removes a layer: what entered it enters the next one.
fn remove_layer(document: &mut Table, name: &str) -> Result<()> {
    let layer = layer_table(document, name)?;
    let is_head = layer.get("kind").and_then(Value::as_str) == Some("fc") && !layer.contains_key("units");
    if is_head {
        return Err(Error::usage(format!("layer `{name}` cannot be removed: its outputs are the classes"))
            .help("remove a layer before it; `alexnet recipe show` lists them"));
    }
    if let Some(layers) = document.get_mut("layer").and_then(Value::as_array_mut) {
        layers.retain(|layer| named(layer) != Some(name));
    }
    Ok(())
}

/// The table of the layer called `name`.
fn layer_table<'t>(document: &'t mut Table, name: &str) -> Result<&'t mut Table> {
    let layers =
        document.get_mut("layer").and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default();
    let Some(at) = layers.iter().position(|layer| named(layer) == Some(name)) else {
        let names: Vec<&str> = layers.iter().filter_map(named).collect();
        let guess = guess(name, names.iter().copied());
        return Err(Error::usage(format!("no layer is called `{name}`"))
            .help(format!("{guess}The layers are {}", names.join(", "))));
    };
    layers[at].as_table_mut().ok_or_else(|| Error::usage(format!("layer `{name}` is no table")))
}

/// The name of a layer's table.
fn named(layer: &Value) -> Option<&str> {
    layer.get("name")?.as_str()
}

/// The value at a dotted key, if there is one.
fn find<'t>(document: &'t Table, key: &str) -> Option<&'t Value> {
    let mut parts = key.split('.');
    let first = parts.next()?;
    let mut value = match first {
        "layer" => {
            let name = parts.next();
            document.get(first)?.as_array()?.iter().find(|layer| named(layer) == name)?
        }
        _ => document.get(first)?,
    };
    for part in parts {
        value = value.get(part)?;
    }
    Some(value)
}
