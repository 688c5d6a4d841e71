//! Whether models and weights fit each other.

use std::collections::BTreeSet;

use crate::format::counted;
use crate::{Error, Result};

/// How far the sum of weights may be from 1.
const SUM_TOLERANCE: f64 = 1e-6;

/// Equal weights for `models` models.
pub fn equal_weights(models: usize) -> Vec<f64> {
    vec![1.0 / models as f64; models]
}

/// Checks that there is a weight above 0 for each of `models` models, and that the weights sum to 1.
///
/// # Errors
/// Returns an error that names the number or the weight that is wrong.
pub fn check_weights(weights: &[f64], models: usize) -> Result<()> {
    if weights.len() != models {
        let found = counted(weights.len(), "weight");
        return Err(Error::usage(format!("{found} for {models} models"))
            .help("specify one weight per model, in the same order"));
    }
    if let Some((i, weight)) = weights.iter().enumerate().find(|(_, weight)| !weight.is_finite()) {
        return Err(Error::usage(format!("the weight of model {} is {weight}, expected a number", i + 1)));
    }
    match weights.iter().enumerate().find(|(_, weight)| **weight <= 0.0) {
        Some((i, 0.0)) => {
            return Err(Error::usage(format!(
                "the weight of model {} is 0, expected a number above 0",
                i + 1
            ))
            .help("leave out the model: it would cost time and change nothing"));
        }
        Some((i, weight)) => {
            return Err(Error::usage(format!(
                "the weight of model {} is {weight}, expected a number above 0",
                i + 1
            )));
        }
        None => {}
    }
    let sum: f64 = weights.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        let scaled: Vec<String> =
            weights.iter().map(|weight| ((weight / sum * 1e7).round() / 1e7).to_string()).collect();
        return Err(Error::usage(format!("the weights sum to {sum}, expected 1"))
            .help(format!("in the same proportions: {}", scaled.join(","))));
    }
    Ok(())
}

/// Checks that models have the same classes in the same order. `models` are names for messages, and classes.
///
/// # Errors
/// Returns an error that names the first difference.
pub fn check_same_classes<'a>(models: impl IntoIterator<Item = (String, &'a [String])>) -> Result<()> {
    let mut models = models.into_iter();
    let Some((first, expected)) = models.next() else { return Ok(()) };
    let Some((other, found)) = models.find(|(_, classes)| *classes != expected) else { return Ok(()) };
    let name =
        |classes: &[String], i: usize| classes.get(i).map_or("missing".into(), |name| format!("{name:?}"));
    let i = (0..).find(|&i| expected.get(i) != found.get(i)).unwrap_or(0);
    let are_same = expected.iter().collect::<BTreeSet<_>>() == found.iter().collect::<BTreeSet<_>>();
    let order = if are_same { " (the names are the same, their order differs)" } else { "" };
    Err(Error::model(format!(
        "class {i} is {} in {first} and {} in {other}, expected the same classes in the same order{order}",
        name(expected, i),
        name(found, i),
    ))
    .help("evaluate the models separately, or train them on the same classes"))
}
