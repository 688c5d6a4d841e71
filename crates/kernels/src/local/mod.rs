//! The locally connected layer (`local` in cuda-convnet): a convolution whose kernels are not shared between positions.
//! Each output pixel is a small fully connected layer, computed as one product over the batch.
//!
//! `y[b, oy, ox, o] = bias[oy, ox, o] + sum over ky, kx, i of w[oy, ox, ky, kx, i, o] x[b, oy s - p + ky, ..., i]`.
//!
//! # Shapes
//! `x, dx: [batch, input]`, `y, dy: [batch, output]`, `bias, dbias: [output]`,
//! `w, dw: [out_h, out_w, groups, kernel, kernel, group_inputs, group_outputs]`.

pub mod reference;

use crate::gemm::{Matrix, Shape, Summation, gemm};
use crate::geometry::ConvGeometry;
use crate::micro_batch::{GradAccumulator, MicroBatch};
use crate::patches::{Grid, Patches, TapWeights, Transposed, positions_that_see};
use crate::reduce::{add_rows, narrow};
use crate::slices::check_len;
use std::ops::Range;

/// The single position of a patch in each image.
const ONE: Grid = Grid { height: 1, width: 1, step: 1 };

/// `y = bias + sum w x`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward(g: &ConvGeometry, batch: usize, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    check_len!(x, batch * g.input.len());
    check_len!(w, g.local_weights());
    check_len!(bias, g.output.len());
    check_len!(y, batch * g.output.len());
    if batch == 0 {
        return;
    }
    let shape = Shape { m: batch, n: g.group_outputs(), k: g.depth() };
    for (unit, w) in units(g).zip(w.chunks_exact(shape.k * shape.n)) {
        let outputs = unit.outputs(g);
        let sum = Summation::Bias(&bias[outputs.clone()]);
        let y = &mut y[outputs.start..];
        gemm(shape, &unit.patches(g, x), &Matrix::across_rows(w, shape.n), sum, y, g.output.len());
    }
}

/// `dx[b, iy, ix, i] = sum over oy, ox, o of w[oy, ox, ky, kx, i, o] dy[b, oy, ox, o]`, where output
/// `(oy, ox)` saw input `(iy, ix)` through tap `(ky, kx)` in the forward pass.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward_input(g: &ConvGeometry, batch: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * g.output.len());
    check_len!(w, g.local_weights());
    check_len!(dx, batch * g.input.len());
    if batch == 0 {
        return;
    }
    let (kernel, stride, pad) = (g.window.kernel, g.window.stride, g.window.pad);
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    for pixel in 0..g.input.pixels() {
        let (iy, ix) = (pixel / g.input.width, pixel % g.input.width);
        let rows = inside(positions_that_see(iy + pad, kernel, stride), g.output.height);
        let columns = inside(positions_that_see(ix + pad, kernel, stride), g.output.width);
        for group in 0..g.groups {
            let tap = |oy: usize, ox: usize| {
                let unit = (oy * g.output.width + ox) * g.groups + group;
                let (ky, kx) = (iy + pad - oy * stride, ix + pad - ox * stride);
                ((unit * kernel + ky) * kernel + kx) * inputs * outputs
            };
            let at = |oy: isize| columns.clone().map(move |ox| (oy as usize, ox as usize));
            let taps = rows.clone().flat_map(at).map(|(oy, ox)| tap(oy, ox)).collect();
            let channels = group * outputs..(group + 1) * outputs;
            let patches = Patches::new(dy, g.output, channels, ONE, rows.clone(), columns.clone());
            let shape = Shape { m: batch, n: inputs, k: patches.depth() };
            let dx = &mut dx[pixel * g.input.channels + group * inputs..];
            gemm(
                shape,
                &patches,
                &TapWeights::new(w, outputs, taps),
                Summation::Overwrite,
                dx,
                g.input.len(),
            );
        }
    }
}

/// `dw[oy, ox, ky, kx, i, o] = sum over b of x[b, oy s - p + ky, ox s - p + kx, i] dy[b, oy, ox, o]` and
/// `dbias[oy, ox, o] = sum over b of dy[b, oy, ox, o]`.
///
/// # Panics
/// If a slice's length does not match the geometry.
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

/// [`backward_weights`] for one micro-batch. Call it for each micro-batch of a batch in order, with the same `dw`,
/// `dbias` and `accumulator`; after the last call the gradients are those of the batch, to the bit.
///
/// # Shapes
/// `x` and `dy` hold the images of the micro-batch.
///
/// # Panics
/// As [`backward_weights`].
pub fn accumulate_gradients(
    g: &ConvGeometry,
    micro_batch: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
    accumulator: &mut GradAccumulator,
) {
    check_len!(x, micro_batch.images() * g.input.len());
    check_len!(dy, micro_batch.images() * g.output.len());
    check_len!(dw, g.local_weights());
    check_len!(dbias, g.output.len());
    let shape = Shape { m: g.depth(), n: g.group_outputs(), k: micro_batch.images() };
    for (unit, dw) in units(g).zip(dw.chunks_exact_mut(shape.m * shape.n)) {
        let first = unit.outputs(g).start.min(dy.len());
        let dy = Matrix::across_rows(&dy[first..], g.output.len());
        gemm(shape, &Transposed(unit.patches(g, x)), &dy, Summation::chained(micro_batch), dw, shape.n);
    }
    let biases = accumulator.biases(micro_batch, g.output.len());
    add_rows(dy, 1, biases);
    narrow(biases, dbias);
}

/// The outputs of one group at one output pixel, which share their inputs.
struct Unit {
    oy: usize,
    ox: usize,
    group: usize,
}

/// All units, in the order of their weights.
fn units(g: &ConvGeometry) -> impl Iterator<Item = Unit> {
    let (groups, width) = (g.groups, g.output.width);
    let unit = move |i: usize| Unit { oy: i / groups / width, ox: i / groups % width, group: i % groups };
    (0..g.output.pixels() * groups).map(unit)
}

impl Unit {
    /// The positions of the outputs in an image.
    fn outputs(&self, g: &ConvGeometry) -> Range<usize> {
        let first = (self.oy * g.output.width + self.ox) * g.output.channels + self.group * g.group_outputs();
        first..first + g.group_outputs()
    }

    /// The patch that the outputs see, for each image.
    fn patches<'a>(&self, g: &ConvGeometry, x: &'a [f32]) -> Patches<'a> {
        let taps = |position: usize| {
            let first = (position * g.window.stride) as isize - g.window.pad as isize;
            first..first + g.window.kernel as isize
        };
        let channels = self.group * g.group_inputs()..(self.group + 1) * g.group_inputs();
        Patches::new(x, g.input, channels, ONE, taps(self.oy), taps(self.ox))
    }
}

/// The positions of a range that exist along a side of `size`.
fn inside(positions: Range<isize>, size: usize) -> Range<isize> {
    let end = positions.end.min(size as isize);
    positions.start.clamp(0, end)..end
}
