//! Weights as the right operand of products of tiles.

use super::Tiled;
use super::kernel::WIDE;
use crate::bf16::pair_values;
use crate::gemm::interleave;
use crate::scratch;
use rayon::prelude::*;

impl Tiled {
    /// Weights of the convolution of squares, `[groups][kernel][kernel][inputs][outputs]`.
    pub(super) fn square_weights(&self) -> usize {
        self.g.groups * self.kernel * self.kernel * self.inputs * self.outputs
    }

    /// Packs the weights of the convolution.
    pub(in super::super) fn pack(&self, w: &[f32], packed: &mut [f32]) {
        let Some(fold) = self.fold else {
            return self.pack_squares(w, packed);
        };
        scratch::with(self.square_weights(), |squares| {
            fold.fold_weights(w, self.outputs, squares);
            self.pack_squares(squares, packed);
        });
    }

    /// Packs the weights of the forward pass, `[groups][kernel][kernel][outputs][inputs]`, where this is the input gradient: its
    /// taps are theirs in reverse order.
    pub(in super::super) fn pack_rotated(&self, w: &[f32], packed: &mut [f32]) {
        let (taps, matrix) = (self.kernel * self.kernel, self.inputs * self.outputs);
        scratch::with(w.len(), |rotated| {
            rotated.par_chunks_exact_mut(matrix).enumerate().for_each(|(at, rotated)| {
                let (group, tap) = (at / taps, at % taps);
                let w = &w[(group * taps + taps - 1 - tap) * matrix..][..matrix];
                interleave(self.outputs, |o| &w[o * self.inputs..][..self.inputs], rotated);
            });
            self.pack_squares(rotated, packed);
        });
    }

    fn pack_squares(&self, w: &[f32], packed: &mut [f32]) {
        let depth = self.kernel * self.kernel * self.inputs;
        packed.par_chunks_exact_mut(self.panel_len()).enumerate().for_each(|(panel, packed)| {
            let (group, first) = (panel / self.panels(), panel % self.panels() * WIDE);
            let w = &w[group * depth * self.outputs..][..depth * self.outputs];
            let count = (self.outputs - first).min(WIDE);
            let row = |i: usize| &w[i * self.outputs + first..][..count];
            for (pair, words) in packed.chunks_exact_mut(WIDE).enumerate() {
                let (words, beyond) = words.split_at_mut(count);
                pair_values(row(2 * pair), row(2 * pair + 1), words);
                beyond.fill(0.0);
            }
        });
    }
}
