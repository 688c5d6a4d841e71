//! Which units are kept.

use crate::hash::mix;

/// Bits of the hash that are compared with the rate.
const BITS: u32 = 24;

/// Units whose hash is below this are dropped.
#[derive(Clone, Copy)]
pub(super) struct Threshold {
    hash: u64,
}

impl Threshold {
    /// # Panics
    /// If `rate` is not in 0..=1.
    pub(super) fn of(rate: f32) -> Self {
        assert!((0.0..=1.0).contains(&rate), "dropout rate {rate} is not a probability");
        Self { hash: (f64::from(rate) * f64::from(1 << BITS)).round() as u64 }
    }
}

/// Whether unit `index` of an image is kept. `image` is the mixed key, so `mix(image ^ index) = combine(key, index)`.
#[inline(always)]
pub(super) fn is_kept(image: u64, index: usize, threshold: Threshold) -> bool {
    mix(image ^ index as u64) >> (u64::BITS - BITS) >= threshold.hash
}
