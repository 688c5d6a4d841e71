//! Convolutions as matrix products whose operands are never written out: "implicit im2col".

use crate::gemm::{LINES, Operand, WIDEST, interleave, spread};
use crate::geometry::Maps;
use std::ops::Range;

/// Patches of channels-last maps as a matrix. Row `(image, gy, gx)` is the patch at position
/// `(gy * step, gx * step)`; its values are those of the taps (rows, then columns, then channels), zero where
/// a tap lies outside the map.
pub(crate) struct Patches<'a> {
    values: &'a [f32],
    maps: Maps,
    grid: [usize; 2],
    step: usize,
    runs: Vec<Run>,
    /// Values in each run.
    run: usize,
}

/// Values of a patch that are neighbors in memory.
struct Run {
    /// Rows below the patch's position.
    row: isize,
    /// Values after the position's pixel begins.
    offset: isize,
}

/// What a run reads from one position: zeros, then values of the map, then zeros again.
struct Piece<'a> {
    before: usize,
    values: &'a [f32],
}

impl Piece<'_> {
    fn copy_to(&self, target: &mut [f32]) {
        let (zeros, target) = target.split_at_mut(self.before);
        let (target, more_zeros) = target.split_at_mut(self.values.len());
        zeros.fill(0.0);
        target.copy_from_slice(self.values);
        more_zeros.fill(0.0);
    }
}

impl<'a> Patches<'a> {
    /// Patches at the positions of a `grid`, with taps at all of `rows` x `columns` relative to a position.
    pub(crate) fn new(
        values: &'a [f32],
        maps: Maps,
        channels: Range<usize>,
        grid: [usize; 2],
        step: usize,
        rows: Range<isize>,
        columns: Range<isize>,
    ) -> Self {
        let width = maps.channels as isize;
        let offset = |column: isize| column * width + channels.start as isize;
        // Where a patch has all channels, the taps of a row follow each other in memory.
        let whole = channels.len() == maps.channels;
        let (starts, run) = match whole {
            true => (columns.start..columns.end.min(columns.start + 1), columns.len() * maps.channels),
            false => (columns, channels.len()),
        };
        let at = |row| starts.clone().map(move |column| Run { row, offset: offset(column) });
        Self { values, maps, grid, step, runs: rows.flat_map(at).collect(), run }
    }

    /// Values in a patch.
    pub(crate) fn depth(&self) -> usize {
        self.runs.len() * self.run
    }

    /// The position of row `index` of the matrix: image, row, and the value where the position's pixel begins.
    #[inline]
    fn position(&self, index: usize) -> (usize, isize, isize) {
        let [height, width] = self.grid;
        let (line, gx) = (index / width, index % width);
        let (image, gy) = (line / height, line % height);
        (image, (gy * self.step) as isize, (gx * self.step * self.maps.channels) as isize)
    }

    /// The `part` of a run, read at a position.
    #[inline]
    fn read(&self, (image, y, x): (usize, isize, isize), run: usize, part: &Range<usize>) -> Piece<'a> {
        let Run { row, offset } = self.runs[run];
        let y = y + row;
        let len = (self.maps.width * self.maps.channels) as isize;
        let first = x + offset + part.start as isize;
        let (start, end) = (first.max(0), (first + part.len() as isize).min(len));
        if y < 0 || y >= self.maps.height as isize || start >= end {
            return Piece { before: part.len(), values: &[] };
        }
        let line = (image * self.maps.height + y as usize) * len as usize;
        let values = &self.values[line + start as usize..line + end as usize];
        Piece { before: (start - first) as usize, values }
    }

    /// Copies a `range` of the patch at a position to `target`.
    fn copy(&self, position: (usize, isize, isize), range: Range<usize>, target: &mut [f32]) {
        for (at, run, part) in cut(range, self.run) {
            let target = &mut target[at..at + part.len()];
            self.read(position, run, &part).copy_to(target);
        }
    }
}

/// The runs that a range of values of a patch touches: where each lies in the range, which run, and what part.
fn cut(range: Range<usize>, run: usize) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let (index, begin) = (at / run.max(1), at % run.max(1));
        let len = (run - begin).min(range.end - at);
        let item = (at - range.start, index, begin..begin + len);
        at += len;
        (len > 0).then_some(item)
    })
}

impl Operand for Patches<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let len = depth.len();
        let zeros = vec![0.0; len];
        // Where a patch crosses the edge of the map, its values are first put together here.
        let mut edges = vec![0.0; width * len];
        for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(len * width)) {
            let count = width.min(rows.end - start);
            let positions: [_; WIDEST] =
                std::array::from_fn(|i| if i < count { self.position(start + i) } else { (0, 0, 0) });
            for (at, run, part) in cut(depth.clone(), self.run) {
                let mut sources = [&zeros[..part.len()]; WIDEST];
                let edges = edges.chunks_exact_mut(len);
                for ((source, &position), edge) in sources.iter_mut().zip(&positions[..count]).zip(edges) {
                    let piece = self.read(position, run, &part);
                    if piece.values.len() == part.len() {
                        *source = piece.values;
                    } else if !piece.values.is_empty() {
                        let edge = &mut edge[..part.len()];
                        piece.copy_to(edge);
                        *source = edge;
                    }
                }
                interleave(width, |i| sources[i], &mut panel[at * width..][..part.len() * width]);
            }
        }
    }
}

/// Patches with the roles of rows and depth exchanged: the left operand of a weight gradient.
pub(crate) struct Turned<'a>(pub(crate) Patches<'a>);

impl Operand for Turned<'_> {
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
}

/// The weights that connect one input channel to the outputs of some taps: the right operand of an input
/// gradient. Column `c`, depth `(t, o)` is `values[taps[t] + c * outputs + o]`.
pub(crate) struct TapWeights<'a> {
    values: &'a [f32],
    outputs: usize,
    taps: Vec<usize>,
}

impl<'a> TapWeights<'a> {
    /// The weights of `taps`, each of which begins a matrix `[inputs, outputs]` in `values`.
    pub(crate) fn new(values: &'a [f32], outputs: usize, taps: Vec<usize>) -> Self {
        Self { values, outputs, taps }
    }
}

impl Operand for TapWeights<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let zeros = vec![0.0; depth.len()];
        for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(depth.len() * width)) {
            for (at, tap, part) in cut(depth.clone(), self.outputs) {
                let source = |i: usize| match start + i < rows.end {
                    true => &self.values[self.taps[tap] + (start + i) * self.outputs..][part.clone()],
                    false => &zeros[..part.len()],
                };
                interleave(width, source, &mut panel[at * width..][..part.len() * width]);
            }
        }
    }
}

/// The window positions along a side that see a pixel, counted from the padded edge; position `p` sees it
/// through tap `pixel - p * stride`. Positions below zero or past the last are included: they do not exist, and
/// a gradient there counts as zero.
pub(crate) fn seen_by(pixel: usize, kernel: usize, stride: usize) -> Range<isize> {
    let last = (pixel / stride) as isize;
    let taps = (kernel + stride - 1 - pixel % stride) / stride;
    last + 1 - taps as isize..last + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_see_a_pixel() {
        for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (11, 4), (2, 5)] {
            for pixel in 0..30_usize {
                let sees = |p: &isize| {
                    let tap = pixel as isize - p * stride as isize;
                    (0..kernel as isize).contains(&tap)
                };
                let expected: Vec<isize> = (-30..40).filter(sees).collect();
                assert_eq!(seen_by(pixel, kernel, stride).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn patches_are_zero_outside_the_map_and_turn() {
        let maps = Maps::new(4, 5, 6);
        let values: Vec<f32> = (0..2 * maps.len()).map(|i| 1.0 + i as f32).collect();
        for channels in [0..6_usize, 2..4] {
            let patches = || Patches::new(&values, maps, channels.clone(), [3, 2], 2, -1..2, -2..3);
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
                let mut turned = vec![f32::NAN; depth.len().next_multiple_of(width) * rows.len()];
                Turned(patches()).pack(depth.clone(), rows.clone(), width, &mut turned);
                for (i, row) in rows.clone().enumerate() {
                    for (j, d) in depth.clone().enumerate() {
                        let at = (i / width * depth.len() + j) * width + i % width;
                        assert_eq!(block[at], element(row, d), "row {row} depth {d}");
                        let at = (j / width * rows.len() + i) * width + j % width;
                        assert_eq!(turned[at], element(row, d), "turned, row {row} depth {d}");
                    }
                }
            }
        }
    }
}
