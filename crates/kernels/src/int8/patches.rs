//! The left operand of a product: rows of bytes.

use super::kernel::WORD;
use super::{bytes, kernel};
use crate::geometry::ConvGeometry;
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
    rows.next_multiple_of(kernel::TALLEST)
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
pub(super) struct Patches<'a> {
    g: &'a ConvGeometry,
    x: &'a [u8],
    zero: u8,
    /// Contiguous pieces of a patch: rows of pixels, or single pixels if there are several groups.
    pieces: Vec<Piece>,
    /// Bytes of a piece.
    len: usize,
}

/// A contiguous piece of a patch.
struct Piece {
    /// Row and column of its first pixel in the patch.
    row: usize,
    column: usize,
}

impl<'a> Patches<'a> {
    pub(super) fn new(g: &'a ConvGeometry, x: &'a [u8], zero: u8) -> Self {
        let kernel = g.window.kernel;
        let (columns, pixels) = if g.groups == 1 { (1, kernel) } else { (kernel, 1) };
        let row = |row: usize| (0..columns).map(move |column| Piece { row, column });
        Self { g, x, zero, pieces: (0..kernel).flat_map(row).collect(), len: pixels * g.group_inputs() }
    }

    /// Copies the patch of an output pixel to `target`, which may be overwritten past the patch.
    fn copy(&self, group: usize, index: usize, target: &mut [u8]) {
        let g = self.g;
        let (image, pixel) = (index / g.output.pixels(), index % g.output.pixels());
        let (oy, ox) = (pixel / g.output.width, pixel % g.output.width);
        let (top, left) = (oy * g.window.stride, ox * g.window.stride);
        let (kernel, pad) = (g.window.kernel, g.window.pad);
        let x = &self.x[image * g.input.len()..];
        let inside = |start: usize, size: usize| start >= pad && start - pad + kernel <= size;
        if inside(top, g.input.height) && inside(left, g.input.width) {
            let corner = (top - pad) * g.input.width + left - pad;
            let x = &x[corner * g.input.channels + group * g.group_inputs()..];
            return self.copy_inside(x, target);
        }
        for (piece, target) in self.pieces.iter().zip(target.chunks_mut(self.len)) {
            self.copy_clipped(piece, group, [top, left], &x[..g.input.len()], target);
        }
    }

    /// Copies a patch inside the map, whose first value is `x[0]`.
    fn copy_inside(&self, x: &[u8], target: &mut [u8]) {
        match self.len {
            0..=16 => self.copy_pieces::<16>(x, target),
            17..=32 => self.copy_pieces::<32>(x, target),
            33..=48 => self.copy_pieces::<48>(x, target),
            49..=64 => self.copy_pieces::<64>(x, target),
            _ => self.copy_pieces::<0>(x, target),
        }
    }

    /// Copies pieces as `N` bytes each, where there is room: moves of a fixed length are faster. 0 is no such length.
    #[inline(always)]
    fn copy_pieces<const N: usize>(&self, x: &[u8], target: &mut [u8]) {
        let channels = self.g.input.channels;
        let row = self.g.input.width * channels;
        for (i, piece) in self.pieces.iter().enumerate() {
            let (from, to) = (piece.row * row + piece.column * channels, i * self.len);
            match (x.get(from..from + N), target.get_mut(to..to + N)) {
                (Some(x), Some(target)) if N > 0 => target.copy_from_slice(x),
                _ => target[to..to + self.len].copy_from_slice(&x[from..from + self.len]),
            }
        }
    }

    /// Copies a piece of which some pixels lie outside the map.
    fn copy_clipped(
        &self,
        piece: &Piece,
        group: usize,
        [top, left]: [usize; 2],
        x: &[u8],
        target: &mut [u8],
    ) {
        let (g, pad) = (self.g, self.g.window.pad);
        let pixels = self.len / g.group_inputs();
        let (row, first) = (top + piece.row, left + piece.column);
        // Columns of the padded map that lie in the map.
        let columns = first.max(pad)..(first + pixels).min(g.input.width + pad);
        if row < pad || row >= g.input.height + pad || columns.is_empty() {
            return target.fill(self.zero);
        }
        let (before, inside) = (columns.start - first, columns.len());
        let (before, inside) = (before * g.group_inputs(), inside * g.group_inputs());
        let at = (row - pad) * g.input.width + columns.start - pad;
        let x = &x[at * g.input.channels + group * g.group_inputs()..][..inside];
        target[..before].fill(self.zero);
        target[before..before + inside].copy_from_slice(x);
        target[before + inside..].fill(self.zero);
    }
}

impl Rows for Patches<'_> {
    fn stride(&self) -> usize {
        row_stride(self.g.depth())
    }

    fn lend(&self, group: usize, rows: Range<usize>, work: &mut dyn FnMut(&[u8])) {
        let (stride, depth) = (self.stride(), self.g.depth());
        bytes::with_scratch(padded_rows(rows.len()) * stride, |block| {
            for (i, index) in rows.clone().enumerate() {
                let target = &mut block[i * stride..];
                // Only the last pieces of a row may be overwritten by the next one.
                let len = target.len().min(depth + LINE);
                self.copy(group, index, &mut target[..len]);
            }
            work(block);
        });
    }
}
