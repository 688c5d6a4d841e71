//! Dropout as its definition reads.

use super::{is_kept, threshold};
use crate::real::Real;

/// See [`super::apply`].
pub fn apply<T: Real>(values: &mut [T], batch: usize, keys: &[u64], rate: f32, scale: T) {
    let units = values.len() / batch;
    for (i, value) in values.iter_mut().enumerate() {
        *value = if is_kept(keys[i / units], i % units, threshold(rate)) { *value * scale } else { T::ZERO };
    }
}

/// See [`super::scale`].
pub fn scale<T: Real>(values: &mut [T], factor: T) {
    for value in values {
        *value *= factor;
    }
}
