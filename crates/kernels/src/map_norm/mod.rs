//! Local response normalization within a map (cuda-convnet's `rnorm`; Hinton et al. 2012, appendix on CIFAR-10).
//!
//! `b = a / (k + alpha sum a^2)^beta`, where the sum runs over `size` x `size` pixels of the same map that begin
//! `size / 2` before the pixel in both directions, cut at the edges.
//!
//! # Shapes
//! `x, y, dx, dy: [batch, maps]`.

pub mod reference;

use crate::geometry::NormGeometry;
use crate::isa::multiversioned;
use crate::{response, scratch};

/// `y = x s^-beta`, where `s = k + alpha sum x^2` over neighboring pixels.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn forward(g: &NormGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    response::forward(g, batch, x, y, g.maps.len(), sum_pixels);
}

/// `dx = dy s^-beta - 2 alpha beta x sum dy x s^(-beta - 1)`, where the sum runs over the pixels that have this
/// one as a neighbor. `s` is computed again from `x`.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn backward(g: &NormGeometry, batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    response::backward(g, batch, x, dy, dx, g.maps.len(), sum_pixels);
}

/// Sums over squares of an image: along its rows, then across them.
fn sum_pixels(g: &NormGeometry, values: &[f32], reach: (usize, usize), sums: &mut [f32]) {
    scratch::with(values.len(), |rows| {
        sum_rows(g, values, reach, rows);
        sum_columns(g, rows, reach, sums);
    });
}

multiversioned! {
    fn sum_rows(g: &NormGeometry, values: &[f32], reach: (usize, usize), sums: &mut [f32]) {
        let row = g.maps.width * g.maps.channels;
        for (values, sums) in values.chunks_exact(row).zip(sums.chunks_exact_mut(row)) {
            sum_line(values, g.maps.channels, reach, sums);
        }
    }

    fn sum_columns(g: &NormGeometry, values: &[f32], reach: (usize, usize), sums: &mut [f32]) {
        sum_line(values, g.maps.width * g.maps.channels, reach, sums);
    }
}

/// `sums[i] = sum values[j]` for `j` from `i - before` to `i + after`, cut at the ends of the line, where each
/// item is `unit` neighboring values.
#[inline(always)]
fn sum_line(values: &[f32], unit: usize, (before, after): (usize, usize), sums: &mut [f32]) {
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
