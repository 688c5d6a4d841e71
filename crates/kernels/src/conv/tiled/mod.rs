//! Convolutions of bfloat16 values as products of tiles that are read where the values are: no patch is assembled.
//!
//! In a padded plane of `width` pixels a row, what position `p` sees through tap `(ky, kx)` is the pixel at `p + ky width + kx`.
//! So 32 positions that follow each other are 32 rows of a matrix of patches, one pixel apart, for every tap. Positions at the
//! end of a row see pixels of the next one; their results are dropped.
//!
//! A convolution with a stride is one of stride 1 over squares of pixels (see [`images::Plane`]); an input gradient is a
//! convolution of the output gradient. A weight gradient is a sum over positions: see [`gradient`].

mod gradient;
mod images;
mod kernel;
mod weights;

use crate::activation::Epilogue;
use crate::amx::SIDE;
use crate::bf16::halves_of;
use crate::gemm::uses_tiles;
use crate::geometry::{ConvGeometry, Window};
use crate::precision::Precision;
use crate::scratch;
use crate::shared::Shared;
use crate::winograd::Fold;
use images::Plane;
use kernel::{Layout, Run, Strides, WIDE};
use rayon::prelude::*;
use std::ops::Range;

/// Jobs per thread, so that no thread waits long for the last one.
const JOBS: usize = 4;

/// A convolution in tiles, which few channels leave partly empty.
#[derive(Clone, Copy)]
pub(super) struct Tiled {
    /// The convolution itself.
    g: ConvGeometry,
    /// How a convolution with a stride becomes one of stride 1.
    fold: Option<Fold>,
    plane: Plane,
    /// Taps along a side, counted in squares.
    kernel: usize,
    /// Input channels of a group, counted in squares.
    inputs: usize,
    /// Output channels of a group.
    outputs: usize,
    /// Taps of a run: those of a row where they are contiguous, otherwise one.
    together: usize,
    run: Run,
}

/// Panels of output channels of an image, counted over all groups.
struct Job {
    image: usize,
    panels: Range<usize>,
}

impl Tiled {
    /// The forward pass and weight gradient of a convolution; `None` if the machine has no tiles or the channels cannot be cut into
    /// steps of equal length.
    pub(super) fn select(g: &ConvGeometry, precision: Precision) -> Option<Self> {
        if !uses_tiles(precision) || g.window.stride > 1 && g.groups > 1 {
            return None;
        }
        let plane = Plane::new(g.input, g.window, g.output);
        let kernel = g.window.kernel.div_ceil(g.window.stride);
        let inputs = plane.channels / g.groups;
        let together = if g.groups == 1 { kernel } else { 1 };
        let run = Run::of(together * inputs).filter(|_| inputs.is_multiple_of(2))?;
        Some(Self {
            g: *g,
            fold: Fold::of(g),
            plane,
            kernel,
            inputs,
            outputs: g.group_outputs(),
            together,
            run,
        })
    }

    /// The input gradient as a convolution of the output gradient.
    pub(super) fn select_input_gradient(g: &ConvGeometry, precision: Precision) -> Option<Self> {
        let Window { kernel, stride, pad, .. } = g.window;
        if stride != 1 {
            return None;
        }
        let window = Window { pad: kernel - 1 - pad, ..g.window };
        let gradient = ConvGeometry { input: g.output, output: g.input, window, groups: g.groups };
        Self::select(&gradient, precision)
    }

    /// Panels of a group's output channels.
    fn panels(&self) -> usize {
        self.outputs.div_ceil(WIDE)
    }

    /// Words of a panel, `[taps][inputs / 2][32]`.
    fn panel_len(&self) -> usize {
        self.kernel * self.kernel * self.inputs / 2 * WIDE
    }

    /// Words of the packed weights, `[groups][panels]`.
    pub(super) fn packed_weights(&self) -> usize {
        self.g.groups * self.panels() * self.panel_len()
    }

    /// `y = bias + sum w x`, then the epilogue, with packed weights.
    pub(super) fn forward(
        &self,
        x: &[f32],
        packed: &[f32],
        bias: Option<&[f32]>,
        epilogue: Epilogue,
        y: &mut [f32],
    ) {
        assert_eq!(packed.len(), self.packed_weights());
        assert!(bias.is_none_or(|bias| bias.len() == self.g.output.channels));
        let images = y.len() / self.g.output.len();
        let finish = Finish { bias, floor: epilogue.floor() };
        let y = Shared::new(y);
        self.jobs(images).into_par_iter().for_each(|job| {
            let x = &x[job.image * self.g.input.len()..][..self.g.input.len()];
            self.convolve(&job, x, packed, finish, &y);
        });
    }

    /// Images, cut by output channels where there are few, though each job then rounds its image again.
    fn jobs(&self, images: usize) -> Vec<Job> {
        let (panels, threads) = (self.g.groups * self.panels(), rayon::current_num_threads());
        let parts = (JOBS * threads).div_ceil(images.max(1)).min(panels);
        let step = panels.div_ceil(parts);
        let cut = |image| {
            let starts = (0..panels).step_by(step);
            starts.map(move |first| Job { image, panels: first..(first + step).min(panels) })
        };
        (0..images).flat_map(cut).collect()
    }

    /// Computes the outputs of a job.
    fn convolve(&self, job: &Job, x: &[f32], packed: &[f32], finish: Finish, y: &Shared) {
        let halves = (self.plane.pixels() + WIDE - 1) * self.plane.channels;
        let runs = self.runs();
        let pixel = self.plane.channels;
        scratch::with(halves.div_ceil(2), |words| {
            let plane = &mut halves_of(words)[..halves];
            self.plane.fill(x, plane);
            let mut c = [0.0; WIDE * WIDE];
            let layout = Layout::new(&runs, self.run, Strides { a_row: pixel, b_row: WIDE, c_row: WIDE });
            // SAFETY: `select` returned this, so the machine has AMX; no other shapes are loaded.
            let _shapes = unsafe { self.run.load_shapes() };
            for panel in job.panels.clone() {
                let b = &packed[panel * self.panel_len()..][..self.panel_len()];
                let (group, panel) = (panel / self.panels(), panel % self.panels());
                let channels = self.channels(group, panel);
                for first in (0..self.positions()).step_by(WIDE) {
                    let a = &plane[first * pixel + group * self.inputs..];
                    // SAFETY: the shapes are loaded. The last pixel that a position before the end of the outputs sees is the
                    // last of the plane, and 31 more follow; a panel holds the words of all runs.
                    unsafe { kernel::tall::<false>(&layout, a.as_ptr(), b.as_ptr(), c.as_mut_ptr()) };
                    self.store(job.image, &channels, first, &c, finish, y);
                }
            }
        });
    }

    /// The output channels of a group's panel.
    fn channels(&self, group: usize, panel: usize) -> Range<usize> {
        let (start, end) = (group * self.outputs + panel * WIDE, (group + 1) * self.outputs);
        start..end.min(start + WIDE)
    }

    /// Positions from the first output to the last.
    fn positions(&self) -> usize {
        (self.g.output.height - 1) * self.plane.width + self.g.output.width
    }

    /// Where the runs of a position start, in bytes.
    fn runs(&self) -> Vec<usize> {
        let pixel = self.plane.channels * size_of::<u16>();
        let row =
            |ky: usize| (0..self.kernel).step_by(self.together).map(move |kx| ky * self.plane.width + kx);
        (0..self.kernel).flat_map(row).map(|at| at * pixel).collect()
    }

    /// Stores the outputs among 32 positions from `first` on.
    fn store(
        &self,
        image: usize,
        channels: &Range<usize>,
        first: usize,
        c: &[f32; WIDE * WIDE],
        finish: Finish,
        y: &Shared,
    ) {
        let (output, width) = (self.g.output, self.plane.width);
        let bias = finish.bias.map(|bias| &bias[channels.clone()]);
        let (mut row, mut column) = (first / width, first % width);
        for c in c.chunks_exact(WIDE) {
            if row < output.height && column < output.width {
                let at = ((image * output.height + row) * output.width + column) * output.channels
                    + channels.start;
                // SAFETY: the outputs of a pixel, which belong to this job alone.
                let y = unsafe { y.range(at, channels.len()) };
                store(&c[..channels.len()], bias, finish.floor, y);
            }
            column += 1;
            if column == width {
                (row, column) = (row + 1, 0);
            }
        }
    }
}

/// What is done to a sum before it is stored.
#[derive(Clone, Copy)]
struct Finish<'a> {
    bias: Option<&'a [f32]>,
    floor: f32,
}

crate::isa::multiversioned! {
    fn store(sums: &[f32], bias: Option<&[f32]>, floor: f32, y: &mut [f32]) {
        match bias {
            Some(bias) => {
                y.iter_mut().zip(sums).zip(bias).for_each(|((y, sum), bias)| *y = floored(sum + bias, floor));
            }
            None => y.copy_from_slice(sums),
        }
    }
}

/// The larger of both, and NaN if the value is.
#[inline(always)]
fn floored(value: f32, floor: f32) -> f32 {
    if value < floor { floor } else { value }
}

impl Run {
    /// Steps of equal length for a run of `halves` values: at most twice the fewest that hold it, or `None`.
    fn of(halves: usize) -> Option<Self> {
        let words = halves / 2;
        let fewest = words.div_ceil(SIDE);
        let steps = (fewest..=2 * fewest).find(|&steps| steps > 0 && words.is_multiple_of(steps))?;
        halves.is_multiple_of(2).then_some(Self { steps, words: words / steps })
    }
}
