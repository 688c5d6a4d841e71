//! `U = G w G^T`, for each pair of channels.

use super::plan::Winograd;
use super::store::{AlongSquares, Target};
use super::transform::{Finish, Square};
use crate::gemm::interleave;
use crate::scratch;
use rayon::prelude::*;

impl Winograd {
    /// Transforms the weights of the convolution, after folding them if it has a stride.
    pub(crate) fn transform(&self, w: &[f32], u: &mut [f32]) {
        match self.fold {
            Some(fold) => scratch::with(self.weights(), |folded| {
                fold.fold_weights(w, self.outputs, folded);
                self.transform_weights(folded, u);
            }),
            None => self.transform_weights(w, u),
        }
    }

    /// `rotated[ky, kx, o, i] = w[-ky, -kx, i, o]`; inputs and outputs are those of this algorithm, not of `w`.
    pub(super) fn rotate(&self, w: &[f32], rotated: &mut [f32]) {
        let (taps, matrix) = (self.algorithm.taps(), self.inputs * self.outputs);
        rotated.par_chunks_exact_mut(matrix).enumerate().for_each(|(at, rotated)| {
            let (group, tap) = (at / taps, at % taps);
            let w = &w[(group * taps + taps - 1 - tap) * matrix..][..matrix];
            interleave(self.outputs, |i| &w[i * self.inputs..][..self.inputs], rotated);
        });
    }

    /// `U = G w G^T`, for weights `[groups][kernel][kernel][inputs][outputs]`.
    pub(super) fn transform_weights(&self, w: &[f32], u: &mut [f32]) {
        let (taps, columns) = (self.algorithm.taps(), self.kernel().columns);
        let matrix = self.inputs * self.outputs;
        let from: Vec<usize> = (0..taps).map(|tap| tap * matrix).collect();
        let (word, words) = (self.word(), self.word().words(self.inputs));
        let to: Vec<usize> = (0..self.algorithm.elements()).map(|e| e * words * columns).collect();
        let elements = self.algorithm.elements();
        u.par_chunks_exact_mut(self.panel_len()).enumerate().for_each(|(panel, u)| {
            let (group, first) = (panel / self.panels(), panel % self.panels() * columns);
            let w = &w[group * taps * matrix..][..taps * matrix];
            let channels = columns.min(self.outputs - first);
            if channels < columns {
                u.fill(0.0);
            }
            scratch::with(AlongSquares::len(word, elements, channels), |low| {
                let mut squares = AlongSquares::new(word, channels, low);
                for i in 0..self.inputs {
                    let x = &w[i * self.outputs + first..];
                    let Target { y, to, store } = squares.target(i, u, columns, &to);
                    let finish = Finish::NONE;
                    let square =
                        Square { x, from: &from, y, to, channels, store, finish, next: &[], totals: None };
                    // SAFETY: the target was checked; the machine supports `self.isa`, and AVX512-BF16 if a word is a
                    // pair.
                    unsafe { (self.algorithm.weights)(self.isa, &square) };
                }
            });
        });
    }
}
