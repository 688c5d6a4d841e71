//! The left operand of a product: rows of bytes.

use super::tile::WORD;
use super::{bytes, tile};
use crate::geometry::ConvGeometry;
use crate::isa::multiversioned;
use std::ops::Range;

/// Bytes per cache line.
const LINE: usize = 64;

/// Bytes from row to row, for rows of `depth` values: an odd number of cache lines, so that the rows of a tile fall into
/// different sets of the cache.
pub(super) const fn row_stride(depth: usize) -> usize {
    depth.next_multiple_of(WORD).div_ceil(LINE) / 2 * 2 * LINE + LINE
}

/// Rows that are lent to a job; tiles may read past the last one, up to a whole tile.
pub(super) const fn padded_rows(rows: usize) -> usize {
    rows.next_multiple_of(tile::TALLEST)
}

/// The left operand of a product.
pub(super) trait Rows: Sync {
    /// Bytes from row to row.
    fn stride(&self) -> usize;

    /// Lends some rows of a group: at least [`padded_rows`], `stride` bytes each.
    fn lend(&self, group: usize, rows: Range<usize>, work: &mut dyn FnMut(&[u8]));
}

/// Rows in memory, padded as [`Rows::lend`] requires.
pub(super) struct Stored<'a> {
    pub(super) values: &'a [u8],
    pub(super) stride: usize,
}

impl Rows for Stored<'_> {
    fn stride(&self) -> usize {
        self.stride
    }

    fn lend(&self, _: usize, rows: Range<usize>, work: &mut dyn FnMut(&[u8])) {
        work(&self.values[rows.start * self.stride..]);
    }
}

/// The patches that a convolution's outputs see, one row per output pixel: its rows, then columns, then channels. The
/// zero point stands for what lies outside the map.
///
/// A job first copies the pixels that it needs, with their surroundings, to a slab, `[rows][columns][group_inputs]`: there
/// each row of a patch is contiguous and none is cut off.
pub(super) struct Patches<'a> {
    g: &'a ConvGeometry,
    x: &'a [u8],
    zero: u8,
    /// Bytes of a row of a slab.
    width: usize,
}

/// Output pixels of one image.
struct Section {
    image: usize,
    pixels: Range<usize>,
}

impl<'a> Patches<'a> {
    pub(super) fn new(g: &'a ConvGeometry, x: &'a [u8], zero: u8) -> Self {
        let columns = (g.output.width - 1) * g.window.stride + g.window.kernel;
        Self { g, x, zero, width: columns * g.group_inputs() }
    }

    /// The images that some rows belong to.
    fn sections(&self, rows: Range<usize>) -> impl Iterator<Item = Section> {
        let pixels = self.g.output.pixels();
        (rows.start / pixels..rows.end.div_ceil(pixels)).map(move |image| {
            let first = image * pixels;
            Section { image, pixels: rows.start.max(first) - first..rows.end.min(first + pixels) - first }
        })
    }

    /// The output rows of a section.
    fn output_rows(&self, section: &Section) -> Range<usize> {
        section.pixels.start / self.g.output.width..section.pixels.end.div_ceil(self.g.output.width)
    }

    /// Bytes of a slab, and of one more cache line, which may be read but not used.
    fn slab_len(&self, section: &Section) -> usize {
        let window = self.g.window;
        ((self.output_rows(section).len() - 1) * window.stride + window.kernel) * self.width + LINE
    }

    /// Copies the pixels that a section needs to a slab.
    fn fill(&self, group: usize, section: &Section, slab: &mut [u8]) {
        let (g, inputs) = (self.g, self.g.group_inputs());
        let top = self.output_rows(section).start * g.window.stride;
        let x = &self.x[section.image * g.input.len()..][..g.input.len()];
        for (row, line) in slab.chunks_exact_mut(self.width).enumerate() {
            let y = (top + row).wrapping_sub(g.window.pad);
            if y >= g.input.height {
                line.fill(self.zero);
                continue;
            }
            let x = &x[y * g.input.width * g.input.channels..][..g.input.width * g.input.channels];
            let before = g.window.pad * inputs;
            let inside = (g.input.width * inputs).min(line.len() - before);
            line[..before].fill(self.zero);
            line[before + inside..].fill(self.zero);
            let inside = &mut line[before..before + inside];
            if g.groups == 1 {
                inside.copy_from_slice(&x[..inside.len()]);
            } else {
                for (pixel, x) in inside.chunks_exact_mut(inputs).zip(x.chunks_exact(g.input.channels)) {
                    pixel.copy_from_slice(&x[group * inputs..][..inputs]);
                }
            }
        }
    }
}

multiversioned! {
    /// Copies the patches of a section to rows of `stride` bytes, in moves of whole cache lines: what a row overwrites
    /// past its end, the next one repairs.
    fn copy_patches(patches: &Patches, section: &Section, slab: &[u8], stride: usize, rows: &mut [u8]) {
        let (output, window) = (patches.g.output, patches.g.window);
        let len = window.kernel * patches.g.group_inputs();
        let step = window.stride * patches.g.group_inputs();
        let first = section.pixels.start;
        let (mut at, mut column) = (first % output.width * step, first % output.width);
        for row in 0..section.pixels.len() {
            for piece in 0..window.kernel {
                let (from, to) = (at + piece * patches.width, row * stride + piece * len);
                copy_line(slab, from, rows, to);
                for line in (LINE..len).step_by(LINE) {
                    copy_line(slab, from + line, rows, to + line);
                }
            }
            (at, column) = (at + step, column + 1);
            if column == output.width {
                (at, column) = (at - output.width * step + window.stride * patches.width, 0);
            }
        }
    }
}

#[inline(always)]
fn copy_line(x: &[u8], from: usize, y: &mut [u8], to: usize) {
    y[to..to + LINE].copy_from_slice(&x[from..from + LINE]);
}

impl Rows for Patches<'_> {
    fn stride(&self) -> usize {
        row_stride(self.g.depth())
    }

    fn lend(&self, group: usize, rows: Range<usize>, work: &mut dyn FnMut(&[u8])) {
        let stride = self.stride();
        bytes::with_scratch(padded_rows(rows.len()) * stride + LINE, |block| {
            let longest = self.sections(rows.clone()).map(|section| self.slab_len(&section)).max();
            bytes::with_scratch(longest.unwrap_or(0), |slab| {
                let mut rest = &mut *block;
                for section in self.sections(rows.clone()) {
                    let slab = &mut slab[..self.slab_len(&section)];
                    self.fill(group, &section, slab);
                    copy_patches(self, &section, slab, stride, rest);
                    rest = &mut rest[section.pixels.len() * stride..];
                }
            });
            work(block);
        });
    }
}
