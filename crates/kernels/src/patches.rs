//! The patches of maps as an operand of a product: im2col without the columns.

use crate::gemm::{Operand, interleave, spread};
use crate::geometry::{ConvGeometry, Maps};
use std::ops::Range;

/// A matrix of patches. Row `(b, y, x)`: a pixel of the result; depth `(ky, kx, c)`: the value that this pixel meets
/// under a tap of the kernel, zero where the tap falls off the maps.
pub(crate) struct Patches<'a> {
    values: &'a [f32],
    /// The maps that are read.
    source: Maps,
    /// Height and width of the result.
    result: (usize, usize),
    /// Channels of one group.
    channels: Range<usize>,
    kernel: usize,
    stride: usize,
    pad: usize,
    /// Whether the result is the convolution's input, and the source its output.
    backward: bool,
    /// First row, and the step from one row to the next.
    rows: (usize, usize),
}

impl<'a> Patches<'a> {
    /// What the outputs of a group see of the input `x`.
    pub(crate) fn of_input(g: &ConvGeometry, group: usize, x: &'a [f32]) -> Self {
        let channels = group * g.group_inputs()..(group + 1) * g.group_inputs();
        Self::new(g, x, g.input, g.output, channels, false)
    }

    /// The outputs' gradients `dy` of a group that see an input.
    pub(crate) fn of_output(g: &ConvGeometry, group: usize, dy: &'a [f32]) -> Self {
        let channels = group * g.group_outputs()..(group + 1) * g.group_outputs();
        Self::new(g, dy, g.output, g.input, channels, true)
    }

    fn new(
        g: &ConvGeometry,
        values: &'a [f32],
        source: Maps,
        result: Maps,
        channels: Range<usize>,
        backward: bool,
    ) -> Self {
        let (kernel, stride, pad) = (g.window.kernel, g.window.stride, g.window.pad);
        let result = (result.height, result.width);
        Self { values, source, result, channels, kernel, stride, pad, backward, rows: (0, 1) }
    }

    /// The same pixel of every image only: row `b`.
    pub(crate) fn at_pixel(self, pixel: usize) -> Self {
        let (height, width) = self.result;
        Self { rows: (pixel, height * width), ..self }
    }

    /// Where along a side of `size` a tap of a result's position falls, if on the maps.
    #[inline]
    fn tap(&self, position: usize, tap: usize, size: usize) -> Option<usize> {
        let place = if self.backward {
            let place = (position + self.pad).checked_sub(tap)?;
            if self.stride != 1 && !place.is_multiple_of(self.stride) {
                return None;
            }
            place / self.stride
        } else {
            (position * self.stride + tap).checked_sub(self.pad)?
        };
        (place < size).then_some(place)
    }

    /// Image, row and column of a row of the matrix.
    #[inline]
    fn place(&self, row: usize) -> (usize, usize, usize) {
        let pixel = self.rows.0 + row * self.rows.1;
        let (height, width) = self.result;
        (pixel / (height * width), pixel / width % height, pixel % width)
    }

    /// The channels that a pixel of the result meets under a tap; `None`: zeros.
    #[inline]
    fn meets(&self, (b, y, x): (usize, usize, usize), tap: usize) -> Option<&'a [f32]> {
        let y = self.tap(y, tap / self.kernel, self.source.height)?;
        let x = self.tap(x, tap % self.kernel, self.source.width)?;
        let start = ((b * self.source.height + y) * self.source.width + x) * self.source.channels;
        Some(&self.values[start + self.channels.start..start + self.channels.end])
    }

    /// Cuts a range of depth into taps: each with the part of its channels.
    fn taps(&self, depth: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let channels = self.channels.len();
        (depth.start / channels..depth.end.div_ceil(channels)).map(move |tap| {
            let first = tap * channels;
            (tap, depth.start.max(first) - first..depth.end.min(first + channels) - first)
        })
    }

    /// Whether a row of the kernel lies contiguous in the source, all channels of its pixels after one another.
    fn has_whole_rows(&self) -> bool {
        !self.backward && self.channels.len() == self.source.channels
    }

    /// Copies the part `depth` of a row of the matrix, a row of the kernel at a time.
    fn copy_row(&self, (b, y, x): (usize, usize, usize), depth: Range<usize>, target: &mut [f32]) {
        let channels = self.channels.len();
        let run = self.kernel * channels;
        target.fill(0.0);
        for ky in depth.start / run..depth.end.div_ceil(run) {
            let Some(y) = self.tap(y, ky, self.source.height) else { continue };
            // Along the row of the maps: the kernel's first value lies at `left`, the maps' end at `end`.
            let (left, end) = ((x * self.stride) * channels, self.source.width * channels);
            let pad = self.pad * channels;
            let first = depth.start.max(ky * run) - ky * run;
            let last = depth.end.min((ky + 1) * run) - ky * run;
            let from = first.max(pad.saturating_sub(left));
            let to = last.min((end + pad).saturating_sub(left));
            if from < to {
                let row = (b * self.source.height + y) * self.source.width * self.source.channels;
                let values = &self.values[row + left + from - pad..row + left + to - pad];
                target[ky * run + from - depth.start..][..to - from].copy_from_slice(values);
            }
        }
    }
}

impl Operand for Patches<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let zeros = vec![0.0; self.channels.len()];
        let mut copies = vec![0.0; if self.has_whole_rows() { width * depth.len() } else { 0 }];
        for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(depth.len() * width)) {
            let places: Vec<_> = (start..rows.end.min(start + width)).map(|row| self.place(row)).collect();
            if self.has_whole_rows() {
                for (place, copy) in places.iter().zip(copies.chunks_exact_mut(depth.len())) {
                    self.copy_row(*place, depth.clone(), copy);
                }
                copies[places.len() * depth.len()..].fill(0.0);
                interleave(width, |i| &copies[i * depth.len()..][..depth.len()], panel);
                continue;
            }
            let mut rest = panel;
            for (tap, channels) in self.taps(depth.clone()) {
                let (part, tail) = rest.split_at_mut(channels.len() * width);
                let row = |i: usize| {
                    let pixel = places.get(i).and_then(|place| self.meets(*place, tap));
                    &pixel.unwrap_or(&zeros)[channels.clone()]
                };
                interleave(width, row, part);
                rest = tail;
            }
        }
    }
}

/// The same matrix, transposed: rows are `(ky, kx, c)`, the depth is `(b, y, x)`.
pub(crate) struct Transposed<'a>(pub(crate) Patches<'a>);

impl Operand for Transposed<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let Self(patches) = self;
        let mut values = vec![0.0; rows.len()];
        for (i, row) in depth.clone().enumerate() {
            let place = patches.place(row);
            if patches.has_whole_rows() {
                patches.copy_row(place, rows.clone(), &mut values);
            } else {
                let mut rest = &mut values[..];
                for (tap, channels) in patches.taps(rows.clone()) {
                    let (part, tail) = rest.split_at_mut(channels.len());
                    match patches.meets(place, tap) {
                        Some(pixel) => part.copy_from_slice(&pixel[channels]),
                        None => part.fill(0.0),
                    }
                    rest = tail;
                }
            }
            spread(&values, width, depth.len(), i, block);
        }
    }
}
