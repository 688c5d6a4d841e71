//! Local response normalization within maps (`rnorm` in cuda-convnet; Hinton et al. 2012, "Improving neural networks by
//! preventing co-adaptation of feature detectors", appendix on CIFAR-10): `b = a / (k + alpha sum a^2)^beta`, where the
//! sum runs over `size` x `size` pixels of the same map that start `size / 2` before the pixel in both directions, cut
//! off at the edges.
//!
//! # Shapes
//! `x, y, dx, dy: [batch, maps]`.

pub mod reference;

use crate::geometry::{NormGeometry, Reach};
use crate::isa::multiversioned;
use crate::{response, scratch};

/// `y = x s^-beta`, where `s = k + alpha sum x^2` over neighboring pixels.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward(g: &NormGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    response::forward(g, batch, x, y, g.maps.len(), sum_pixels);
}

/// `dx = dy s^-beta - 2 alpha beta x sum dy x s^(-beta - 1)`, where the sum runs over the pixels that have this one as
/// a neighbor. `s` is recomputed from `x`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward(g: &NormGeometry, batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    response::backward(g, batch, x, dy, dx, g.maps.len(), sum_pixels);
}

/// Sums over squares of pixels: along rows, then along columns.
fn sum_pixels(g: &NormGeometry, values: &[f32], reach: Reach, sums: &mut [f32]) {
    scratch::with(values.len(), |rows| {
        sum_rows(g, values, reach, rows);
        sum_columns(g, rows, reach, sums);
    });
}

multiversioned! {
    fn sum_rows(g: &NormGeometry, values: &[f32], reach: Reach, sums: &mut [f32]) {
        let row = g.maps.width * g.maps.channels;
        for (values, sums) in values.chunks_exact(row).zip(sums.chunks_exact_mut(row)) {
            sum_line(values, g.maps.channels, reach, sums);
        }
    }

    fn sum_columns(g: &NormGeometry, values: &[f32], reach: Reach, sums: &mut [f32]) {
        sum_line(values, g.maps.width * g.maps.channels, reach, sums);
    }
}

/// `sums[i] = sum values[j]` for `j` from `i - before` to `i + after`, cut off at the ends of the line, where each item
/// is `unit` adjacent values.
#[inline(always)]
fn sum_line(values: &[f32], unit: usize, Reach { before, after }: Reach, sums: &mut [f32]) {
    let items = values.len() / unit;
    sums.fill(0.0);
    for distance in (1..=before.min(items - 1)).rev() {
        add(&values[..(items - distance) * unit], &mut sums[distance * unit..]);
    }
    add(values, sums);
    for distance in 1..=after.min(items - 1) {
        add(&values[distance * unit..], &mut sums[..(items - distance) * unit]);
    }
}

#[inline(always)]
fn add(values: &[f32], sums: &mut [f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
