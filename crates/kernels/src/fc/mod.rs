//! Fully connected layers: `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`. `w`: `[out, in]`.

pub mod reference;

use crate::gemm::{Matrix, Shape, Start, gemm};
use crate::reduce;

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
    let shape = Shape { m: batch, n: outputs, k: inputs };
    gemm(shape, &Matrix::along_rows(x, inputs), &Matrix::along_rows(w, inputs), Start::Row(bias), y, outputs);
}

/// `dx`.
pub fn backward_input(batch: usize, inputs: usize, outputs: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let shape = Shape { m: batch, n: inputs, k: outputs };
    gemm(shape, &Matrix::along_rows(dy, outputs), &Matrix::across_rows(w, inputs), Start::Zero, dx, inputs);
}

/// `dw`, `dbias`.
pub fn backward_weights(
    batch: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
) {
    let shape = Shape { m: outputs, n: inputs, k: batch };
    gemm(shape, &Matrix::across_rows(dy, outputs), &Matrix::across_rows(x, inputs), Start::Zero, dw, inputs);
    reduce::sum_rows(dy, dbias);
}
