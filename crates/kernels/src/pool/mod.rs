//! Max and average pooling, `y[b, oy, ox, c] = max or mean of x[b, iy, ix, c]` over the window of `(oy, ox)`; windows may
//! overlap (paper, section 3.4). Pixels outside the map are ignored: they are never the maximum and do not count in an
//! average, as in cuda-convnet.
//!
//! # Shapes
//! `x, dx: [batch, input]`, `y, dy: [batch, output]`.

pub mod reference;

use crate::geometry::PoolGeometry;
use crate::isa::multiversioned;
use crate::slices::check_len;
use rayon::prelude::*;
use std::ops::Range;

/// Channels processed at a time by the search for maxima, whose state stays in registers.
const CHANNELS: usize = 16;

/// `y = max x` over the window; NaN if a pixel of the window is NaN.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn max_forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    forward(g, batch, x, y, max_window);
}

/// `dx = sum dy` over the windows whose maximum this pixel is. Among equal pixels the first in row-major order receives
/// the gradient, among NaNs the last. The maxima are recomputed from `x`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn max_backward(g: &PoolGeometry, batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    check_len!(x, batch * g.input.len());
    check_len!(dy, batch * g.output.len());
    check_len!(dx, batch * g.input.len());
    let images = dx.par_chunks_exact_mut(g.input.len()).zip(dy.par_chunks_exact(g.output.len()));
    images.zip(x.par_chunks_exact(g.input.len())).for_each(|((dx, dy), x)| max_backward_image(g, x, dy, dx));
}

/// `y = 1/n sum x` over the `n` pixels of the window that lie inside the map.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn avg_forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    forward(g, batch, x, y, avg_window);
}

/// `dx = sum dy / n` over the windows that contain this pixel.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn avg_backward(g: &PoolGeometry, batch: usize, dy: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * g.output.len());
    check_len!(dx, batch * g.input.len());
    let images = dx.par_chunks_exact_mut(g.input.len()).zip(dy.par_chunks_exact(g.output.len()));
    images.for_each(|(dx, dy)| avg_backward_image(g, dy, dx));
}

/// Computes one output pixel, `[channels]`, from an image and the rows and columns of its window.
type PoolWindow = fn(&PoolGeometry, &[f32], Range<usize>, Range<usize>, &mut [f32]);

/// Runs `pool` on every window, in parallel over the rows of the output.
fn forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32], pool: PoolWindow) {
    check_len!(x, batch * g.input.len());
    check_len!(y, batch * g.output.len());
    let rows = y.par_chunks_exact_mut(g.output.width * g.output.channels).enumerate();
    rows.for_each(|(row, y)| {
        let (image, oy) = (row / g.output.height, row % g.output.height);
        let x = &x[image * g.input.len()..][..g.input.len()];
        for (ox, y) in y.chunks_exact_mut(g.output.channels).enumerate() {
            let (rows, columns) = covered(g, oy, ox);
            pool(g, x, rows, columns, y);
        }
    });
}

/// The rows and columns of the window of an output pixel.
#[inline(always)]
fn covered(g: &PoolGeometry, oy: usize, ox: usize) -> (Range<usize>, Range<usize>) {
    (g.window.covered(oy, g.input.height), g.window.covered(ox, g.input.width))
}

/// The input pixels of a window, row by row.
#[inline(always)]
fn pixels(g: &PoolGeometry, rows: Range<usize>, columns: Range<usize>) -> impl Iterator<Item = usize> {
    let width = g.input.width;
    rows.flat_map(move |iy| columns.clone().map(move |ix| iy * width + ix))
}

/// The input pixels of a window, each with its place in the window.
#[inline(always)]
fn places(
    g: &PoolGeometry,
    rows: &Range<usize>,
    columns: &Range<usize>,
) -> impl Iterator<Item = (f32, usize)> {
    pixels(g, rows.clone(), columns.clone()).enumerate().map(|(place, pixel)| (place as f32, pixel))
}

multiversioned! {
    fn max_window(g: &PoolGeometry, x: &[f32], rows: Range<usize>, columns: Range<usize>, y: &mut [f32]) {
        let (blocks, rest) = y.as_chunks_mut::<CHANNELS>();
        let done = blocks.len() * CHANNELS;
        for (i, y) in blocks.iter_mut().enumerate() {
            *y = Largest::of(g, x, &rows, &columns, i * CHANNELS).value;
        }
        for (i, y) in rest.iter_mut().enumerate() {
            [*y] = Largest::of(g, x, &rows, &columns, done + i).value;
        }
    }

    fn avg_window(g: &PoolGeometry, x: &[f32], rows: Range<usize>, columns: Range<usize>, y: &mut [f32]) {
        let channels = g.input.channels;
        let count = (rows.len() * columns.len()) as f32;
        y.fill(0.0);
        for pixel in pixels(g, rows, columns) {
            for (y, &x) in y.iter_mut().zip(&x[pixel * channels..][..channels]) {
                *y += x;
            }
        }
        for y in y {
            *y /= count;
        }
    }

    fn max_backward_image(g: &PoolGeometry, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        for (output, dy) in dy.chunks_exact(g.output.channels).enumerate() {
            let (rows, columns) = covered(g, output / g.output.width, output % g.output.width);
            let (blocks, rest) = dy.as_chunks::<CHANNELS>();
            for (i, dy) in blocks.iter().enumerate() {
                add_to_largest(g, x, &rows, &columns, i * CHANNELS, dy, dx);
            }
            for (i, &dy) in rest.iter().enumerate() {
                add_to_largest(g, x, &rows, &columns, blocks.len() * CHANNELS + i, &[dy], dx);
            }
        }
    }

    fn avg_backward_image(g: &PoolGeometry, dy: &[f32], dx: &mut [f32]) {
        let channels = g.output.channels;
        dx.fill(0.0);
        for (output, dy) in dy.chunks_exact(channels).enumerate() {
            let (rows, columns) = covered(g, output / g.output.width, output % g.output.width);
            let count = (rows.len() * columns.len()) as f32;
            for pixel in pixels(g, rows, columns) {
                for (dx, dy) in dx[pixel * channels..][..channels].iter_mut().zip(dy) {
                    *dx += dy / count;
                }
            }
        }
    }
}

/// The largest pixels of a window in `N` neighboring maps.
struct Largest<const N: usize> {
    value: [f32; N],
    /// The place of the maximum in the window: a float, so that it moves by the same instruction as the value.
    place: [f32; N],
}

impl<const N: usize> Largest<N> {
    /// Finds the largest pixels in the maps from `channel` on.
    #[inline(always)]
    fn of(g: &PoolGeometry, x: &[f32], rows: &Range<usize>, columns: &Range<usize>, channel: usize) -> Self {
        // If all pixels are minus infinity, none is larger than this and the first remains the maximum.
        let mut largest = Self { value: [f32::NEG_INFINITY; N], place: [0.0; N] };
        for (place, pixel) in places(g, rows, columns) {
            let x = &x[pixel * g.input.channels + channel..][..N];
            for ((value, at), &x) in largest.value.iter_mut().zip(&mut largest.place).zip(x) {
                let larger = (x > *value) | x.is_nan();
                *value = if larger { x } else { *value };
                *at = if larger { place } else { *at };
            }
        }
        largest
    }
}

/// Adds the gradients of an output pixel, in the `N` maps from `channel` on, to the largest pixels of its window.
#[inline(always)]
fn add_to_largest<const N: usize>(
    g: &PoolGeometry,
    x: &[f32],
    rows: &Range<usize>,
    columns: &Range<usize>,
    channel: usize,
    dy: &[f32; N],
    dx: &mut [f32],
) {
    let largest = Largest::<N>::of(g, x, rows, columns, channel);
    for (place, pixel) in places(g, rows, columns) {
        let dx = &mut dx[pixel * g.input.channels + channel..][..N];
        for ((dx, &at), &dy) in dx.iter_mut().zip(&largest.place).zip(dy) {
            *dx += if at == place { dy } else { 0.0 };
        }
    }
}
