//! Sums over the rows of a matrix: the gradients of biases.

use crate::isa::multiversioned;
use rayon::prelude::*;

/// Rows summed one after another before their sum joins the total. Fixed, so that the order of the sum is.
const BLOCK: usize = 512;

/// Values that one task sums: whole cache lines of neighbouring columns.
const COLUMNS: usize = 4096;

/// `sums[j] = sum_i matrix[i, j]` for a `matrix` of `[rows, sums.len()]`, in blocks of rows.
///
/// The blocks bound the rounding error of a long sum: it grows with `BLOCK + rows / BLOCK`, not with `rows`.
pub(crate) fn sum_rows(matrix: &[f32], sums: &mut [f32]) {
    let columns = sums.len();
    let blocks: Vec<Vec<f32>> = matrix
        .par_chunks(BLOCK * columns)
        .map(|block| {
            let mut partial = vec![0.0; columns];
            for (start, part) in (0..).step_by(COLUMNS).zip(partial.chunks_mut(COLUMNS)) {
                add_rows(block, columns, start, part);
            }
            partial
        })
        .collect();
    sums.fill(0.0);
    for block in &blocks {
        add_rows(block, columns, 0, sums);
    }
}

multiversioned! {
    /// Adds `matrix[i, start + j]` of every row to `sums[j]`.
    fn add_rows(matrix: &[f32], columns: usize, start: usize, sums: &mut [f32]) {
        for row in matrix.chunks_exact(columns) {
            for (sum, value) in sums.iter_mut().zip(&row[start..]) {
                *sum += value;
            }
        }
    }
}
