//! Softmax in double precision.

use crate::error::Kind;
use crate::{Error, Result};

/// Adds `weight` times the softmax of `logits` to `sum`, in double precision. Logits are shifted by their maximum to
/// avoid overflow.
pub fn add_softmax(logits: &[f32], weight: f64, sum: &mut [f64]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponential = |logit: f32| (f64::from(logit) - f64::from(largest)).exp();
    let total: f64 = logits.iter().map(|&logit| exponential(logit)).sum();
    for (sum, &logit) in sum.iter_mut().zip(logits) {
        *sum += weight * exponential(logit) / total;
    }
}

/// Refuses probabilities that are not finite, which a model whose training has diverged computes.
///
/// # Errors
/// Returns an error if one of them is not.
pub(crate) fn check_finite(probabilities: &[f64]) -> Result<()> {
    match probabilities.iter().all(|probability| probability.is_finite()) {
        true => Ok(()),
        false => Err(Error::new(Kind::Diverged, "the model computes non-finite probabilities").help(
            "use a model from before its training diverged, or train again with a lower learning rate",
        )),
    }
}
