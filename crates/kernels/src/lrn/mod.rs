//! Local response normalisation across maps (paper, section 3.3).
//!
//! `b_i = a_i / (k + alpha sum_j a_j^2)^beta`, where `j` runs over the maps from `i - size / 2` to
//! `i - size / 2 + size - 1` at the same pixel, cut at the edges of the group (the column) of map `i`.
//!
//! # Shapes
//! `x, y, dx, dy: [batch, maps]`.

pub mod reference;

use crate::geometry::NormGeometry;
use crate::isa::multiversioned;
use crate::response::{self, sum_line};

/// Values that are treated together, in the first-level cache.
const BLOCK: usize = 2048;

/// `y = x s^-beta`, where `s = k + alpha sum x^2` over neighbouring maps.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn forward(g: &NormGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    response::forward(g, batch, x, y, block(g), sum_maps);
}

/// `dx = dy s^-beta - 2 alpha beta x sum dy x s^(-beta - 1)`, where the sum runs over the maps that have this
/// one as a neighbour. `s` is computed again from `x`.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn backward(g: &NormGeometry, batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    response::backward(g, batch, x, dy, dx, block(g), sum_maps);
}

/// Whole pixels, about [`BLOCK`] values.
fn block(g: &NormGeometry) -> usize {
    (BLOCK / g.maps.channels.max(1)).max(1) * g.maps.channels
}

multiversioned! {
    fn sum_maps(g: &NormGeometry, values: &[f32], reach: (usize, usize), sums: &mut [f32]) {
        let width = g.maps.channels / g.groups;
        for (values, sums) in values.chunks_exact(width).zip(sums.chunks_exact_mut(width)) {
            sum_line(values, 1, reach, sums);
        }
    }
}
