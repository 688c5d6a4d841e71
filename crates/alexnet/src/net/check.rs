//! Consistency of a whole recipe: its layers and its edits.

use super::edit::{Change, Edit};
use super::recipe::{LayerSpec, Spec};
use crate::{Error, Result};

/// The largest number of layers.
const MAX_LAYERS: usize = 1000;

/// Checks that layer names are unique, and that the last layer is the only fully connected layer without `units`: it has
/// one output per class.
pub(super) fn check_layers(origin: &str, layers: &[LayerSpec]) -> Result<()> {
    let refuse = |message: String, help: String| Err(Error::usage(format!("{origin}: {message}")).help(help));
    for (i, layer) in layers.iter().enumerate() {
        let name = &layer.name;
        if layers[..i].iter().any(|other| other.name == *name) {
            return refuse(
                format!("two layers are named `{name}`, expected unique names"),
                format!("rename one of them: `name = \"{name}b\"`"),
            );
        }
        let is_head = matches!(layer.spec, Spec::Fc { units: None, .. });
        let is_last = i + 1 == layers.len();
        if is_head && !is_last {
            return refuse(
                format!("`layer.{name}.units` is missing; only the last layer may omit it"),
                format!("write `units = 4096` in layer {name}, or make it the last layer"),
            );
        }
        if is_last && !is_head {
            return refuse(
                format!(
                    "the last layer is `{name}`, expected a fully connected layer without `units`, which has one \
                     output per class"
                ),
                "end with `[[layer]]`, `name = \"fc8\"`, `kind = \"fc\"`".to_string(),
            );
        }
    }
    if layers.is_empty() || layers.len() > MAX_LAYERS {
        return refuse(
            format!("{} layers, expected 1 to {MAX_LAYERS}", layers.len()),
            "add `[[layer]]` tables, first to last; see `alexnet recipe show paper` for an example"
                .to_string(),
        );
    }
    Ok(())
}

/// Checks that edits are sorted by step, and that they name layers with weights.
pub(super) fn check_edits(origin: &str, edits: &[Edit], layers: &[LayerSpec]) -> Result<()> {
    if let Some(pair) = edits.windows(2).find(|pair| pair[1].step < pair[0].step) {
        return Err(Error::usage(format!(
            "{origin}: an edit at step {} follows one at step {}, expected ascending steps",
            pair[1].step, pair[0].step
        ))
        .help("sort the [[edit]] tables by step"));
    }
    edits.iter().try_for_each(|edit| match &edit.change {
        Change::Freeze(layer) | Change::Unfreeze(layer) => {
            check_has_weights(layers, layer).map_err(|error| error.context(origin))
        }
        Change::Rate(_) | Change::ColorNoise(_) | Change::StopAfter(_) => Ok(()),
    })
}

/// Checks that a layer with this name has weights.
pub(super) fn check_has_weights(layers: &[LayerSpec], name: &str) -> Result<()> {
    let learns = |layer: &&LayerSpec| layer.spec.weights().is_some();
    let names: Vec<&str> = layers.iter().filter(learns).map(|layer| layer.name.as_str()).collect();
    if names.contains(&name) {
        return Ok(());
    }
    Err(Error::usage(format!("no layer with weights is named `{name}`"))
        .help(format!("layers with weights: {}", names.join(", "))))
}
