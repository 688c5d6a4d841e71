//! A convolution of stride `s` as one of stride 1: the `s x s` pixels of a square become channels of one pixel.
//!
//! `w[ky, kx, c, o] = folded[ky / s, kx / s, (ky % s, kx % s, c), o]`, padded with zeros where the kernel does not fill
//! the last square: the paper's 11 x 11 x 3 at stride 4 becomes 3 x 3 x 48.

use super::transform::NOWHERE;
use crate::geometry::{ConvGeometry, Maps, Rounding, Window};
use crate::slices::copy_short;

/// A convolution before folding, and the folded one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fold {
    maps: Maps,
    window: Window,
    /// The convolution of stride 1; its input includes the padding.
    pub(super) geometry: ConvGeometry,
}

/// Weights of one kernel row that are contiguous before and after folding.
struct Run {
    /// Offset in the weights.
    plain: usize,
    /// Offset in the folded weights.
    folded: usize,
    len: usize,
}

/// A pixel of the folded maps.
struct Pixel {
    image: usize,
    row: usize,
    column: usize,
}

impl Fold {
    /// Folds a convolution that has a stride and no groups.
    pub(crate) fn of(g: &ConvGeometry) -> Option<Self> {
        let Window { kernel, stride, .. } = g.window;
        if stride == 1 || g.groups != 1 {
            return None;
        }
        let kernel = kernel.div_ceil(stride);
        let (height, width) = (g.output.height + kernel - 1, g.output.width + kernel - 1);
        let input = Maps::new(height, width, stride * stride * g.input.channels);
        let window = Window { kernel, stride: 1, pad: 0, rounding: Rounding::Down };
        let geometry = ConvGeometry { input, output: g.output, window, groups: 1 };
        Some(Self { maps: g.input, window: g.window, geometry })
    }

    /// The runs that make up the weights.
    fn runs(&self, outputs: usize) -> impl Iterator<Item = Run> {
        let Window { kernel, stride, .. } = self.window;
        let (channels, across) = (self.maps.channels, kernel.div_ceil(stride));
        (0..kernel).flat_map(move |ky| {
            (0..across).map(move |tap| {
                let square = (ky / stride * across + tap) * stride + ky % stride;
                Run {
                    plain: (ky * kernel + tap * stride) * channels * outputs,
                    folded: square * stride * channels * outputs,
                    len: stride.min(kernel - tap * stride) * channels * outputs,
                }
            })
        })
    }

    /// Folds weights.
    pub(crate) fn fold_weights(&self, w: &[f32], outputs: usize, folded: &mut [f32]) {
        folded.fill(0.0);
        for run in self.runs(outputs) {
            folded[run.folded..run.folded + run.len].copy_from_slice(&w[run.plain..run.plain + run.len]);
        }
    }

    /// Unfolds weights or their gradient.
    pub(crate) fn unfold_weights(&self, folded: &[f32], outputs: usize, w: &mut [f32]) {
        for run in self.runs(outputs) {
            w[run.plain..run.plain + run.len].copy_from_slice(&folded[run.folded..run.folded + run.len]);
        }
    }

    /// Gathers the folded pixels at `offsets` into the folded maps, `side` to a row, into contiguous `pixels`.
    pub(super) fn gather(&self, x: &[f32], offsets: &[usize], side: usize, pixels: &mut [f32]) {
        let pixel = self.geometry.input.channels;
        for (offsets, pixels) in offsets.chunks_exact(side).zip(pixels.chunks_exact_mut(side * pixel)) {
            // Away from the edges, the pixels of a row are adjacent in the map.
            let last = offsets[side - 1];
            let adjacent = last != NOWHERE && last - offsets[0] == (side - 1) * pixel;
            if !adjacent || !self.gather_row(x, offsets[0] / pixel, side, pixels) {
                for (&offset, pixel) in offsets.iter().zip(pixels.chunks_exact_mut(pixel)) {
                    self.gather_pixel(x, offset, pixel);
                }
            }
        }
    }

    /// Gathers a row of folded pixels from number `first` on, and returns true, unless it touches the padding.
    fn gather_row(&self, x: &[f32], first: usize, side: usize, pixels: &mut [f32]) -> bool {
        let Window { stride, pad, .. } = self.window;
        let Pixel { image, row, column } = self.pixel(first);
        let (top, left) = (row * stride, column * stride);
        let inside = top >= pad
            && left >= pad
            && top - pad + stride <= self.maps.height
            && left - pad + side * stride <= self.maps.width;
        if !inside {
            return false;
        }
        let run = stride * self.maps.channels;
        let line = self.maps.width * self.maps.channels;
        let first = image * self.maps.len() + (top - pad) * line + (left - pad) * self.maps.channels;
        for i in 0..stride {
            let runs = x[first + i * line..][..side * run].chunks_exact(run);
            let pixels = pixels.chunks_exact_mut(stride * run);
            runs.zip(pixels).for_each(|(from, pixel)| copy_short(from, &mut pixel[i * run..(i + 1) * run]));
        }
        true
    }

    /// The folded pixel of a number.
    fn pixel(&self, number: usize) -> Pixel {
        let Maps { height, width, .. } = self.geometry.input;
        Pixel { image: number / (height * width), row: number / width % height, column: number % width }
    }

    /// Gathers the folded pixel at an offset, with zeros for the padding.
    fn gather_pixel(&self, x: &[f32], offset: usize, pixel: &mut [f32]) {
        pixel.fill(0.0);
        if offset == NOWHERE {
            return;
        }
        let Window { stride, pad, .. } = self.window;
        let channels = self.maps.channels;
        let Pixel { image, row, column } = self.pixel(offset / self.geometry.input.channels);
        let x = &x[image * self.maps.len()..][..self.maps.len()];
        // Columns `left..right`, counted from the edge of the padding, exist in the map.
        let first = column * stride;
        let right = (first + stride).min(self.maps.width + pad);
        let left = first.max(pad).min(right);
        for (i, run) in pixel.chunks_exact_mut(stride * channels).enumerate() {
            let y = (row * stride + i).checked_sub(pad).filter(|&y| y < self.maps.height);
            if let Some(y) = y.filter(|_| left < right) {
                let x = &x[(y * self.maps.width + left - pad) * channels..];
                copy_short(x, &mut run[(left - first) * channels..(right - first) * channels]);
            }
        }
    }
}
