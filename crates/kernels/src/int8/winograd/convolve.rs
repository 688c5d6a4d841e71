//! A convolution in blocks of tiles, each through all three stages.

use super::super::bytes;
use super::super::isa::Int8Isa;
use super::super::packed::by_column;
use super::super::patches::{padded_rows, row_stride};
use super::super::quantizer::{Quantizer, offsets};
use super::super::tile::{COLUMNS, TALLEST, Value};
use super::algorithm::Algorithm;
use super::pass::{Job, LINE, Pass, Winograd};
use super::tiles::{Outputs, Tiles};
use super::transform::{F2x3, F4x3, Inputs, Plan, Products};
use crate::geometry::ConvGeometry;
use crate::scratch;
use crate::shared::Shared;

/// Tiles of a block, at most.
const TILES: usize = 4 * TALLEST;

impl Winograd {
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
