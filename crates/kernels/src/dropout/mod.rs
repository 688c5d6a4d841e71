//! Dropout (paper, section 4.2; Hinton et al. 2012): `y[b, i] = scale x[b, i]` with probability `1 - rate`, else 0.
//!
//! Whether a unit is kept is a pure function of the key of its image and its index, so the mask is not stored for the
//! backward pass and does not depend on the order in which units are visited.

mod mask;
pub mod reference;

use crate::hash::mix;
use crate::isa::multiversioned;
use crate::slices::{GRAIN, check_len};
use mask::{Threshold, is_kept};
use rayon::prelude::*;

/// Multiplies element `i` of image `b` by `scale` if it is kept, and sets it to 0 otherwise. It is kept with probability
/// `1 - rate` (rounded to a multiple of 2^-24), decided by `hash::combine(keys[b], i)`.
///
/// Applied to a gradient with the same keys, this is its own backward pass. A dropped element is 0 even if it was
/// infinite or NaN.
///
/// # Shapes
/// `values: [batch, units]`, `keys: [batch]`.
///
/// # Panics
/// If there is not one key per image, the batch does not divide the values, or `rate` is not in 0..=1.
pub fn apply(values: &mut [f32], batch: usize, keys: &[u64], rate: f32, scale: f32) {
    check_len!(keys, batch);
    let threshold = Threshold::of(rate);
    if values.is_empty() {
        return;
    }
    assert!(
        values.len().is_multiple_of(batch),
        "{} values cannot be split into {batch} images",
        values.len()
    );
    let images = values.par_chunks_exact_mut(values.len() / batch).zip(keys);
    images.for_each(|(image, &key)| {
        let chunks = image.par_chunks_mut(GRAIN).enumerate();
        chunks.for_each(|(i, values)| apply_chunk(values, mix(key), i * GRAIN, threshold, scale));
    });
}

/// `a = factor a`: replaces dropout at test time, with the probability of keeping a unit as the factor (paper, section
/// 4.2).
pub fn scale(values: &mut [f32], factor: f32) {
    values.par_chunks_mut(GRAIN).for_each(|chunk| scale_chunk(chunk, factor));
}

multiversioned! {
    /// [`apply`] for part of an image, from unit `first` on.
    fn apply_chunk(values: &mut [f32], image: u64, first: usize, threshold: Threshold, scale: f32) {
        for (index, value) in (first..).zip(values) {
            *value = if is_kept(image, index, threshold) { *value * scale } else { 0.0 };
        }
    }

    fn scale_chunk(values: &mut [f32], factor: f32) {
        reference::scale(values, factor);
    }
}
