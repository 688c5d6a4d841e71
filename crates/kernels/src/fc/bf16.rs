//! Weights stored as bfloat16 as the left operand of a product: `a[o, i] = w[o, i]`.

use crate::bf16::{halves_of, widen};
use crate::gemm::{Operand, interleave};
use crate::scratch;
use std::ops::Range;

/// Weights `[outputs, inputs]`, as bfloat16.
pub(super) struct Bf16Weights<'a> {
    pub(super) values: &'a [u16],
    pub(super) inputs: usize,
}

impl Bf16Weights<'_> {
    /// The weights of an output for some inputs.
    fn row(&self, output: usize, inputs: &Range<usize>) -> &[u16] {
        &self.values[output * self.inputs..][inputs.clone()]
    }

    /// The words of an output for some inputs.
    fn copy_words(&self, output: usize, inputs: &Range<usize>, words: &mut [f32]) {
        let halves = halves_of(words);
        halves[..inputs.len()].copy_from_slice(self.row(output, inputs));
        halves[inputs.len()..].fill(0);
    }
}

/// Fills rows of `len` words, which `fill` writes, or zeros past the last row.
fn fill_rows(rows: Range<usize>, len: usize, words: &mut [f32], fill: impl Fn(usize, &mut [f32])) {
    for (row, words) in (rows.start..).zip(words.chunks_exact_mut(len)) {
        match row < rows.end {
            true => fill(row, words),
            false => words.fill(0.0),
        }
    }
}

/// Packs panels from such rows.
fn interleave_rows(
    rows: Range<usize>,
    len: usize,
    width: usize,
    block: &mut [f32],
    fill: impl Fn(usize, &mut [f32]),
) {
    scratch::with(width * len, |words| {
        for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(len * width)) {
            fill_rows(start..rows.end, len, words, &fill);
            interleave(width, |i| &words[i * len..][..len], panel);
        }
    });
}

impl Operand for Bf16Weights<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        interleave_rows(rows, depth.len(), width, block, |row, words| widen(self.row(row, &depth), words));
    }

    fn pack_pairs(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        let len = depth.len().div_ceil(2);
        interleave_rows(rows, len, width, block, |row, words| self.copy_words(row, &depth, words));
    }

    fn pack_pairs_along(&self, rows: Range<usize>, depth: Range<usize>, _: usize, block: &mut [f32]) {
        let len = depth.len().div_ceil(2);
        fill_rows(rows, len, block, |row, words| self.copy_words(row, &depth, words));
    }
}
