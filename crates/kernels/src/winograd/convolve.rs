//! The forward pass and the input gradient: blocks of tiles, each through all three stages.

use super::layout::Layout;
use super::plan::{TILES, Winograd};
use super::store::{Along, StoreAs, Target};
use super::transform::{Finish, NOWHERE, Square};
use crate::activation::Epilogue;
use crate::gemm::{MicroKernel, Tile};
use crate::scratch;
use crate::shared::Shared;
use rayon::prelude::*;
use std::ops::Range;

/// A block holds a multiple of this many tiles: micro-kernels compute 4, 6, 8 or 12 rows at a time.
const STRIP: usize = 4;

/// Columns of `M` that a block computes at a time, at least.
const COLUMNS: usize = 64;

/// Jobs per thread, so that no thread waits long for the last one.
const JOBS: usize = 4;

/// The outputs that one thread computes together.
#[derive(Clone)]
struct Job {
    group: usize,
    tiles: Range<usize>,
    /// Panels of output channels.
    panels: Range<usize>,
}

/// Rows of `V` and `M`, and panels of `U`, of one round of products.
struct Round<'a> {
    kernel: &'a MicroKernel,
    rows: usize,
    panels: &'a Range<usize>,
}

impl Winograd {
    /// `y = bias + sum w x`, then the epilogue. Returns whether all of `y` is finite: one non-finite value spoils all
    /// outputs of the tiles that contain it.
    pub(crate) fn forward(
        &self,
        x: &[f32],
        w: &[f32],
        bias: &[f32],
        epilogue: Epilogue,
        y: &mut [f32],
    ) -> bool {
        scratch::with(self.transformed_weights(), |u| {
            self.transform(w, u);
            self.forward_transformed(x, u, bias, epilogue, y)
        })
    }

    /// [`Self::forward`] with weights that were transformed before.
    pub(crate) fn forward_transformed(
        &self,
        x: &[f32],
        u: &[f32],
        bias: &[f32],
        epilogue: Epilogue,
        y: &mut [f32],
    ) -> bool {
        self.convolve(x, u, Finish { bias: Some(bias), floor: epilogue.floor() }, y)
    }

    /// `dx = sum w dy` with the kernel rotated, by the algorithm of the input gradient. Returns whether it is finite.
    pub(crate) fn backward_input(&self, dy: &[f32], w: &[f32], dx: &mut [f32]) -> bool {
        scratch::with(w.len() + self.transformed_weights(), |buffer| {
            let (rotated, u) = buffer.split_at_mut(w.len());
            self.rotate(w, rotated);
            self.transform_weights(rotated, u);
            self.convolve(dy, u, Finish::NONE, dx)
        })
    }

    /// `y = finish(sum w x)` for transformed weights. Returns whether all of it is finite.
    fn convolve(&self, x: &[f32], u: &[f32], finish: Finish, y: &mut [f32]) -> bool {
        let images = self.micro_batch.images();
        assert!(x.len() == images * self.image_len && y.len() == images * self.output.len());
        assert_eq!(u.len(), self.transformed_weights());
        let y = Shared::new(y);
        let finite = self.jobs().into_par_iter().map(|job| {
            let len = self.panels() * self.panel_len();
            let u = &u[job.group * len..][..len];
            self.block(&job, x, u, finish, &y)
        });
        finite.reduce(|| true, |a, b| a & b)
    }

    /// Blocks of nearly equal numbers of tiles. Where there are few, they are cut by output channels as well, though
    /// each job then transforms its inputs again.
    fn jobs(&self) -> Vec<Job> {
        let tiles = self.tiling.tiles();
        let block = tiles.div_ceil(tiles.div_ceil(TILES)).next_multiple_of(STRIP);
        let blocks = self.groups * tiles.div_ceil(block);
        let wanted = JOBS * rayon::current_num_threads();
        let parts = if blocks < wanted { wanted.div_ceil(blocks).min(self.panels()) } else { 1 };
        let step = self.panels().div_ceil(parts);
        let mut jobs = Vec::new();
        for start in (0..tiles).step_by(block) {
            for group in 0..self.groups {
                for panel in (0..self.panels()).step_by(step) {
                    let panels = panel..(panel + step).min(self.panels());
                    jobs.push(Job { group, tiles: start..(start + block).min(tiles), panels });
                }
            }
        }
        jobs
    }

    /// The outputs of one job. Returns whether they are finite.
    fn block(&self, job: &Job, x: &[f32], u: &[f32], finish: Finish, y: &Shared) -> bool {
        let kernel = self.kernel().for_rows(job.tiles.len());
        let rows = job.tiles.len().next_multiple_of(kernel.rows);
        let together = COLUMNS.div_ceil(kernel.columns).min(job.panels.len());
        let (v_layout, m_layout) =
            (Layout::new(rows, self.word().words(self.inputs)), Layout::new(rows, together * kernel.columns));
        let elements = self.algorithm.elements();
        scratch::with(elements * (v_layout.element + m_layout.element), |buffer| {
            let (v, m) = buffer.split_at_mut(elements * v_layout.element);
            let along = &mut Along::Channels(self.word());
            self.transform_inputs(job.group * self.inputs, &job.tiles, x, v, v_layout, along);
            let mut finite = true;
            for start in job.panels.clone().step_by(together) {
                let panels = start..(start + together).min(job.panels.end);
                self.multiply(&Round { kernel, rows, panels: &panels }, v, v_layout, u, m, m_layout);
                let round = Job { panels, ..job.clone() };
                finite &= self.transform_outputs(&round, m, m_layout, finish, y);
            }
            finite
        })
    }

    /// `V = B^T x B` for some tiles of the group whose channels begin at `first`.
    pub(super) fn transform_inputs(
        &self,
        first: usize,
        tiles: &Range<usize>,
        x: &[f32],
        v: &mut [f32],
        layout: Layout,
        along: &mut Along,
    ) {
        let (mut from, mut next) = (Vec::new(), Vec::new());
        let (to, channels) = (layout.offsets(self.algorithm.elements()), self.inputs);
        let last = to[to.len() - 1] + self.word().words(channels);
        assert!(tiles.is_empty() || v.len() >= along.row(tiles.len() - 1) * layout.row + last);
        let gathered: Vec<usize> = (0..self.algorithm.elements()).map(|i| i * channels).collect();
        scratch::with(gathered.len() * channels, |pixels| {
            self.tiling.inputs(tiles.start, &mut next);
            for (t, tile) in tiles.clone().enumerate() {
                std::mem::swap(&mut from, &mut next);
                self.tiling.inputs(tile + 1, &mut next);
                let (x, from, next) = match &self.fold {
                    Some(fold) => {
                        fold.gather(x, &from, self.algorithm.side, pixels);
                        (&*pixels, &gathered, &[][..])
                    }
                    None => (&x[first..], &from, &next[..]),
                };
                let Target { y, to, store } = along.target(t, v, layout.row, &to);
                let finish = Finish::NONE;
                let square = Square { x, from, y, to, channels, store, finish, next, totals: None };
                // SAFETY: the last row was checked; the machine supports `self.isa`, and AVX512-BF16 if a word is a pair.
                unsafe { (self.algorithm.input)(self.isa, &square) };
            }
        });
        if along.is_incomplete(tiles.len()) {
            let Target { y, to, store } = along.target(tiles.len(), v, layout.row, &to);
            let (from, finish) = (&vec![NOWHERE; gathered.len()], Finish::NONE);
            let square = Square { x, from, y, to, channels, store, finish, next: &[], totals: None };
            // SAFETY: as above; the square of zeros completes the last row.
            unsafe { (self.algorithm.input)(self.isa, &square) };
        }
    }

    /// `M[e] = V[e] U[e]` for some panels of `U`.
    fn multiply(
        &self,
        round: &Round,
        v: &[f32],
        v_layout: Layout,
        u: &[f32],
        m: &mut [f32],
        m_layout: Layout,
    ) {
        let &Round { kernel, rows, panels } = round;
        let depth = kernel.word.words(self.inputs);
        let panel = depth * kernel.columns;
        for e in 0..self.algorithm.elements() {
            let (v, m) = (&v[e * v_layout.element..], &mut m[e * m_layout.element..]);
            for row in (0..rows).step_by(kernel.rows) {
                let last = row + kernel.rows - 1;
                assert!(last * v_layout.row + depth <= v.len());
                assert!(last * m_layout.row + panels.len() * kernel.columns <= m.len());
                for (j, p) in panels.clone().enumerate() {
                    let b = &u[p * self.panel_len() + e * panel..][..panel];
                    let tile = Tile {
                        depth,
                        a: v[row * v_layout.row..].as_ptr(),
                        a_row: v_layout.row,
                        a_step: 1,
                        b: b.as_ptr(),
                        b_step: kernel.columns,
                        c: m[row * m_layout.row + j * kernel.columns..].as_mut_ptr(),
                        c_row: m_layout.row,
                    };
                    // SAFETY: the last rows of V and M end inside them, and the panel of U is complete.
                    unsafe { kernel.overwrite_along(&tile) };
                }
            }
        }
    }

    /// `y = finish(A^T M A)` for a job whose panels are those of `m`. Returns whether it is finite.
    fn transform_outputs(&self, job: &Job, m: &[f32], layout: Layout, finish: Finish, y: &Shared) -> bool {
        let columns = self.kernel().columns;
        let (first, end) = (job.panels.start * columns, (job.panels.end * columns).min(self.outputs));
        let channels = end - first;
        let first = job.group * self.outputs + first;
        let bias = finish.bias.map(|bias| &bias[first..][..channels]);
        let finish = Finish { bias, ..finish };
        let (from, mut to) = (layout.offsets(self.algorithm.elements()), Vec::new());
        let mut finite = true;
        for (t, tile) in job.tiles.clone().enumerate() {
            self.tiling.outputs(tile, &mut to);
            let x = &m[t * layout.row..];
            // SAFETY: a tile's pixels lie in the batch, `first..first + channels` in a pixel; no other tile has these
            // pixels and no other panel these channels; the machine supports `self.isa`.
            unsafe {
                let (y, store) = (y.at(first), StoreAs::Words);
                let square =
                    Square { x, from: &from, y, to: &to, channels, store, finish, next: &[], totals: None };
                finite &= (self.algorithm.output)(self.isa, &square);
            }
        }
        finite
    }
}
