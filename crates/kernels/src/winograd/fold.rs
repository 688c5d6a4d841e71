//! A convolution with a stride as one without: pixels of a square of `stride x stride` become channels of one.
//!
//! `w[ky, kx, c, o]` goes to `folded[ky / s, kx / s, (ky % s, kx % s, c), o]`, with zeros where the kernel ends before
//! the square does: 11 x 11 x 3 at stride 4 becomes 3 x 3 x 48.

use super::transform::NOWHERE;
use crate::geometry::{ConvGeometry, Maps, Rounding, Window};

/// A convolution as it was before folding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fold {
    maps: Maps,
    window: Window,
    /// The maps as the folded convolution sees them, padding included.
    folded: Maps,
}

impl Fold {
    /// Folds a convolution with a stride and without groups; gives the convolution without stride as well.
    pub(super) fn of(g: &ConvGeometry) -> Option<(Self, ConvGeometry)> {
        let Window { kernel, stride, .. } = g.window;
        if stride == 1 || g.groups != 1 {
            return None;
        }
        let kernel = kernel.div_ceil(stride);
        let (height, width) = (g.output.height + kernel - 1, g.output.width + kernel - 1);
        let folded = Maps::new(height, width, stride * stride * g.input.channels);
        let window = Window { kernel, stride: 1, pad: 0, rounding: Rounding::Down };
        let geometry = ConvGeometry { input: folded, output: g.output, window, groups: 1 };
        Some((Self { maps: g.input, window: g.window, folded }, geometry))
    }

    /// For each row of the kernel: where its weights begin, where they go, and how many follow each other there.
    fn rows(&self, outputs: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let Window { kernel, stride, .. } = self.window;
        let (channels, across) = (self.maps.channels, kernel.div_ceil(stride));
        (0..kernel).flat_map(move |ky| {
            (0..across).map(move |tap| {
                let from = (ky * kernel + tap * stride) * channels * outputs;
                let square = (ky / stride * across + tap) * stride + ky % stride;
                let len = stride.min(kernel - tap * stride) * channels * outputs;
                (from, square * stride * channels * outputs, len)
            })
        })
    }

    /// The folded weights.
    pub(super) fn weights(&self, w: &[f32], outputs: usize, folded: &mut [f32]) {
        folded.fill(0.0);
        for (from, to, len) in self.rows(outputs) {
            folded[to..to + len].copy_from_slice(&w[from..from + len]);
        }
    }

    /// The weights, or their gradient, from the folded ones.
    pub(super) fn unfold(&self, folded: &[f32], outputs: usize, w: &mut [f32]) {
        for (to, from, len) in self.rows(outputs) {
            w[to..to + len].copy_from_slice(&folded[from..from + len]);
        }
    }

    /// Puts together the folded pixels at `places` of the folded maps, `side` to a row, one after another.
    pub(super) fn gather(&self, x: &[f32], places: &[usize], side: usize, pixels: &mut [f32]) {
        let pixel = self.folded.channels;
        for (places, pixels) in places.chunks_exact(side).zip(pixels.chunks_exact_mut(side * pixel)) {
            // Neighboring pixels of a row, far from the edges, are runs that follow each other in the map.
            let last = places[side - 1];
            let neighbors = last != NOWHERE && last - places[0] == (side - 1) * pixel;
            if !neighbors || !self.gather_row(x, places[0] / pixel, side, pixels) {
                for (&place, pixel) in places.iter().zip(pixels.chunks_exact_mut(pixel)) {
                    self.gather_pixel(x, place, pixel);
                }
            }
        }
    }

    /// The folded pixels of a row from pixel `at` on, if none reaches into the padding: this tells.
    fn gather_row(&self, x: &[f32], at: usize, side: usize, pixels: &mut [f32]) -> bool {
        let Window { stride, pad, .. } = self.window;
        let (image, row, column) = self.position(at);
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
            runs.zip(pixels).for_each(|(from, pixel)| copy(from, &mut pixel[i * run..(i + 1) * run]));
        }
        true
    }

    /// Image, row and column of a folded pixel.
    fn position(&self, at: usize) -> (usize, usize, usize) {
        let Maps { height, width, .. } = self.folded;
        (at / (height * width), at / width % height, at % width)
    }

    /// The folded pixel at a place, with zeros where it reaches into the padding.
    fn gather_pixel(&self, x: &[f32], place: usize, pixel: &mut [f32]) {
        pixel.fill(0.0);
        if place == NOWHERE {
            return;
        }
        let Window { stride, pad, .. } = self.window;
        let channels = self.maps.channels;
        let (image, row, column) = self.position(place / self.folded.channels);
        let x = &x[image * self.maps.len()..][..self.maps.len()];
        // The pixels from `left` to `right`, counted with the padding, exist.
        let first = column * stride;
        let right = (first + stride).min(self.maps.width + pad);
        let left = first.max(pad).min(right);
        for (i, run) in pixel.chunks_exact_mut(stride * channels).enumerate() {
            let y = (row * stride + i).checked_sub(pad).filter(|&y| y < self.maps.height);
            if let Some(y) = y.filter(|_| left < right) {
                let x = &x[(y * self.maps.width + left - pad) * channels..];
                copy(x, &mut run[(left - first) * channels..(right - first) * channels]);
            }
        }
    }
}

/// Copies as much as there is room for; a run of four pixels of three colors, the paper's, without a call.
#[inline]
fn copy(from: &[f32], to: &mut [f32]) {
    match (from.first_chunk::<12>(), to.len()) {
        (Some(from), 12) => to.copy_from_slice(from),
        (_, len) => to.copy_from_slice(&from[..len]),
    }
}
