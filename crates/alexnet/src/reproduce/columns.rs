//! Recipes with other columns: one column of the same size, and columns that never exchange.

use super::arms::{Arm, Setting, lacks};
use super::experiment::Experiment;
use crate::net::{ConvSpec, LayerSpec, Network, Operation, Recipe, Spec};
use crate::{Error, Result};

/// Relative difference of the weights up to which widths that are multiples of more channels are preferred: kernels compute
/// 16, 8 or 4 channels at once.
const CLOSE: f64 = 0.02;

/// Widths are multiples of one of these numbers of channels.
const MULTIPLES: [usize; 5] = [16, 8, 4, 2, 1];

/// A recipe with one column. The convolutions before the last get fewer maps, by a common factor, so that all convolutions
/// together have as many weights as before. As in the paper (section 3.2), the last convolution and the fully connected layers
/// keep their widths.
///
/// # Errors
/// Returns an error if the recipe has one column.
pub fn one_column(recipe: &Recipe) -> Result<Arm> {
    columns(recipe)?;
    let joined = grouped(recipe).map(|(layer, _)| Setting::new(format!("layer.{layer}.groups"), 1));
    let joined = Arm::new("one-column", recipe, joined.collect())?;
    let convs: Vec<(&str, &ConvSpec)> = convs(recipe).collect();
    let Some((_, narrowed)) = convs.split_last() else { return Ok(joined) };
    let expected = conv_weights(recipe)?;
    let with_width = |factor: f64, multiple: usize| -> Result<Arm> {
        let widths = narrowed.iter().map(|(name, conv)| {
            let maps = (factor * conv.maps as f64 / multiple as f64).round().max(1.0) as usize * multiple;
            Setting::new(format!("layer.{name}.maps"), maps)
        });
        Arm::new("one-column", recipe, joined.edits.iter().cloned().chain(widths).collect())
    };
    let distance =
        |arm: &Arm| -> Result<f64> { Ok((conv_weights(&arm.recipe)? as f64 / expected as f64 - 1.0).abs()) };
    let mut best: Option<(f64, Arm)> = None;
    for multiple in MULTIPLES {
        // From a third of the widths to all of them.
        for percent in 33..=100 {
            let arm = with_width(f64::from(percent) / 100.0, multiple)?;
            let off = distance(&arm)?;
            if best.as_ref().is_none_or(|(least, _)| off < *least) {
                best = Some((off, arm));
            }
        }
        if best.as_ref().is_some_and(|(off, _)| *off <= CLOSE) {
            break;
        }
    }
    Ok(best.map_or(joined, |(_, arm)| arm))
}

/// A recipe whose columns are not connected before the last layer: every convolution but the first is grouped, and hidden fully
/// connected layers become grouped convolutions over whole maps. Widths stay the same, so that there are fewer weights.
///
/// # Errors
/// Returns an error if the recipe has one column, its columns never exchange, or a width cannot be divided by their number.
pub fn no_exchange(recipe: &Recipe) -> Result<Arm> {
    let groups = columns(recipe)?;
    let network = Network::new(recipe, recipe.classes)?;
    let weighted: Vec<usize> =
        (0..recipe.layers.len()).filter(|&i| recipe.layers[i].spec.weights().is_some()).collect();
    let inner = weighted.get(1..weighted.len().saturating_sub(1)).unwrap_or_default();
    let mut edits = Vec::new();
    for (i, (layer, shaped)) in recipe.layers.iter().zip(&network.layers).enumerate() {
        let key = |name: &str| format!("layer.{}.{name}", layer.name);
        match &layer.spec {
            Spec::Conv(conv) | Spec::Local(conv) if inner.contains(&i) && conv.groups < groups => {
                edits.push(Setting::new(key("groups"), groups));
            }
            Spec::Fc { units: Some(units), .. } if inner.contains(&i) => {
                edits.extend([
                    Setting::new(key("units"), "none"),
                    Setting::new(key("kind"), "conv"),
                    Setting::new(key("maps"), units),
                    Setting::new(key("kernel"), shaped.input.height),
                    Setting::new(key("groups"), groups),
                ]);
            }
            Spec::Lrn { groups: own, .. } if *own < groups => {
                edits.push(Setting::new(key("groups"), groups));
            }
            Spec::Conv(_)
            | Spec::Local(_)
            | Spec::Fc { .. }
            | Spec::MaxPool(_)
            | Spec::AvgPool(_)
            | Spec::Lrn { .. }
            | Spec::MapNorm { .. }
            | Spec::Relu {}
            | Spec::Tanh {}
            | Spec::Logistic {}
            | Spec::Dropout { .. } => {}
        }
    }
    if edits.is_empty() {
        return Err(lacks(recipe, Experiment::Columns, "layer that connects its columns before the last"));
    }
    let arm = Arm::new("no-exchange", recipe, edits)?;
    Network::new(&arm.recipe, recipe.classes)
        .map_err(|error| Error { help: None, ..error.context("columns that never exchange") })?;
    Ok(arm)
}

/// The number of columns.
fn columns(recipe: &Recipe) -> Result<usize> {
    let groups = convs(recipe).map(|(_, conv)| conv.groups).max().unwrap_or(1);
    match groups {
        1 => Err(lacks(recipe, Experiment::Columns, "columns: no convolution has `groups` above 1")),
        groups => Ok(groups),
    }
}

/// The layers with several groups, and their numbers of groups.
fn grouped(recipe: &Recipe) -> impl Iterator<Item = (&str, usize)> {
    let groups = |layer: &LayerSpec| match &layer.spec {
        Spec::Conv(conv) | Spec::Local(conv) => conv.groups,
        Spec::Lrn { groups, .. } => *groups,
        Spec::Fc { .. }
        | Spec::MaxPool(_)
        | Spec::AvgPool(_)
        | Spec::MapNorm { .. }
        | Spec::Relu {}
        | Spec::Tanh {}
        | Spec::Logistic {}
        | Spec::Dropout { .. } => 1,
    };
    recipe
        .layers
        .iter()
        .map(move |layer| (layer.name.as_str(), groups(layer)))
        .filter(|(_, groups)| *groups > 1)
}

/// The convolutions and locally connected layers.
fn convs(recipe: &Recipe) -> impl Iterator<Item = (&str, &ConvSpec)> {
    recipe.layers.iter().filter_map(|layer| match &layer.spec {
        Spec::Conv(conv) | Spec::Local(conv) => Some((layer.name.as_str(), conv)),
        Spec::Fc { .. }
        | Spec::MaxPool(_)
        | Spec::AvgPool(_)
        | Spec::Lrn { .. }
        | Spec::MapNorm { .. }
        | Spec::Relu {}
        | Spec::Tanh {}
        | Spec::Logistic {}
        | Spec::Dropout { .. } => None,
    })
}

/// The number of weights and biases of all convolutions and locally connected layers.
pub(super) fn conv_weights(recipe: &Recipe) -> Result<usize> {
    let network = Network::new(recipe, recipe.classes)?;
    let is_conv = |operation: &Operation| matches!(operation, Operation::Conv(..) | Operation::Local(..));
    Ok(network.layers.iter().filter(|layer| is_conv(&layer.operation)).map(|layer| layer.parameters()).sum())
}
