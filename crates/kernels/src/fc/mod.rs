//! The fully connected layer: `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]` (paper, section 3.5).
//!
//! # Shapes
//! `x, dx: [batch, inputs]`, `y, dy: [batch, outputs]`, `w, dw: [outputs, inputs]`, `bias, dbias: [outputs]`.

mod bf16;
mod dot;
mod f16;
pub mod reference;

use crate::gemm::{LONGEST_IN_BLOCKS, Matrix, Operand, Shape, Summation, gemm_blocks, gemm_in, uses_tiles};
use crate::geometry::FcGeometry;
use crate::micro_batch::{GradAccumulator, MicroBatch};
use crate::precision::Precision;
use crate::reduce::{add_rows, narrow};
use crate::scratch;
use crate::sgd::{SgdSettings, step_chunk};
use crate::shared::Shared;
use crate::slices::check_len;
use crate::transpose::transpose_into;
use bf16::Bf16Weights;
use f16::F16Weights;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The largest batch for which reading each weight once, straight from memory, beats packing.
const FEW: usize = 8;

/// `y[b, o] = bias[o] + sum_i w[o, i] x[b, i]`.
///
/// In single precision, batches of up to 8 images are bound by memory bandwidth and use dot products; the others use a matrix
/// product.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward(
    g: &FcGeometry,
    precision: Precision,
    micro_batch: impl Into<MicroBatch>,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    y: &mut [f32],
) {
    let micro_batch = micro_batch.into();
    check_len!(x, micro_batch.images(), g.inputs);
    check_len!(w, g.weights());
    check_len!(bias, g.outputs);
    check_len!(y, micro_batch.images(), g.outputs);
    if micro_batch.batch() <= FEW && precision == Precision::F32 {
        return dot::forward(g, x, w, bias, y);
    }
    forward_by_product(g, precision, micro_batch.images(), x, &Matrix::along_rows(w, g.inputs), bias, y);
}

/// [`forward`] with weights in half precision (see [`crate::f16`]); all arithmetic is in single precision.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward_f16(
    g: &FcGeometry,
    micro_batch: impl Into<MicroBatch>,
    x: &[f32],
    w: &[u16],
    bias: &[f32],
    y: &mut [f32],
) {
    let weights = F16Weights { values: w, inputs: g.inputs };
    forward_stored(g, Precision::F32, micro_batch.into(), x, (w, &weights), bias, y);
}

/// [`forward`] with weights that are stored as bfloat16 (see [`crate::bf16`]). In batches of up to 8 images, `x` is not
/// rounded.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward_bf16(
    g: &FcGeometry,
    micro_batch: impl Into<MicroBatch>,
    x: &[f32],
    w: &[u16],
    bias: &[f32],
    y: &mut [f32],
) {
    let weights = Bf16Weights { values: w, inputs: g.inputs };
    forward_stored(g, Precision::Bf16, micro_batch.into(), x, (dot::Bf16::of(w), &weights), bias, y);
}

/// [`forward`] with weights in a format of their own, as values and as an operand.
fn forward_stored<W: dot::Weight>(
    g: &FcGeometry,
    precision: Precision,
    micro_batch: MicroBatch,
    x: &[f32],
    (w, operand): (&[W], &dyn Operand),
    bias: &[f32],
    y: &mut [f32],
) {
    check_len!(x, micro_batch.images(), g.inputs);
    check_len!(w, g.weights());
    check_len!(bias, g.outputs);
    check_len!(y, micro_batch.images(), g.outputs);
    if micro_batch.batch() <= FEW {
        return dot::forward(g, x, w, bias, y);
    }
    forward_by_product(g, precision, micro_batch.images(), x, operand, bias, y);
}

/// `y^T = w x^T`, transposed back. With the weights, the larger matrix, on the left, each thread packs the rows it uses.
fn forward_by_product(
    g: &FcGeometry,
    precision: Precision,
    images: usize,
    x: &[f32],
    w: &dyn Operand,
    bias: &[f32],
    y: &mut [f32],
) {
    scratch::with(y.len(), |transposed| {
        let shape = Shape { m: g.outputs, n: images, k: g.inputs };
        gemm_in(
            precision,
            shape,
            w,
            &Matrix::along_rows(x, g.inputs),
            Summation::Overwrite,
            transposed,
            images,
        );
        transpose_into(transposed, g.outputs, Some(bias), y);
    });
}

/// `dx[b, i] = sum_o w[o, i] dy[b, o]`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward_input(
    g: &FcGeometry,
    precision: Precision,
    batch: usize,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    check_len!(dy, batch, g.outputs);
    check_len!(w, g.weights());
    check_len!(dx, batch, g.inputs);
    input_by_product(g, precision, batch, dy, w, g.outputs, dx);
}

/// [`backward_input`] with the sum over some units only: `dx[b, i] = sum_o w[o, i] dy[b, o]` for `o` in `units`.
///
/// # Panics
/// As [`backward_input`], or if there are not as many units.
pub fn backward_input_of_units(
    g: &FcGeometry,
    precision: Precision,
    batch: usize,
    dy: &[f32],
    w: &[f32],
    units: Range<usize>,
    dx: &mut [f32],
) {
    check_len!(dy, batch, g.outputs);
    check_len!(w, g.weights());
    check_len!(dx, batch, g.inputs);
    if units.is_empty() || batch == 0 {
        return dx.fill(0.0);
    }
    let w = &w[units.start * g.inputs..units.end * g.inputs];
    input_by_product(g, precision, batch, &dy[units.start..], w, units.len(), dx);
}

/// The sum over the first `units` units of each image in `dy`, whose weights are `w`.
fn input_by_product(
    g: &FcGeometry,
    precision: Precision,
    batch: usize,
    dy: &[f32],
    w: &[f32],
    units: usize,
    dx: &mut [f32],
) {
    let (w, dy) = (Matrix::across_rows(w, g.inputs), Matrix::along_rows(dy, g.outputs));
    if uses_tiles(precision) {
        // On the left, the weights would be transposed.
        let shape = Shape { m: batch, n: g.inputs, k: units };
        return gemm_in(precision, shape, &dy, &w, Summation::Overwrite, dx, g.inputs);
    }
    scratch::with(dx.len(), |transposed| {
        let shape = Shape { m: g.inputs, n: batch, k: units };
        gemm_in(precision, shape, &w, &dy, Summation::Overwrite, transposed, batch);
        transpose_into(transposed, g.inputs, None, dx);
    });
}

/// `dw[o, i] = sum_b dy[b, o] x[b, i]`, `dbias[o] = sum_b dy[b, o]`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward_weights(
    g: &FcGeometry,
    precision: Precision,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
) {
    accumulate_gradients(g, precision, batch.into(), x, dy, dw, dbias, &mut GradAccumulator::default());
}

/// [`backward_weights`] for one micro-batch. Call it for each micro-batch of a batch in order, with the same `dw`,
/// `dbias` and `accumulator`; after the last call the gradients are those of the batch, to the bit.
///
/// # Shapes
/// `x` and `dy` hold the images of the micro-batch.
///
/// # Panics
/// As [`backward_weights`], or if the micro-batch does not end at a multiple of
/// [`granule`](crate::micro_batch::granule) for the precision.
pub fn accumulate_gradients(
    g: &FcGeometry,
    precision: Precision,
    micro_batch: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
    accumulator: &mut GradAccumulator,
) {
    micro_batch.check(precision);
    check_len!(x, micro_batch.images(), g.inputs);
    check_len!(dy, micro_batch.images(), g.outputs);
    check_len!(dw, g.weights());
    check_len!(dbias, g.outputs);
    let shape = Shape { m: g.outputs, n: g.inputs, k: micro_batch.images() };
    let (left, right) = (Matrix::across_rows(dy, g.outputs), Matrix::across_rows(x, g.inputs));
    gemm_in(precision, shape, &left, &right, Summation::chained(micro_batch), dw, g.inputs);
    let biases = accumulator.biases(micro_batch, g.outputs);
    add_rows(dy, 1, biases);
    narrow(biases, dbias);
}

/// `dbias[o] = sum_b dy[b, o]`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward_biases(g: &FcGeometry, batch: usize, dy: &[f32], dbias: &mut [f32]) {
    check_len!(dy, batch, g.outputs);
    check_len!(dbias, g.outputs);
    let mut biases = vec![0.0; g.outputs];
    add_rows(dy, 1, &mut biases);
    narrow(&biases, dbias);
}

/// Whether [`step`] supports batches of this size.
pub const fn supports_step(batch: usize) -> bool {
    1 <= batch && batch <= LONGEST_IN_BLOCKS
}

/// Computes the weight gradient and applies it: `dw[o, i] = sum_b dy[b, o] x[b, i]`, then [`crate::sgd::step`]. The
/// gradient goes from the cache into the update and is never written to memory. The results have the bits of
/// [`backward_weights`] followed by [`crate::sgd::step`].
///
/// Returns whether every weight is finite afterwards.
///
/// # Shapes
/// `v: [outputs, inputs]`, the velocity.
///
/// # Panics
/// If a slice's length does not match the geometry, or not [`supports_step`].
pub fn step(
    g: &FcGeometry,
    precision: Precision,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    w: &mut [f32],
    v: &mut [f32],
    settings: SgdSettings,
) -> bool {
    check_len!(x, batch, g.inputs);
    check_len!(dy, batch, g.outputs);
    check_len!(w, g.weights());
    check_len!(v, g.weights());
    let shape = Shape { m: g.outputs, n: g.inputs, k: batch };
    let (left, right) = (Matrix::across_rows(dy, g.outputs), Matrix::across_rows(x, g.inputs));
    let (w, v) = (Shared::new(w), Shared::new(v));
    let finite = AtomicBool::new(true);
    gemm_blocks(precision, shape, &left, &right, &|rows, columns, block| {
        for (row, gradient) in rows.zip(block.chunks_exact(columns.len())) {
            let first = row * g.inputs + columns.start;
            // SAFETY: part of row `row` of either matrix, and blocks do not overlap.
            let (w, v) = unsafe { (w.range(first, columns.len()), v.range(first, columns.len())) };
            if !step_chunk(w, v, gradient, settings) {
                finite.store(false, Ordering::Relaxed);
            }
        }
    });
    finite.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_units_add_up() {
        let (g, batch) = (FcGeometry::new(13, 7).unwrap(), 3);
        let values = |len: usize| (0..len).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<f32>>();
        let (w, dy) = (values(g.weights()), values(batch * g.outputs));
        let compute = |units: Range<usize>| {
            let mut dx = vec![f32::NAN; batch * g.inputs];
            backward_input_of_units(&g, Precision::F32, batch, &dy, &w, units, &mut dx);
            dx
        };
        let mut whole = vec![0.0; batch * g.inputs];
        backward_input(&g, Precision::F32, batch, &dy, &w, &mut whole);
        assert_eq!(compute(0..7), whole);
        let (parts, none) = ([compute(0..3), compute(3..7)], compute(3..3));
        for (i, whole) in whole.iter().enumerate() {
            assert!((parts[0][i] + parts[1][i] - whole).abs() < 1e-5);
        }
        assert!(none.iter().all(|&value| value == 0.0));
    }
}
