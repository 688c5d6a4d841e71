//! Softmax and cross-entropy, written as their definitions with the maximum subtracted so that no exponential overflows.

use crate::real::Real;

/// `p[b, c] = e^(z[b, c] - max) / sum_j e^(z[b, j] - max)`.
pub fn softmax<T: Real>(logits: &[T], batch: usize, classes: usize, probabilities: &mut [T]) {
    for b in 0..batch {
        let z = &logits[b * classes..][..classes];
        let p = &mut probabilities[b * classes..][..classes];
        let max = maximum(z);
        let mut sum = T::ZERO;
        for c in 0..classes {
            p[c] = (z[c] - max).exp();
            sum += p[c];
        }
        for p in p {
            *p = *p / sum;
        }
    }
}

/// Returns `-1/batch sum_b ln p[b, labels[b]]`; `dlogits[b, c] = (p[b, c] - (c == labels[b])) / batch`.
pub fn softmax_loss<T: Real>(
    logits: &[T],
    labels: &[u32],
    batch: usize,
    classes: usize,
    dlogits: &mut [T],
) -> f64 {
    softmax(logits, batch, classes, dlogits);
    let images = T::from_f64(batch as f64);
    let mut loss = T::ZERO;
    for b in 0..batch {
        let z = &logits[b * classes..][..classes];
        let p = &mut dlogits[b * classes..][..classes];
        let label = labels[b] as usize;
        let max = maximum(z);
        let mut sum = T::ZERO;
        for &z in z {
            sum += (z - max).exp();
        }
        loss += sum.ln() - (z[label] - max);
        p[label] -= T::ONE;
        for p in p {
            *p = *p / images;
        }
    }
    (loss / images).to_f64()
}

/// The largest logit; NaN if one of them is NaN.
fn maximum<T: Real>(z: &[T]) -> T {
    let mut max = z[0];
    for &z in z {
        if z > max || z.is_nan() {
            max = z;
        }
    }
    max
}
