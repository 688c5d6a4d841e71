//! Softmax and ranking of classes. Ties are broken by index, so that a network with constant outputs is correct for one
//! class only.

pub use crate::engine::softmax::add_softmax;

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
