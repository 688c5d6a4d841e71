//! Max and average pooling, `y[b, oy, ox, c] = max or mean of x[b, iy, ix, c]` over the window of `(oy, ox)`; windows may
//! overlap (paper, section 3.4). Pixels outside the map are ignored: they are never the maximum and do not count in an
//! average, as in cuda-convnet.
//!
//! # Shapes
//! `x, dx: [batch, input]`, `y, dy: [batch, output]`.

pub mod reference;
mod windows;

use crate::activation::Epilogue;
use crate::geometry::PoolGeometry;
use crate::slices::check_len;
use rayon::prelude::*;
use windows::{avg_backward_image, avg_row};
pub(crate) use windows::{max_backward_rows, max_row};

/// `y = max x` over the window; NaN if a pixel of the window is NaN.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn max_forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    forward(g, batch, x, y, max_row);
}

/// `dx = sum dy` over the windows whose maximum this pixel is. Among equal pixels the first in row-major order receives
/// the gradient, among NaNs the last. The maxima are recomputed from `x`. If `before` is a rectifier, `x` is its output and
/// `dx` becomes the gradient of its input.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn max_backward(g: &PoolGeometry, batch: usize, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
    check_len!(x, batch, g.input.len());
    check_len!(dy, batch, g.output.len());
    check_len!(dx, batch, g.input.len());
    let images = dx.par_chunks_exact_mut(g.input.len()).zip(dy.par_chunks_exact(g.output.len()));
    images.zip(x.par_chunks_exact(g.input.len())).for_each(|((dx, dy), x)| {
        let covered = max_backward_rows(g, 0..g.output.height, x, dy, before, dx, 0);
        dx[covered..].fill(0.0);
    });
}

/// `y = 1/n sum x` over the `n` pixels of the window that lie inside the map.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn avg_forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    forward(g, batch, x, y, avg_row);
}

/// `dx = sum dy / n` over the windows that contain this pixel. If `before` is a rectifier, `x` is its output and `dx`
/// becomes the gradient of its input; `x` is only read then.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn avg_backward(g: &PoolGeometry, batch: usize, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
    check_len!(x, batch, g.input.len());
    check_len!(dy, batch, g.output.len());
    check_len!(dx, batch, g.input.len());
    let images = dx.par_chunks_exact_mut(g.input.len()).zip(dy.par_chunks_exact(g.output.len()));
    images
        .zip(x.par_chunks_exact(g.input.len()))
        .for_each(|((dx, dy), x)| avg_backward_image(g, x, dy, before, dx));
}

/// Computes a row of output pixels, whose position is given, from an image.
type PoolRow = fn(&PoolGeometry, &[f32], usize, &mut [f32]);

/// Runs `pool` on every row of the output, in parallel.
fn forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32], pool: PoolRow) {
    check_len!(x, batch, g.input.len());
    check_len!(y, batch, g.output.len());
    let rows = y.par_chunks_exact_mut(g.output.width * g.output.channels).enumerate();
    rows.for_each(|(row, y)| {
        let (image, oy) = (row / g.output.height, row % g.output.height);
        pool(g, &x[image * g.input.len()..][..g.input.len()], oy, y);
    });
}
