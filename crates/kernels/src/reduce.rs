//! Sums over the rows of a matrix, `sums[j] += sum_i matrix[i, j]`: the bias gradients.

use crate::isa::multiversioned;
use crate::micro_batch::GRANULE;
use crate::slices::GRAIN;
use rayon::prelude::*;

/// Rows that one task sums, at most. Fixed, so that the order of the sum is fixed.
const BLOCK: usize = 1024;

/// Columns summed at a time: their sums stay in the first-level cache.
const COLUMNS: usize = 1024;

/// `sums[j] += sum_i matrix[i, j]` for a `matrix` of `[images, rows, sums.len()]`, where `i` runs over the rows of all
/// images. Blocks of rows end at granules, so that every split of a batch has the same blocks.
///
/// Sums are in double precision: there may be hundreds of thousands of values, and memory is the bottleneck anyway.
pub(crate) fn add_rows(matrix: &[f32], rows: usize, sums: &mut [f64]) {
    let columns = sums.len();
    let granules = matrix.chunks((GRANULE * rows * columns).max(1));
    let blocks: Vec<&[f32]> = granules.flat_map(|granule| granule.chunks(BLOCK * columns)).collect();
    let partial: Vec<Vec<f64>> = blocks
        .into_par_iter()
        .map(|block| {
            let mut partial = vec![0.0; columns];
            for (start, part) in (0..).step_by(COLUMNS).zip(partial.chunks_mut(COLUMNS)) {
                add_block(block, columns, start, part);
            }
            partial
        })
        .collect();
    for partial in partial {
        sums.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
    }
}

/// Adds partial sums, one after the other in `partial`, to a total in their order. The first ones replace it.
pub(crate) fn add_in_order(partial: &[f32], is_first: bool, total: &mut [f32]) {
    let len = total.len();
    total.par_chunks_mut(GRAIN).enumerate().for_each(|(i, total)| {
        for (j, partial) in partial.chunks_exact(len).enumerate() {
            let partial = &partial[i * GRAIN..][..total.len()];
            match is_first && j == 0 {
                true => total.copy_from_slice(partial),
                false => total.iter_mut().zip(partial).for_each(|(total, partial)| *total += partial),
            }
        }
    });
}

/// Rounds sums to single precision.
pub(crate) fn narrow(sums: &[f64], narrow: &mut [f32]) {
    narrow.iter_mut().zip(sums).for_each(|(narrow, &sum)| *narrow = sum as f32);
}

multiversioned! {
    /// Adds `matrix[i, start + j]` of every row to `sums[j]`.
    fn add_block(matrix: &[f32], columns: usize, start: usize, sums: &mut [f64]) {
        for row in matrix.chunks_exact(columns) {
            for (sum, &value) in sums.iter_mut().zip(&row[start..]) {
                *sum += f64::from(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums are compared in double precision: single precision would hide their order.
    #[test]
    fn splits_at_granules_keep_the_bits() {
        const COLUMNS: usize = 3;
        for rows in [1, 130, 2000] {
            // Magnitudes so different that sums round in double precision.
            let value = |i: usize| (i as f32).sin() * ((i % 61) as f32 - 30.0).exp2();
            let matrix: Vec<f32> = (0..40 * rows * COLUMNS).map(value).collect();
            let cut = |images: usize| {
                let mut sums = [0.0; COLUMNS];
                matrix.chunks(images * rows * COLUMNS).for_each(|part| add_rows(part, rows, &mut sums));
                sums.map(f64::to_bits)
            };
            let whole = cut(40);
            assert!([1, 2, 3].iter().all(|granules| cut(granules * GRANULE) == whole), "{rows} rows");
            assert!(cut(GRANULE + 1) != whole, "{rows} rows: the order of the sum makes no difference");
        }
    }
}
