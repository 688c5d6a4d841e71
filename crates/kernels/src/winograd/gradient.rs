//! The gradient by the weights.

use super::*;
use crate::simd::prefetch;
use crate::slices::GRAIN;

/// Values of all the partial sums of `dU` at a time, at most.
const SUMS: usize = 4 << 20;

/// Partial sums of which fewer would leave threads idle.
const FEW: usize = 4;

/// Blocks that the threads transform, then multiply, where there are few partial sums to share between threads.
const TOGETHER: usize = 4;

impl Winograd {
    /// Values of `dU`, `[groups][elements][inputs][outputs]`.
    pub(crate) fn sums(&self) -> usize {
        self.groups * self.group_sums()
    }

    /// Values of `dU` for any algorithm that may be chosen for a batch, or for one that is smaller.
    pub(crate) fn most_sums(g: &ConvGeometry, batch: usize) -> usize {
        Self::all(g, batch.into()).filter(Self::is_wide).map(|one| one.sums()).max().unwrap_or(0)
    }

    fn group_sums(&self) -> usize {
        self.algorithm.elements() * self.sums_layout().element
    }

    fn sums_layout(&self) -> Layout {
        let kernel = self.kernel();
        Layout::new(self.inputs.next_multiple_of(kernel.rows), self.outputs.next_multiple_of(kernel.columns))
    }

    /// Adds the images of a part to `dU`, and `dy` to the sums that [`Self::bias_scale`] makes those of the biases; the
    /// first part overwrites `dU`.
    ///
    /// Where there is room for many partial sums, each portion of the batch has its own, in the order of its tiles, by
    /// one thread, and they are added in order. Else there is one sum over all tiles, in order, whose elements the threads
    /// share. Neither depends on the number of threads, nor on where a part ends.
    pub(crate) fn add_gradient(&self, x: &[f32], dy: &[f32], u: &mut [f32], biases: &mut [f64]) {
        assert!(x.len() == self.part.images() * self.image);
        assert!(dy.len() == self.part.images() * self.output.len());
        let groups = u.chunks_exact_mut(self.group_sums()).zip(biases.chunks_exact_mut(self.outputs));
        let tiles = self.tiling.tiles();
        for (group, (u, biases)) in groups.enumerate() {
            if SUMS / u.len() < FEW {
                self.section(group, 0..tiles, x, dy, u, biases, Summation::chained(self.part), TOGETHER);
            } else {
                self.add_sections(group, x, dy, u, biases);
            }
        }
    }

    /// The sums of one group, portion by portion.
    fn add_sections(&self, group: usize, x: &[f32], dy: &[f32], u: &mut [f32], biases: &mut [f64]) {
        let (tiles, portion) = (self.tiling.tiles(), self.tiling.portion());
        let sections: Vec<_> =
            (0..tiles).step_by(portion).map(|start| start..(start + portion).min(tiles)).collect();
        let len = u.len();
        // Waves of nearly equal numbers of sections.
        let wave = sections.len().div_ceil(sections.len().div_ceil(SUMS / len));
        let together = if wave < rayon::current_num_threads() { TOGETHER } else { 1 };
        scratch::with(wave * len, |sums| {
            for (i, sections) in sections.chunks(wave).enumerate() {
                let sums = &mut sums[..sections.len() * len];
                let jobs = sums.par_chunks_exact_mut(len).zip(sections).map(|(u, tiles)| {
                    let mut biases = vec![0.0; self.outputs];
                    self.section(group, tiles.clone(), x, dy, u, &mut biases, Summation::Overwrite, together);
                    biases
                });
                for partial in jobs.collect::<Vec<_>>() {
                    biases.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
                }
                let is_first = self.part.is_first() && i == 0;
                u.par_chunks_mut(GRAIN).enumerate().for_each(|(i, u)| {
                    for (j, sums) in sums.chunks_exact(len).enumerate() {
                        let sums = &sums[i * GRAIN..][..u.len()];
                        match is_first && j == 0 {
                            true => u.copy_from_slice(sums),
                            false => u.iter_mut().zip(sums).for_each(|(u, sum)| *u += sum),
                        }
                    }
                });
            }
        });
    }

    /// Adds some tiles to `dU`, or stores their sum if they are the first, and adds `Z` at point 1 to the biases' sums.
    fn section(
        &self,
        group: usize,
        tiles: Range<usize>,
        x: &[f32],
        dy: &[f32],
        u: &mut [f32],
        biases: &mut [f64],
        sum: Summation,
        together: usize,
    ) {
        let (kernel, u_layout) = (self.kernel(), self.sums_layout());
        let (rows, columns) =
            (self.inputs.next_multiple_of(kernel.rows), self.outputs.next_multiple_of(kernel.columns));
        // Blocks of nearly equal numbers of tiles.
        let block = tiles.len().div_ceil(((tiles.len() + TILES / 2) / TILES).max(1));
        let blocks: Vec<_> =
            tiles.clone().step_by(block).map(|start| start..(start + block).min(tiles.end)).collect();
        let (v_layout, z_layout) = (Layout::new(block, rows), Layout::new(block, columns));
        let elements = self.algorithm.elements();
        let block_len = elements * (v_layout.element + z_layout.element);
        scratch::with(together.min(blocks.len()) * block_len, |buffer| {
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
                let sum = if round == 0 { sum } else { sum.continued() };
                u.par_chunks_exact_mut(u_layout.element).enumerate().for_each(|(e, u)| {
                    let blocks = transformed.chunks_exact(block_len).zip(blocks).map(|(block, tiles)| {
                        let (v, z) = block.split_at(elements * v_layout.element);
                        (tiles.len(), &v[e * v_layout.element..], &z[e * z_layout.element..])
                    });
                    let rows_of = [v_layout.row, z_layout.row, u_layout.row];
                    let blocks: Vec<_> = blocks.collect();
                    accumulate(kernel, &blocks, [rows, columns], rows_of, u, sum);
                });
            }
        });
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

    /// `dw[ky, kx, i, o] = sum x dy`, laid out as the weights, from `dU`. Tells whether it is finite.
    pub(crate) fn finish_gradient(&self, u: &[f32], dw: &mut [f32]) -> bool {
        if let Some(fold) = self.fold {
            return scratch::with(self.weights(), |folded| {
                let finite = self.transform_gradient(u, folded);
                fold.unfold(folded, self.outputs, dw);
                finite
            });
        }
        let weights = dw.chunks_exact_mut(self.weights() / self.groups);
        let groups = weights.zip(u.chunks_exact(self.group_sums()));
        groups.fold(true, |finite, (dw, u)| finite & self.transform_gradient(u, dw))
    }

    /// What the sums of `Z` at point 1 are multiplied by to be those of `dy`.
    pub(crate) fn bias_scale(&self) -> f64 {
        f64::from(self.algorithm.at_one).powi(2).recip()
    }

    /// `dw = A'^T dU A'` of one group. Tells whether it is finite.
    fn transform_gradient(&self, u: &[f32], dw: &mut [f32]) -> bool {
        let layout = self.sums_layout();
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

/// `U += V^T Z` for some blocks: `u[i, o] += sum_t v[t, i] z[t, o]`, each with its row stride. The first block begins
/// in one way, those after it in another.
fn accumulate(
    kernel: &MicroKernel,
    blocks: &[(usize, &[f32], &[f32])],
    [rows, columns]: [usize; 2],
    [v_row, z_row, u_row]: [usize; 3],
    u: &mut [f32],
    sum: Summation,
) {
    for &(depth, v, z) in blocks {
        assert!(v.len() >= (depth - 1) * v_row + rows && z.len() >= (depth - 1) * z_row + columns);
    }
    assert!(u.len() >= (rows - 1) * u_row + columns);
    for column in (0..columns).step_by(kernel.columns) {
        for row in (0..rows).step_by(kernel.rows) {
            // A tile of U stays in the first-level cache from block to block; the next one is fetched meanwhile.
            let below = row + kernel.rows;
            let next_tile = if below < rows { below * u_row + column } else { column + kernel.columns };
            for i in 0..kernel.rows {
                for j in (0..kernel.columns).step_by(LINE) {
                    prefetch(u.as_ptr().wrapping_add(next_tile + i * u_row + j));
                }
            }
            for (i, &(depth, v, z)) in blocks.iter().enumerate() {
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
                unsafe { kernel.multiply_across(&tile, if i == 0 { sum } else { sum.continued() }) };
            }
        }
    }
}
