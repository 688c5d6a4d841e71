//! Weights in panels, as the micro-kernels read them.

use super::bytes;
use super::tile::{COLUMNS, STEP, WORD};
use crate::memory::Buffer;
use rayon::prelude::*;

/// Panels of weights, `[panels][words][COLUMNS][4]`; what does not exist is 0.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    bytes: Buffer,
    pub(super) panels: usize,
    /// Words along the depth.
    pub(super) words: usize,
    /// Minus the sum of each column's weights times the inputs' zero point, `[panels][COLUMNS]`.
    first: Vec<i32>,
}

impl Packed {
    /// Packs panels of `depth` weights per column. `column` writes the weights of a column of a panel.
    pub(super) fn new(
        panels: usize,
        depth: usize,
        zero: u8,
        column: impl Fn(usize, usize, &mut [i8]) + Sync,
    ) -> Self {
        let words = depth.div_ceil(WORD);
        let len = words * STEP;
        let mut buffer = bytes::zeros(panels * len);
        let mut first = vec![0; panels * COLUMNS];
        let packed = bytes::of_mut(&mut buffer)[..panels * len].par_chunks_mut(len.max(1));
        packed.zip(first.par_chunks_exact_mut(COLUMNS)).enumerate().for_each(|(panel, (packed, first))| {
            let mut weights = vec![0; depth];
            for (c, first) in first.iter_mut().enumerate() {
                weights.fill(0);
                column(panel, c, &mut weights);
                *first = -i32::from(zero) * weights.iter().map(|&w| i32::from(w)).sum::<i32>();
                for (packed, weights) in packed.chunks_exact_mut(STEP).zip(weights.chunks(WORD)) {
                    let packed = &mut packed[c * WORD..];
                    packed.iter_mut().zip(weights).for_each(|(packed, &w)| *packed = w as u8);
                }
            }
        });
        Self { bytes: buffer, panels, words, first }
    }

    /// One panel.
    pub(super) fn panel(&self, panel: usize) -> &[u8] {
        let len = self.words * STEP;
        &bytes::of(&self.bytes)[panel * len..][..len]
    }

    /// The values that sums of a panel start from.
    pub(super) fn first(&self, panel: usize) -> &[i32] {
        &self.first[panel * COLUMNS..][..COLUMNS]
    }
}

/// Values per output channel, `[groups][outputs]`, as values per column, `[groups][panels][COLUMNS]`.
pub(super) fn by_column(outputs: usize, values: &[f32]) -> Vec<f32> {
    let padded = outputs.next_multiple_of(COLUMNS);
    let mut columns = Vec::with_capacity(values.len() / outputs * padded);
    for (group, values) in values.chunks_exact(outputs).enumerate() {
        columns.extend_from_slice(values);
        columns.resize((group + 1) * padded, 0.0);
    }
    columns
}
