//! Dropout, written as its definition.

use super::mask::{Threshold, is_kept};
use crate::hash::mix;
use crate::real::Real;

/// Multiplies element `i` of image `b` by `scale` if it is kept, and sets it to 0 otherwise.
pub fn apply<T: Real>(values: &mut [T], batch: usize, keys: &[u64], rate: f32, scale: T) {
    let threshold = Threshold::of(rate);
    let per_image = values.len() / batch;
    for b in 0..batch {
        for i in 0..per_image {
            let value = &mut values[b * per_image + i];
            *value = if is_kept(mix(keys[b]), i, threshold) { *value * scale } else { T::ZERO };
        }
    }
}

/// `a = factor a`.
pub fn scale<T: Real>(values: &mut [T], factor: T) {
    for value in values {
        *value *= factor;
    }
}
