//! Convolution, in groups that do not see each other (paper, section 3.5: the columns of figure 2).
//!
//! `y[b, oy, ox, o] = bias[o] + sum over ky, kx, i of w[ky, kx, i, o] x[b, oy s - p + ky, ox s - p + kx, i]`,
//! with zeros outside the map, for stride `s` and pad `p`.
//!
//! Where Winograd's algorithms multiply less, they are used. They mix the values that a tile of outputs sees, so an
//! infinity or a not-a-number spoils outputs that have no part in it: then the pass is done again as below.
//!
//! Otherwise all three passes are matrix products over patches that are packed straight from the maps; no pass writes
//! the patches out, and none scatters. The zeros outside the map are multiplied like any value: beside them an
//! infinite weight gives not-a-number.
//!
//! # Shapes
//! `x, dx: [batch, input]`, `y, dy: [batch, output]`, `bias, dbias: [output.channels]`,
//! `w, dw: [groups, kernel, kernel, group_inputs, group_outputs]`.

pub mod reference;

use crate::activation::Epilogue;
use crate::check_len;
use crate::gemm::{Matrix, Shape, Start, gemm};
use crate::geometry::ConvGeometry;
use crate::patches::{Patches, TapWeights, Turned, seen_by};
use crate::reduce::sum_rows;
use crate::scratch;
use crate::winograd::Winograd;
use std::ops::Range;

/// `y = bias + sum w x`, then the epilogue.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn forward(
    g: &ConvGeometry,
    batch: usize,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    check_len!(x, batch * g.input.len());
    check_len!(w, g.weights());
    check_len!(bias, g.output.channels);
    check_len!(y, batch * g.output.len());
    let winograd = Winograd::of(g, batch);
    if winograd.is_some_and(|winograd| winograd.forward(x, w, bias, epilogue, y)) {
        return;
    }
    let shape = Shape { m: batch * g.output.pixels(), n: g.group_outputs(), k: g.depth() };
    for (group, w) in w.chunks_exact(shape.k * shape.n).enumerate() {
        let outputs = columns(group, shape.n);
        let start = Start::Row(&bias[outputs.clone()]);
        let y = tail(y, outputs.start);
        gemm(shape, &patches(g, group, x), &Matrix::across_rows(w, shape.n), start, y, g.output.channels);
    }
    epilogue.apply(y);
}

/// Values that [`transform_weights`] writes: none where a pass of `batch` images reads the weights as they are.
pub fn transformed_len(g: &ConvGeometry, batch: usize) -> usize {
    Winograd::of(g, batch).map_or(0, |winograd| winograd.transformed_weights())
}

/// Transforms weights for [`forward_transformed`], so that not every pass has to.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn transform_weights(g: &ConvGeometry, batch: usize, w: &[f32], transformed: &mut [f32]) {
    check_len!(w, g.weights());
    check_len!(transformed, transformed_len(g, batch));
    if let Some(winograd) = Winograd::of(g, batch) {
        winograd.transform(w, transformed);
    }
}

/// [`forward`], for weights that were transformed before, for this number of images or another.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn forward_transformed(
    g: &ConvGeometry,
    batch: usize,
    x: &[f32],
    (w, transformed): (&[f32], &[f32]),
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    check_len!(x, batch * g.input.len());
    check_len!(bias, g.output.channels);
    check_len!(y, batch * g.output.len());
    let winograd = Winograd::of_transformed(g, batch, transformed.len());
    if !winograd.is_some_and(|winograd| winograd.forward_transformed(x, transformed, bias, epilogue, y)) {
        forward(g, batch, x, w, bias, epilogue, y);
    }
}

/// `dx[b, iy, ix, i] = sum over ky, kx, o of w[ky, kx, i, o] dy[b, oy, ox, o]`, where in the forward pass output
/// `(oy, ox)` saw input `(iy, ix)` through tap `(ky, kx)`.
///
/// Input pixels fall into `stride * stride` phases. Those of one phase are seen through the same taps, so each
/// phase is a convolution of `dy` with stride 1.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn backward_input(g: &ConvGeometry, batch: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * g.output.len());
    check_len!(w, g.weights());
    check_len!(dx, batch * g.input.len());
    let winograd = Winograd::of_input_gradient(g, batch);
    if winograd.is_some_and(|winograd| winograd.backward_input(dy, w, dx)) {
        return;
    }
    for group in 0..g.groups {
        for y in 0..g.window.stride.min(g.input.height) {
            for x in 0..g.window.stride.min(g.input.width) {
                backward_phase(g, batch, group, [y, x], dy, w, dx);
            }
        }
    }
}

/// The gradient of every `stride`-th pixel of one group's inputs, from pixel `(first_y, first_x)` on.
fn backward_phase(
    g: &ConvGeometry,
    batch: usize,
    group: usize,
    [first_y, first_x]: [usize; 2],
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    let (kernel, stride, pad) = (g.window.kernel, g.window.stride, g.window.pad);
    let (inputs, outputs) = (columns(group, g.group_inputs()), columns(group, g.group_outputs()));
    let rows = seen_by(first_y + pad, kernel, stride);
    let cols = seen_by(first_x + pad, kernel, stride);
    let tap = |oy: isize, ox: isize| {
        let ky = (first_y + pad).strict_sub_signed(oy * stride as isize);
        let kx = (first_x + pad).strict_sub_signed(ox * stride as isize);
        ((group * kernel + ky) * kernel + kx) * inputs.len() * outputs.len()
    };
    let taps = rows.clone().flat_map(|oy| cols.clone().map(move |ox| (oy, ox))).map(|(oy, ox)| tap(oy, ox));
    let weights = TapWeights::new(w, outputs.len(), taps.collect());
    let grid = [(g.input.height - first_y).div_ceil(stride), (g.input.width - first_x).div_ceil(stride)];
    let patches = Patches::new(dy, g.output, outputs, grid, 1, rows, cols);
    let shape = Shape { m: batch * grid[0] * grid[1], n: inputs.len(), k: patches.depth() };
    if stride == 1 {
        return gemm(shape, &patches, &weights, Start::Zero, tail(dx, inputs.start), g.input.channels);
    }
    // The pixels of a phase do not lie evenly in memory: they are computed beside dx and copied.
    scratch::with(shape.m * shape.n, |phase| {
        gemm(shape, &patches, &weights, Start::Zero, phase, shape.n);
        for (index, values) in phase.chunks_exact(shape.n).enumerate() {
            let (line, gx) = (index / grid[1], index % grid[1]);
            let (image, gy) = (line / grid[0], line % grid[0]);
            let pixel =
                (image * g.input.height + first_y + gy * stride) * g.input.width + first_x + gx * stride;
            dx[pixel * g.input.channels..][inputs.clone()].copy_from_slice(values);
        }
    });
}

/// `dw[ky, kx, i, o] = sum over b, oy, ox of x[b, oy s - p + ky, ox s - p + kx, i] dy[b, oy, ox, o]` and
/// `dbias[o] = sum over b, oy, ox of dy[b, oy, ox, o]`.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn backward_weights(
    g: &ConvGeometry,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
) {
    check_len!(x, batch * g.input.len());
    check_len!(dy, batch * g.output.len());
    check_len!(dw, g.weights());
    check_len!(dbias, g.output.channels);
    let winograd = Winograd::of(g, batch);
    if winograd.is_some_and(|winograd| winograd.backward_weights(x, dy, dw, dbias)) {
        return;
    }
    sum_rows(dy, dbias);
    let shape = Shape { m: g.depth(), n: g.group_outputs(), k: batch * g.output.pixels() };
    for (group, dw) in dw.chunks_exact_mut(shape.m * shape.n).enumerate() {
        let dy = Matrix::across_rows(&dy[columns(group, shape.n).start.min(dy.len())..], g.output.channels);
        gemm(shape, &Turned(patches(g, group, x)), &dy, Start::Zero, dw, shape.n);
    }
}

/// The patches that one group's outputs see.
fn patches<'a>(g: &ConvGeometry, group: usize, x: &'a [f32]) -> Patches<'a> {
    let (kernel, pad) = (g.window.kernel as isize, g.window.pad as isize);
    let grid = [g.output.height, g.output.width];
    let taps = -pad..kernel - pad;
    Patches::new(x, g.input, columns(group, g.group_inputs()), grid, g.window.stride, taps.clone(), taps)
}

/// The channels of a group.
fn columns(group: usize, channels: usize) -> Range<usize> {
    group * channels..(group + 1) * channels
}

/// What follows the first `skip` values: all rows of a group's columns. Nothing, for an empty batch.
fn tail(values: &mut [f32], skip: usize) -> &mut [f32] {
    let skip = skip.min(values.len());
    &mut values[skip..]
}
