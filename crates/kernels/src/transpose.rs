//! Results of products that were computed transposed.

use rayon::prelude::*;

/// `y[b, j] = transposed[j, b] + bias[j]`, for rows of `columns` values; without a bias, just the transpose.
pub(crate) fn transpose_into(transposed: &[f32], columns: usize, bias: Option<&[f32]>, y: &mut [f32]) {
    let batch = y.len() / columns;
    y.par_chunks_exact_mut(columns).enumerate().for_each(|(b, y)| {
        let values = transposed[b..].iter().step_by(batch);
        match bias {
            Some(bias) => y.iter_mut().zip(values).zip(bias).for_each(|((y, value), bias)| *y = bias + value),
            None => y.iter_mut().zip(values).for_each(|(y, value)| *y = *value),
        }
    });
}
