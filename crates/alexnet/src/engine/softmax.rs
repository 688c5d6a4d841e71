//! Softmax in double precision.

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
