//! The weight gradient: `dw[tap, i, o] = sum over positions of x[position + tap, i] dy[position, o]`.
//!
//! The left operand has a row for each input channel, with the pixels of the plane in order: a tap only shifts where it is read. The
//! right operand has the pairs of positions in order, zero where there is no output. An image is a run; steps do not cross images,
//! so that a sum is one chain over all images, wherever a batch is cut.

use super::Tiled;
use super::images::Plane;
use super::kernel::{self, Layout, Run, Strides, WIDE};
use crate::amx::SIDE;
use crate::bf16::{halves_of, pair_values};
use crate::gemm::interleave;
use crate::micro_batch::GRANULE;
use crate::reduce::add_in_order;
use crate::scratch;
use crate::shared::Shared;
use rayon::prelude::*;

/// Words of the operands of the images that are multiplied together: three quarters of a second-level cache of 2 MiB.
const TOGETHER: usize = 384 << 10;

/// The most sums of which each granule has its own: 2 MiB.
const FEW: usize = 512 << 10;

/// Granules per thread whose sums are held at a time.
const WAVE: usize = 2;

/// The operands of an image, and the sums.
#[derive(Clone, Copy)]
struct Operands {
    run: Run,
    /// Halves of a row of the left operand.
    left_row: usize,
    /// Words of an image of the left operand.
    left: usize,
    /// Words of an image in a panel of the right operand.
    right: usize,
    /// Panels of the right operand.
    panels: usize,
    /// Rows and columns of the sums of a tap.
    sums: [usize; 2],
}

/// The sums of some input channels through a tap.
struct Job {
    group: usize,
    tap: usize,
    first: usize,
}

impl Tiled {
    /// Adds the images of a micro-batch to `dw`, which the first micro-batch overwrites.
    ///
    /// If the sums are few, each granule has its own, and they are added in order: threads do not wait for each other, and the
    /// operands of an image stay in a thread's cache. Otherwise there is one chain over all images, whose sums the threads share.
    pub(in super::super) fn accumulate_weights(&self, is_first: bool, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        if x.is_empty() {
            if is_first {
                dw.fill(0.0);
            }
            return;
        }
        let operands = self.operands();
        let [rows, columns] = operands.sums;
        let len = self.g.groups * self.kernel * self.kernel * rows * columns;
        scratch::with(len, |sums| {
            if !is_first {
                self.spread(dw, operands, sums);
            }
            match len <= FEW {
                true => self.add_granules(operands, x, dy, is_first, sums),
                false => self.add_images(operands, x, dy, is_first, sums),
            }
            self.collect(operands, sums, dw);
        });
    }

    /// Adds the sums of each granule to the sums, or replaces them.
    fn add_granules(&self, operands: Operands, x: &[f32], dy: &[f32], is_first: bool, sums: &mut [f32]) {
        let wave = WAVE * rayon::current_num_threads();
        let granules = x.chunks(GRANULE * self.g.input.len()).zip(dy.chunks(GRANULE * self.g.output.len()));
        let granules: Vec<_> = granules.collect();
        scratch::with(wave.min(granules.len()) * sums.len(), |partial| {
            for (i, granules) in granules.chunks(wave).enumerate() {
                let partial = &mut partial[..granules.len() * sums.len()];
                partial.par_chunks_exact_mut(sums.len()).zip(granules).for_each(|(sums, (x, dy))| {
                    self.add_images(operands, x, dy, true, sums);
                });
                add_in_order(partial, is_first && i == 0, sums);
            }
        });
    }

    /// Adds images to the sums, or replaces them, a few at a time.
    fn add_images(&self, operands: Operands, x: &[f32], dy: &[f32], is_first: bool, sums: &mut [f32]) {
        let together = (TOGETHER / (operands.left + operands.panels * operands.right)).max(1);
        let images = x.chunks(together * self.g.input.len()).zip(dy.chunks(together * self.g.output.len()));
        for (i, (x, dy)) in images.enumerate() {
            self.add_together(operands, x, dy, is_first && i == 0, sums);
        }
    }

    fn operands(&self) -> Operands {
        let words = self.positions().div_ceil(2);
        let steps = words.div_ceil(SIDE);
        let run = Run { steps, words: words.div_ceil(steps) };
        let positions = 2 * run.steps * run.words;
        let shift = (self.kernel - 1) * (self.plane.width + 1);
        // An odd number of cache lines, so that the rows of a tile are in different sets of the cache.
        let left_row = ((positions + shift).div_ceil(WIDE) | 1) * WIDE;
        let channels = (self.g.groups - 1) * self.inputs + self.inputs.next_multiple_of(SIDE);
        Operands {
            run,
            left_row,
            left: channels * left_row / 2,
            right: run.steps * run.words * WIDE,
            panels: self.g.groups * self.panels(),
            sums: [self.inputs.next_multiple_of(SIDE), self.outputs.next_multiple_of(WIDE)],
        }
    }

    /// Adds images that the caches hold to the sums, or replaces them.
    fn add_together(&self, operands: Operands, x: &[f32], dy: &[f32], is_first: bool, sums: &mut [f32]) {
        let images = x.len() / self.g.input.len();
        let Operands { left, right, panels, .. } = operands;
        scratch::with(images * (left + panels * right), |buffer| {
            let (lefts, rights) = buffer.split_at_mut(images * left);
            let packed = lefts.par_chunks_exact_mut(left).zip(x.par_chunks_exact(self.g.input.len()));
            packed.for_each(|(left, x)| self.pack_left(x, operands, left));
            let packed = rights.par_chunks_exact_mut(right).enumerate();
            packed.for_each(|(i, right)| {
                let dy = &dy[i % images * self.g.output.len()..][..self.g.output.len()];
                self.pack_right(dy, i / images, right);
            });
            let runs: Vec<usize> = (0..images).map(|i| i * left * size_of::<f32>()).collect();
            let sums = Shared::new(sums);
            self.gradient_jobs().into_par_iter().for_each(|job| {
                self.multiply(&job, operands, &runs, lefts, rights, is_first, &sums);
            });
        });
    }

    fn gradient_jobs(&self) -> Vec<Job> {
        let taps =
            (0..self.g.groups).flat_map(|group| (0..self.kernel * self.kernel).map(move |tap| (group, tap)));
        let job = |(group, tap)| (0..self.inputs).step_by(WIDE).map(move |first| Job { group, tap, first });
        taps.flat_map(job).collect()
    }

    /// Computes the sums of a job.
    fn multiply(
        &self,
        job: &Job,
        operands: Operands,
        runs: &[usize],
        left: &[f32],
        right: &[f32],
        is_first: bool,
        sums: &Shared,
    ) {
        let Operands { run, left_row, sums: [rows, columns], .. } = operands;
        let layout = Layout::new(runs, run, Strides { a_row: left_row, b_row: WIDE, c_row: columns });
        let shift = job.tap / self.kernel * self.plane.width + job.tap % self.kernel;
        let is_tall = rows - job.first > SIDE;
        // SAFETY: `select` returned this, so the machine has AMX; no other shapes are loaded. Rows of the left operand hold the
        // positions of a run past any shift; rows of the right operand hold whole panels. The sums of the job's channels belong
        // to it alone.
        unsafe {
            let _shapes = run.load_shapes();
            let a = left.as_ptr().cast::<u16>().add((job.group * self.inputs + job.first) * left_row + shift);
            for panel in 0..self.panels() {
                let b = right[(job.group * self.panels() + panel) * runs.len() * operands.right..].as_ptr();
                let tap = job.group * self.kernel * self.kernel + job.tap;
                let c = sums.at((tap * rows + job.first) * columns + panel * WIDE);
                match (is_tall, is_first) {
                    (true, true) => kernel::tall::<false>(&layout, a, b, c),
                    (true, false) => kernel::tall::<true>(&layout, a, b, c),
                    (false, true) => kernel::low::<false>(&layout, a, b, c),
                    (false, false) => kernel::low::<true>(&layout, a, b, c),
                }
            }
        }
    }

    /// `[channels][pixels]` of an image, as halves.
    fn pack_left(&self, x: &[f32], operands: Operands, left: &mut [f32]) {
        let Plane { channels, .. } = self.plane;
        let (pixels, words) = (self.plane.pixels(), channels / 2);
        scratch::with(2 * pixels * words, |buffer| {
            let (plane, transposed) = buffer.split_at_mut(pixels * words);
            self.plane.fill(x, halves_of(plane));
            interleave(pixels, |pixel| &plane[pixel * words..][..words], transposed);
            let rows = halves_of(left).chunks_exact_mut(2 * operands.left_row);
            rows.zip(transposed.chunks_exact(pixels)).for_each(|(rows, words)| {
                let (low, high) = rows.split_at_mut(operands.left_row);
                separate(words, &mut low[..pixels], &mut high[..pixels]);
                low[pixels..].fill(0);
                high[pixels..].fill(0);
            });
        });
    }

    /// `[positions / 2][32]` of a panel of the output gradient of an image, as pairs.
    fn pack_right(&self, dy: &[f32], panel: usize, right: &mut [f32]) {
        let (output, width) = (self.g.output, self.plane.width);
        let channels = self.channels(panel / self.panels(), panel % self.panels());
        let at = |position: usize| match (position / width, position % width) {
            (row, column) if row < output.height && column < output.width => {
                &dy[(row * output.width + column) * output.channels..][channels.clone()]
            }
            _ => &[0.0; WIDE][..channels.len()],
        };
        for (pair, words) in right.chunks_exact_mut(WIDE).enumerate() {
            let (words, beyond) = words.split_at_mut(channels.len());
            pair_values(at(2 * pair), at(2 * pair + 1), words);
            beyond.fill(0.0);
        }
    }

    /// Weight gradients as sums.
    fn spread(&self, dw: &[f32], operands: Operands, sums: &mut [f32]) {
        let mut copy = |w: &[f32]| {
            sums.fill(0.0);
            for (row, w) in w.chunks_exact(self.outputs).enumerate() {
                sums[operands.row_of_sums(row, self.inputs)..][..self.outputs].copy_from_slice(w);
            }
        };
        let Some(fold) = self.fold else {
            return copy(dw);
        };
        scratch::with(self.square_weights(), |squares| {
            fold.fold_weights(dw, self.outputs, squares);
            copy(squares);
        });
    }

    /// Sums as weight gradients.
    fn collect(&self, operands: Operands, sums: &[f32], dw: &mut [f32]) {
        let copy = |w: &mut [f32]| {
            for (row, w) in w.chunks_exact_mut(self.outputs).enumerate() {
                w.copy_from_slice(&sums[operands.row_of_sums(row, self.inputs)..][..self.outputs]);
            }
        };
        let Some(fold) = self.fold else {
            return copy(dw);
        };
        scratch::with(self.square_weights(), |squares| {
            copy(squares);
            fold.unfold_weights(squares, self.outputs, dw);
        });
    }
}

impl Operands {
    /// Where the sums of a row of the weights `[taps][inputs][outputs]` are.
    fn row_of_sums(&self, row: usize, inputs: usize) -> usize {
        let [rows, columns] = self.sums;
        (row / inputs * rows + row % inputs) * columns
    }
}

crate::isa::multiversioned! {
    /// The halves of words.
    fn separate(words: &[f32], low: &mut [u16], high: &mut [u16]) {
        for ((word, low), high) in words.iter().zip(low).zip(high) {
            (*low, *high) = (word.to_bits() as u16, (word.to_bits() >> 16) as u16);
        }
    }
}
