//! Fully connected layer: `y = x w^T + bias`.
//!
//! # Shapes
//! `x, dx: [batch, inputs]`, `y, dy: [batch, outputs]`, `w, dw: [outputs, inputs]`, `bias, dbias: [outputs]`.

mod dot;
pub mod reference;

use crate::check_len;
use crate::gemm::{Matrix, Shape, Start, gemm};
use crate::reduce::sum_rows;

/// The largest batch for which reading each weight once, straight from memory, beats packing it.
const FEW: usize = 8;

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
///
/// A small batch is bound by reading the weights, and takes another path than a large one.
///
/// # Panics
/// When a slice's length is not the shape's.
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
        return dot::forward(inputs, x, w, bias, y);
    }
    let shape = Shape { m: batch, n: outputs, k: inputs };
    let (x, w) = (Matrix::along_rows(x, inputs), Matrix::along_rows(w, inputs));
    gemm(shape, &x, &w, Start::Row(bias), y, outputs);
}

/// `dx[b, i] = sum_o w[o, i] dy[b, o]`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn backward_input(batch: usize, inputs: usize, outputs: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * outputs);
    check_len!(w, outputs * inputs);
    check_len!(dx, batch * inputs);
    let shape = Shape { m: batch, n: inputs, k: outputs };
    let (dy, w) = (Matrix::along_rows(dy, outputs), Matrix::across_rows(w, inputs));
    gemm(shape, &dy, &w, Start::Zero, dx, inputs);
}

/// `dw[o, i] = sum_b dy[b, o] x[b, i]`, `dbias[o] = sum_b dy[b, o]`.
///
/// # Panics
/// When a slice's length is not the shape's.
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
    let (left, right) = (Matrix::across_rows(dy, outputs), Matrix::across_rows(x, inputs));
    gemm(shape, &left, &right, Start::Zero, dw, inputs);
    sum_rows(dy, dbias);
}
