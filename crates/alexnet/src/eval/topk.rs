//! Softmax, and which classes come first. Of classes with equal scores the one with the lower index comes first, so
//! that a network that says nothing is right for class 0 only.

/// How many classes come before `class`: 0 is top-1, below 5 is top-5. A score that is not a number comes last, also
/// behind every other class.
pub fn rank(scores: &[f64], class: usize) -> usize {
    let own = scores[class];
    if own.is_nan() {
        return scores.len();
    }
    let before = |&(other, &score): &(usize, &f64)| score > own || (score == own && other < class);
    scores.iter().enumerate().filter(before).count()
}

/// The `k` classes that come first, with their scores, best first; fewer when there are fewer.
pub fn top(scores: &[f64], k: usize) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = scores.iter().copied().enumerate().collect();
    let score = |value: f64| if value.is_nan() { f64::NEG_INFINITY } else { value };
    // A stable sort keeps the lower index first.
    order.sort_by(|a, b| score(b.1).total_cmp(&score(a.1)));
    order.truncate(k);
    order
}

/// Adds `weight` times the softmax of `logits` to `sum`, in double precision. Shifted by the largest logit, so that
/// no exponential overflows.
pub fn add_softmax(logits: &[f32], weight: f64, sum: &mut [f64]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponential = |logit: f32| (f64::from(logit) - f64::from(largest)).exp();
    let total: f64 = logits.iter().map(|&logit| exponential(logit)).sum();
    for (sum, &logit) in sum.iter_mut().zip(logits) {
        *sum += weight * exponential(logit) / total;
    }
}
