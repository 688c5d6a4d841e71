//! The patches of maps as an operand of a product: im2col without the columns.

use crate::gemm::{Operand, interleave, spread};
use crate::geometry::{ConvGeometry, Maps};
use std::ops::Range;

/// Row `(b, y, x)`, depth `(ky, kx, c)`: the value that pixel `(y, x)` of the result meets under tap `(ky, kx)`.
pub(crate) struct Patches<'a> {
    values: &'a [f32],
    /// The maps that are read.
    source: Maps,
    /// Height and width of the result.
    result: (usize, usize),
    /// First channel, and how many.
    channels: Range<usize>,
    kernel: usize,
    stride: usize,
    pad: usize,
    /// Whether the result is the convolution's input and the source its output.
    backward: bool,
}

impl<'a> Patches<'a> {
    /// What a group's outputs see of the input.
    pub(crate) fn of_input(g: &ConvGeometry, group: usize, x: &'a [f32]) -> Self {
        let channels = group * g.group_inputs()..(group + 1) * g.group_inputs();
        Self::new(g, x, g.input, g.output, channels, false)
    }

    /// The outputs that a group's inputs were seen by.
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
        Self {
            values,
            source,
            result: (result.height, result.width),
            channels,
            kernel,
            stride,
            pad,
            backward,
        }
    }

    /// Where along a side of `size` the tap of a result's position falls, if on the maps.
    #[inline]
    fn tap(&self, position: usize, tap: usize, size: usize) -> Option<usize> {
        let place = if self.backward {
            let place = (position + self.pad).checked_sub(tap)?;
            if !place.is_multiple_of(self.stride) {
                return None;
            }
            place / self.stride
        } else {
            (position * self.stride + tap).checked_sub(self.pad)?
        };
        (place < size).then_some(place)
    }

    /// The channels that `row` meets under a tap; `None`: zeros.
    #[inline]
    fn pixel(&self, row: usize, tap: usize) -> Option<&'a [f32]> {
        let (height, width) = self.result;
        let (b, y, x) = (row / (height * width), row / width % height, row % width);
        let y = self.tap(y, tap / self.kernel, self.source.height)?;
        let x = self.tap(x, tap % self.kernel, self.source.width)?;
        let start = ((b * self.source.height + y) * self.source.width + x) * self.source.channels;
        Some(&self.values[start + self.channels.start..start + self.channels.end])
    }

    /// The runs of a range of depth: tap, channels.
    fn runs(&self, depth: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let channels = self.channels.len();
        (depth.start / channels..depth.end.div_ceil(channels)).map(move |tap| {
            let first = tap * channels;
            (tap, depth.start.max(first) - first..depth.end.min(first + channels) - first)
        })
    }
}

impl Operand for Patches<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let zeros = vec![0.0; self.channels.len()];
        for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(depth.len() * width)) {
            let mut rest = panel;
            for (tap, channels) in self.runs(depth.clone()) {
                let (part, tail) = rest.split_at_mut(channels.len() * width);
                let row = |i: usize| match start + i < rows.end {
                    true => &self.pixel(start + i, tap).unwrap_or(&zeros)[channels.clone()],
                    false => &zeros[channels.clone()],
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
        let mut values = vec![0.0; rows.len()];
        for (i, pixel) in depth.clone().enumerate() {
            let mut rest = &mut values[..];
            for (tap, channels) in self.0.runs(rows.clone()) {
                let (part, tail) = rest.split_at_mut(channels.len());
                match self.0.pixel(pixel, tap) {
                    Some(pixel) => part.copy_from_slice(&pixel[channels]),
                    None => part.fill(0.0),
                }
                rest = tail;
            }
            spread(&values, width, depth.len(), i, block);
        }
    }
}
