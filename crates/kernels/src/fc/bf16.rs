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

    /// Packs panels from rows of `len` words, which `fill` writes: those of one output, or zeros.
    fn pack_words(
        &self,
        rows: &Range<usize>,
        len: usize,
        width: usize,
        block: &mut [f32],
        fill: impl Fn(usize, &mut [f32]),
    ) {
        scratch::with(width * len, |words| {
            for (start, panel) in rows.clone().step_by(width).zip(block.chunks_exact_mut(len * width)) {
                for (row, words) in (start..start + width).zip(words.chunks_exact_mut(len)) {
                    match row < rows.end {
                        true => fill(row, words),
                        false => words.fill(0.0),
                    }
                }
                interleave(width, |i| &words[i * len..][..len], panel);
            }
        });
    }
}

impl Operand for Bf16Weights<'_> {
    fn pack(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        self.pack_words(&rows, depth.len(), width, block, |row, words| widen(self.row(row, &depth), words));
    }

    fn pack_pairs(&self, rows: Range<usize>, depth: Range<usize>, width: usize, block: &mut [f32]) {
        self.pack_words(&rows, depth.len().div_ceil(2), width, block, |row, words| {
            let halves = halves_of(words);
            halves[..depth.len()].copy_from_slice(self.row(row, &depth));
            halves[depth.len()..].fill(0);
        });
    }
}
