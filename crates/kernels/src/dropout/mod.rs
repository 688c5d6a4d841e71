//! Dropout (paper, section 4.2; Hinton et al. 2012): `y[b, i] = scale x[b, i]` with probability `1 - rate`, else 0.
//!
//! Whether a unit is kept is a pure function of the key of its image and its index, so the mask is not stored for the
//! backward pass and does not depend on the order in which units are visited.

mod mask;
pub mod reference;

use crate::geometry::ChannelSlice;
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

/// [`apply`] to a slice of the channels of each image, with the masks of the whole maps.
///
/// # Shapes
/// `values: [batch, pixels, slice.len]`, `keys: [batch]`.
///
/// # Panics
/// As [`apply`], or if the slice does not divide the values.
pub fn apply_slice(
    values: &mut [f32],
    batch: usize,
    keys: &[u64],
    rate: f32,
    scale: f32,
    slice: ChannelSlice,
) {
    if slice.is_all() || values.is_empty() {
        return apply(values, batch, keys, rate, scale);
    }
    check_len!(keys, batch);
    let threshold = Threshold::of(rate);
    let image = values.len() / batch;
    assert!(
        values.len().is_multiple_of(batch) && image.is_multiple_of(slice.len),
        "{} values cannot be split into {batch} images of {} channels",
        values.len(),
        slice.len
    );
    let images = values.par_chunks_exact_mut(image).zip(keys);
    images.for_each(|(image, &key)| {
        let pixels = image.par_chunks_exact_mut(slice.len).enumerate();
        pixels.for_each(|(pixel, values)| {
            apply_chunk(values, mix(key), pixel * slice.whole + slice.first, threshold, scale);
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_have_the_masks_of_the_whole() {
        const CHANNELS: usize = 7;
        let (pixels, keys) = (5, [3, 8]);
        let mut whole: Vec<f32> = (1..=2 * pixels * CHANNELS).map(|i| i as f32).collect();
        let rows = whole.clone();
        apply(&mut whole, 2, &keys, 0.5, 2.0);
        for index in 0..3 {
            let slice = ChannelSlice::share(CHANNELS, index, 3);
            let part = |values: &[f32]| -> Vec<f32> {
                values.chunks_exact(CHANNELS).flat_map(|row| row[slice.range()].to_vec()).collect()
            };
            let mut values = part(&rows);
            apply_slice(&mut values, 2, &keys, 0.5, 2.0, slice);
            assert_eq!(values, part(&whole));
        }
    }
}
