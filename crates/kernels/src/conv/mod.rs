//! Convolution, in groups that do not see each other (paper, section 3.5: the columns of figure 2).
//!
//! `y[b, oy, ox, o] = bias[o] + sum over ky, kx, i of w[ky, kx, i, o] x[b, oy s - p + ky, ox s - p + kx, i]`,
//! with zeros outside the map, for stride `s` and pad `p`.
//!
//! Where Winograd's algorithms multiply less, they are used. They mix the values that a tile of outputs sees, so an
//! infinity or a not-a-number spoils outputs that have no part in it: then the pass is done again, portion by portion of
//! the images, as below where it has to be.
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
use crate::gemm::{Matrix, Shape, Summation, gemm};
use crate::geometry::{ConvGeometry, Maps};
use crate::micro_batch::{AccumulatorParts, GRANULE, GradAccumulator, MicroBatch};
use crate::patches::{Patches, TapWeights, Turned, seen_by};
use crate::reduce::{add_rows, narrow};
use crate::scratch;
use crate::slices::check_len;
use crate::winograd::Winograd;
use std::ops::Range;

/// Products in a portion's sum of a weight's gradient of which fewer are not summed by themselves.
const FEW: usize = 128;

/// `y = bias + sum w x`, then the epilogue.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn forward(
    g: &ConvGeometry,
    part: impl Into<MicroBatch>,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let part = part.into();
    check_len!(x, part.images() * g.input.len());
    check_len!(w, g.weights());
    check_len!(bias, g.output.channels);
    check_len!(y, part.images() * g.output.len());
    winograd_or_direct(
        part,
        |part| Winograd::of(g, part),
        |winograd, images| {
            let (x, y) = (&x[span(&images, g.input)], &mut y[span(&images, g.output)]);
            match winograd {
                Some(winograd) => winograd.forward(x, w, bias, epilogue, y),
                None => forward_directly(g, images.len(), x, w, bias, epilogue, y),
            }
        },
    );
}

/// Does a pass by the algorithm that there is for a part of a batch, and directly where there is none.
///
/// `pass` tells whether what it wrote is finite. If it is not, each portion is done again by itself, so that no image's
/// bits depend on what other portions hold; directly if need be.
fn winograd_or_direct(
    part: MicroBatch,
    algorithm: impl Fn(MicroBatch) -> Option<Winograd>,
    mut pass: impl FnMut(Option<Winograd>, Range<usize>) -> bool,
) {
    let all = algorithm(part);
    let is_short = all.is_some();
    if pass(all, 0..part.images()) || !is_short {
        return;
    }
    for portion in part.granules() {
        let (first, range) = (part.range().start, portion.range());
        let images = range.start - first..range.end - first;
        let winograd = algorithm(portion);
        if !winograd.is_some_and(|winograd| pass(Some(winograd), images.clone())) {
            pass(None, images);
        }
    }
}

/// The values of some images.
fn span(images: &Range<usize>, maps: Maps) -> Range<usize> {
    images.start * maps.len()..images.end * maps.len()
}

/// [`forward`], without short algorithms: nothing has to be done again.
fn forward_directly(
    g: &ConvGeometry,
    batch: usize,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) -> bool {
    let shape = Shape { m: batch * g.output.pixels(), n: g.group_outputs(), k: g.depth() };
    for (group, w) in w.chunks_exact(shape.k * shape.n).enumerate() {
        let outputs = columns(group, shape.n);
        let sum = Summation::Bias(&bias[outputs.clone()]);
        let y = tail(y, outputs.start);
        gemm(shape, &patches(g, group, x), &Matrix::across_rows(w, shape.n), sum, y, g.output.channels);
    }
    epilogue.apply(y);
    true
}

/// Values that [`transform_weights`] writes: none where a pass of `batch` images reads the weights as they are.
pub fn transformed_len(g: &ConvGeometry, batch: usize) -> usize {
    Winograd::of(g, batch.into()).map_or(0, |winograd| winograd.transformed_weights())
}

/// Transforms weights for [`forward_transformed`], so that not every pass has to.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn transform_weights(g: &ConvGeometry, batch: usize, w: &[f32], transformed: &mut [f32]) {
    check_len!(w, g.weights());
    check_len!(transformed, transformed_len(g, batch));
    if let Some(winograd) = Winograd::of(g, batch.into()) {
        winograd.transform(w, transformed);
    }
}

/// Weights as [`forward_transformed`] needs them.
#[derive(Clone, Copy, Debug)]
pub struct ConvWeights<'a> {
    /// The weights themselves.
    pub direct: &'a [f32],
    /// What [`transform_weights`] made of them, for a batch of any size.
    pub transformed: &'a [f32],
}

/// [`forward`] with weights that [`transform_weights`] transformed ahead of time.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward_transformed(
    g: &ConvGeometry,
    part: impl Into<MicroBatch>,
    x: &[f32],
    weights: ConvWeights,
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let part = part.into();
    let ConvWeights { direct: w, transformed } = weights;
    check_len!(x, part.images() * g.input.len());
    check_len!(w, g.weights());
    check_len!(bias, g.output.channels);
    check_len!(y, part.images() * g.output.len());
    winograd_or_direct(
        part,
        |part| Winograd::of_transformed(g, part, transformed.len()),
        |winograd, images| {
            let (x, y) = (&x[span(&images, g.input)], &mut y[span(&images, g.output)]);
            match winograd {
                Some(winograd) => winograd.forward_transformed(x, transformed, bias, epilogue, y),
                None => forward_directly(g, images.len(), x, w, bias, epilogue, y),
            }
        },
    );
}

/// `dx[b, iy, ix, i] = sum over ky, kx, o of w[ky, kx, i, o] dy[b, oy, ox, o]`, where in the forward pass output
/// `(oy, ox)` saw input `(iy, ix)` through tap `(ky, kx)`.
///
/// Input pixels fall into `stride * stride` phases. Those of one phase are seen through the same taps, so each
/// phase is a convolution of `dy` with stride 1.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn backward_input(g: &ConvGeometry, part: impl Into<MicroBatch>, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let part = part.into();
    check_len!(dy, part.images() * g.output.len());
    check_len!(w, g.weights());
    check_len!(dx, part.images() * g.input.len());
    winograd_or_direct(
        part,
        |part| Winograd::of_input_gradient(g, part),
        |winograd, images| {
            let (dy, dx) = (&dy[span(&images, g.output)], &mut dx[span(&images, g.input)]);
            match winograd {
                Some(winograd) => winograd.backward_input(dy, w, dx),
                None => backward_input_directly(g, images.len(), dy, w, dx),
            }
        },
    );
}

/// [`backward_input`], without short algorithms: nothing has to be done again.
fn backward_input_directly(g: &ConvGeometry, batch: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) -> bool {
    for group in 0..g.groups {
        for y in 0..g.window.stride.min(g.input.height) {
            for x in 0..g.window.stride.min(g.input.width) {
                backward_phase(g, batch, group, [y, x], dy, w, dx);
            }
        }
    }
    true
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
        return gemm(
            shape,
            &patches,
            &weights,
            Summation::Overwrite,
            tail(dx, inputs.start),
            g.input.channels,
        );
    }
    // The pixels of a phase do not lie evenly in memory: they are computed beside dx and copied.
    scratch::with(shape.m * shape.n, |phase| {
        gemm(shape, &patches, &weights, Summation::Overwrite, phase, shape.n);
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
    accumulate_gradients(g, batch.into(), x, dy, dw, dbias, &mut GradAccumulator::default());
}

/// Values of the buffer of a [`GradAccumulator`] for batches of up to `batch` images.
pub fn accumulator_len(g: &ConvGeometry, batch: usize) -> usize {
    Winograd::most_sums(g, batch)
}

/// [`backward_weights`] of a batch that comes in parts, first to last, with the same `dw`, `dbias` and `carry`: these are
/// the gradients after the last part. The bits do not depend on the parts, as long as the gradients are finite; a value
/// that is not may spoil more of them in several parts than in one.
///
/// # Shapes
/// `x` and `dy` are those of the part. A whole batch needs no buffer.
///
/// # Panics
/// When a slice's length is not the geometry's.
pub fn accumulate_gradients(
    g: &ConvGeometry,
    part: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
    carry: &mut GradAccumulator,
) {
    check_len!(x, part.images() * g.input.len());
    check_len!(dy, part.images() * g.output.len());
    check_len!(dw, g.weights());
    check_len!(dbias, g.output.channels);
    let Some(winograd) = Winograd::of(g, part) else {
        return add_directly(g, part, x, dy, dw, dbias, carry);
    };
    let finish = |u: &mut [f32], biases: &mut [f64], dw: &mut [f32], dbias: &mut [f32]| {
        winograd.add_gradient(x, dy, u, biases);
        if !part.is_last() {
            return true;
        }
        let scale = winograd.bias_scale();
        dbias.iter_mut().zip(biases).for_each(|(dbias, sum)| *dbias = (*sum * scale) as f32);
        winograd.finish_gradient(u, dw)
    };
    let len = winograd.sums();
    if !part.is_whole() {
        let AccumulatorParts { winograd, biases } = carry.parts(part, g.output.channels);
        finish(&mut winograd[..len], biases, dw, dbias);
    } else if !scratch::with(len, |u| finish(u, carry.biases(part, g.output.channels), dw, dbias)) {
        add_directly(g, part, x, dy, dw, dbias, carry);
    }
}

/// [`accumulate_gradients`], without short algorithms. The sums of portions are added in order; short ones are one sum.
fn add_directly(
    g: &ConvGeometry,
    part: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
    carry: &mut GradAccumulator,
) {
    let biases = carry.biases(part, g.output.channels);
    add_rows(dy, g.output.pixels(), biases);
    narrow(biases, dbias);
    let pixels = g.output.pixels();
    let is_chain = GRANULE * pixels < FEW;
    let (m, n) = (g.depth(), g.group_outputs());
    let is_one = is_chain || part.images() <= GRANULE;
    let pieces: Vec<MicroBatch> = if is_one { vec![part] } else { part.granules().collect() };
    for piece in pieces {
        let start = piece.range().start - part.range().start;
        let images = start..start + piece.images();
        let (x, dy) = (&x[span(&images, g.input)], &dy[span(&images, g.output)]);
        let shape = Shape { m, n, k: images.len() * pixels };
        let sum = if is_chain { Summation::chained(piece) } else { Summation::blocked(piece) };
        for (group, dw) in dw.chunks_exact_mut(m * n).enumerate() {
            let dy = Matrix::across_rows(&dy[columns(group, n).start.min(dy.len())..], g.output.channels);
            gemm(shape, &Turned(patches(g, group, x)), &dy, sum, dw, n);
        }
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
