//! One pass of a convolution: blocks of tiles, each through all three stages.

use super::*;

/// Tiles that a block is a multiple of: micro-kernels compute 4, 6, 8 or 12 rows together.
const STRIP: usize = 4;

/// Columns of `M` that a block computes at a time, at least.
const COLUMNS: usize = 64;

/// Jobs for each thread, so that the last to finish is not waited for long.
const JOBS: usize = 4;

impl Winograd {
    /// `y = bias + sum w x`, for transformed weights. Tells whether all of it is finite.
    pub(super) fn convolve(
        &self,
        x: &[f32],
        u: &[f32],
        bias: Option<&[f32]>,
        epilogue: Epilogue,
        y: &mut [f32],
    ) -> bool {
        let finish = Finish { bias, floor: epilogue.floor() };
        assert!(
            x.len() == self.part.images() * self.image && y.len() == self.part.images() * self.output.len()
        );
        assert_eq!(u.len(), self.transformed_weights());
        let y = Shared::new(y);
        let tiles = self.tiling.tiles();
        // Blocks of nearly equal numbers of tiles.
        let block = tiles.div_ceil(tiles.div_ceil(TILES)).next_multiple_of(STRIP);
        let blocks = self.groups * tiles.div_ceil(block);
        // Few tiles are cut by output channels as well, though each job then transforms its inputs again.
        let jobs = JOBS * rayon::current_num_threads();
        let parts = if blocks < jobs { jobs.div_ceil(blocks).min(self.panels()) } else { 1 };
        let step = self.panels().div_ceil(parts);
        let blocks = (0..tiles).step_by(block).map(|start| start..(start + block).min(tiles));
        let jobs = blocks.flat_map(|tiles| {
            let parts = (0..self.panels()).step_by(step);
            let panels = parts.map(move |start| start..(start + step).min(self.panels()));
            (0..self.groups).flat_map(move |group| {
                let tiles = tiles.clone();
                panels.clone().map(move |panels| (group, tiles.clone(), panels))
            })
        });
        let jobs = jobs.collect::<Vec<_>>().into_par_iter();
        let finite = jobs.map(|(group, tiles, panels)| {
            let len = self.panels() * self.panel_len();
            let u = &u[group * len..][..len];
            self.block(group, tiles, panels, x, u, finish, &y)
        });
        finite.reduce(|| true, |a, b| a & b)
    }

    /// The outputs of some tiles in some panels of one group's channels. Tells whether they are finite.
    fn block(
        &self,
        group: usize,
        tiles: Range<usize>,
        panels: Range<usize>,
        x: &[f32],
        u: &[f32],
        finish: Finish,
        y: &Shared,
    ) -> bool {
        let kernel = self.kernel().for_rows(tiles.len());
        let rows = tiles.len().next_multiple_of(kernel.rows);
        let together = COLUMNS.div_ceil(kernel.columns).min(panels.len());
        let (v_layout, m_layout) =
            (Layout::new(rows, self.inputs), Layout::new(rows, together * kernel.columns));
        let elements = self.algorithm.elements();
        scratch::with(elements * (v_layout.element + m_layout.element), |buffer| {
            let (v, m) = buffer.split_at_mut(elements * v_layout.element);
            self.transform_inputs(group * self.inputs, &tiles, x, v, v_layout);
            let mut finite = true;
            for start in panels.clone().step_by(together) {
                let panels = start..(start + together).min(panels.end);
                self.multiply(kernel, rows, &panels, v, v_layout, u, m, m_layout);
                finite &= self.transform_outputs(group, &tiles, &panels, m, m_layout, finish, y);
            }
            finite
        })
    }

    /// `V = B^T x B` for some tiles of one group, whose channels begin at `first`.
    pub(super) fn transform_inputs(
        &self,
        first: usize,
        tiles: &Range<usize>,
        x: &[f32],
        v: &mut [f32],
        layout: Layout,
    ) {
        let (mut from, mut next) = (Vec::new(), Vec::new());
        let (to, channels) = (layout.places(self.algorithm.elements()), self.inputs);
        let gathered: Vec<usize> = (0..self.algorithm.elements()).map(|i| i * channels).collect();
        scratch::with(gathered.len() * channels, |pixels| {
            self.tiling.inputs(tiles.start, &mut next);
            for (t, tile) in tiles.clone().enumerate() {
                std::mem::swap(&mut from, &mut next);
                self.tiling.inputs(tile + 1, &mut next);
                let v = &mut v[t * layout.row..];
                assert!(v.len() >= to[to.len() - 1] + channels);
                let (x, from, next) = match &self.fold {
                    Some(fold) => {
                        fold.gather(x, &from, self.algorithm.side, pixels);
                        (&*pixels, &gathered, &[][..])
                    }
                    None => (&x[first..], &from, &next[..]),
                };
                let y = v.as_mut_ptr();
                let square = Square { x, from, y, to: &to, channels, finish: Finish::NONE, next };
                // SAFETY: the last place was checked; the set of instructions is this machine's.
                unsafe { (self.algorithm.input)(self.isa, &square) };
            }
        });
    }

    /// `M[e] = V[e] U[e]` for some panels of `U`.
    fn multiply(
        &self,
        kernel: &MicroKernel,
        rows: usize,
        panels: &Range<usize>,
        v: &[f32],
        v_layout: Layout,
        u: &[f32],
        m: &mut [f32],
        m_layout: Layout,
    ) {
        let panel = self.inputs * kernel.columns;
        for e in 0..self.algorithm.elements() {
            let (v, m) = (&v[e * v_layout.element..], &mut m[e * m_layout.element..]);
            for row in (0..rows).step_by(kernel.rows) {
                let last = row + kernel.rows - 1;
                assert!(last * v_layout.row + self.inputs <= v.len());
                assert!(last * m_layout.row + panels.len() * kernel.columns <= m.len());
                for (j, p) in panels.clone().enumerate() {
                    let b = &u[p * self.panel_len() + e * panel..][..panel];
                    let tile = Tile {
                        depth: self.inputs,
                        a: v[row * v_layout.row..].as_ptr(),
                        a_row: v_layout.row,
                        a_step: 1,
                        b: b.as_ptr(),
                        b_step: kernel.columns,
                        c: m[row * m_layout.row + j * kernel.columns..].as_mut_ptr(),
                        c_row: m_layout.row,
                    };
                    // SAFETY: the last rows of V and M end inside them, and the panel of U is whole.
                    unsafe { kernel.overwrite_along(&tile) };
                }
            }
        }
    }

    /// `y = bias + A^T M A` for some tiles and panels of one group. Tells whether they are finite.
    fn transform_outputs(
        &self,
        group: usize,
        tiles: &Range<usize>,
        panels: &Range<usize>,
        m: &[f32],
        layout: Layout,
        finish: Finish,
        y: &Shared,
    ) -> bool {
        let columns = self.kernel().columns;
        let (first, end) = (panels.start * columns, (panels.end * columns).min(self.outputs));
        let channels = end - first;
        let first = group * self.outputs + first;
        let bias = finish.bias.map(|bias| &bias[first..][..channels]);
        let finish = Finish { bias, ..finish };
        let (from, mut to) = (layout.places(self.algorithm.elements()), Vec::new());
        let mut finite = true;
        for (t, tile) in tiles.clone().enumerate() {
            self.tiling.outputs(tile, &mut to);
            let x = &m[t * layout.row..];
            // SAFETY: a tile's places lie in the batch, `first..first + channels` in a pixel, and no other tile has
            // these pixels, nor another panel these channels; the set of instructions is this machine's.
            unsafe {
                let square = Square { x, from: &from, y: y.at(first), to: &to, channels, finish, next: &[] };
                finite &= (self.algorithm.output)(self.isa, &square);
            }
        }
        finite
    }
}
