//! Sums over the rows of a matrix: the gradients of biases.

use crate::isa::multiversioned;
use rayon::prelude::*;

/// Rows whose sum is a task. Fixed, so that the order of the sum is.
const BLOCK: usize = 1024;

/// Columns summed together: their sums stay in the first-level cache.
const COLUMNS: usize = 1024;

/// `sums[j] = sum_i matrix[i, j]` for a `matrix` of `[rows, sums.len()]`, in blocks of rows.
///
/// In double precision: hundreds of thousands of values may be summed, and memory is the bottleneck anyway.
pub(crate) fn sum_rows(matrix: &[f32], sums: &mut [f32]) {
    let columns = sums.len();
    let blocks: Vec<Vec<f64>> = matrix
        .par_chunks(BLOCK * columns)
        .map(|block| {
            let mut partial = vec![0.0; columns];
            for (start, part) in (0..).step_by(COLUMNS).zip(partial.chunks_mut(COLUMNS)) {
                add_rows(block, columns, start, part);
            }
            partial
        })
        .collect();
    for (j, sum) in sums.iter_mut().enumerate() {
        *sum = blocks.iter().map(|block| block[j]).sum::<f64>() as f32;
    }
}

multiversioned! {
    /// Adds `matrix[i, start + j]` of every row to `sums[j]`.
    fn add_rows(matrix: &[f32], columns: usize, start: usize, sums: &mut [f64]) {
        for row in matrix.chunks_exact(columns) {
            for (sum, &value) in sums.iter_mut().zip(&row[start..]) {
                *sum += f64::from(value);
            }
        }
    }
}
