//! Softmax and loss as their formulas read.

use crate::real::Real;

/// The largest value of a row; a NaN if there is one.
fn largest<T: Real>(row: &[T]) -> T {
    row.iter().fold(row[0], |most, &z| if z > most || z.is_nan() { z } else { most })
}

/// `sum_j exp(z[j] - top)`.
fn sum_exp<T: Real>(row: &[T], top: T) -> T {
    row.iter().fold(T::ZERO, |sum, &z| sum + (z - top).exp())
}

/// See [`super::softmax`].
pub fn softmax<T: Real>(logits: &[T], batch: usize, classes: usize, probabilities: &mut [T]) {
    for b in 0..batch {
        let row = &logits[b * classes..][..classes];
        let top = largest(row);
        let sum = sum_exp(row, top);
        for (c, &z) in row.iter().enumerate() {
            probabilities[b * classes + c] = (z - top).exp() / sum;
        }
    }
}

/// See [`super::softmax_loss`].
pub fn softmax_loss<T: Real>(
    logits: &[T],
    labels: &[u32],
    batch: usize,
    classes: usize,
    dlogits: &mut [T],
) -> T {
    softmax(logits, batch, classes, dlogits);
    let images = T::from_f64(batch as f64);
    let mut loss = T::ZERO;
    for b in 0..batch {
        let (row, label) = (&logits[b * classes..][..classes], labels[b] as usize);
        let top = largest(row);
        loss += sum_exp(row, top).ln() + top - row[label];
        let dlogits = &mut dlogits[b * classes..][..classes];
        dlogits[label] -= T::ONE;
        dlogits.iter_mut().for_each(|value| *value = *value / images);
    }
    loss / images
}
