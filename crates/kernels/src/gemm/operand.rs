//! Operands of a product: matrices that can pack a block of themselves into panels.

use super::word::Word;
use crate::bf16::{halves_of, narrow, pair_values, round_values};
use crate::scratch;
use std::ops::Range;

/// Lines distributed over panels at a time: they stay in the first-level cache.
pub(crate) const LINES: usize = 16;

/// An operand of a product. "Row" means a row of `A` or a column of `B`: an index of the result.
pub trait Operand: Sync {
    /// Packs the block `rows` x `depth` into panels of `width` rows, `block: [panel, depth, width]`. The last panel is
    /// padded with zeros.
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]);

    /// [`Self::pack`] with pairs of bfloat16 values in each word of the block, `[panel, depth / 2, width]`. Where the depth
    /// is odd, the last pair ends with zero.
    fn pack_pairs(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let len = depth.len();
        let panels = rows.len().div_ceil(width);
        scratch::with(panels * width * len, |wide| {
            self.pack(rows, depth, width, wide);
            let words = block.chunks_exact_mut(len.div_ceil(2) * width);
            for (wide, words) in wide.chunks_exact(len * width).zip(words) {
                pair(wide, width, words);
            }
        });
    }

    /// [`Self::pack_pairs`] into panels whose rows are contiguous, `[panel, height, depth / 2]`.
    fn pack_pairs_along(&self, rows: Range<usize>, depth: Range<usize>, height: usize, block: &mut [f32]) {
        transpose_panels(self, rows, depth, height, block);
    }
}

/// Packs a block as words.
pub(super) fn pack(
    word: Word,
    operand: &dyn Operand,
    rows: Range<usize>,
    depth: Range<usize>,
    width: usize,
    block: &mut [f32],
) {
    match word {
        Word::F32 => operand.pack(rows, depth, width, block),
        Word::RoundedToBf16 => {
            operand.pack(rows, depth, width, block);
            round_values(block);
        }
        Word::Bf16Pair => operand.pack_pairs(rows, depth, width, block),
    }
}

/// Pairs the rows of a panel, `words[d, r] = (panel[2 d, r], panel[2 d + 1, r])`.
fn pair(panel: &[f32], width: usize, words: &mut [f32]) {
    for (rows, words) in panel.chunks(2 * width).zip(words.chunks_exact_mut(width)) {
        let (low, high) = rows.split_at(width);
        pair_values(low, high, words);
    }
}

/// A matrix in memory: element `(row, d)` is `values[row * row_stride + d * depth_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    depth_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A left operand stored as `[m, k]` or a right one stored as `[n, k]`: sums run along contiguous values.
    pub fn along_rows(values: &'a [f32], row_stride: usize) -> Self {
        Self { values, row_stride, depth_stride: 1 }
    }

    /// A left operand stored as `[k, m]` or a right one stored as `[k, n]`: sums run across the stored rows.
    pub fn across_rows(values: &'a [f32], row_stride: usize) -> Self {
        Self { values, row_stride: 1, depth_stride: row_stride }
    }
}

impl Operand for Matrix<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        if self.depth_stride == 1 {
            let zeros = vec![0.0; depth.len()];
            for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(depth.len() * width))
            {
                let row = |i: usize| match start + i < rows.end {
                    true => &self.values[(start + i) * self.row_stride..][depth.clone()],
                    false => &zeros[..],
                };
                interleave(width, row, panel);
            }
        } else {
            let line = |i: usize| &self.values[(depth.start + i) * self.depth_stride..][rows.clone()];
            for i in (0..depth.len()).step_by(LINES) {
                spread(line, i..(i + LINES).min(depth.len()), width, depth.len(), block);
            }
        }
    }

    fn pack_pairs(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let len = depth.len().div_ceil(2);
        if self.depth_stride != 1 {
            return pack_pairs_across(self, rows, depth, width, block);
        }
        // Pairs are adjacent in a row: it is rounded, and its words are packed.
        scratch::with(width * len, |rounded| {
            for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(len * width)) {
                self.pack_pairs_along(start..(start + width).min(rows.end), depth.clone(), width, rounded);
                interleave(width, |i| &rounded[i * len..][..len], panel);
            }
        });
    }

    fn pack_pairs_along(&self, rows: Range<usize>, depth: Range<usize>, height: usize, block: &mut [f32]) {
        let len = depth.len().div_ceil(2);
        if self.depth_stride != 1 {
            return transpose_panels(self, rows, depth, height, block);
        }
        for (i, words) in block.chunks_exact_mut(len).enumerate() {
            if i >= rows.len() {
                words.fill(0.0);
                continue;
            }
            let halves = halves_of(words);
            let row = (rows.start + i) * self.row_stride;
            narrow(&self.values[row..][depth.clone()], &mut halves[..depth.len()]);
            halves[depth.len()..].fill(0);
        }
    }
}

/// [`Operand::pack_pairs_along`] by way of [`Operand::pack_pairs`].
fn transpose_panels(
    operand: &(impl Operand + ?Sized),
    rows: Range<usize>,
    depth: Range<usize>,
    height: usize,
    block: &mut [f32],
) {
    let len = depth.len().div_ceil(2);
    scratch::with(block.len(), |across| {
        operand.pack_pairs(rows, depth, height, across);
        let panels = across.chunks_exact(len * height).zip(block.chunks_exact_mut(len * height));
        panels.for_each(|(across, panel)| interleave(len, |d| &across[d * height..][..height], panel));
    });
}

/// [`Operand::pack_pairs`] of a matrix whose sums run across the stored rows: neighboring rows are paired.
fn pack_pairs_across(
    matrix: &Matrix,
    rows: Range<usize>,
    depth: Range<usize>,
    width: usize,
    block: &mut [f32],
) {
    let line = |d: usize| &matrix.values[d * matrix.depth_stride..][rows.clone()];
    let (len, padded) = (depth.len().div_ceil(2), rows.len().next_multiple_of(width));
    scratch::with(LINES * padded, |words| {
        for first in (0..len).step_by(LINES) {
            let lines = first..(first + LINES).min(len);
            for (i, words) in lines.clone().zip(words.chunks_exact_mut(padded)) {
                let d = depth.start + 2 * i;
                let high = if d + 1 < depth.end { line(d + 1) } else { &[] };
                pair_values(line(d), high, &mut words[..rows.len()]);
            }
            let words = |i: usize| &words[(i - first) * padded..][..rows.len()];
            spread(words, lines, width, len, block);
        }
    });
}

/// Distributes lines of values, one per depth, over panels: `block[p, i, r] = line(i)[p * width + r]` for `i` in `lines`,
/// zero past the end of a line.
pub(crate) fn spread<'a>(
    line: impl Fn(usize) -> &'a [f32],
    lines: Range<usize>,
    width: usize,
    depth: usize,
    block: &mut [f32],
) {
    for (p, panel) in block.chunks_exact_mut(depth * width).enumerate() {
        let panel = &mut panel[lines.start * width..lines.end * width];
        for (i, target) in lines.clone().zip(panel.chunks_exact_mut(width)) {
            let values = &line(i)[p * width..];
            match width {
                6 => copy::<6>(values, target),
                12 => copy::<12>(values, target),
                16 => copy::<16>(values, target),
                32 => copy::<32>(values, target),
                _ => copy_any(values, target),
            }
        }
    }
}

/// Fills a row of a panel. A call to `memcpy` costs more than the copy, so the usual widths are compile-time constants.
#[inline]
fn copy<const N: usize>(values: &[f32], target: &mut [f32]) {
    match (values.first_chunk::<N>(), target.first_chunk_mut::<N>()) {
        (Some(values), Some(target)) => *target = *values,
        _ => copy_any(values, target),
    }
}

fn copy_any(values: &[f32], target: &mut [f32]) {
    let count = values.len().min(target.len());
    target[..count].copy_from_slice(&values[..count]);
    target[count..].fill(0.0);
}

/// Packs one panel from rows that are contiguous along the depth, `panel[d, r] = row(r)[d]`: a transposition.
///
/// # Panics
/// If a row is shorter than the depth of the panel.
pub(crate) fn interleave<'a>(width: usize, row: impl Fn(usize) -> &'a [f32], panel: &mut [f32]) {
    let depth = panel.len() / width;
    let mut done = 0;
    while done + 4 <= width {
        interleave_four(std::array::from_fn(|i| &row(done + i)[..depth]), width, &mut panel[done..]);
        done += 4;
    }
    while done + 2 <= width {
        interleave_few([&row(done)[..depth], &row(done + 1)[..depth]], width, &mut panel[done..]);
        done += 2;
    }
    while done < width {
        interleave_few([&row(done)[..depth]], width, &mut panel[done..]);
        done += 1;
    }
}

fn interleave_few<const N: usize>(rows: [&[f32]; N], width: usize, panel: &mut [f32]) {
    for (d, target) in panel.chunks_mut(width).enumerate() {
        for (value, row) in target.iter_mut().zip(rows) {
            *value = row[d];
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
use interleave_few as interleave_four;

/// Packs four rows, in 4 x 4 squares that are transposed in registers (every x86-64 has SSE2).
#[cfg(target_arch = "x86_64")]
fn interleave_four(rows: [&[f32]; 4], width: usize, panel: &mut [f32]) {
    use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
    let depth = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == depth));
    assert!(depth == 0 || panel.len() >= (depth - 1) * width + 4);
    let squares = depth / 4 * 4;
    for d in (0..squares).step_by(4) {
        // SAFETY: `d + 4 <= depth`, so the reads end inside the rows and the writes inside the panel, which
        // reaches to `(depth - 1) * width + 4`.
        unsafe {
            let [mut a, mut b, mut c, mut e] = rows.map(|row| _mm_loadu_ps(row.as_ptr().add(d)));
            _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut e);
            for (i, vector) in [a, b, c, e].into_iter().enumerate() {
                _mm_storeu_ps(panel.as_mut_ptr().add((d + i) * width), vector);
            }
        }
    }
    for d in squares..depth {
        for (i, row) in rows.iter().enumerate() {
            panel[d * width + i] = row[d];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_storage_orders_pack_identically() {
        let (m, k) = (15, 11);
        let values: Vec<f32> = (0..m * k).map(|i| i as f32).collect();
        let transposed: Vec<f32> = (0..m * k).map(|i| values[i % m * k + i / m]).collect();
        for width in [4, 6, 12, 16, 32, 7] {
            let (rows, depth) = (2..13_usize, 3..10_usize);
            let mut one = vec![f32::NAN; rows.len().next_multiple_of(width) * depth.len()];
            let mut two = one.clone();
            Matrix::along_rows(&values, k).pack(rows.clone(), depth.clone(), width, &mut one);
            Matrix::across_rows(&transposed, m).pack(rows.clone(), depth.clone(), width, &mut two);
            assert_eq!(one, two, "width {width}");
            assert_eq!(one[1], values[3 * k + 3], "width {width}: depth 3 of row 3 comes second");
        }
    }
}
