//! The product of rows of bytes and packed weights, requantized tile by tile.
//!
//! A tile's sums stay in registers over the whole depth, so that neither operand is cut along it: a job's rows stay in the
//! second-level cache while panels of weights pass, and a panel stays there while the rows pass.

use super::isa::Int8Isa;
use super::packed::Packed;
use super::patches::{Rows, padded_rows};
use super::tile::{COLUMNS, TALLEST, Tile, Value, WORD, height};
use crate::shared::Shared;
use crate::slices::even;
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of a job's rows: half of a second-level cache of 512 KiB.
const BLOCK: usize = 256 << 10;

/// Rows of a job, at least: enough to pay for reading the weights.
const FEWEST: usize = 12 * TALLEST;

/// Jobs per thread, at least, where rows alone are too few.
const JOBS: usize = 2;

/// Multiply-adds below which waking other threads costs more than it saves.
const ALONE: usize = 1 << 18;

/// A product in progress, `y[row, group * outputs + o]`.
pub(super) struct Product<'a, T> {
    pub(super) isa: Int8Isa,
    /// Rows of the result.
    pub(super) count: usize,
    pub(super) rows: &'a dyn Rows,
    /// `[groups][panels]`
    pub(super) weights: &'a Packed,
    pub(super) groups: usize,
    /// Outputs of a group.
    pub(super) outputs: usize,
    /// Per column, `[groups][panels][COLUMNS]`.
    pub(super) multipliers: &'a [f32],
    pub(super) offsets: &'a [f32],
    /// `[count, groups * outputs]`
    pub(super) y: Shared<'a, T>,
}

/// The outputs that a thread computes together.
#[derive(Clone)]
struct Job {
    group: usize,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl<T: Value> Product<'_, T> {
    /// Computes the product, on all threads if it is large enough.
    pub(super) fn run(&self) {
        assert!(self.isa.is_available() && self.y.len() == self.count * self.groups * self.outputs);
        assert_eq!(self.weights.panels, self.groups * self.panels());
        assert!(self.multipliers.len() == self.weights.panels * COLUMNS);
        assert!(self.offsets.len() == self.weights.panels * COLUMNS);
        let jobs = self.jobs();
        let work = |job: Job| {
            self.rows.lend(job.group, job.rows.clone(), &mut |a| self.multiply(&job, a));
        };
        if self.count * self.outputs * self.weights.words * WORD < ALONE {
            jobs.into_iter().for_each(work);
        } else {
            jobs.into_par_iter().for_each(work);
        }
    }

    /// Panels of a group.
    fn panels(&self) -> usize {
        self.outputs.div_ceil(COLUMNS)
    }

    /// Blocks of rows, cut by output channels where there are few.
    fn jobs(&self) -> Vec<Job> {
        let most = (BLOCK / self.rows.stride()).max(FEWEST);
        let blocks: Vec<_> = even(0..self.count, self.count.div_ceil(most), TALLEST).collect();
        let wanted = (JOBS * rayon::current_num_threads()).div_ceil((blocks.len() * self.groups).max(1));
        let panels: Vec<_> = even(0..self.panels(), wanted, 1).collect();
        let mut jobs = Vec::with_capacity(blocks.len() * self.groups * panels.len());
        for rows in &blocks {
            for group in 0..self.groups {
                let job = |panels: &Range<usize>| Job { group, rows: rows.clone(), panels: panels.clone() };
                jobs.extend(panels.iter().map(job));
            }
        }
        jobs
    }

    /// Computes a job from its rows.
    fn multiply(&self, job: &Job, a: &[u8]) {
        let (stride, width) = (self.rows.stride(), self.groups * self.outputs);
        assert!(a.len() >= padded_rows(job.rows.len()) * stride && stride >= self.weights.words * WORD);
        for column in job.panels.clone() {
            let panel = job.group * self.panels() + column;
            let columns = (self.outputs - column * COLUMNS).min(COLUMNS);
            let first = panel * COLUMNS;
            let mut top = 0;
            while top < job.rows.len() {
                let rows = (job.rows.len() - top).min(TALLEST);
                let at = (job.rows.start + top) * width + job.group * self.outputs + column * COLUMNS;
                // SAFETY: `run` has checked the machine and the lengths of the operands' slices, which hold whole
                // panels; the rows end inside `a`, and the tile's outputs, which belong to this job alone, inside `y`.
                unsafe {
                    let tile = Tile {
                        words: self.weights.words,
                        a: a.as_ptr().add(top * stride),
                        a_row: stride,
                        b: self.weights.panel(panel).as_ptr(),
                        first: self.weights.first(panel).as_ptr(),
                        multipliers: self.multipliers.as_ptr().add(first),
                        offsets: self.offsets.as_ptr().add(first),
                        y: self.y.at(at),
                        y_row: width,
                    };
                    tile.compute(self.isa, rows, columns);
                }
                top += height(rows);
            }
        }
    }
}
