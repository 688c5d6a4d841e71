//! The forward pass and the weight gradient of convolutions with few input channels, such as a first layer, as products
//! whose operands are read where they are: one row of a patch is contiguous in a padded image.
//!
//! Sums are cut and ordered as in [`direct`](super::direct), with the same bits.

use crate::activation::Epilogue;
use crate::gemm::{Summation, depth_blocks};
use crate::geometry::ConvGeometry;
use crate::micro_batch::{GRANULE, MicroBatch};
use crate::precision::Precision;
use crate::reduce::add_in_order;
use crate::scratch;
use crate::strided::{Run, Strided, Target};
use rayon::prelude::*;
use std::ops::Range;

/// Jobs per thread, so that no thread waits long for the last one.
const JOBS: usize = 4;

/// Values of all partial gradients held at a time, at most.
const SUMS: usize = 4 << 20;

/// Whether the products of a convolution are computed here: if the sums of an output fit one block of depth, so that its
/// weights stay in the first-level cache.
pub(super) fn fits(g: &ConvGeometry, precision: Precision) -> bool {
    precision == Precision::F32 && g.groups == 1 && depth_blocks(g.depth()).count() == 1
}

/// `y = bias + sum w x`, then the epilogue.
pub(super) fn forward(
    g: &ConvGeometry,
    batch: usize,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let line = g.output.width * g.output.channels;
    let bands = (JOBS * rayon::current_num_threads()).div_ceil(batch.max(1)).min(g.output.height);
    let band = g.output.height.div_ceil(bands);
    let images = x.par_chunks_exact(g.input.len()).zip(y.par_chunks_exact_mut(g.output.len()));
    images.for_each(|(x, y)| {
        y.par_chunks_mut(band * line).enumerate().for_each(|(i, y)| {
            let rows = i * band..i * band + y.len() / line;
            let padded = Padded::of(g);
            scratch::with(padded.len(rows.len()), |image| {
                padded.fill(x, &rows, image);
                for (row, y) in y.chunks_exact_mut(line).enumerate() {
                    forward_row(&padded, &image[padded.row(row)..], (w, bias), epilogue, y);
                }
            });
        });
    });
}

/// One row of outputs, whose first tap is the start of `image`.
fn forward_row(
    padded: &Padded,
    image: &[f32],
    (w, bias): (&[f32], &[f32]),
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let outputs = padded.g.output.channels;
    let operands = Strided { a: image, a_row: padded.step(), a_step: 1, b: w, b_step: outputs };
    let run = |ky: usize| Run { a: ky * padded.line, b: ky * padded.run * outputs, len: padded.run };
    let runs: Vec<Run> = (0..padded.g.window.kernel).map(run).collect();
    let target =
        Target { values: y.as_mut_ptr(), row_stride: outputs, rows: y.len() / outputs, columns: outputs };
    // SAFETY: the target is `y`.
    unsafe { operands.multiply(&runs, Summation::Bias(bias), epilogue, target) };
}

/// `dw[ky, kx, i, o] = sum x dy`, or adds it if this is not the first micro-batch of the batch.
///
/// Each job computes the sums of one block of depth, and these are added in order.
pub(super) fn accumulate_weights(
    g: &ConvGeometry,
    micro_batch: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    let pixels = g.output.pixels();
    let images = micro_batch.images();
    let granules = (0..images).step_by(GRANULE).map(|first| first..(first + GRANULE).min(images));
    let blocks: Vec<Range<usize>> = granules
        .flat_map(|granule| {
            let first = granule.start * pixels;
            depth_blocks(granule.len() * pixels).map(move |block| first + block.start..first + block.end)
        })
        .collect();
    let len = dw.len();
    let wave = blocks.len().div_ceil(blocks.len().div_ceil((SUMS / len).max(1)).max(1)).max(1);
    let mut is_first = micro_batch.is_first();
    if is_first && blocks.is_empty() {
        dw.fill(0.0);
    }
    scratch::with(wave * len, |sums| {
        for blocks in blocks.chunks(wave) {
            let sums = &mut sums[..blocks.len() * len];
            sums.par_chunks_exact_mut(len).zip(blocks).for_each(|(sums, block)| {
                add_block(g, block.clone(), x, dy, sums);
            });
            add_in_order(sums, is_first, dw);
            is_first = false;
        }
    });
}

/// `sums[ky, kx, i, o] = sum x dy` over a range of the output pixels of all images, as one chain.
fn add_block(g: &ConvGeometry, block: Range<usize>, x: &[f32], dy: &[f32], sums: &mut [f32]) {
    let (pixels, width, outputs) = (g.output.pixels(), g.output.width, g.output.channels);
    let padded = Padded::of(g);
    let mut start = block.start;
    while start < block.end {
        let image = start / pixels;
        let part = start - image * pixels..(block.end - image * pixels).min(pixels);
        let rows = part.start / width..part.end.div_ceil(width);
        let (x, dy) = (&x[image * g.input.len()..][..g.input.len()], &dy[image * g.output.len()..]);
        scratch::with(padded.len(rows.len()), |values| {
            padded.fill(x, &rows, values);
            // The part of each row of outputs.
            let run = |row: usize| {
                let first = part.start.max(row * width);
                let end = part.end.min((row + 1) * width);
                let a = padded.row(row - rows.start) + (first - row * width) * padded.step();
                Run { a, b: first * outputs, len: end - first }
            };
            let runs: Vec<Run> = rows.clone().map(run).collect();
            let sum = match start == block.start {
                true => Summation::StartChain,
                false => Summation::ContinueChain,
            };
            for (ky, sums) in sums.chunks_exact_mut(padded.run * outputs).enumerate() {
                let operands = Strided {
                    a: &values[ky * padded.line..],
                    a_row: 1,
                    a_step: padded.step(),
                    b: dy,
                    b_step: outputs,
                };
                let target = Target {
                    values: sums.as_mut_ptr(),
                    row_stride: outputs,
                    rows: padded.run,
                    columns: outputs,
                };
                // SAFETY: the target is `sums`.
                unsafe { operands.multiply(&runs, sum, Epilogue::Identity, target) };
            }
        });
        start = image * pixels + part.end;
    }
}

/// Images between rows and columns of zeros, so that every tap of every output exists.
struct Padded<'a> {
    g: &'a ConvGeometry,
    /// Values of a row.
    line: usize,
    /// Values of a row of a patch, which are contiguous.
    run: usize,
}

impl<'a> Padded<'a> {
    fn of(g: &'a ConvGeometry) -> Self {
        let width = (g.output.width - 1) * g.window.stride + g.window.kernel;
        Self { g, line: width * g.input.channels, run: g.window.kernel * g.input.channels }
    }

    /// Values from output to output.
    fn step(&self) -> usize {
        self.g.window.stride * self.g.input.channels
    }

    /// The offset of the first row that row `row` of the outputs sees.
    fn row(&self, row: usize) -> usize {
        row * self.g.window.stride * self.line
    }

    /// Values that some rows of outputs see.
    fn len(&self, rows: usize) -> usize {
        self.row(rows - 1) + self.g.window.kernel * self.line
    }

    /// Copies the values of an image that some rows of outputs see.
    fn fill(&self, x: &[f32], rows: &Range<usize>, padded: &mut [f32]) {
        let Self { g, line, .. } = *self;
        let source = g.input.width * g.input.channels;
        let before = g.window.pad * g.input.channels;
        let count = source.min(line.saturating_sub(before));
        let first = rows.start * g.window.stride;
        for (row, padded) in padded[..self.len(rows.len())].chunks_exact_mut(line).enumerate() {
            match (first + row).checked_sub(g.window.pad).filter(|&row| row < g.input.height) {
                Some(row) => {
                    padded[..before.min(line)].fill(0.0);
                    padded[before..before + count].copy_from_slice(&x[row * source..][..count]);
                    padded[before + count..].fill(0.0);
                }
                None => padded.fill(0.0),
            }
        }
    }
}
