//! The three passes as matrix products over patches: `Y = X W`, `dX = dY W^T`, `dW = X^T dY`.

use super::unpacked;
use crate::activation::Epilogue;
use crate::gemm::{Matrix, Shape, Summation, gemm_in, uses_tiles};
use crate::geometry::ConvGeometry;
use crate::micro_batch::{GRANULE, GradAccumulator, MicroBatch};
use crate::patches::{Grid, Patches, TapWeights, Transposed, positions_that_see};
use crate::precision::Precision;
use crate::reduce::{add_rows, narrow};
use crate::scratch;
use crate::transpose::transpose_into;
use std::ops::Range;

/// If a granule adds fewer products than this to a weight's gradient, the sum is not cut at granules.
const FEW: usize = 128;

/// `y = bias + sum w x`, then the epilogue.
pub(super) fn forward(
    g: &ConvGeometry,
    precision: Precision,
    batch: usize,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    if unpacked::fits(g, precision) {
        return unpacked::forward(g, batch, x, w, bias, epilogue, y);
    }
    let shape = Shape { m: batch * g.output.pixels(), n: g.group_outputs(), k: g.depth() };
    for (group, w) in w.chunks_exact(shape.k * shape.n).enumerate() {
        let outputs = channels(group, shape.n);
        let sum = Summation::Bias(&bias[outputs.clone()]);
        let y = tail(y, outputs.start);
        gemm_in(
            precision,
            shape,
            &patches(g, group, x),
            &Matrix::across_rows(w, shape.n),
            sum,
            y,
            g.output.channels,
        );
    }
    epilogue.apply(y);
}

/// The input gradient. Input pixels fall into `stride * stride` phases; those of one phase are seen through the same
/// taps, so each phase is a convolution of `dy` with stride 1.
pub(super) fn backward_input(
    g: &ConvGeometry,
    precision: Precision,
    batch: usize,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    for group in 0..g.groups {
        for y in 0..g.window.stride.min(g.input.height) {
            for x in 0..g.window.stride.min(g.input.width) {
                backward_phase(g, precision, batch, group, [y, x], dy, w, dx);
            }
        }
    }
}

/// The gradient of one group's inputs at every `stride`-th pixel from `(first_y, first_x)` on.
fn backward_phase(
    g: &ConvGeometry,
    precision: Precision,
    batch: usize,
    group: usize,
    [first_y, first_x]: [usize; 2],
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    let (kernel, stride, pad) = (g.window.kernel, g.window.stride, g.window.pad);
    let (inputs, outputs) = (channels(group, g.group_inputs()), channels(group, g.group_outputs()));
    let rows = positions_that_see(first_y + pad, kernel, stride);
    let columns = positions_that_see(first_x + pad, kernel, stride);
    let tap = |oy: isize, ox: isize| {
        let ky = (first_y + pad).strict_sub_signed(oy * stride as isize);
        let kx = (first_x + pad).strict_sub_signed(ox * stride as isize);
        ((group * kernel + ky) * kernel + kx) * inputs.len() * outputs.len()
    };
    let across = |oy: isize| columns.clone().map(move |ox| (oy, ox));
    let taps = rows.clone().flat_map(across).map(|(oy, ox)| tap(oy, ox)).collect();
    let weights = TapWeights::new(w, outputs.len(), taps);
    let grid = Grid {
        height: (g.input.height - first_y).div_ceil(stride),
        width: (g.input.width - first_x).div_ceil(stride),
        step: 1,
    };
    let patches = Patches::new(dy, g.output, outputs, grid, rows, columns);
    let shape = Shape { m: batch * grid.height * grid.width, n: inputs.len(), k: patches.depth() };
    if stride == 1 {
        let dx = tail(dx, inputs.start);
        return gemm_in(precision, shape, &patches, &weights, Summation::Overwrite, dx, g.input.channels);
    }
    // The pixels of a phase are not evenly spaced in memory: they are computed apart and copied.
    scratch::with(shape.m * shape.n, |phase| {
        gemm_in(precision, shape, &patches, &weights, Summation::Overwrite, phase, shape.n);
        for (index, values) in phase.chunks_exact(shape.n).enumerate() {
            let (line, gx) = (index / grid.width, index % grid.width);
            let (image, gy) = (line / grid.height, line % grid.height);
            let row = image * g.input.height + first_y + gy * stride;
            let pixel = row * g.input.width + first_x + gx * stride;
            dx[pixel * g.input.channels..][inputs.clone()].copy_from_slice(values);
        }
    });
}

/// The weight and bias gradients. Granules are summed one by one and added in order; short sums are one chain.
pub(super) fn accumulate_gradients(
    g: &ConvGeometry,
    precision: Precision,
    micro_batch: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
    accumulator: &mut GradAccumulator,
) {
    let pixels = g.output.pixels();
    let biases = accumulator.biases(micro_batch, g.output.channels);
    add_rows(dy, pixels, biases);
    narrow(biases, dbias);
    let is_chain = GRANULE * pixels < FEW;
    if unpacked::fits(g, precision) && !is_chain {
        return unpacked::accumulate_weights(g, micro_batch, x, dy, dw);
    }
    let (m, n) = (g.depth(), g.group_outputs());
    let pieces: Vec<MicroBatch> = match is_chain || micro_batch.images() <= GRANULE {
        true => vec![micro_batch],
        false => micro_batch.granules().collect(),
    };
    let operands = |group: usize, piece: &MicroBatch| {
        let first = piece.range().start - micro_batch.range().start;
        let x = &x[first * g.input.len()..][..piece.images() * g.input.len()];
        let dy = &dy[first * g.output.len()..][..piece.images() * g.output.len()];
        let dy = &dy[channels(group, n).start.min(dy.len())..];
        (Transposed(patches(g, group, x)), Matrix::across_rows(dy, g.output.channels))
    };
    let sum = |piece: MicroBatch| match is_chain {
        true => Summation::chained(piece),
        false => Summation::blocked(piece),
    };
    for (group, dw) in dw.chunks_exact_mut(m * n).enumerate() {
        if !uses_tiles(precision) {
            for piece in &pieces {
                let ((x, dy), k) = (operands(group, piece), piece.images() * pixels);
                gemm_in(precision, Shape { m, n, k }, &x, &dy, sum(*piece), dw, n);
            }
            continue;
        }
        // `dW^T = dY^T X`: the left operand is transposed, and patches hold each value many times.
        scratch::with(m * n, |transposed| {
            if !micro_batch.is_first() {
                transpose_into(dw, m, None, transposed);
            }
            for piece in &pieces {
                let ((x, dy), k) = (operands(group, piece), piece.images() * pixels);
                gemm_in(precision, Shape { m: n, n: m, k }, &dy, &x, sum(*piece), transposed, m);
            }
            transpose_into(transposed, n, None, dw);
        });
    }
}

/// The patches that one group's outputs see.
fn patches<'a>(g: &ConvGeometry, group: usize, x: &'a [f32]) -> Patches<'a> {
    let (kernel, pad) = (g.window.kernel as isize, g.window.pad as isize);
    let grid = Grid { height: g.output.height, width: g.output.width, step: g.window.stride };
    let taps = -pad..kernel - pad;
    Patches::new(x, g.input, channels(group, g.group_inputs()), grid, taps.clone(), taps)
}

/// The channels of a group.
fn channels(group: usize, count: usize) -> Range<usize> {
    group * count..(group + 1) * count
}

/// The values from `first` on: all rows of a group's columns. Empty for an empty batch.
fn tail(values: &mut [f32], first: usize) -> &mut [f32] {
    let first = first.min(values.len());
    &mut values[first..]
}
