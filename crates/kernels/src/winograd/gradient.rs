//! The weight gradient, summed in the transformed domain: `dU[e] = sum_tiles V[e]^T Z[e]`, then `dw = A'^T dU A'`.

use super::layout::Layout;
use super::matrices::ONE;
use super::plan::{TILES, Winograd};
use super::store::{Along, AlongSquares, StoreAs, Target};
use super::transform::{Finish, NOWHERE, Square};
use crate::gemm::{MicroKernel, Summation, Tile};
use crate::precision::Precision;
use crate::reduce::add_in_order;
use crate::scratch;
use crate::shared::Shared;
use crate::simd::{LINE, prefetch};
use rayon::prelude::*;
use std::ops::Range;

/// Values of all partial sums of `dU` held at a time, at most.
const SUMS: usize = 4 << 20;

/// Partial sums per thread held at a time: more would not stay in the caches until they are added up.
const WAVE: usize = 2;

/// Fewer partial sums than this would leave threads idle.
const FEW: usize = 4;

/// Blocks that all threads transform, then multiply, where there are too few partial sums to give each thread its own.
const TOGETHER: usize = 4;

/// The tiles of one group that are summed into one `dU`.
struct Section {
    group: usize,
    tiles: Range<usize>,
    sum: Summation<'static>,
    /// Blocks that are transformed before any is multiplied.
    together: usize,
}

/// The images of a micro-batch and the gradients of their outputs.
#[derive(Clone, Copy)]
struct Images<'a> {
    x: &'a [f32],
    dy: &'a [f32],
}

/// `V` and `Z` of one block, for one element.
struct BlockElement<'a> {
    /// Words along the tiles.
    depth: usize,
    v: &'a [f32],
    z: &'a [f32],
}

impl Winograd {
    /// Adds the images of a micro-batch to `dU`, and `dy` to the sums that [`Self::bias_scale`] turns into the bias
    /// gradients; the first micro-batch overwrites `dU`.
    ///
    /// Where there is memory for many partial sums, each granule has its own, summed in the order of its tiles by one
    /// thread, and they are added in order. Otherwise there is one sum over all tiles, in order, whose elements the
    /// threads share. Neither depends on the number of threads or on where a micro-batch ends.
    pub(crate) fn add_gradient(&self, x: &[f32], dy: &[f32], u: &mut [f32], biases: &mut [f64]) {
        assert!(x.len() == self.micro_batch.images() * self.image_len);
        assert!(dy.len() == self.micro_batch.images() * self.output.len());
        if self.micro_batch.images() == 0 {
            if self.micro_batch.is_first() {
                u.fill(0.0);
            }
            return;
        }
        let images = Images { x, dy };
        let groups = u.chunks_exact_mut(self.group_sums()).zip(biases.chunks_exact_mut(self.outputs));
        for (group, (u, biases)) in groups.enumerate() {
            if SUMS / u.len() < FEW {
                let (tiles, sum) = (0..self.tiling.tiles(), Summation::chained(self.micro_batch));
                self.sum_section(&Section { group, tiles, sum, together: TOGETHER }, images, u, biases);
            } else {
                self.add_granules(group, images, u, biases);
            }
        }
    }

    /// Adds the sums of one group, granule by granule.
    fn add_granules(&self, group: usize, images: Images, u: &mut [f32], biases: &mut [f64]) {
        let (tiles, granule) = (self.tiling.tiles(), self.tiling.granule_tiles());
        let granules: Vec<_> =
            (0..tiles).step_by(granule).map(|start| start..(start + granule).min(tiles)).collect();
        let len = u.len();
        // Waves of nearly equal numbers of granules.
        let most = (WAVE * rayon::current_num_threads()).min(SUMS / len);
        let wave = granules.len().div_ceil(granules.len().div_ceil(most));
        let together = if wave < rayon::current_num_threads() { TOGETHER } else { 1 };
        scratch::with(wave * len, |sums| {
            for (i, granules) in granules.chunks(wave).enumerate() {
                let sums = &mut sums[..granules.len() * len];
                let jobs = sums.par_chunks_exact_mut(len).zip(granules).map(|(u, tiles)| {
                    let section =
                        Section { group, tiles: tiles.clone(), sum: Summation::Overwrite, together };
                    let mut biases = vec![0.0; self.outputs];
                    self.sum_section(&section, images, u, &mut biases);
                    biases
                });
                for partial in jobs.collect::<Vec<_>>() {
                    biases.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
                }
                add_in_order(sums, self.micro_batch.is_first() && i == 0, u);
            }
        });
    }

    /// Sums a section into `dU`, and adds the tiles of `dy`, or `Z` at point 1, to the bias sums.
    fn sum_section(&self, section: &Section, images: Images, u: &mut [f32], biases: &mut [f64]) {
        let Section { group, ref tiles, sum, together } = *section;
        let (kernel, u_layout) = (self.kernel().for_rows(self.inputs), self.sums_layout());
        let (rows, columns) =
            (self.inputs.next_multiple_of(kernel.rows), self.outputs.next_multiple_of(kernel.columns));
        // Blocks of nearly equal numbers of tiles.
        let block = tiles.len().div_ceil(((tiles.len() + TILES / 2) / TILES).max(1));
        let block = block.next_multiple_of(kernel.word.values());
        let blocks: Vec<_> =
            tiles.clone().step_by(block).map(|start| start..(start + block).min(tiles.end)).collect();
        let depth = kernel.word.words(block);
        let (v_layout, z_layout) = (Layout::new(depth, rows), Layout::new(depth, columns));
        let elements = self.algorithm.elements();
        let totals = if self.has_totals() { block * columns } else { 0 };
        let block_len = elements * (v_layout.element + z_layout.element) + totals;
        scratch::with(together.min(blocks.len()) * block_len, |buffer| {
            for (round, blocks) in blocks.chunks(together).enumerate() {
                let transformed = &mut buffer[..blocks.len() * block_len];
                transformed.par_chunks_exact_mut(block_len).zip(blocks).for_each(|(block, tiles)| {
                    let (v, rest) = block.split_at_mut(elements * v_layout.element);
                    let (z, totals) = rest.split_at_mut(elements * z_layout.element);
                    self.along_tiles(self.inputs, |along| {
                        self.transform_inputs(group * self.inputs, tiles, images.x, v, v_layout, along);
                    });
                    self.along_tiles(self.outputs, |along| {
                        let dy = &images.dy[group * self.outputs..];
                        self.transform_output_gradients(tiles, dy, z, z_layout, along, totals);
                    });
                });
                for (block, tiles) in transformed.chunks_exact(block_len).zip(blocks) {
                    let (element, row) = match self.has_totals() {
                        true => (elements, columns),
                        false => (ONE * self.algorithm.side + ONE, z_layout.row),
                    };
                    let sums = &block[elements * v_layout.element + element * z_layout.element..];
                    for tile in sums.chunks(row).take(tiles.len()) {
                        biases.iter_mut().zip(tile).for_each(|(sum, &tile)| *sum += f64::from(tile));
                    }
                }
                let sum = if round == 0 { sum } else { sum.continued() };
                u.par_chunks_exact_mut(u_layout.element).enumerate().for_each(|(e, u)| {
                    let blocks = transformed.chunks_exact(block_len).zip(blocks).map(|(block, tiles)| {
                        let (v, z) = block.split_at(elements * v_layout.element);
                        let (v, z) = (&v[e * v_layout.element..], &z[e * z_layout.element..]);
                        BlockElement { depth: kernel.word.words(tiles.len()), v, z }
                    });
                    let strides = [v_layout.row, z_layout.row, u_layout.row];
                    accumulate(kernel, &blocks.collect::<Vec<_>>(), [rows, columns], strides, u, sum);
                });
            }
        });
    }

    /// Lends the memory to store tiles of `channels` channels for sums over tiles.
    fn along_tiles(&self, channels: usize, work: impl FnOnce(&mut Along)) {
        let word = self.word();
        scratch::with(AlongSquares::len(word, self.algorithm.elements(), channels), |low| {
            work(&mut Along::Squares(AlongSquares::new(word, channels, low)));
        });
    }

    /// `Z = G' dy G'^T` for some tiles of the group whose channels `dy` begins with, and where there are `totals`, the sum of
    /// each tile of `dy`.
    fn transform_output_gradients(
        &self,
        tiles: &Range<usize>,
        dy: &[f32],
        z: &mut [f32],
        layout: Layout,
        along: &mut Along,
        totals: &mut [f32],
    ) {
        let (mut from, mut next) = (Vec::new(), Vec::new());
        let (to, channels) = (layout.offsets(self.algorithm.elements()), self.outputs);
        let totals_row = channels.next_multiple_of(self.kernel().columns);
        assert!(!self.has_totals() || totals.len() >= tiles.len() * totals_row);
        self.tiling.outputs(tiles.start, &mut next);
        for (t, tile) in tiles.clone().enumerate() {
            std::mem::swap(&mut from, &mut next);
            self.tiling.outputs(tile + 1, &mut next);
            let Target { y, to, store } = along.target(t, z, layout.row, &to);
            let totals = self.has_totals().then(|| totals[t * totals_row..].as_mut_ptr());
            let (finish, next) = (Finish::NONE, &next[..]);
            let square = Square { x: dy, from: &from, y, to, channels, store, finish, next, totals };
            // SAFETY: the target and the rows of totals were checked; the machine supports `self.isa`, and AVX512-BF16 if a
            // word is a pair.
            unsafe { (self.algorithm.output_gradient)(self.isa, &square) };
        }
        if along.is_incomplete(tiles.len()) {
            let Target { y, to, store } = along.target(tiles.len(), z, layout.row, &to);
            let (from, finish) = (&vec![NOWHERE; from.len()], Finish::NONE);
            let square = Square { x: dy, from, y, to, channels, store, finish, next: &[], totals: None };
            // SAFETY: as above; the square of zeros completes the last row.
            unsafe { (self.algorithm.output_gradient)(self.isa, &square) };
        }
    }

    /// `dw[ky, kx, i, o] = sum x dy`, laid out like the weights, from `dU`. Returns whether it is finite.
    pub(crate) fn finish_gradient(&self, u: &[f32], dw: &mut [f32]) -> bool {
        if let Some(fold) = self.fold {
            return scratch::with(self.weights(), |folded| {
                let finite = self.transform_gradient(u, folded);
                fold.unfold_weights(folded, self.outputs, dw);
                finite
            });
        }
        let weights = dw.chunks_exact_mut(self.weights() / self.groups);
        let groups = weights.zip(u.chunks_exact(self.group_sums()));
        groups.fold(true, |finite, (dw, u)| finite & self.transform_gradient(u, dw))
    }

    /// Whether bias gradients are sums of `dy`: rounded, `Z` at point 1 would lose their digits, and not all sets of points
    /// have it.
    fn has_totals(&self) -> bool {
        self.precision != Precision::F32
    }

    /// The factor that turns the bias sums of [`Self::add_gradient`] into sums of `dy`.
    pub(crate) fn bias_scale(&self) -> f64 {
        match self.has_totals() {
            true => 1.0,
            false => f64::from(self.algorithm.at_one).powi(2).recip(),
        }
    }

    /// `dw = A'^T dU A'` of one group. Returns whether it is finite.
    fn transform_gradient(&self, u: &[f32], dw: &mut [f32]) -> bool {
        let layout = self.sums_layout();
        let taps = self.algorithm.taps();
        let matrix = self.inputs * self.outputs;
        assert_eq!(dw.len(), taps * matrix);
        let to: Vec<usize> = (0..taps).map(|tap| tap * matrix).collect();
        let from = layout.offsets(self.algorithm.elements());
        let dw = Shared::new(dw);
        let finite = (0..self.inputs).into_par_iter().map(|i| {
            let (x, channels) = (&u[i * layout.row..], self.outputs);
            // SAFETY: row `i` of every tap's matrix belongs to this job alone; the machine supports `self.isa`.
            unsafe {
                let y = dw.at(i * self.outputs);
                let (store, finish) = (StoreAs::Words, Finish::NONE);
                let square =
                    Square { x, from: &from, y, to: &to, channels, store, finish, next: &[], totals: None };
                (self.algorithm.weights_gradient)(self.isa, &square)
            }
        });
        finite.reduce(|| true, |a, b| a & b)
    }
}

/// `u[i, o] = u0[i, o] + sum_t v[t, i] z[t, o]` over the words of tiles of some blocks, each matrix with its row stride.
fn accumulate(
    kernel: &MicroKernel,
    blocks: &[BlockElement],
    [rows, columns]: [usize; 2],
    [v_row, z_row, u_row]: [usize; 3],
    u: &mut [f32],
    sum: Summation,
) {
    for &BlockElement { depth, v, z } in blocks {
        assert!(v.len() >= (depth - 1) * v_row + rows && z.len() >= (depth - 1) * z_row + columns);
    }
    assert!(u.len() >= (rows - 1) * u_row + columns);
    for column in (0..columns).step_by(kernel.columns) {
        for row in (0..rows).step_by(kernel.rows) {
            // A tile of U stays in the first-level cache from block to block while the next one is fetched.
            let below = row + kernel.rows;
            let next_tile = if below < rows { below * u_row + column } else { column + kernel.columns };
            for i in 0..kernel.rows {
                for j in (0..kernel.columns).step_by(LINE) {
                    prefetch(u.as_ptr().wrapping_add(next_tile + i * u_row + j));
                }
            }
            for (i, &BlockElement { depth, v, z }) in blocks.iter().enumerate() {
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
