//! The locally connected layer (`local` in cuda-convnet): a convolution whose kernels are not shared between positions.
//! Each output pixel is a small fully connected layer, computed as one product over the batch.
//! Taps outside the map are skipped.
//!
//! `y[b, oy, ox, o] = bias[oy, ox, o] + sum over ky, kx, i of w[oy, ox, ky, kx, i, o] x[b, oy s - p + ky, ..., i]`.
//!
//! # Shapes
//! `x, dx: [batch, input]`, `y, dy: [batch, output]`, `bias, dbias: [output]`,
//! `w, dw: [out_h, out_w, groups, kernel, kernel, group_inputs, group_outputs]`.

pub mod reference;

use crate::activation::Epilogue;
use crate::gemm::{Summation, depth_blocks, interleave};
use crate::geometry::ConvGeometry;
use crate::micro_batch::{GradAccumulator, MicroBatch};
use crate::patches::positions_that_see;
use crate::reduce::{add_rows, narrow};
use crate::scratch;
use crate::shared::Shared;
use crate::slices::check_len;
use crate::strided::{Run, Strided, Target};
use rayon::prelude::*;
use std::ops::Range;

/// Jobs per thread, so that no thread waits long for the last one.
const JOBS: usize = 4;

/// Images are padded to a multiple of this where they are the columns of a product.
const COLUMNS: usize = 16;

/// `y = bias + sum w x`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward(g: &ConvGeometry, batch: usize, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    check_len!(x, batch, g.input.len());
    check_len!(w, g.local_weights());
    check_len!(bias, g.output.len());
    check_len!(y, batch, g.output.len());
    let (n, depth) = (g.group_outputs(), g.depth());
    let y = Shared::new(y);
    let units: Vec<Unit> = units(g).collect();
    // Where there are few units, the batch is cut as well.
    let parts = (JOBS * rayon::current_num_threads()).div_ceil(units.len());
    let step = batch.div_ceil(parts).max(1);
    let jobs: Vec<_> =
        units.iter().flat_map(|unit| (0..batch).step_by(step).map(move |first| (unit, first))).collect();
    jobs.into_par_iter().for_each(|(unit, first)| {
        let (outputs, rows) = (unit.outputs(g), step.min(batch - first));
        let operands = Strided {
            a: &x[first * g.input.len()..],
            a_row: g.input.len(),
            a_step: 1,
            b: &w[unit.index * depth * n..][..depth * n],
            b_step: n,
        };
        let taps = unit.taps(g);
        for (i, block) in depth_blocks(depth).enumerate() {
            let runs: Vec<Run> = taps
                .iter()
                .filter_map(|taps| taps.within(&block))
                .map(|taps| Run { a: taps.input, b: taps.depth * n, len: taps.len })
                .collect();
            let sum = if i == 0 { Summation::Bias(&bias[outputs.clone()]) } else { Summation::Add };
            // SAFETY: `rows` rows of `n` outputs, `g.output.len()` apart, lie inside `y`, and belong to this job alone.
            unsafe {
                let values = y.at(first * g.output.len() + outputs.start);
                let target = Target { values, row_stride: g.output.len(), rows, columns: n };
                operands.multiply(&runs, sum, Epilogue::Identity, target);
            }
        }
    });
}

/// `dx[b, iy, ix, i] = sum over oy, ox, o of w[oy, ox, ky, kx, i, o] dy[b, oy, ox, o]`, where output
/// `(oy, ox)` saw input `(iy, ix)` through tap `(ky, kx)` in the forward pass.
///
/// Computed as `dx^T = w dy^T`, whose left operand is the weights as they are.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward_input(g: &ConvGeometry, batch: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch, g.output.len());
    check_len!(w, g.local_weights());
    check_len!(dx, batch, g.input.len());
    if batch == 0 {
        return;
    }
    let columns = batch.next_multiple_of(COLUMNS);
    let dx = Shared::new(dx);
    scratch::with(g.output.len() * columns, |transposed| {
        let pixels = transposed.par_chunks_exact_mut(g.output.channels * columns).enumerate();
        let zeros = vec![0.0; g.output.channels];
        pixels.for_each(|(pixel, transposed)| {
            let row = |image: usize| match image < batch {
                true => &dy[image * g.output.len() + pixel * g.output.channels..][..g.output.channels],
                false => &zeros[..],
            };
            interleave(columns, row, transposed);
        });
        let sinks = (0..g.input.pixels())
            .into_par_iter()
            .flat_map_iter(|pixel| (0..g.groups).map(move |group| Sink { pixel, group }));
        sinks.for_each(|sink| sink.gradient(g, batch, transposed, w, &dx));
    });
}

/// The inputs of one group at one input pixel.
struct Sink {
    pixel: usize,
    group: usize,
}

impl Sink {
    /// Computes the gradient with respect to these inputs. `dy` is `[output pixels, channels, columns]`.
    fn gradient(&self, g: &ConvGeometry, batch: usize, dy: &[f32], w: &[f32], dx: &Shared) {
        let Self { pixel, group } = *self;
        let columns = batch.next_multiple_of(COLUMNS);
        let (kernel, stride, pad) = (g.window.kernel, g.window.stride, g.window.pad);
        let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
        let (iy, ix) = (pixel / g.input.width, pixel % g.input.width);
        let rows = inside(positions_that_see(iy + pad, kernel, stride), g.output.height);
        let across = inside(positions_that_see(ix + pad, kernel, stride), g.output.width);
        let tap = |oy: usize, ox: usize| {
            let position = oy * g.output.width + ox;
            let (ky, kx) = (iy + pad - oy * stride, ix + pad - ox * stride);
            Run {
                a: (((position * g.groups + group) * kernel + ky) * kernel + kx) * inputs * outputs,
                b: (position * g.output.channels + group * outputs) * columns,
                len: outputs,
            }
        };
        let taps: Vec<Run> =
            rows.flat_map(|oy| across.clone().map(move |ox| (oy, ox))).map(|(oy, ox)| tap(oy, ox)).collect();
        let operands = Strided { a: w, a_row: outputs, a_step: 1, b: dy, b_step: columns };
        scratch::with(2 * inputs * columns, |buffer| {
            let (transposed, gradient) = buffer.split_at_mut(inputs * columns);
            transposed.fill(0.0);
            for (i, block) in depth_blocks(taps.len() * outputs).enumerate() {
                let runs: Vec<Run> = (0..)
                    .step_by(outputs)
                    .zip(&taps)
                    .filter_map(|(first, run)| {
                        let (start, end) = (block.start.max(first), block.end.min(first + outputs));
                        let run =
                            |len| Run { a: run.a + start - first, b: run.b + (start - first) * columns, len };
                        (start < end).then(|| run(end - start))
                    })
                    .collect();
                let sum = if i == 0 { Summation::Overwrite } else { Summation::Add };
                let values = transposed.as_mut_ptr();
                let target = Target { values, row_stride: columns, rows: inputs, columns };
                // SAFETY: the target is `transposed`.
                unsafe { operands.multiply(&runs, sum, Epilogue::Identity, target) };
            }
            interleave(inputs, |i| &transposed[i * columns..][..columns], gradient);
            for (image, gradient) in gradient.chunks_exact(inputs).take(batch).enumerate() {
                let first = image * g.input.len() + pixel * g.input.channels + group * inputs;
                // SAFETY: inputs of one group at one pixel, which belong to this job alone.
                unsafe { dx.range(first, inputs) }.copy_from_slice(gradient);
            }
        });
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
    let images = micro_batch.images();
    check_len!(x, images, g.input.len());
    check_len!(dy, images, g.output.len());
    check_len!(dw, g.local_weights());
    check_len!(dbias, g.output.len());
    let (n, depth) = (g.group_outputs(), g.depth());
    let units: Vec<Unit> = units(g).collect();
    dw.par_chunks_exact_mut(depth * n).zip(units).for_each(|(dw, unit)| {
        if micro_batch.is_first() {
            dw.fill(0.0);
        }
        scratch::with(images * n, |gradients| {
            let outputs = unit.outputs(g);
            for (gradients, dy) in gradients.chunks_exact_mut(n).zip(dy.chunks_exact(g.output.len())) {
                gradients.copy_from_slice(&dy[outputs.clone()]);
            }
            let operands = Strided { a: x, a_row: 1, a_step: g.input.len(), b: gradients, b_step: n };
            for Taps { input, depth, len } in unit.taps(g) {
                let values = dw[depth * n..][..len * n].as_mut_ptr();
                let target = Target { values, row_stride: n, rows: len, columns: n };
                let run = Run { a: input, b: 0, len: images };
                // SAFETY: the target is a part of `dw`.
                unsafe {
                    operands.multiply(&[run], Summation::chained(micro_batch), Epilogue::Identity, target)
                };
            }
        });
    });
    let biases = accumulator.biases(micro_batch, g.output.len());
    add_rows(dy, 1, biases);
    narrow(biases, dbias);
}

/// The outputs of one group at one output pixel, which share their inputs.
struct Unit {
    /// Position in the order of the weights.
    index: usize,
    oy: usize,
    ox: usize,
    group: usize,
}

/// All units, in the order of their weights.
fn units(g: &ConvGeometry) -> impl Iterator<Item = Unit> {
    let (groups, width) = (g.groups, g.output.width);
    let unit = move |index: usize| {
        let (pixel, group) = (index / groups, index % groups);
        Unit { index, oy: pixel / width, ox: pixel % width, group }
    };
    (0..g.output.pixels() * groups).map(unit)
}

/// Taps inside the map whose inputs are contiguous.
#[derive(Clone, Copy)]
struct Taps {
    /// The offset of the first input in an image.
    input: usize,
    /// The position of the first tap among those of the unit.
    depth: usize,
    len: usize,
}

impl Taps {
    /// The taps in a range of those of the unit.
    fn within(self, range: &Range<usize>) -> Option<Self> {
        let start = self.depth.max(range.start);
        let end = (self.depth + self.len).min(range.end);
        let input = self.input + start - self.depth;
        (start < end).then(|| Self { input, depth: start, len: end - start })
    }
}

impl Unit {
    /// The positions of the outputs in an image.
    fn outputs(&self, g: &ConvGeometry) -> Range<usize> {
        let first = (self.oy * g.output.width + self.ox) * g.output.channels + self.group * g.group_outputs();
        first..first + g.group_outputs()
    }

    /// The taps that the outputs see.
    fn taps(&self, g: &ConvGeometry) -> Vec<Taps> {
        let (kernel, stride, pad, inputs) =
            (g.window.kernel, g.window.stride, g.window.pad, g.group_inputs());
        let columns = g.window.covered(self.ox, g.input.width);
        // Without groups, the taps of a row are contiguous.
        let (step, len) = match g.groups {
            1 => (columns.len().max(1), columns.len() * inputs),
            _ => (1, inputs),
        };
        let taps = |iy: usize, ix: usize| {
            let (ky, kx) = (iy + pad - self.oy * stride, ix + pad - self.ox * stride);
            let input = (iy * g.input.width + ix) * g.input.channels + self.group * inputs;
            Taps { input, depth: (ky * kernel + kx) * inputs, len }
        };
        let rows = g.window.covered(self.oy, g.input.height);
        rows.flat_map(|iy| columns.clone().step_by(step).map(move |ix| taps(iy, ix))).collect()
    }
}

/// The positions of a range that exist along a side of `size`.
fn inside(positions: Range<isize>, size: usize) -> Range<usize> {
    let end = positions.end.clamp(0, size as isize);
    positions.start.clamp(0, end) as usize..end as usize
}
