//! Fully connected layers: `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
//!
//! `x`: `[batch, in]`; `w`: `[out, in]`; `y`: `[batch, out]`; `bias`: `[out]`.

pub mod reference;

use crate::gemm::{Matrix, Shape, Start, gemm};
use crate::isa::multiversioned;
use crate::{check_len, reduce};
use rayon::prelude::*;

/// Images up to which each weight is read once from memory and used where it is: a matrix product would write the
/// weights out into panels first, and a handful of images does not pay for that.
const FEW: usize = 4;

/// The layer's output.
pub fn forward(
    batch: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    y: &mut [f32],
) {
    check_len!(x, batch * inputs);
    check_len!(w, outputs * inputs);
    check_len!(bias, outputs);
    check_len!(y, batch * outputs);
    if batch <= FEW {
        return forward_few(batch, inputs, x, w, bias, y);
    }
    let shape = Shape { m: batch, n: outputs, k: inputs };
    gemm(shape, &Matrix::along_rows(x, inputs), &Matrix::along_rows(w, inputs), Start::Row(bias), y, outputs);
}

fn forward_few(batch: usize, inputs: usize, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    let outputs = bias.len();
    let mut sums = vec![0.0; outputs * batch];
    let rows = sums.par_chunks_exact_mut(batch).zip(w.par_chunks_exact(inputs)).with_min_len(16);
    rows.for_each(|(sums, w)| {
        for (sum, x) in sums.iter_mut().zip(x.chunks_exact(inputs)) {
            dot(w, x, sum);
        }
    });
    for (o, sums) in sums.chunks_exact(batch).enumerate() {
        for (b, sum) in sums.iter().enumerate() {
            y[b * outputs + o] = bias[o] + sum;
        }
    }
}

multiversioned! {
    /// `sum = a b`, in 32 partial sums that vectors hold.
    fn dot(a: &[f32], b: &[f32], sum: &mut f32) {
        const LANES: usize = 32;
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut sums = [0.0; LANES];
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                sums[i] += a[i] * b[i];
            }
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        *sum = sums.iter().sum::<f32>() + rest;
    }
}

/// `dx`, the gradient by `x`, from `dy`, the gradient by `y`.
pub fn backward_input(batch: usize, inputs: usize, outputs: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * outputs);
    check_len!(w, outputs * inputs);
    check_len!(dx, batch * inputs);
    let shape = Shape { m: batch, n: inputs, k: outputs };
    gemm(shape, &Matrix::along_rows(dy, outputs), &Matrix::across_rows(w, inputs), Start::Zero, dx, inputs);
}

/// `dw` and `dbias`, the gradients by `w` and `bias`, summed over the batch.
pub fn backward_weights(
    batch: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
) {
    check_len!(x, batch * inputs);
    check_len!(dy, batch * outputs);
    check_len!(dw, outputs * inputs);
    check_len!(dbias, outputs);
    let shape = Shape { m: outputs, n: inputs, k: batch };
    gemm(shape, &Matrix::across_rows(dy, outputs), &Matrix::across_rows(x, inputs), Start::Zero, dw, inputs);
    reduce::sum_rows(dy, dbias);
}
