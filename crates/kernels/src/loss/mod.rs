//! The softmax and the multinomial logistic loss (paper, section 3.5).
//!
//! `p[c] = exp(z[c] - max z) / sum_j exp(z[j] - max z)`; loss: `-ln p[label]`, the mean over the batch.

pub mod reference;

use crate::check_len;
use rayon::prelude::*;

/// `probabilities` from `logits`, both `[batch, classes]`.
pub fn softmax(logits: &[f32], batch: usize, classes: usize, probabilities: &mut [f32]) {
    check_len!(logits, batch * classes);
    check_len!(probabilities, batch * classes);
    let rows = logits.par_chunks(classes).zip(probabilities.par_chunks_mut(classes));
    rows.for_each(|(logits, probabilities)| reference::softmax(logits, 1, classes, probabilities));
}

/// The mean loss, and its gradient by the logits, `dlogits = (p - [c = label]) / batch`.
///
/// # Panics
/// When a label is not below `classes`.
pub fn softmax_loss(
    logits: &[f32],
    labels: &[u32],
    batch: usize,
    classes: usize,
    dlogits: &mut [f32],
) -> f64 {
    check_len!(logits, batch * classes);
    check_len!(labels, batch);
    check_len!(dlogits, batch * classes);
    let share = 1.0 / batch as f32;
    let rows = logits.par_chunks(classes).zip(dlogits.par_chunks_mut(classes)).zip(labels);
    let losses: Vec<f64> = rows
        .map(|((logits, dlogits), label)| {
            let loss = reference::softmax_loss(logits, &[*label], 1, classes, dlogits);
            dlogits.iter_mut().for_each(|value| *value *= share);
            f64::from(loss)
        })
        .collect();
    losses.iter().sum::<f64>() / batch as f64
}
