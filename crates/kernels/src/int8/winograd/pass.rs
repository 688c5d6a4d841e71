//! What the passes of all algorithms share: prepared weights, jobs, and the products of transformed squares.

use super::super::LONGEST_SUM;
use super::super::isa::Int8Isa;
use super::super::packed::Packed;
use super::super::patches::padded_rows;
use super::super::tile::{COLUMNS, Scaled, TALLEST, Tile, Value, WORD, height};
use super::algorithm::Algorithm;
use super::weights::WinogradWeights;
use crate::geometry::ConvGeometry;
use crate::shared::Shared;
use crate::slices::{check_len, even};
use rayon::prelude::*;
use std::ops::Range;

/// Jobs per thread, at least, where tiles alone are too few.
const JOBS: usize = 2;

/// Bytes per cache line.
pub(super) const LINE: usize = 64;

/// The offsets of sums that are only scaled: they are not read.
static NO_OFFSETS: [f32; COLUMNS] = [0.0; COLUMNS];

/// Prepared weights of an algorithm.
#[derive(Clone, Debug)]
pub(in crate::int8) struct Winograd {
    pub(super) algorithm: Algorithm,
    /// `[groups][panels][elements]`
    pub(super) weights: Packed,
    /// The products of the scales of weights and inputs, `[groups][panels][elements][COLUMNS]`.
    pub(super) scales: Vec<f32>,
    pub(super) input_scales: Vec<f32>,
}

/// The outputs that a thread computes together.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) group: usize,
    pub(super) tiles: Range<usize>,
    /// Panels of the group's output channels.
    pub(super) panels: Range<usize>,
}

/// A pass in progress.
pub(super) struct Pass<'a, T> {
    pub(super) winograd: &'a Winograd,
    pub(super) isa: Int8Isa,
    pub(super) g: &'a ConvGeometry,
    pub(super) x: &'a [u8],
    pub(super) zero: u8,
    /// The factors of transformed inputs, `[elements]`.
    pub(super) factors: &'a [f32],
    /// The factors of sums, `[groups][panels][elements][COLUMNS]`.
    pub(super) multipliers: &'a [f32],
    /// `[groups][panels][COLUMNS]`
    pub(super) offsets: &'a [f32],
    pub(super) y: Shared<'a, T>,
}

impl Winograd {
    pub(in crate::int8) fn new(g: &ConvGeometry, weights: WinogradWeights) -> Self {
        let WinogradWeights { algorithm, values, scales, input_scales } = weights;
        let (depth, outputs, elements) = (algorithm.depth(g), g.group_outputs(), algorithm.elements());
        assert!(algorithm.fits(g), "{} does not fit {g:?}", algorithm.name());
        check_len!(values, algorithm.transformed_len(g));
        check_len!(scales, elements, g.output.channels);
        check_len!(input_scales, elements);
        assert!(depth <= LONGEST_SUM, "sums of {depth} products");
        let panels = outputs.div_ceil(COLUMNS);
        // Where column `column` of a packed panel comes from: its group, element and output channel.
        let source = |panel: usize, column: usize| {
            let (group, o) = (panel / elements / panels, panel / elements % panels * COLUMNS + column);
            (group, panel % elements, (o < outputs).then_some(o))
        };
        // Transformed inputs have the zero point 128.
        let packed = Packed::new(g.groups * panels * elements, depth, 128, |panel, column, packed| {
            if let (group, e, Some(o)) = source(panel, column) {
                let values = &values[(group * elements + e) * depth * outputs + o..];
                packed.iter_mut().zip(values.iter().step_by(outputs)).for_each(|(packed, &w)| *packed = w);
            }
        });
        let scale = |at: usize| match source(at / COLUMNS, at % COLUMNS) {
            (group, e, Some(o)) => input_scales[e] * scales[e * g.output.channels + group * outputs + o],
            (_, _, None) => 0.0,
        };
        Self {
            algorithm,
            scales: (0..packed.panels * COLUMNS).map(scale).collect(),
            weights: packed,
            input_scales: input_scales.to_vec(),
        }
    }
}

impl<T: Value> Pass<'_, T> {
    pub(super) fn run_jobs(&self, jobs: Vec<Job>, work: impl Fn(&Job) + Sync + Send) {
        let images = self.x.len() / self.g.input.len();
        assert!(self.isa.is_available());
        assert!(self.x.len() == images * self.g.input.len() && self.y.len() == images * self.g.output.len());
        jobs.par_iter().for_each(work);
    }

    /// Panels of a group's output channels.
    pub(super) fn panels(&self) -> usize {
        self.g.group_outputs().div_ceil(COLUMNS)
    }

    /// Blocks of up to `most` tiles, or of `least` if there are few, cut by output channels as well where there are still
    /// few, though each job then transforms its tiles again.
    pub(super) fn jobs(&self, tiles: usize, most: usize, least: usize) -> Vec<Job> {
        let (groups, threads) = (self.g.groups, rayon::current_num_threads());
        let blocks = tiles.div_ceil(most).max(threads.div_ceil(groups).min(tiles / least));
        let blocks: Vec<_> = even(0..tiles, blocks, 1).collect();
        let wanted = (JOBS * threads).div_ceil((blocks.len() * groups).max(1));
        let panels: Vec<_> = even(0..self.panels(), wanted, 1).collect();
        let mut jobs = Vec::with_capacity(blocks.len() * groups * panels.len());
        for tiles in &blocks {
            for group in 0..groups {
                let job = |panels: &Range<usize>| Job { group, tiles: tiles.clone(), panels: panels.clone() };
                jobs.extend(panels.iter().map(job));
            }
        }
        jobs
    }

    /// `M = V U` for a panel of weights and `count` rows of `V`, `stride` bytes apart, times the scales.
    pub(super) fn multiply(&self, panel: usize, count: usize, v: &[u8], stride: usize, m: &mut [f32]) {
        let weights = &self.winograd.weights;
        assert!(v.len() >= (padded_rows(count) - 1) * stride + weights.words * WORD);
        assert!(m.len() >= count * COLUMNS);
        let multipliers = &self.multipliers[panel * COLUMNS..][..COLUMNS];
        let mut top = 0;
        while top < count {
            let rows = (count - top).min(TALLEST);
            let tile = Tile {
                words: weights.words,
                a: v[top * stride..].as_ptr(),
                a_row: stride,
                b: weights.panel(panel).as_ptr(),
                first: weights.first(panel).as_ptr(),
                multipliers: multipliers.as_ptr(),
                offsets: NO_OFFSETS.as_ptr(),
                y: m[top * COLUMNS..].as_mut_ptr().cast::<Scaled>(),
                y_row: COLUMNS,
            };
            // SAFETY: `V` holds whole tiles and `M` the rows, as checked, and `U` whole panels; `run_jobs` has checked
            // the machine.
            unsafe { tile.compute(self.isa, rows, COLUMNS) };
            top += height(rows);
        }
    }
}
