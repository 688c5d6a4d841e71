//! Images as bfloat16 values in padded planes.

use crate::bf16::{halves_of, narrow};
use crate::geometry::{Maps, Window};
use crate::scratch;
use crate::slices::copy_short;

/// A padded image: `[height][width][channels]` halves, where the square of pixels that a step of the window covers is one pixel
/// with the channels of all. Output `(oy, ox)` is at position `oy * width + ox`; through tap `(ky, kx)` it sees the pixel of
/// position `(oy + ky) * width + ox + kx`.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// The maps of the image.
    maps: Maps,
    /// Pixels along each side of a square.
    stride: usize,
    pad: usize,
}

impl Plane {
    /// The plane of an image with `maps`, for outputs of the size of `output`.
    pub(super) fn new(maps: Maps, window: Window, output: Maps) -> Self {
        let kernel = window.kernel.div_ceil(window.stride);
        Self {
            height: output.height + kernel - 1,
            width: output.width + kernel - 1,
            channels: window.stride * window.stride * maps.channels,
            maps,
            stride: window.stride,
            pad: window.pad,
        }
    }

    pub(super) const fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Fills halves with an image, and what follows the plane with zeros.
    pub(super) fn fill(&self, x: &[f32], plane: &mut [u16]) {
        let run = self.stride * self.maps.channels;
        let (plane, beyond) = plane.split_at_mut(self.pixels() * self.channels);
        beyond.fill(0);
        let rows = plane.chunks_exact_mut(self.width * self.channels).enumerate();
        if self.stride == 1 {
            return rows.for_each(|(row, pixels)| self.fill_line(x, row, pixels));
        }
        scratch::with((self.width * run).div_ceil(2), |line| {
            let line = &mut halves_of(line)[..self.width * run];
            for (row, squares) in rows {
                for part in 0..self.stride {
                    self.fill_line(x, row * self.stride + part, line);
                    for (square, from) in squares.chunks_exact_mut(self.channels).zip(line.chunks_exact(run))
                    {
                        copy_short(from, &mut square[part * run..][..run]);
                    }
                }
            }
        });
    }

    /// Fills a line with row `row` of the padded image.
    fn fill_line(&self, x: &[f32], row: usize, line: &mut [u16]) {
        let Maps { height, width, channels } = self.maps;
        let Some(row) = row.checked_sub(self.pad).filter(|&row| row < height) else {
            return line.fill(0);
        };
        let (left, rest) = line.split_at_mut((self.pad * channels).min(line.len()));
        let (pixels, right) = rest.split_at_mut((width * channels).min(rest.len()));
        left.fill(0);
        narrow(&x[row * width * channels..][..pixels.len()], pixels);
        right.fill(0);
    }
}
