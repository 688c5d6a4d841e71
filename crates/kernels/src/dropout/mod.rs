//! Dropout (paper, section 4.2; Hinton et al. 2012): each unit is silenced with probability `rate`.
//!
//! Whether a unit is kept is a pure function of its image's key and its index: nothing has to be stored for
//! the backward pass, and nothing depends on the order in which units are visited.

pub mod reference;

use crate::hash::mix;
use crate::isa::multiversioned;
use crate::slices::{GRAIN, check_len};
use rayon::prelude::*;

/// Bits of the hash that decide.
const BITS: u32 = 24;

/// Hashes below this drop their unit.
#[derive(Clone, Copy)]
pub(crate) struct Threshold(u64);

impl Threshold {
    /// # Panics
    /// When `rate` is not a probability.
    fn of(rate: f32) -> Self {
        assert!((0.0..=1.0).contains(&rate), "dropout rate {rate} is not a probability");
        Self((f64::from(rate) * f64::from(1 << BITS)).round() as u64)
    }
}

/// Whether unit `index` of an image is kept; `image` is the mixed key, so that
/// `mix(image ^ index) = combine(key, index)`.
#[inline(always)]
fn is_kept(image: u64, index: usize, Threshold(threshold): Threshold) -> bool {
    mix(image ^ index as u64) >> (u64::BITS - BITS) >= threshold
}

/// Element `i` of image `b` is multiplied by `scale` if it is kept, and becomes 0 if not. It is kept with
/// probability `1 - rate` (to 2^-24), decided by `hash::combine(keys[b], i)`.
///
/// The operation is linear: applied to a gradient with the same keys it is its own backward pass. A dropped
/// element is 0 whatever it was, infinite and not-a-number included.
///
/// # Shapes
/// `values: [batch, units]`, `keys: [batch]`.
///
/// # Panics
/// When there is not one key per image, the batch does not divide the values, or `rate` is no probability.
pub fn apply(values: &mut [f32], batch: usize, keys: &[u64], rate: f32, scale: f32) {
    check_len!(keys, batch);
    let threshold = Threshold::of(rate);
    if values.is_empty() {
        return;
    }
    assert!(values.len().is_multiple_of(batch), "{} values in {batch} images", values.len());
    let images = values.par_chunks_exact_mut(values.len() / batch).zip(keys);
    images.for_each(|(image, &key)| {
        let parts = image.par_chunks_mut(GRAIN).enumerate();
        parts.for_each(|(part, values)| apply_part(values, mix(key), part * GRAIN, threshold, scale));
    });
}

/// `a = factor a`: what replaces dropout at test time, with the probability of keeping as the factor.
pub fn scale(values: &mut [f32], factor: f32) {
    values.par_chunks_mut(GRAIN).for_each(|part| scale_part(part, factor));
}

multiversioned! {
    /// A part of an image that begins at unit `first`.
    fn apply_part(values: &mut [f32], image: u64, first: usize, threshold: Threshold, scale: f32) {
        for (index, value) in (first..).zip(values) {
            *value = if is_kept(image, index, threshold) { *value * scale } else { 0.0 };
        }
    }

    fn scale_part(values: &mut [f32], factor: f32) {
        reference::scale(values, factor);
    }
}
