//! Local response normalization within maps (`rnorm` in cuda-convnet; Hinton et al. 2012, "Improving neural networks by
//! preventing co-adaptation of feature detectors", appendix on CIFAR-10): `b = a / (k + alpha sum a^2)^beta`, where the
//! sum runs over `size` x `size` pixels of the same map that start `size / 2` before the pixel in both directions, cut
//! off at the edges.
//!
//! # Shapes
//! `x, y, dx, dy: [batch, maps]`.

pub mod reference;

use crate::activation::{Epilogue, rectify_gradient};
use crate::geometry::{NormGeometry, Reach};
use crate::isa::multiversioned;
use crate::response::{backward_scale, backward_subtract, scale, square};
use crate::scratch;
use crate::slices::check_len;
use rayon::prelude::*;
use std::ops::Range;

/// `y = x s^-beta`, where `s = k + alpha sum x^2` over neighboring pixels.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward(g: &NormGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    check_len!(x, batch, g.maps.len());
    check_len!(y, batch, g.maps.len());
    let image = g.maps.len().max(1);
    x.par_chunks_exact(image).zip(y.par_chunks_exact_mut(image)).for_each(|(x, y)| {
        scratch::with(Ring::len(g) + 2 * line(g), |buffer| forward_image(g, x, buffer, y));
    });
}

/// `dx = dy s^-beta - 2 alpha beta x sum dy x s^(-beta - 1)`, where the sum runs over the pixels that have this one as
/// a neighbor. `s` is recomputed from `x`. If `before` is a rectifier, `x` is its output and `dx` becomes the gradient of
/// its input.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward(g: &NormGeometry, batch: usize, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
    check_len!(x, batch, g.maps.len());
    check_len!(dy, batch, g.maps.len());
    check_len!(dx, batch, g.maps.len());
    let image = g.maps.len().max(1);
    let images = x.par_chunks_exact(image).zip(dy.par_chunks_exact(image));
    images.zip(dx.par_chunks_exact_mut(image)).for_each(|((x, dy), dx)| {
        scratch::with(2 * Ring::len(g) + 2 * line(g), |buffer| {
            backward_image(g, x, dy, before, buffer, dx);
        });
    });
}

/// Values of a row of an image.
fn line(g: &NormGeometry) -> usize {
    g.maps.width * g.maps.channels
}

multiversioned! {
    fn forward_image(g: &NormGeometry, x: &[f32], buffer: &mut [f32], y: &mut [f32]) {
        let (line, height, reach) = (line(g), g.maps.height, g.constants.reach());
        let (values, sums, ring) = split(g, buffer);
        let mut ring = Ring { sums: ring, line };
        for row in 0..height + reach.after {
            if row < height {
                square(&x[row * line..][..line], values);
                ring.put(row, values, g.maps.channels, reach);
            }
            if let Some(row) = row.checked_sub(reach.after) {
                let at = row * line..(row + 1) * line;
                ring.sum(window(row, reach, height), sums);
                scale(&g.constants, &x[at.clone()], sums, &mut y[at]);
            }
        }
    }

    fn backward_image(
        g: &NormGeometry,
        x: &[f32],
        dy: &[f32],
        before: Epilogue,
        buffer: &mut [f32],
        dx: &mut [f32],
    ) {
        let (line, height, reach) = (line(g), g.maps.height, g.constants.reach());
        let mirrored = reach.mirrored();
        let (values, sums, rings) = split(g, buffer);
        let (squares, products) = rings.split_at_mut(Ring::len(g));
        let (mut squares, mut products) = (Ring { sums: squares, line }, Ring { sums: products, line });
        // The products of a row follow from the squares up to `after` rows below it, and its gradient from the products
        // up to `before` rows below it.
        for row in 0..height + reach.after + mirrored.after {
            if row < height {
                square(&x[row * line..][..line], values);
                squares.put(row, values, g.maps.channels, reach);
            }
            if let Some(row) = row.checked_sub(reach.after).filter(|&row| row < height) {
                let at = row * line..(row + 1) * line;
                squares.sum(window(row, reach, height), sums);
                let (x, dy) = (&x[at.clone()], &dy[at.clone()]);
                backward_scale(&g.constants, x, dy, sums, values, &mut dx[at]);
                products.put(row, values, g.maps.channels, mirrored);
            }
            if let Some(row) = row.checked_sub(reach.after + mirrored.after) {
                let at = row * line..(row + 1) * line;
                products.sum(window(row, mirrored, height), sums);
                backward_subtract(&g.constants, &x[at.clone()], sums, &mut dx[at.clone()]);
                if before == Epilogue::Relu {
                    rectify_gradient(&x[at.clone()], &mut dx[at]);
                }
            }
        }
    }
}

/// Two lines, and the rest.
fn split<'a>(g: &NormGeometry, buffer: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32], &'a mut [f32]) {
    let (values, rest) = buffer.split_at_mut(line(g));
    let (sums, rings) = rest.split_at_mut(line(g));
    (values, sums, rings)
}

/// The rows in the window of a row.
fn window(row: usize, Reach { before, after }: Reach, height: usize) -> Range<usize> {
    row.saturating_sub(before)..(row + after + 1).min(height)
}

/// The sums along each row, for as many rows as a window has.
struct Ring<'a> {
    sums: &'a mut [f32],
    /// Values of a row.
    line: usize,
}

impl Ring<'_> {
    /// Values of a ring.
    fn len(g: &NormGeometry) -> usize {
        g.constants.size.min(g.maps.height) * line(g)
    }

    fn at(&self, row: usize) -> Range<usize> {
        let first = row * self.line % self.sums.len();
        first..first + self.line
    }

    /// Replaces the oldest row by the sums along a new one.
    #[inline(always)]
    fn put(&mut self, row: usize, values: &[f32], channels: usize, reach: Reach) {
        let at = self.at(row);
        sum_line(values, channels, reach, &mut self.sums[at]);
    }

    /// Adds up some rows.
    #[inline(always)]
    fn sum(&self, rows: Range<usize>, sums: &mut [f32]) {
        sums.fill(0.0);
        for row in rows {
            add(&self.sums[self.at(row)], sums);
        }
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
