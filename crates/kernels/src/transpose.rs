//! Results of products that were computed transposed.

use crate::gemm::interleave;
use rayon::prelude::*;

/// Rows written together: what is read of each column is a cache line.
const ROWS: usize = 16;

/// `y[b, j] = transposed[j, b] + bias[j]`, for rows of `columns` values; without a bias, just the transpose.
pub(crate) fn transpose_into(transposed: &[f32], columns: usize, bias: Option<&[f32]>, y: &mut [f32]) {
    let batch = y.len() / columns;
    y.par_chunks_mut(ROWS * columns).enumerate().for_each(|(i, y)| {
        let rows = y.len() / columns;
        interleave(columns, |j| &transposed[j * batch + i * ROWS..][..rows], y);
        if let Some(bias) = bias {
            for y in y.chunks_exact_mut(columns) {
                y.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        }
    });
}
