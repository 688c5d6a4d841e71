//! Recipes, and the differences between two of them, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use alexnet::net::{Network, Recipe};

/// Keys that describe a recipe but change nothing in training.
const DESCRIPTION: [&str; 4] = ["name", "summary", "source", "deviation"];

/// The recipe's TOML as JSON. From its text, which has the shortest decimals: 0.1 for a single-precision 0.1.
pub(super) fn recipe(recipe: &Recipe) -> Value {
    let table: toml::Table = recipe.to_toml().parse().expect("a recipe writes valid TOML");
    serde_json::to_value(table).expect("TOML without dates is JSON")
}

/// What differs from `a` to `b`.
pub(super) fn json(a: &Recipe, b: &Recipe) -> Value {
    let (a_values, b_values) = (values(a), values(b));
    let (a_layers, b_layers) = (layers(a), layers(b));
    let places: BTreeSet<&Place> = a_values.keys().chain(b_values.keys()).collect();
    let is_shared = |layer: &str| a_layers.contains(&layer) && b_layers.contains(&layer);
    let changes: Vec<Value> = places
        .into_iter()
        .filter(|place| place.layer.as_deref().is_none_or(is_shared))
        .filter(|place| a_values.get(place) != b_values.get(place))
        .map(|place| {
            let (from, to) = (a_values.get(place), b_values.get(place));
            json!({ "layer": place.layer, "key": place.key, "a": from, "b": to })
        })
        .collect();
    json!({
        "a": summary(a),
        "b": summary(b),
        "same": changes.is_empty() && a_layers == b_layers,
        "changes": changes,
        "layers_removed": without(&a_layers, &b_layers),
        "layers_added": without(&b_layers, &a_layers),
        "layer_order": (a_layers != b_layers).then_some([&a_layers, &b_layers]),
    })
}

/// Where a value is in a recipe.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    layer: Option<String>,
    /// With dots: `weights.init.normal`.
    key: String,
}

fn summary(recipe: &Recipe) -> Value {
    // Sizes that do not fit together have no counts.
    let network = Network::new(recipe, recipe.classes).ok();
    json!({
        "name": recipe.name,
        "parameters": network.as_ref().map(Network::parameters),
        "macs": network.as_ref().map(Network::macs),
    })
}

fn layers(recipe: &Recipe) -> Vec<&str> {
    recipe.layers.iter().map(|layer| layer.name.as_str()).collect()
}

fn without<'a>(layers: &[&'a str], others: &[&str]) -> Vec<&'a str> {
    layers.iter().copied().filter(|layer| !others.contains(layer)).collect()
}

/// Every value of a recipe that has an effect.
fn values(of: &Recipe) -> BTreeMap<Place, Value> {
    let mut out = BTreeMap::new();
    let mut document = recipe(of);
    let table = document.as_object_mut().expect("a recipe is a table");
    for key in DESCRIPTION {
        table.remove(key);
    }
    if let Some(Value::Array(layers)) = table.remove("layer") {
        for (layer, value) in of.layers.iter().zip(layers) {
            flatten(Some(&layer.name), "", value, &mut out);
        }
    }
    flatten(None, "", document, &mut out);
    out
}

fn flatten(layer: Option<&String>, path: &str, value: Value, out: &mut BTreeMap<Place, Value>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let inner = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(layer, &inner, value, out);
            }
        }
        value => {
            out.insert(Place { layer: layer.cloned(), key: path.to_owned() }, value);
        }
    }
}
