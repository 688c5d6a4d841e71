//! The rates and initial weights of a layer.

use super::curves::{self, Change};
use super::ini::Entry;
use super::layers::{Layer, different_key};
use crate::Result;

/// The rates and initial weights of a layer, the same in all its columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    /// `epsW`: the learning rate of the weights.
    pub(super) weights: f64,
    /// `epsB`: that of the biases.
    pub(super) biases: f64,
    /// How they change: `schedW`, `schedB`.
    pub(super) change: Change,
    pub(super) bias_change: Change,
    /// `momW`, `momB`.
    pub(super) momentum: f64,
    pub(super) bias_momentum: f64,
    /// `wc`.
    pub(super) decay: f64,
    /// `initW`: the standard deviation of the initial weights.
    pub(super) std: f64,
    /// `initB`.
    pub(super) bias: f64,
}

impl Rates {
    /// Reads the rates of the parts of a layer.
    ///
    /// # Errors
    /// Returns an error if a value is missing or invalid, or if it differs between columns or inputs.
    pub(super) fn of(layers: &[Layer<'_, '_>], parts: &[usize]) -> Result<Self> {
        let first = &layers[parts[0]];
        let rates = part(first)?;
        for other in parts[1..].iter().map(|&part| &layers[part]) {
            if part(other)? != rates {
                let what = different_key(first, other).unwrap_or("epsW");
                let (section, first) = (other.parameters.unwrap_or(other.section), first.section.name);
                return Err(section
                    .refuse(format!("`{what}` differs from that of [{first}], the part of another column"))
                    .help("a recipe has one value for all columns of a layer: edit one of the sections"));
            }
        }
        Ok(rates)
    }
}

fn part(layer: &Layer<'_, '_>) -> Result<Rates> {
    let section = layer.parameters.unwrap_or(layer.section);
    let inputs = layer.inputs.len();
    let scheduled = |key: &str, schedule: &str, inputs: usize| {
        let entry = section.get(key, "0.001")?;
        let (rate, change) = curves::rate(&entry, entry.shared(inputs)?)?;
        let change = section.find(schedule).map_or(Ok(change), |entry| curves::schedule(&entry))?;
        Ok::<_, crate::Error>((rate, change))
    };
    let (weights, change) = scheduled("epsW", "schedW", inputs)?;
    let (biases, bias_change) = scheduled("epsB", "schedB", 1)?;
    let momentum = |entry: Entry<'_, '_>, inputs| entry.number(inputs, 0.0..=0.999_999);
    let or = |found: Option<Entry<'_, '_>>, default: f64, inputs: usize, most: f64| {
        found.map_or(Ok(default), |entry| entry.number(inputs, 0.0..=most))
    };
    let bias = layer.section.find("initB");
    Ok(Rates {
        weights,
        biases,
        change,
        bias_change,
        momentum: momentum(section.get("momW", "0.9")?, inputs)?,
        bias_momentum: momentum(section.get("momB", "0.9")?, 1)?,
        decay: or(section.find("wc"), 0.0, inputs, 1e6)?,
        std: or(layer.section.find("initW"), 0.01, inputs, 1e3)?,
        bias: bias.map_or(Ok(0.0), |entry| entry.number(1, -1e3..=1e3))?,
    })
}

/// Returns the most common value, the first one of several.
pub(super) fn most_common<T: Copy + PartialEq>(values: &[T]) -> Option<T> {
    let count = |value: &T| values.iter().filter(|other| *other == value).count();
    values.iter().copied().rev().max_by_key(|value| count(value))
}
