//! The gradient by the weights.

use super::*;
use crate::GRAIN;

/// Values of all the partial sums of `dU`, at most, and their number.
const SUMS: usize = 4 << 20;
const MOST_SUMS: usize = 16;

/// Blocks that the threads transform, then multiply, where there are few partial sums to share between threads.
const TOGETHER: usize = 4;

impl Winograd {
    /// `dw[ky, kx, i, o] = sum x dy`, laid out as the weights, and `dbias[o] = sum dy`. Tells whether `dw` is finite.
    ///
    /// The sum runs block by block, whatever the number of threads.
    pub(crate) fn backward_weights(&self, x: &[f32], dy: &[f32], dw: &mut [f32], dbias: &mut [f32]) -> bool {
        assert!(x.len() == self.batch * self.image && dy.len() == self.batch * self.output.len());
        match self.fold {
            Some(fold) => scratch::with(self.weights(), |folded| {
                let finite = self.group_gradient(0, x, dy, folded, dbias);
                fold.unfold(folded, self.outputs, dw);
                finite
            }),
            None => {
                let weights = dw.chunks_exact_mut(self.weights() / self.groups);
                let mut groups = weights.zip(dbias.chunks_exact_mut(self.outputs)).enumerate();
                groups.all(|(group, (dw, dbias))| self.group_gradient(group, x, dy, dw, dbias))
            }
        }
    }

    /// The gradient of one group. The tiles are cut into sections, as many as there is room for sums, so that each
    /// thread works on its own; their number depends on the shape alone, and so does every sum's order.
    fn group_gradient(&self, group: usize, x: &[f32], dy: &[f32], dw: &mut [f32], dbias: &mut [f32]) -> bool {
        let kernel = self.kernel();
        let layout = Layout::new(
            self.inputs.next_multiple_of(kernel.rows),
            self.outputs.next_multiple_of(kernel.columns),
        );
        let len = self.algorithm.elements() * layout.element;
        let tiles = self.tiling.tiles();
        let blocks: Vec<_> =
            (0..tiles).step_by(TILES).map(|start| start..(start + TILES).min(tiles)).collect();
        let sections = (SUMS / len).clamp(1, MOST_SUMS).min(blocks.len());
        let section = blocks.len().div_ceil(sections);
        scratch::with(blocks.len().div_ceil(section) * len, |sums| {
            let sections = sums.par_chunks_exact_mut(len).zip(blocks.par_chunks(section));
            let biases: Vec<Vec<f64>> =
                sections.map(|(u, blocks)| self.section(group, blocks, x, dy, u, layout)).collect();
            let scale = f64::from(self.algorithm.at_one).powi(2);
            for (o, dbias) in dbias.iter_mut().enumerate() {
                *dbias = (biases.iter().map(|sums| sums[o]).sum::<f64>() / scale) as f32;
            }
            let (u, others) = sums.split_at_mut(len);
            u.par_chunks_mut(GRAIN).enumerate().for_each(|(i, u)| {
                for other in others.chunks_exact(len) {
                    u.iter_mut().zip(&other[i * GRAIN..]).for_each(|(u, other)| *u += other);
                }
            });
            self.transform_gradient(u, layout, dw)
        })
    }

    /// `dU` of some blocks of tiles; gives the sums of `Z` at point 1, for the biases.
    fn section(
        &self,
        group: usize,
        blocks: &[Range<usize>],
        x: &[f32],
        dy: &[f32],
        u: &mut [f32],
        u_layout: Layout,
    ) -> Vec<f64> {
        let kernel = self.kernel();
        let (rows, columns) =
            (self.inputs.next_multiple_of(kernel.rows), self.outputs.next_multiple_of(kernel.columns));
        let (v_layout, z_layout) = (Layout::new(TILES, rows), Layout::new(TILES, columns));
        let elements = self.algorithm.elements();
        let block_len = elements * (v_layout.element + z_layout.element);
        let together = if u.len() > SUMS / TOGETHER { TOGETHER } else { 1 };
        let mut biases = vec![0.0; self.outputs];
        scratch::with(together * block_len, |buffer| {
            for (round, blocks) in blocks.chunks(together).enumerate() {
                let transformed = &mut buffer[..blocks.len() * block_len];
                transformed.par_chunks_exact_mut(block_len).zip(blocks).for_each(|(block, tiles)| {
                    let (v, z) = block.split_at_mut(elements * v_layout.element);
                    self.transform_inputs(group * self.inputs, tiles, x, v, v_layout);
                    self.transform_output_gradients(group, tiles, dy, z, z_layout);
                });
                for (block, tiles) in transformed.chunks_exact(block_len).zip(blocks) {
                    let at_one = ONE * self.algorithm.side + ONE;
                    let z = &block[elements * v_layout.element + at_one * z_layout.element..];
                    for z in z.chunks(z_layout.row).take(tiles.len()) {
                        biases.iter_mut().zip(z).for_each(|(sum, &z)| *sum += f64::from(z));
                    }
                }
                u.par_chunks_exact_mut(u_layout.element).enumerate().for_each(|(e, u)| {
                    for (i, (block, tiles)) in transformed.chunks_exact(block_len).zip(blocks).enumerate() {
                        let (v, z) = block.split_at(elements * v_layout.element);
                        let v = (&v[e * v_layout.element..], v_layout.row);
                        let z = (&z[e * z_layout.element..], z_layout.row);
                        let is_first = round == 0 && i == 0;
                        accumulate(kernel, tiles.len(), [rows, columns], v, z, (u, u_layout.row), is_first);
                    }
                });
            }
        });
        biases
    }

    /// `Z = G' dy G'^T` for some tiles of one group.
    fn transform_output_gradients(
        &self,
        group: usize,
        tiles: &Range<usize>,
        dy: &[f32],
        z: &mut [f32],
        layout: Layout,
    ) {
        let (mut from, mut next) = (Vec::new(), Vec::new());
        let (to, channels) = (layout.places(self.algorithm.elements()), self.outputs);
        self.tiling.outputs(tiles.start, &mut next);
        for (t, tile) in tiles.clone().enumerate() {
            std::mem::swap(&mut from, &mut next);
            self.tiling.outputs(tile + 1, &mut next);
            let z = &mut z[t * layout.row..];
            assert!(z.len() >= to[to.len() - 1] + channels);
            let (x, y) = (&dy[group * channels..], z.as_mut_ptr());
            let square = Square { x, from: &from, y, to: &to, channels, finish: Finish::NONE, next: &next };
            // SAFETY: the last place was checked; the set of instructions is this machine's.
            unsafe { (self.algorithm.output_gradient)(self.isa, &square) };
        }
    }

    /// `dw = A'^T dU A'`. Tells whether it is finite.
    fn transform_gradient(&self, u: &[f32], layout: Layout, dw: &mut [f32]) -> bool {
        let taps = self.algorithm.kernel * self.algorithm.kernel;
        let matrix = self.inputs * self.outputs;
        assert_eq!(dw.len(), taps * matrix);
        let to: Vec<usize> = (0..taps).map(|tap| tap * matrix).collect();
        let from = layout.places(self.algorithm.elements());
        let dw = Shared::new(dw);
        let finite = (0..self.inputs).into_par_iter().map(|i| {
            let (x, channels) = (&u[i * layout.row..], self.outputs);
            // SAFETY: row `i` of every tap's matrix is this job's alone; the set of instructions is this machine's.
            unsafe {
                let y = dw.at(i * self.outputs);
                let square = Square { x, from: &from, y, to: &to, channels, finish: Finish::NONE, next: &[] };
                (self.algorithm.weights_gradient)(self.isa, &square)
            }
        });
        finite.reduce(|| true, |a, b| a & b)
    }
}

/// `U += V^T Z`: `u[i, o] += sum_t v[t, i] z[t, o]`, each with its row stride; the first product is stored.
fn accumulate(
    kernel: &MicroKernel,
    depth: usize,
    [rows, columns]: [usize; 2],
    (v, v_row): (&[f32], usize),
    (z, z_row): (&[f32], usize),
    (u, u_row): (&mut [f32], usize),
    is_first: bool,
) {
    assert!(v.len() >= (depth - 1) * v_row + rows && z.len() >= (depth - 1) * z_row + columns);
    assert!(u.len() >= (rows - 1) * u_row + columns);
    for column in (0..columns).step_by(kernel.columns) {
        for row in (0..rows).step_by(kernel.rows) {
            let tile = Tile {
                depth,
                a: v[row..].as_ptr(),
                a_row: 1,
                a_step: v_row,
                b: z[column..].as_ptr(),
                b_step: z_row,
                c: u[row * u_row + column..].as_mut_ptr(),
                c_row: u_row,
            };
            // SAFETY: rows and columns are multiples of the kernel's, and the last of them were checked.
            unsafe { kernel.across(&tile, is_first) };
        }
    }
}
