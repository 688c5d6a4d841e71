//! Changes single values of a recipe: `--set KEY=VALUE`.

use toml::{Table, Value};

use super::parse::{self, key};
use super::reader::{Source, canonical_key, guess, unknown_key};
use super::recipe::Recipe;
use crate::error::shell_word;
use crate::{Error, Result};

/// The value that removes a key, or a whole layer.
const NONE: &str = "none";

impl Recipe {
    /// Changes one value: `set("optimizer.rate", "0.001")`, `set("layer.conv1.groups", "1")`. Layers are identified by
    /// name; commas separate several. The value `none` removes an optional key, as in `set("schedule.plateau", "none")`,
    /// or a whole layer, as in `set("layer.norm1,norm2", "none")`.
    ///
    /// # Errors
    /// See [`Recipe::set_all`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.set_all([(key, value)]).map(drop)
    }

    /// Changes several values, and then checks the recipe, so that values which depend on each other can change together.
    /// Returns the settings that changed nothing, as `KEY=VALUE`: the recipe already had those values.
    ///
    /// # Errors
    /// Returns an error as [`Recipe::parse`] does, or if a setting overrides an earlier one. The recipe is then unchanged.
    pub fn set_all<'a>(
        &mut self,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<String>> {
        let before = self.to_table();
        let mut document = before.clone();
        let mut made: Vec<(String, String)> = Vec::new();
        for (key, value) in settings {
            let setting = format!("--set {key}={value}");
            for key in expand_layers(key) {
                check_not_overridden(&made, &key, &document)
                    .and_then(|()| place(&mut document, &key, value))
                    .map_err(|error| error.context(&setting))?;
                made.push((key, setting.clone()));
            }
        }
        let mut origin: Vec<&str> = made.iter().map(|(_, setting)| setting.as_str()).collect();
        origin.dedup();
        let text = document.to_string();
        let joined = origin.join(" ");
        let changed = parse::recipe(&Source { origin: &joined, text: &text, lines: false })
            .map_err(|error| as_settings(error, &joined, &made, &before))?;
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

/// Makes an error of the parser name the setting that it is about instead of all of them, `joined`, and show another value of it
/// as users set it: that of the recipe `before`, if it is a number.
fn as_settings(error: Error, joined: &str, made: &[(String, String)], before: &Table) -> Error {
    let about = made.iter().find(|(key, _)| error.message.contains(&format!("`{key}` is ")));
    let Some((key, setting)) = about else { return error };
    let message = match error.message.strip_prefix(joined) {
        Some(rest) => format!("{setting}{rest}"),
        None => error.message.clone(),
    };
    let example = |help: &str| {
        let (_, value) = help.strip_prefix("write `")?.strip_suffix('`')?.split_once(" = ")?;
        let value = match find(before, key) {
            Some(number @ (Value::Integer(_) | Value::Float(_))) => number.to_string(),
            _ => value.trim_matches('"').to_owned(),
        };
        Some(format!("for example `--set {}`", shell_word(format!("{key}={value}"))))
    };
    let help = error.help.as_deref().map(|help| example(help).unwrap_or_else(|| help.to_owned()));
    Error { message, help, ..error }
}

/// Expands `layer.norm1,norm2.size` to `layer.norm1.size` and `layer.norm2.size`.
fn expand_layers(key: &str) -> Vec<String> {
    match key.strip_prefix("layer.") {
        Some(rest) if rest.contains(',') => {
            let (names, inner) = rest.find('.').map_or((rest, ""), |dot| rest.split_at(dot));
            names.split(',').map(|name| format!("layer.{}{inner}", name.trim())).collect()
        }
        _ => vec![canonical_key(key)],
    }
}

/// Returns an error if the key overrides an earlier setting: of the same key, of a key within it, or of one that it is within, whose
/// value would become a table.
fn check_not_overridden(made: &[(String, String)], key: &str, document: &Table) -> Result<()> {
    let is_within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let is_layer = |key: &str| key.starts_with("layer.") && key.matches('.').count() == 1;
    // What is set within a removed layer is refused by its name.
    let is_kept = |other: &str| find(document, other).map_or_else(|| is_layer(other), Value::is_table);
    let overridden = |other: &str| is_within(other, key) || (is_within(key, other) && !is_kept(other));
    match made.iter().find(|(other, _)| overridden(other)) {
        None => Ok(()),
        Some((_, before)) => Err(Error::usage(format!("`{key}` is set twice: `{before}` has no effect"))
            .help("remove one of the two")),
    }
}

/// Sets the dotted `key` to `value`. The parser checks the key.
fn place(document: &mut Table, key: &str, value: &str) -> Result<()> {
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(Error::usage(format!("the key is `{key}`, expected names separated by dots"))
            .help("for example `--set optimizer.rate=0.001`"));
    }
    match (&parts[..], value) {
        (["layer", name], NONE) => remove_layer(document, name),
        (["layer", name], _) => {
            layer_table(document, name)?;
            Err(Error::usage(format!("`{key}` is a layer, not a value")).help(format!(
                "set one of its values, such as `{key}.kind`, or remove the layer: `--set {key}=none`"
            )))
        }
        (["layer", name, path @ .., last], NONE) => {
            let layer = layer_table(document, name)?;
            let kind = layer.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            let prefix = format!("layer.{name}.");
            remove(layer, &prefix, path, last, &|path| key::layer_keys(&kind, path))
        }
        ([name], _) if let Some(inner) = in_table(name) => {
            Err(Error::usage(format!("unknown key `{name}`")).help(format!("did you mean `{inner}`?")))
        }
        (["dropout"], _) if let Some(setting) = dropout(document, value) => {
            Err(Error::usage("unknown key `dropout`").help(format!("dropout is a layer: `--set {setting}`")))
        }
        ([path @ .., last], NONE) => remove(document, "", path, last, &key::keys),
        (["layer", name, path @ .., last], _) => insert(layer_table(document, name)?, path, last, value),
        ([path @ .., last], _) => insert(document, path, last, value),
        ([], _) => unreachable!("splitting returns at least one part"),
    }
}

/// Returns `optimizer.batch` for `batch`: the key of a table that was named without the table.
fn in_table(name: &str) -> Option<String> {
    let tables = key::keys(&[])?;
    let table = tables.iter().find(|&&table| key::keys(&[table]).is_some_and(|keys| keys.contains(&name)));
    table.filter(|_| !tables.contains(&name)).map(|table| format!("{table}.{name}"))
}

/// Returns `layer.dropout6,dropout7.rate=0.3`: the setting of all dropout layers, if there are any.
fn dropout(document: &Table, value: &str) -> Option<String> {
    let layers = document.get("layer").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_dropout = |layer: &&Value| layer.get("kind").and_then(Value::as_str) == Some("dropout");
    let names: Vec<&str> = layers.iter().filter(is_dropout).filter_map(named).collect();
    let layers = (!names.is_empty()).then(|| format!("layer.{}", names.join(",")))?;
    Some(if value == NONE {
        format!("{layers}=none")
    } else {
        format!("{layers}.rate={}", shell_word(value))
    })
}

/// Inserts a value into the table at `path`, which is created if missing.
fn insert(mut table: &mut Table, path: &[&str], last: &str, value: &str) -> Result<()> {
    for part in path {
        let inner = table.entry(*part).or_insert_with(|| Value::Table(Table::new()));
        // Setting `init.normal` turns `init = "he"` into a table.
        if !inner.is_table() && matches!(*part, "init" | "mean") {
            *inner = Value::Table(Table::new());
        }
        table = inner.as_table_mut().ok_or_else(|| {
            Error::usage(format!("`{part}` is a value, it has no key `{last}`"))
                .help(format!("set the value of `{part}`"))
        })?;
    }
    // Strings may omit their quotes: `--set input.mean=channels`.
    let parsed = value.parse().unwrap_or_else(|_| Value::String(value.to_string()));
    table.insert(last.to_string(), parsed);
    Ok(())
}

/// Removes a value from the table at `path`, if present. The key must be in `keys`.
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
                return Err(Error::usage(format!("`{value}` is a value, it has no key `{}`", whole[depth]))
                    .help(format!("set the value of `{value}`")));
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

/// Removes a layer; its input becomes the input of the next one.
fn remove_layer(document: &mut Table, name: &str) -> Result<()> {
    let layer = layer_table(document, name)?;
    let is_head = layer.get("kind").and_then(Value::as_str) == Some("fc") && !layer.contains_key("units");
    if is_head {
        return Err(Error::usage(format!("cannot remove layer `{name}`: its outputs are the classes"))
            .help("remove an earlier layer; `alexnet recipe show` lists them"));
    }
    if let Some(layers) = document.get_mut("layer").and_then(Value::as_array_mut) {
        layers.retain(|layer| named(layer) != Some(name));
    }
    Ok(())
}

/// Returns the table of the layer with this name.
fn layer_table<'t>(document: &'t mut Table, name: &str) -> Result<&'t mut Table> {
    let layers =
        document.get_mut("layer").and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default();
    let Some(at) = layers.iter().position(|layer| named(layer) == Some(name)) else {
        let names: Vec<&str> = layers.iter().filter_map(named).collect();
        let guess = guess(name, names.iter().copied());
        return Err(Error::usage(format!("no layer is named `{name}`"))
            .help(format!("{guess}Layers: {}", names.join(", "))));
    };
    layers[at].as_table_mut().ok_or_else(|| Error::usage(format!("layer `{name}` is not a table")))
}

/// Returns the name in the table of a layer.
fn named(layer: &Value) -> Option<&str> {
    layer.get("name")?.as_str()
}

/// Returns the value of a dotted key, if present.
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
