//! Convolutions as matrix products whose operands are never written to memory (implicit im2col): row
//! `(image, gy, gx)` of a matrix of patches holds the values that output `(gy, gx)` of the image sees.

use crate::bf16::{halves_of, narrow, pair_values};
use crate::gemm::{LINES, Operand, WIDEST, interleave, spread};
use crate::geometry::Maps;
use std::ops::Range;

/// The positions of patches: `(gy * step, gx * step)` for `gy < height`, `gx < width`.
#[derive(Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) step: usize,
}

/// Patches of channels-last maps as a matrix: one row per position, one column per tap (rows, then columns, then
/// channels), zero where a tap lies outside the map.
pub(crate) struct Patches<'a> {
    values: &'a [f32],
    maps: Maps,
    grid: Grid,
    runs: Vec<Run>,
    /// Values in each run.
    run_len: usize,
}

/// Values of a patch that are contiguous in memory.
struct Run {
    /// Rows below the patch's position.
    row: isize,
    /// Values past the start of the position's pixel.
    offset: isize,
}

/// Where a patch is.
#[derive(Clone, Copy, Default)]
struct Position {
    image: usize,
    row: isize,
    /// Values from the start of the row to the position's pixel.
    offset: isize,
}

/// What a run reads at one position: zeros, then values of the map, then zeros.
struct Piece<'a> {
    zeros: usize,
    values: &'a [f32],
}

impl Piece<'_> {
    fn copy_to(&self, target: &mut [f32]) {
        let (zeros, target) = target.split_at_mut(self.zeros);
        let (target, more_zeros) = target.split_at_mut(self.values.len());
        zeros.fill(0.0);
        target.copy_from_slice(self.values);
        more_zeros.fill(0.0);
    }

    /// [`Self::copy_to`], rounded to bfloat16.
    fn narrow_to(&self, target: &mut [u16]) {
        let (zeros, target) = target.split_at_mut(self.zeros);
        let (target, more_zeros) = target.split_at_mut(self.values.len());
        zeros.fill(0);
        narrow(self.values, target);
        more_zeros.fill(0);
    }
}

impl<'a> Patches<'a> {
    /// Patches at the positions of a `grid`, with taps at all of `rows` x `columns` relative to a position.
    pub(crate) fn new(
        values: &'a [f32],
        maps: Maps,
        channels: Range<usize>,
        grid: Grid,
        rows: Range<isize>,
        columns: Range<isize>,
    ) -> Self {
        let width = maps.channels as isize;
        let offset = |column: isize| column * width + channels.start as isize;
        // If a patch has all channels, the taps of a row are contiguous in memory.
        let whole = channels.len() == maps.channels;
        let (starts, run_len) = match whole {
            true => (columns.start..columns.end.min(columns.start + 1), columns.len() * maps.channels),
            false => (columns, channels.len()),
        };
        let at = |row| starts.clone().map(move |column| Run { row, offset: offset(column) });
        Self { values, maps, grid, runs: rows.flat_map(at).collect(), run_len }
    }

    /// Values in a patch.
    pub(crate) fn depth(&self) -> usize {
        self.runs.len() * self.run_len
    }

    /// The position of row `index` of the matrix.
    #[inline]
    fn position(&self, index: usize) -> Position {
        let Grid { height, width, step } = self.grid;
        let (line, gx) = (index / width, index % width);
        let (image, gy) = (line / height, line % height);
        Position { image, row: (gy * step) as isize, offset: (gx * step * self.maps.channels) as isize }
    }

    /// Part of a run, read at a position.
    #[inline]
    fn read(&self, position: Position, section: &Section) -> Piece<'a> {
        let (Run { row, offset }, part) = (&self.runs[section.run], &section.part);
        let row = position.row + row;
        let len = (self.maps.width * self.maps.channels) as isize;
        let first = position.offset + offset + part.start as isize;
        let (start, end) = (first.max(0), (first + part.len() as isize).min(len));
        if row < 0 || row >= self.maps.height as isize || start >= end {
            return Piece { zeros: part.len(), values: &[] };
        }
        let line = (position.image * self.maps.height + row as usize) * len as usize;
        let values = &self.values[line + start as usize..line + end as usize];
        Piece { zeros: (start - first) as usize, values }
    }

    /// Copies a `range` of the patch at a position to `target`.
    fn copy(&self, position: Position, range: Range<usize>, target: &mut [f32]) {
        for section in sections(range, self.run_len) {
            let target = &mut target[section.at..section.at + section.part.len()];
            self.read(position, &section).copy_to(target);
        }
    }
}

/// The part of one run that a range of a patch covers.
struct Section {
    /// Where it starts in the range.
    at: usize,
    run: usize,
    part: Range<usize>,
}

/// The sections that make up a range, for runs of `run_len` values.
fn sections(range: Range<usize>, run_len: usize) -> impl Iterator<Item = Section> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let (run, start) = (at / run_len.max(1), at % run_len.max(1));
        let len = (run_len - start).min(range.end - at);
        let section = Section { at: at - range.start, run, part: start..start + len };
        at += len;
        (len > 0).then_some(section)
    })
}

impl Operand for Patches<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let len = depth.len();
        let zeros = vec![0.0; len];
        // Where a patch crosses the edge of the map, its values are first assembled here.
        let mut edges = vec![0.0; width * len];
        for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(len * width)) {
            let count = width.min(rows.end - start);
            let positions: [_; WIDEST] =
                std::array::from_fn(
                    |i| if i < count { self.position(start + i) } else { Position::default() },
                );
            for section in sections(depth.clone(), self.run_len) {
                let len_here = section.part.len();
                let mut sources = [&zeros[..len_here]; WIDEST];
                let edges = edges.chunks_exact_mut(len);
                for ((source, &position), edge) in sources.iter_mut().zip(&positions[..count]).zip(edges) {
                    let piece = self.read(position, &section);
                    if piece.values.len() == len_here {
                        *source = piece.values;
                    } else if !piece.values.is_empty() {
                        let edge = &mut edge[..len_here];
                        piece.copy_to(edge);
                        *source = edge;
                    }
                }
                interleave(width, |i| sources[i], &mut panel[section.at * width..][..len_here * width]);
            }
        }
    }

    fn pack_pairs_along(&self, rows: Range<usize>, depth: Range<usize>, _: usize, block: &mut [f32]) {
        let sections: Vec<Section> = sections(depth.clone(), self.run_len).collect();
        for (i, words) in block.chunks_exact_mut(depth.len().div_ceil(2)).enumerate() {
            let halves = halves_of(words);
            if i >= rows.len() {
                halves.fill(0);
                continue;
            }
            let position = self.position(rows.start + i);
            for section in &sections {
                self.read(position, section).narrow_to(&mut halves[section.at..][..section.part.len()]);
            }
            halves[depth.len()..].fill(0);
        }
    }
}

/// The transposed matrix of patches: the left operand of a weight gradient.
pub(crate) struct Transposed<'a>(pub(crate) Patches<'a>);

impl Operand for Transposed<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let Self(patches) = self;
        let mut lines = vec![0.0; LINES * rows.len()];
        for start in depth.clone().step_by(LINES) {
            let indices = start..(start + LINES).min(depth.end);
            for (index, line) in indices.clone().zip(lines.chunks_exact_mut(rows.len())) {
                patches.copy(patches.position(index), rows.clone(), line);
            }
            let line = |i: usize| &lines[(i + depth.start - start) * rows.len()..][..rows.len()];
            spread(line, indices.start - depth.start..indices.end - depth.start, width, depth.len(), block);
        }
    }

    fn pack_pairs(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let Self(patches) = self;
        let len = depth.len().div_ceil(2);
        let mut values = vec![0.0; 2 * rows.len()];
        let (low, high) = values.split_at_mut(rows.len());
        let mut lines = vec![0.0; LINES * rows.len()];
        for first in (0..len).step_by(LINES) {
            let pairs = first..(first + LINES).min(len);
            for (pair, line) in pairs.clone().zip(lines.chunks_exact_mut(rows.len())) {
                let index = depth.start + 2 * pair;
                patches.copy(patches.position(index), rows.clone(), low);
                match index + 1 < depth.end {
                    true => patches.copy(patches.position(index + 1), rows.clone(), high),
                    false => high.fill(0.0),
                }
                pair_values(low, high, line);
            }
            let line = |i: usize| &lines[(i - first) * rows.len()..][..rows.len()];
            spread(line, pairs, width, len, block);
        }
    }
}

/// The weights from input channels to the outputs of some taps: the right operand of an input gradient. Column `c`,
/// depth `(t, o)` is `values[taps[t] + c * outputs + o]`.
pub(crate) struct TapWeights<'a> {
    values: &'a [f32],
    outputs: usize,
    taps: Vec<usize>,
}

impl<'a> TapWeights<'a> {
    /// The weights of `taps`, each the offset of a matrix `[inputs, outputs]` in `values`.
    pub(crate) fn new(values: &'a [f32], outputs: usize, taps: Vec<usize>) -> Self {
        Self { values, outputs, taps }
    }
}

impl Operand for TapWeights<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let zeros = vec![0.0; depth.len()];
        for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(depth.len() * width)) {
            for Section { at, run: tap, part } in sections(depth.clone(), self.outputs) {
                let source = |i: usize| match start + i < rows.end {
                    true => &self.values[self.taps[tap] + (start + i) * self.outputs..][part.clone()],
                    false => &zeros[..part.len()],
                };
                interleave(width, source, &mut panel[at * width..][..part.len() * width]);
            }
        }
    }
}

/// The window positions along a side that see a pixel, counted from the edge of the padding; position `p` sees it
/// through tap `pixel - p * stride`. The range may include positions below zero or past the last: they do not exist, and
/// their gradient counts as zero.
pub(crate) fn positions_that_see(pixel: usize, kernel: usize, stride: usize) -> Range<isize> {
    let last = (pixel / stride) as isize;
    let taps = (kernel + stride - 1 - pixel % stride) / stride;
    last + 1 - taps as isize..last + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_see_a_pixel() {
        for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (11, 4), (2, 5)] {
            for pixel in 0..30_usize {
                let sees = |p: &isize| {
                    let tap = pixel as isize - p * stride as isize;
                    (0..kernel as isize).contains(&tap)
                };
                let expected: Vec<isize> = (-30..40).filter(sees).collect();
                assert_eq!(positions_that_see(pixel, kernel, stride).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn patches_and_their_transpose_are_zero_outside_the_map() {
        let maps = Maps::new(4, 5, 6);
        let values: Vec<f32> = (0..2 * maps.len()).map(|i| 1.0 + i as f32).collect();
        let grid = Grid { height: 3, width: 2, step: 2 };
        for channels in [0..6_usize, 2..4] {
            let patches = || Patches::new(&values, maps, channels.clone(), grid, -1..2, -2..3);
            let (m, k) = (2 * 3 * 2, 3 * 5 * channels.len());
            assert_eq!(patches().depth(), k);
            let element = |row: usize, d: usize| {
                let (image, gy, gx) = (row / 6, row / 2 % 3, row % 2);
                let (tap, c) = (d / channels.len(), channels.start + d % channels.len());
                let (y, x) = ((gy * 2 + tap / 5).wrapping_sub(1), (gx * 2 + tap % 5).wrapping_sub(2));
                let inside = y < maps.height && x < maps.width;
                if inside {
                    values[((image * maps.height + y) * maps.width + x) * maps.channels + c]
                } else {
                    0.0
                }
            };
            for width in [6, 12] {
                let (rows, depth) = (1..m, 2..k - 3);
                let mut block = vec![f32::NAN; rows.len().next_multiple_of(width) * depth.len()];
                patches().pack(rows.clone(), depth.clone(), width, &mut block);
                let mut transposed = vec![f32::NAN; depth.len().next_multiple_of(width) * rows.len()];
                Transposed(patches()).pack(depth.clone(), rows.clone(), width, &mut transposed);
                for (i, row) in rows.clone().enumerate() {
                    for (j, d) in depth.clone().enumerate() {
                        let at = (i / width * depth.len() + j) * width + i % width;
                        assert_eq!(block[at], element(row, d), "row {row} depth {d}");
                        let at = (j / width * rows.len() + i) * width + j % width;
                        assert_eq!(transposed[at], element(row, d), "transposed, row {row} depth {d}");
                    }
                }
            }
        }
    }
}
