//! Softmax and ranking of classes. Ties are broken by index, so that a network with constant outputs is correct for one
//! class only.

/// Returns the number of classes ranked before `class`: 0 for top-1, below 5 for top-5. NaN ranks last.
pub fn rank(scores: &[f64], class: usize) -> usize {
    let own = scores[class];
    if own.is_nan() {
        return scores.len();
    }
    let before = |&(other, &score): &(usize, &f64)| score > own || (score == own && other < class);
    scores.iter().enumerate().filter(before).count()
}

/// Returns the class with the highest score. NaN ranks last.
pub fn best(scores: &[f64]) -> usize {
    let higher = |best: usize, class: usize| {
        if scores[class] > scores[best] || scores[best].is_nan() && !scores[class].is_nan() {
            class
        } else {
            best
        }
    };
    (1..scores.len()).fold(0, higher)
}

/// Returns up to `k` classes with the highest scores, best first.
pub fn top(scores: &[f64], k: usize) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = scores.iter().copied().enumerate().collect();
    let score = |value: f64| if value.is_nan() { f64::NEG_INFINITY } else { value };
    // A stable sort keeps lower indices first.
    order.sort_by(|&(_, a), &(_, b)| score(b).total_cmp(&score(a)));
    order.truncate(k);
    order
}

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
