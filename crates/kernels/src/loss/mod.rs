//! Softmax and cross-entropy, the paper's multinomial logistic regression objective (section 3.5):
//! `p[b, c] = e^z[b, c] / sum_j e^z[b, j]`, `loss = -1/batch sum_b ln p[b, labels[b]]`.
//!
//! Each image is one task, summed in order and in double precision: a batch has at most a few hundred thousand logits,
//! so this costs nothing, and the loss of a confident network keeps its digits.
//!
//! # Shapes
//! `logits, dlogits, probabilities: [batch, classes]`, `labels: [batch]`.

pub mod reference;

use crate::slices::check_len;
use rayon::prelude::*;

/// `p[b, c] = e^z[b, c] / sum_j e^z[b, j]`.
///
/// # Panics
/// If a slice's length does not match the shape.
pub fn softmax(logits: &[f32], batch: usize, classes: usize, probabilities: &mut [f32]) {
    check_len!(logits, batch, classes);
    check_len!(probabilities, batch, classes);
    if classes == 0 {
        return;
    }
    let images = logits.par_chunks_exact(classes).zip(probabilities.par_chunks_exact_mut(classes));
    images.for_each(|(z, p)| {
        let normalizer = Normalizer::of(z);
        for (p, &z) in p.iter_mut().zip(z) {
            *p = normalizer.probability(z) as f32;
        }
    });
}

/// Returns the mean over the batch of `-ln p[b, labels[b]]`, and writes its gradient,
/// `dlogits[b, c] = (p[b, c] - (c == labels[b])) / batch`. Returns 0 for an empty batch.
///
/// # Panics
/// If a slice's length does not match the shape, or a label is not less than `classes`.
pub fn softmax_loss(
    logits: &[f32],
    labels: &[u32],
    batch: usize,
    classes: usize,
    dlogits: &mut [f32],
) -> f64 {
    if batch == 0 {
        return 0.0;
    }
    check_len!(labels, batch);
    let mut sum = 0.0;
    accumulate_softmax_loss(logits, labels, batch, classes, dlogits, &mut sum);
    sum / batch as f64
}

/// [`softmax_loss`] of some images of a batch of `batch`: adds their losses to `sum`, and writes the gradient of the mean
/// over the batch.
///
/// # Shapes
/// As in [`softmax_loss`], for these images.
///
/// # Panics
/// As [`softmax_loss`].
pub fn accumulate_softmax_loss(
    logits: &[f32],
    labels: &[u32],
    batch: usize,
    classes: usize,
    dlogits: &mut [f32],
    sum: &mut f64,
) {
    check_len!(logits, labels.len(), classes);
    check_len!(dlogits, labels.len(), classes);
    let wrong = labels.iter().find(|&&label| label as usize >= classes);
    assert!(wrong.is_none(), "label {} with {classes} classes", wrong.unwrap_or(&0));
    if labels.is_empty() {
        return;
    }
    let batch = batch as f64;
    let images = logits.par_chunks_exact(classes).zip(dlogits.par_chunks_exact_mut(classes)).zip(labels);
    let losses: Vec<f64> = images
        .map(|((z, dz), &label)| {
            let normalizer = Normalizer::of(z);
            for (c, (dz, &z)) in dz.iter_mut().zip(z).enumerate() {
                let target = if c == label as usize { 1.0 } else { 0.0 };
                *dz = ((normalizer.probability(z) - target) / batch) as f32;
            }
            normalizer.loss(z[label as usize])
        })
        .collect();
    losses.iter().for_each(|loss| *sum += loss);
}

/// Turns the logits of an image into probabilities. The largest logit is subtracted first, so that no exponential
/// overflows.
struct Normalizer {
    max: f64,
    /// `sum_j e^(z[j] - max)`
    sum: f64,
}

impl Normalizer {
    fn of(z: &[f32]) -> Self {
        // A NaN maximum stays NaN: nothing compares greater.
        let larger = |max: f32, &z: &f32| if z > max || z.is_nan() { z } else { max };
        let max = f64::from(z.iter().fold(z[0], larger));
        Self { max, sum: z.iter().map(|&z| (f64::from(z) - max).exp()).sum() }
    }

    fn probability(&self, z: f32) -> f64 {
        (f64::from(z) - self.max).exp() / self.sum
    }

    /// `-ln p`.
    fn loss(&self, z: f32) -> f64 {
        self.sum.ln() - (f64::from(z) - self.max)
    }
}
