//! Dropout as its definition.

use super::{Threshold, is_kept};
use crate::hash::mix;
use crate::real::Real;

/// Element `i` of image `b` is multiplied by `scale` if it is kept, and becomes 0 if not.
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
