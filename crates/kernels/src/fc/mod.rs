//! Fully connected layer: `y = x w^T + bias`.
//!
//! # Shapes
//! `x, dx: [batch, inputs]`, `y, dy: [batch, outputs]`, `w, dw: [outputs, inputs]`, `bias, dbias: [outputs]`.

mod dot;
mod halved;
pub mod reference;

use crate::check_len;
use crate::gemm::{LONGEST_IN_BLOCKS, Matrix, Operand, Shape, Start, gemm, gemm_blocks, gemm_chain};
use crate::part::{Carry, Part};
use crate::reduce::{add_rows, narrow};
use crate::scratch;
use crate::sgd::step_part;
use crate::shared::Shared;
use halved::Halves;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// The largest batch for which reading each weight once, straight from memory, beats packing it.
const FEW: usize = 8;

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
///
/// A small batch is bound by reading the weights, and takes another path than a large one.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn forward(
    part: impl Into<Part>,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    y: &mut [f32],
) {
    let part = part.into();
    check_len!(x, part.images() * inputs);
    check_len!(w, outputs * inputs);
    check_len!(bias, outputs);
    check_len!(y, part.images() * outputs);
    if part.batch() <= FEW {
        return dot::forward(inputs, x, w, bias, y);
    }
    large_forward(part.images(), inputs, outputs, x, &Matrix::along_rows(w, inputs), bias, y);
}

/// [`forward`] with weights in half precision (see [`crate::half`]); all arithmetic is in single precision.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn forward_halved(
    part: impl Into<Part>,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    w: &[u16],
    bias: &[f32],
    y: &mut [f32],
) {
    let part = part.into();
    check_len!(x, part.images() * inputs);
    check_len!(w, outputs * inputs);
    check_len!(bias, outputs);
    check_len!(y, part.images() * outputs);
    if part.batch() <= FEW {
        return dot::forward(inputs, x, w, bias, y);
    }
    large_forward(part.images(), inputs, outputs, x, &Halves { values: w, inputs }, bias, y);
}

/// The larger matrix, the weights, on the left: each thread packs its part where it uses it.
fn large_forward(
    batch: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    w: &dyn Operand,
    bias: &[f32],
    y: &mut [f32],
) {
    scratch::with(y.len(), |turned| {
        let shape = Shape { m: outputs, n: batch, k: inputs };
        gemm(shape, w, &Matrix::along_rows(x, inputs), Start::Zero, turned, batch);
        turn_back(turned, outputs, Some(bias), y);
    });
}

/// `y[b, j] = turned[j, b]`, plus `bias[j]`, for rows of `columns` values.
fn turn_back(turned: &[f32], columns: usize, bias: Option<&[f32]>, y: &mut [f32]) {
    if columns == 0 {
        return;
    }
    let batch = y.len() / columns;
    y.par_chunks_exact_mut(columns).enumerate().for_each(|(b, y)| {
        let values = turned[b..].iter().step_by(batch);
        match bias {
            Some(bias) => y.iter_mut().zip(values).zip(bias).for_each(|((y, value), bias)| *y = bias + value),
            None => y.iter_mut().zip(values).for_each(|(y, value)| *y = *value),
        }
    });
}

/// `dx[b, i] = sum_o w[o, i] dy[b, o]`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn backward_input(batch: usize, inputs: usize, outputs: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * outputs);
    check_len!(w, outputs * inputs);
    check_len!(dx, batch * inputs);
    scratch::with(dx.len(), |turned| {
        let shape = Shape { m: inputs, n: batch, k: outputs };
        let (w, dy) = (Matrix::across_rows(w, inputs), Matrix::along_rows(dy, outputs));
        gemm(shape, &w, &dy, Start::Zero, turned, batch);
        turn_back(turned, inputs, None, dx);
    });
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
    backward_weights_part(batch.into(), inputs, outputs, x, dy, dw, dbias, &mut Carry::default());
}

/// [`backward_weights`] of a batch that comes in parts, first to last, with the same `dw`, `dbias` and `carry`: these are
/// the gradients after the last part.
///
/// # Shapes
/// `x` and `dy` are those of the part.
///
/// # Panics
/// As [`backward_weights`].
pub fn backward_weights_part(
    part: Part,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
    carry: &mut Carry,
) {
    check_len!(x, part.images() * inputs);
    check_len!(dy, part.images() * outputs);
    check_len!(dw, outputs * inputs);
    check_len!(dbias, outputs);
    let shape = Shape { m: outputs, n: inputs, k: part.images() };
    let (left, right) = (Matrix::across_rows(dy, outputs), Matrix::across_rows(x, inputs));
    gemm_chain(shape, &left, &right, Start::of(part), dw, inputs);
    let biases = carry.biases(part, outputs);
    add_rows(dy, 1, biases);
    narrow(biases, dbias);
}

/// `dbias[o] = sum_b dy[b, o]`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub fn backward_biases(batch: usize, outputs: usize, dy: &[f32], dbias: &mut [f32]) {
    check_len!(dy, batch * outputs);
    check_len!(dbias, outputs);
    let mut biases = vec![0.0; outputs];
    add_rows(dy, 1, &mut biases);
    narrow(&biases, dbias);
}

/// Whether [`step`] takes batches of this size.
pub const fn steps(batch: usize) -> bool {
    1 <= batch && batch <= LONGEST_IN_BLOCKS
}

/// The weights' gradient and the update that follows from it, `v = momentum v - decay rate w - rate dw`,
/// `w = w + v`, in one: `dw` goes into the update from the cache, and is never written out. The numbers are those of
/// [`backward_weights`] and [`crate::sgd::step`]. Tells whether every weight is a finite number afterwards.
///
/// # Shapes
/// `v: [outputs, inputs]`, the momentum.
///
/// # Panics
/// When a slice's length is not the shape's, or the batch is not one that [`steps`].
pub fn step(
    batch: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    dy: &[f32],
    w: &mut [f32],
    v: &mut [f32],
    [rate, momentum, decay]: [f32; 3],
) -> bool {
    check_len!(x, batch * inputs);
    check_len!(dy, batch * outputs);
    check_len!(w, outputs * inputs);
    check_len!(v, outputs * inputs);
    let shape = Shape { m: outputs, n: inputs, k: batch };
    let (left, right) = (Matrix::across_rows(dy, outputs), Matrix::across_rows(x, inputs));
    let (w, v) = (Shared::new(w), Shared::new(v));
    let finite = AtomicBool::new(true);
    gemm_blocks(shape, &left, &right, &|rows, columns, block| {
        for (row, gradient) in rows.zip(block.chunks_exact(columns.len())) {
            let first = row * inputs + columns.start;
            // SAFETY: a part of row `row` of either matrix, and blocks do not overlap.
            let (w, v) = unsafe { (w.part(first, columns.len()), v.part(first, columns.len())) };
            if !step_part(w, v, gradient, rate, momentum, decay) {
                finite.store(false, Ordering::Relaxed);
            }
        }
    });
    finite.into_inner()
}
