//! Response normalization and max pooling of its results (paper, sections 3.3 and 3.4), `y = max b` over the window of each
//! output, where `b_i = x_i / (k + alpha sum_j x_j^2)^beta`.
//!
//! The normalized maps `b` are the largest of the whole network, and needed for nothing but their maxima. Their rows are
//! computed when a window needs them and pooled while they are in the cache, and computed again in the backward pass. That is
//! faster than writing them to memory and reading them back, and needs no buffer. The bits are those of [`lrn`] followed by [`pool`].
//!
//! # Shapes
//! `x, dx: [batch, maps]`, `y, dy: [batch, output]`.

use crate::activation::Epilogue;
use crate::geometry::{NormGeometry, PoolGeometry};
use crate::slices::check_len;
use crate::{lrn, pool, scratch};
use rayon::prelude::*;

/// The fewest rows of outputs that are worth a task: the rows between two tasks are normalized in both.
const FEWEST_ROWS: usize = 8;

/// Whether [`forward`] and [`backward`] support a normalization.
pub fn supports(norm: &NormGeometry) -> bool {
    lrn::supports_sequential(norm)
}

/// `y = max b` over the window.
///
/// # Panics
/// If a slice's length does not match the geometries, these do not match each other, or the normalization is not supported.
pub fn forward(norm: &NormGeometry, pool: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    let sizes = Sizes::of(norm, pool);
    check_len!(x, batch, sizes.image);
    check_len!(y, batch, pool.output.len());
    let rows = (batch * pool.output.height).div_ceil(4 * rayon::current_num_threads());
    let rows = rows.clamp(FEWEST_ROWS.min(pool.output.height), pool.output.height);
    let images = y.par_chunks_exact_mut(pool.output.len()).zip(x.par_chunks_exact(sizes.image));
    images.for_each(|(y, x)| {
        let bands = y.par_chunks_mut(rows * sizes.output_row).enumerate();
        bands.for_each(|(band, y)| forward_band(norm, pool, x, band * rows, y));
    });
}

/// Computes rows of outputs of an image, from row `first` on.
fn forward_band(norm: &NormGeometry, pool: &PoolGeometry, x: &[f32], first: usize, y: &mut [f32]) {
    let sizes = Sizes::of(norm, pool);
    scratch::with(sizes.image, |normalized| {
        let mut done = pool.window.covered(first, pool.input.height).start;
        for (oy, y) in (first..).zip(y.chunks_exact_mut(sizes.output_row)) {
            let end = pool.window.covered(oy, pool.input.height).end.max(done);
            let new = done * sizes.row..end * sizes.row;
            lrn::forward_sequential(norm, &x[new.clone()], &mut normalized[new]);
            done = end;
            pool::max_row(pool, normalized, oy, y);
        }
    });
}

/// The gradient of [`forward`]. If `before` is a rectifier, `x` is its output and `dx` becomes the gradient of its input.
///
/// # Panics
/// As [`forward`].
pub fn backward(
    norm: &NormGeometry,
    pool: &PoolGeometry,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    before: Epilogue,
    dx: &mut [f32],
) {
    let sizes = Sizes::of(norm, pool);
    check_len!(x, batch, sizes.image);
    check_len!(dy, batch, pool.output.len());
    check_len!(dx, batch, sizes.image);
    let images = dx.par_chunks_exact_mut(sizes.image).zip(dy.par_chunks_exact(pool.output.len()));
    images
        .zip(x.par_chunks_exact(sizes.image))
        .for_each(|((dx, dy), x)| backward_image(norm, pool, x, dy, before, dx));
}

/// `dx` of an image. A row of it is computed as soon as all windows that cover it have added to the gradient of `b`.
fn backward_image(
    norm: &NormGeometry,
    pool: &PoolGeometry,
    x: &[f32],
    dy: &[f32],
    before: Epilogue,
    dx: &mut [f32],
) {
    let Sizes { image, row, .. } = Sizes::of(norm, pool);
    scratch::with(2 * image, |buffer| {
        let (normalized, gradient) = buffer.split_at_mut(image);
        let (mut forward, mut cleared, mut backward) = (0, 0, 0);
        for oy in 0..pool.output.height {
            let end = pool.window.covered(oy, pool.input.height).end.max(forward);
            let new = forward * row..end * row;
            lrn::forward_sequential(norm, &x[new.clone()], &mut normalized[new]);
            forward = end;
            cleared = pool::max_backward_rows(
                pool,
                oy..oy + 1,
                normalized,
                dy,
                Epilogue::Identity,
                gradient,
                cleared,
            );
            let end = match oy + 1 {
                next if next < pool.output.height => pool.window.covered(next, pool.input.height).start,
                _ => pool.input.height,
            };
            // Rows between windows, or below the last, are the maximum of none.
            if cleared < end * row {
                gradient[cleared..end * row].fill(0.0);
                cleared = end * row;
            }
            let rows = backward * row..end * row;
            lrn::backward_sequential(norm, &x[rows.clone()], &gradient[rows.clone()], before, &mut dx[rows]);
            backward = end;
        }
    });
}

/// Numbers of values.
struct Sizes {
    /// An image of the inputs.
    image: usize,
    /// A row of the inputs.
    row: usize,
    /// A row of the outputs.
    output_row: usize,
}

impl Sizes {
    fn of(norm: &NormGeometry, pool: &PoolGeometry) -> Self {
        assert_eq!(norm.maps, pool.input, "normalization and pooling have different maps");
        assert!(supports(norm), "unsupported normalization: {norm:?}");
        let row = pool.input.width * pool.input.channels;
        Self { image: pool.input.len(), row, output_row: pool.output.width * pool.output.channels }
    }
}
