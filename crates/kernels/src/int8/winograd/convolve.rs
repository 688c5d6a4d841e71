//! A convolution in blocks of tiles, each through all three stages.

use super::super::LONGEST_SUM;
use super::super::bytes::{self, Shared};
use super::super::isa::Int8Isa;
use super::super::kernel::{COLUMNS, Scaled, TALLEST, Tile, Value, WORD, height};
use super::super::packed::{Packed, by_column};
use super::super::patches::{padded_rows, row_stride};
use super::super::product::parts;
use super::super::quantizer::{Quantizer, offsets};
use super::algorithm::Algorithm;
use super::tiles::{Outputs, Tiles};
use super::transform::{F2x3, F4x3, Inputs, Plan, Products};
use super::weights::WinogradWeights;
use crate::geometry::ConvGeometry;
use crate::scratch;
use crate::slices::check_len;
use rayon::prelude::*;
use std::ops::Range;

/// Tiles of a block, at most.
const TILES: usize = 4 * TALLEST;

/// Jobs per thread, at least, where tiles alone are too few.
const JOBS: usize = 2;

/// Bytes per cache line.
pub(super) const LINE: usize = 64;

/// The offsets of sums that are only scaled: they are not read.
static NO_OFFSETS: [f32; COLUMNS] = [0.0; COLUMNS];

/// Prepared weights of an algorithm.
#[derive(Clone, Debug)]
pub(in crate::int8) struct Winograd {
    algorithm: Algorithm,
    /// `[groups][panels][elements]`
    pub(super) weights: Packed,
    /// The products of the scales of weights and inputs, `[groups][panels][elements][COLUMNS]`.
    scales: Vec<f32>,
    input_scales: Vec<f32>,
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
    multipliers: &'a [f32],
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
        check_len!(scales, elements * g.output.channels);
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

    /// Computes a batch of images. The arguments are those of [`super::super::QuantizedConv`].
    #[allow(clippy::too_many_arguments)]
    pub(in crate::int8) fn forward<T: Value>(
        &self,
        isa: Int8Isa,
        g: &ConvGeometry,
        x: &[u8],
        input: Quantizer,
        bias: &[f32],
        output: Quantizer,
        y: &mut [T],
    ) {
        let factors: Vec<f32> = self.input_scales.iter().map(|scale| input.scale / scale).collect();
        let multipliers: Vec<f32> = self.scales.iter().map(|scale| scale / output.scale).collect();
        let pass = Pass {
            winograd: self,
            isa,
            g,
            x,
            zero: input.zero,
            factors: &factors,
            multipliers: &multipliers,
            offsets: &by_column(g.group_outputs(), &offsets(bias, output)),
            y: Shared::new(y),
        };
        let images = x.len() / g.input.len();
        match self.algorithm {
            Algorithm::F2x3 => pass.run_squares::<F2x3>(images),
            Algorithm::F4x3 => pass.run_squares::<F4x3>(images),
            Algorithm::F2x5Vertical => pass.run_vertical(images),
        }
    }
}

impl<T: Value> Pass<'_, T> {
    fn run_squares<P: Plan>(&self, images: usize) {
        let tiles = Tiles::new(self.g, self.winograd.algorithm);
        let jobs = self.jobs(images * tiles.per_image(), TILES, TALLEST);
        self.run_jobs(jobs, |job| self.block::<P>(&tiles, job));
    }

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
        let blocks = parts(0..tiles, blocks, 1);
        let wanted = (JOBS * threads).div_ceil((blocks.len() * groups).max(1));
        let panels = parts(0..self.panels(), wanted, 1);
        let mut jobs = Vec::with_capacity(blocks.len() * groups * panels.len());
        for tiles in &blocks {
            for group in 0..groups {
                let job = |panels: &Range<usize>| Job { group, tiles: tiles.clone(), panels: panels.clone() };
                jobs.extend(panels.iter().map(job));
            }
        }
        jobs
    }

    /// Computes a block: all of its transformed inputs `V`, then the products `M` and the outputs of each panel.
    fn block<P: Plan>(&self, tiles: &Tiles, job: &Job) {
        let (elements, rows) = (self.winograd.algorithm.elements(), padded_rows(job.tiles.len()));
        let outputs: Vec<_> = job.tiles.clone().map(|tile| tiles.outputs(tile)).collect();
        let stride = row_stride(self.g.group_inputs());
        // One line more, so that the elements of a tile fall into different sets of the cache.
        let (v_element, m_element) = (rows * stride + LINE, rows * COLUMNS + LINE / size_of::<f32>());
        bytes::with_scratch(elements * v_element, |v| {
            self.transform_inputs::<P>(tiles, job, v, v_element, stride);
            scratch::with(elements * m_element, |m| {
                for panel in job.panels.clone() {
                    for e in 0..elements {
                        let (v, m) = (&v[e * v_element..], &mut m[e * m_element..]);
                        let weights = (job.group * self.panels() + panel) * elements + e;
                        self.multiply(weights, job.tiles.len(), v, stride, m);
                    }
                    self.transform_outputs::<P>(job, panel, &outputs, m, m_element);
                }
            });
        });
    }

    fn transform_inputs<P: Plan>(
        &self,
        tiles: &Tiles,
        job: &Job,
        v: &mut [u8],
        element: usize,
        stride: usize,
    ) {
        let channels = self.g.group_inputs();
        assert!(v.len() >= self.winograd.algorithm.elements() * element);
        for (row, tile) in job.tiles.clone().enumerate() {
            assert!(row * stride + channels <= element);
            let inputs = Inputs {
                x: &self.x[job.group * channels..],
                from: &tiles.inputs(tile),
                channels,
                zero: f32::from(self.zero),
                factors: self.factors,
                v: v[row * stride..].as_mut_ptr(),
                element,
            };
            // SAFETY: offsets are those of pixels of the batch, and the group's channels lie inside a pixel; the row
            // ends inside its element; `run_jobs` has checked the machine.
            unsafe { inputs.transform::<P>(self.isa) };
        }
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

    /// `y = finish(A^T M A + offsets)` for one panel.
    fn transform_outputs<P: Plan>(&self, job: &Job, panel: usize, to: &[Outputs], m: &[f32], element: usize) {
        let outputs = self.g.group_outputs();
        let first = job.group * outputs + panel * COLUMNS;
        let offsets = &self.offsets[(job.group * self.panels() + panel) * COLUMNS..][..COLUMNS];
        assert!(m.len() >= self.winograd.algorithm.elements() * element);
        for (row, to) in to.iter().enumerate() {
            assert!((row + 1) * COLUMNS <= element);
            // SAFETY: the row ends inside its element; the outputs are channels of pixels of the batch, and no other job
            // has both these pixels and these channels; `run_jobs` has checked the machine.
            unsafe {
                let products = Products {
                    m: m[row * COLUMNS..].as_ptr(),
                    element,
                    offsets: offsets.as_ptr(),
                    channels: (outputs - panel * COLUMNS).min(COLUMNS),
                    y: self.y.at(first),
                    to,
                };
                products.transform::<P>(self.isa);
            }
        }
    }
}
