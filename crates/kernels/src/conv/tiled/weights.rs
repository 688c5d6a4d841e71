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
        if self.g.window.stride == 1 {
            return self.pack_squares(w, packed);
        }
        scratch::with(self.square_weights(), |squares| {
            squares.fill(0.0);
            for run in self.square_runs() {
                squares[run.of_squares..][..run.len].copy_from_slice(&w[run.plain..][..run.len]);
            }
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

    /// The weights that are contiguous in both convolutions, if this one has a stride: those of a row of a square.
    pub(super) fn square_runs(&self) -> impl Iterator<Item = SquareRun> {
        let (kernel, stride) = (self.g.window.kernel, self.g.window.stride);
        let pixel = self.g.input.channels * self.outputs;
        (0..kernel).flat_map(move |ky| {
            (0..self.kernel).map(move |kx| {
                let square = (ky / stride * self.kernel + kx) * stride + ky % stride;
                SquareRun {
                    plain: (ky * kernel + kx * stride) * pixel,
                    of_squares: square * stride * pixel,
                    len: stride.min(kernel - kx * stride) * pixel,
                }
            })
        })
    }
}

/// Weights of a row of a square.
pub(super) struct SquareRun {
    /// Where they start in the weights.
    pub(super) plain: usize,
    /// Where they start in those of the convolution of squares.
    pub(super) of_squares: usize,
    pub(super) len: usize,
}
