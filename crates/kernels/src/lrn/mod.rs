//! Local response normalization across maps (paper, section 3.3):
//! `b_i = a_i / (k + alpha sum_j a_j^2)^beta`, where `j` runs over the maps from `i - size / 2` to
//! `i - size / 2 + size - 1` at the same pixel, cut off at the edges of the group of map `i`.
//!
//! # Shapes
//! `x, y, dx, dy: [batch, maps]`.

mod fast;
pub mod reference;

use crate::activation::{self, Epilogue};
use crate::geometry::{NormGeometry, Reach};
use crate::isa::multiversioned;
use crate::slices::check_len;
use crate::{response, scratch};

/// Values processed together, which stay in the first-level cache.
const BLOCK: usize = 2048;

/// `y = x s^-beta`, where `s = k + alpha sum x^2` over neighboring maps.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward(g: &NormGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    check_len!(x, batch, g.maps.len());
    check_len!(y, batch, g.maps.len());
    if fast::fits(g) {
        return fast::forward(g, x, y);
    }
    response::forward(g, batch, x, y, block(g), sum_maps);
}

/// `dx = dy s^-beta - 2 alpha beta x sum dy x s^(-beta - 1)`, where the sum runs over the maps that have this one as a
/// neighbor. `s` is recomputed from `x`. If `before` is a rectifier, `x` is its output and `dx` becomes the gradient of
/// its input.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward(g: &NormGeometry, batch: usize, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
    check_len!(x, batch, g.maps.len());
    check_len!(dy, batch, g.maps.len());
    check_len!(dx, batch, g.maps.len());
    if fast::fits(g) {
        return fast::backward(g, x, dy, before, dx);
    }
    response::backward(g, batch, x, dy, dx, block(g), sum_maps);
    if before == Epilogue::Relu {
        activation::relu_backward(x, dx);
    }
}

/// Whether [`forward_sequential`] and [`backward_sequential`] support a geometry.
pub(crate) fn supports_sequential(g: &NormGeometry) -> bool {
    fast::fits(g)
}

/// [`forward`] of whole pixels, any number, on the calling thread alone; the same bits.
pub(crate) fn forward_sequential(g: &NormGeometry, x: &[f32], y: &mut [f32]) {
    fast::forward_sequential(g, x, y);
}

/// [`backward`] of whole pixels, any number, on the calling thread alone; the same bits.
pub(crate) fn backward_sequential(g: &NormGeometry, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
    fast::backward_sequential(g, x, dy, before, dx);
}

/// Whole pixels, about [`BLOCK`] values.
fn block(g: &NormGeometry) -> usize {
    (BLOCK / g.maps.channels.max(1)).max(1) * g.maps.channels
}

/// Adjacent sums that are kept in registers while the window passes.
const LANES: usize = 16;

/// Sums over neighboring maps. Each group is first copied between zeros, so that every window is complete.
fn sum_maps(g: &NormGeometry, values: &[f32], reach: Reach, sums: &mut [f32]) {
    let width = g.maps.channels / g.groups;
    // A window wider than the maps sees all of them, whatever its size.
    let (before, after) = (reach.before.min(width), reach.after.min(width));
    scratch::with(before + width + after, |line| {
        line.fill(0.0);
        sum_groups(width, before, values, line, sums);
    });
}

multiversioned! {
    /// `sums[i] = sum values[j]` over the window of `i` in each group; `line` holds a group and its margins.
    fn sum_groups(width: usize, before: usize, values: &[f32], line: &mut [f32], sums: &mut [f32]) {
        let size = line.len() - width + 1;
        for (values, sums) in values.chunks_exact(width).zip(sums.chunks_exact_mut(width)) {
            line[before..before + width].copy_from_slice(values);
            let (blocks, rest) = sums.as_chunks_mut::<LANES>();
            let done = blocks.len() * LANES;
            for (i, sums) in blocks.iter_mut().enumerate() {
                *sums = window_sums(&line[i * LANES..], size);
            }
            for (i, sum) in rest.iter_mut().enumerate() {
                [*sum] = window_sums(&line[done + i..], size);
            }
        }
    }
}

/// The sums of `N` windows of `size` that start at consecutive values.
#[inline(always)]
fn window_sums<const N: usize>(line: &[f32], size: usize) -> [f32; N] {
    let mut sums = [0.0; N];
    for start in 0..size {
        let values = &line[start..start + N];
        for i in 0..N {
            sums[i] += values[i];
        }
    }
    sums
}
