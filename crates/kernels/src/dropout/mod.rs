//! Dropout (paper, section 4.2): each unit of each image is silenced with a given probability.
//!
//! Which ones is a function of the image's key and the unit's position: no mask is stored, and the backward pass,
//! which is the same linear map, makes it anew.

pub mod reference;

use crate::hash::mix;
use crate::{GRAIN, check_len};
use rayon::prelude::*;

/// Keeps value `i` of image `b` with probability `1 - rate`, times `scale`; the others become 0.
///
/// `values`: `[batch, units]`; `keys`: `[batch]`. Forward and backward alike.
pub fn apply(values: &mut [f32], batch: usize, keys: &[u64], rate: f32, scale: f32) {
    check_len!(keys, batch);
    if batch == 0 || values.is_empty() {
        return;
    }
    let units = values.len() / batch;
    assert_eq!(values.len(), units * batch, "length of `values`");
    let threshold = threshold(rate);
    values.par_chunks_mut(units).zip(keys).for_each(|(values, &key)| {
        for (i, value) in values.iter_mut().enumerate() {
            *value = if is_kept(key, i, threshold) { *value * scale } else { 0.0 };
        }
    });
}

/// Multiplies all values, as the paper does at test time.
pub fn scale(values: &mut [f32], factor: f32) {
    values.par_chunks_mut(GRAIN).for_each(|values| values.iter_mut().for_each(|value| *value *= factor));
}

/// The part of 2^32 that a probability is.
pub(crate) fn threshold(rate: f32) -> u64 {
    (f64::from(rate) * (1u64 << 32) as f64) as u64
}

/// Whether unit `i` of the image with this key is kept.
#[inline]
pub(crate) fn is_kept(key: u64, i: usize, threshold: u64) -> bool {
    mix(key ^ mix(i as u64)) >> 32 >= threshold
}
