//! The blocked product; see the [module](super).

use super::kernel::{Left, MicroKernel, OutputTile, WIDEST};
use super::operand::{Operand, pack};
use super::shape::Shape;
use super::summation::Summation;
use crate::isa::Isa;
use crate::precision::Precision;
use crate::scratch;
use crate::slices::even;
use rayon::prelude::*;
use std::ops::Range;

/// Longest depth of `B` that is packed at once.
const DEPTH: usize = 2304;

/// Values of `B` packed at once: 8 MiB, which stay in the last-level cache.
const SHARED: usize = 2 << 20;

/// Rows of `C` in a job: their slice of `A` occupies a quarter of a second-level cache of 512 KiB.
const ROWS: usize = 96;

/// Values of a block passed to a [`Consumer`]: half of a second-level cache of 512 KiB.
const BLOCK: usize = 64 << 10;

/// Columns of `B` that a task packs: enough of each stored row to be worth a visit to its page.
const PACKED: usize = 256;

/// Jobs per thread, so that no thread waits long for the last one.
const JOBS: usize = 4;

/// Multiply-adds below which waking other threads costs more than it saves.
const ALONE: usize = 1 << 17;

/// The longest sums of [`gemm_blocks`].
pub(crate) const LONGEST_IN_BLOCKS: usize = DEPTH;

/// Computes `A B`, with operands of a given precision, and stores it as `sum` says. Row `i` of `C` is
/// `c[i * row_stride..][..n]`; values between the rows are left untouched.
///
/// # Panics
/// If `c` or the bias has the wrong length, or rows of `C` overlap.
pub fn gemm_in(
    precision: Precision,
    shape: Shape,
    a: &dyn Operand,
    b: &dyn Operand,
    sum: Summation,
    c: &mut [f32],
    row_stride: usize,
) {
    gemm_with(Isa::current(), precision, shape, a, b, sum, c, row_stride);
}

/// [`gemm_in`] with a given instruction set.
///
/// # Panics
/// As [`gemm_in`], and if the machine does not support the instruction set.
#[allow(clippy::too_many_arguments)]
pub fn gemm_with(
    isa: Isa,
    precision: Precision,
    shape: Shape,
    a: &dyn Operand,
    b: &dyn Operand,
    sum: Summation,
    c: &mut [f32],
    row_stride: usize,
) {
    let Shape { m, n, k } = shape;
    if m == 0 || n == 0 {
        return;
    }
    assert!(row_stride >= n, "rows of C overlap: stride {row_stride} for {n} columns");
    let end = (m - 1).checked_mul(row_stride).and_then(|last_row| last_row.checked_add(n));
    assert!(end.is_some_and(|end| end <= c.len()), "length of C: {} for {m} rows of {row_stride}", c.len());
    if let Summation::Bias(bias) = sum {
        assert_eq!(bias.len(), n, "length of the bias");
    }
    let output = Output { values: c.as_mut_ptr(), row_stride, first_row: 0, first_column: 0 };
    if k == 0 {
        // SAFETY: the asserts above put rows `0..m` of `n` columns inside `c`, which is borrowed mutably.
        return unsafe { output.write_empty_sums(sum, 0..m, 0..n) };
    }
    Product::new(MicroKernel::of(isa, precision, n), sum, shape, a, b, output).run(sum);
}

/// Computes `C = A B`, chained, and passes it to `consume` block by block while it is in the cache; `C` is never
/// written as a whole. Each element is passed exactly once, with the bits of [`Summation::StartChain`].
///
/// # Panics
/// If the sums are empty or longer than [`LONGEST_IN_BLOCKS`].
pub(crate) fn gemm_blocks(
    precision: Precision,
    shape: Shape,
    a: &dyn Operand,
    b: &dyn Operand,
    consume: &Consumer,
) {
    let Shape { m, n, k } = shape;
    assert!((1..=LONGEST_IN_BLOCKS).contains(&k), "sums of {k} products");
    if m == 0 || n == 0 {
        return;
    }
    let output = Output { values: std::ptr::null_mut(), row_stride: 0, first_row: 0, first_column: 0 };
    let kernel = MicroKernel::of(Isa::current(), precision, n);
    Product::new(kernel, Summation::StartChain, shape, a, b, output).run_blocks(consume);
}

/// Receives the rows and columns of a block of `C` and its values, `[rows, columns]`.
pub(crate) type Consumer<'a> = dyn Fn(Range<usize>, Range<usize>, &[f32]) + Sync + 'a;

/// `C` or a block of it, shared by jobs that each touch only their own elements.
#[derive(Clone, Copy)]
struct Output {
    values: *mut f32,
    row_stride: usize,
    /// Row of `C` that `values` starts at.
    first_row: usize,
    /// Column of `C` that `values` starts at.
    first_column: usize,
}

// SAFETY: a pointer into a slice that its owner borrows mutably; a job that receives a copy touches only its own elements.
unsafe impl Send for Output {}

// SAFETY: a pointer into a slice that `gemm_with` borrows mutably; jobs reach disjoint elements through it.
unsafe impl Sync for Output {}

impl Output {
    /// The address of an element.
    ///
    /// # Safety
    /// The element lies inside the slice.
    unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: guaranteed by the caller.
        unsafe { self.values.add((row - self.first_row) * self.row_stride + column - self.first_column) }
    }

    /// Calls `write` with each row of a block.
    ///
    /// # Safety
    /// The block lies inside the slice, and no other thread accesses it during the call.
    unsafe fn each_row(&self, rows: Range<usize>, columns: &Range<usize>, write: impl Fn(&mut [f32])) {
        for row in rows {
            // SAFETY: guaranteed by the caller.
            write(unsafe { std::slice::from_raw_parts_mut(self.at(row, columns.start), columns.len()) });
        }
    }

    /// Stores sums of no products.
    ///
    /// # Safety
    /// As [`Self::each_row`].
    unsafe fn write_empty_sums(&self, sum: Summation, rows: Range<usize>, columns: Range<usize>) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match sum {
                Summation::Overwrite | Summation::StartChain => {
                    self.each_row(rows, &columns, |c| c.fill(0.0))
                }
                Summation::Bias(bias) => {
                    self.each_row(rows, &columns, |c| c.copy_from_slice(&bias[columns.clone()]));
                }
                Summation::Add | Summation::ContinueChain => {}
            }
        }
    }
}

/// The block of `C` that a job owns.
struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// A packed block of `B`.
struct PackedB<'a> {
    columns: &'a Range<usize>,
    depth: &'a Range<usize>,
    values: &'a [f32],
}

/// A product in progress.
#[derive(Clone, Copy)]
struct Product<'a> {
    kernel: &'static MicroKernel,
    shape: Shape,
    a: &'a dyn Operand,
    b: &'a dyn Operand,
    output: Output,
    /// Values along the depth of which all but the last block hold a multiple.
    unit: usize,
}

impl<'a> Product<'a> {
    fn new(
        kernel: &'static MicroKernel,
        sum: Summation,
        shape: Shape,
        a: &'a dyn Operand,
        b: &'a dyn Operand,
        output: Output,
    ) -> Self {
        Self { kernel, shape, a, b, output, unit: kernel.unit(sum) }
    }

    fn run(&self, sum: Summation) {
        let k = self.shape.k;
        self.with_b(&|columns, packed| {
            for depth in even(0..k, k.div_ceil(DEPTH / self.unit * self.unit), self.unit) {
                self.pack_b(columns, &depth, packed);
                let b = PackedB { columns, depth: &depth, values: packed };
                let sum = if depth.start == 0 { sum } else { sum.continued() };
                // Where there are few rows, columns are cut as well, though each job then packs its rows of A again.
                let parts = (JOBS * rayon::current_num_threads()).div_ceil(self.shape.m.div_ceil(ROWS));
                self.each(self.jobs(columns, parts), |block| self.multiply(&b, &block, sum));
            }
        });
    }

    /// Passes the product to `consume`, one block per job.
    fn run_blocks(&self, consume: &Consumer) {
        let depth = 0..self.shape.k;
        self.with_b(&|columns, packed| {
            self.pack_b(columns, &depth, packed);
            let b = PackedB { columns, depth: &depth, values: packed };
            self.each(self.jobs(columns, columns.len().div_ceil(BLOCK / ROWS)), |block| {
                scratch::with(block.rows.len() * block.columns.len(), |c| {
                    let output = Output {
                        values: c.as_mut_ptr(),
                        row_stride: block.columns.len(),
                        first_row: block.rows.start,
                        first_column: block.columns.start,
                    };
                    Self { output, ..*self }.multiply(&b, &block, Summation::StartChain);
                    consume(block.rows, block.columns, c);
                });
            });
        });
    }

    /// Lends space for packed blocks of `B`, for blocks of columns that fit the last-level cache.
    fn with_b(&self, work: &dyn Fn(&Range<usize>, &mut [f32])) {
        let Shape { n, k, .. } = self.shape;
        let (deepest, width) = (k.min(DEPTH), self.kernel.columns);
        let widest = (SHARED / deepest / width).max(1) * width;
        for columns in even(0..n, n.div_ceil(widest), width) {
            let words = self.kernel.word.words(deepest);
            scratch::with(words * columns.len().next_multiple_of(width), |packed| work(&columns, packed));
        }
    }

    /// The short blocks within a long block of depth.
    fn short(&self, depth: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let longest = self.kernel.word.values() * self.kernel.depth;
        even(depth.clone(), depth.len().div_ceil(longest / self.unit * self.unit), self.unit)
    }

    /// Runs `job` for every item, on all threads if the product is large enough.
    fn each<T: Send>(&self, items: Vec<T>, job: impl Fn(T) + Send + Sync) {
        if self.shape.m * self.shape.n * self.shape.k < ALONE {
            items.into_iter().for_each(job);
        } else {
            items.into_par_iter().for_each(job);
        }
    }

    /// Packs a block of `B` as `[short block][panel][depth, width]`.
    fn pack_b(&self, columns: &Range<usize>, depth: &Range<usize>, packed: &mut [f32]) {
        let width = self.kernel.columns;
        let padded = columns.len().next_multiple_of(width);
        let word = self.kernel.word;
        let mut rest = &mut packed[..word.words(depth.len()) * padded];
        let mut blocks = Vec::new();
        for short in self.short(depth) {
            for columns in even(columns.clone(), columns.len().div_ceil(PACKED), width) {
                let columns_of_block = columns.len().next_multiple_of(width);
                let (block, tail) = rest.split_at_mut(word.words(short.len()) * columns_of_block);
                blocks.push((columns, short.clone(), block));
                rest = tail;
            }
        }
        self.each(blocks, |(columns, depth, block)| pack(word, self.b, columns, depth, width, block));
    }

    /// Packs a block of `A` as [`MicroKernel::left`] says: `[panel][depth, height]` or `[panel][height, depth]`.
    fn pack_a(&self, rows: Range<usize>, depth: Range<usize>, packed: &mut [f32]) {
        let height = self.kernel.rows;
        match self.kernel.left {
            Left::Across => pack(self.kernel.word, self.a, rows, depth, height, packed),
            Left::Along => self.a.pack_pairs_along(rows, depth, height, packed),
        }
    }

    /// Blocks of `C` that cover all rows, with `columns` cut into up to `parts`.
    fn jobs(&self, columns: &Range<usize>, parts: usize) -> Vec<Block> {
        let (height, width) = (self.kernel.rows, self.kernel.columns);
        let parts = parts.min(columns.len().div_ceil(width));
        let rows = even(0..self.shape.m, self.shape.m.div_ceil(ROWS), height);
        let across = |rows: Range<usize>| {
            even(columns.clone(), parts, width).map(move |columns| Block { rows: rows.clone(), columns })
        };
        rows.flat_map(across).collect()
    }

    /// Computes a block of `C` for one packed block of `B`.
    fn multiply(&self, b: &PackedB, block: &Block, sum: Summation) {
        let (height, width) = (self.kernel.rows, self.kernel.columns);
        let tallest = block.rows.len().next_multiple_of(height);
        let word = self.kernel.word;
        scratch::with(tallest * word.words(b.depth.len()).min(self.kernel.depth), |a| {
            for short in self.short(b.depth) {
                let depth = word.words(short.len());
                let a = &mut a[..tallest * depth];
                self.pack_a(block.rows.clone(), short.clone(), a);
                let padded = b.columns.len().next_multiple_of(width);
                let before = word.words(short.start - b.depth.start) * padded
                    + (block.columns.start - b.columns.start) * depth;
                let values = &b.values[before..][..block.columns.len().next_multiple_of(width) * depth];
                let sum = if short.start == b.depth.start { sum } else { sum.continued() };
                self.tiles(block, a, values, depth, sum);
            }
        });
    }

    /// Computes a block of `C` from packed operands of `depth` words, tile by tile.
    fn tiles(&self, block: &Block, a: &[f32], b: &[f32], depth: usize, sum: Summation) {
        let (height, width) = (self.kernel.rows, self.kernel.columns);
        let Block { rows, columns } = block;
        let _prepared = self.kernel.prepare(depth, sum);
        for (left, b) in columns.clone().step_by(width).zip(b.chunks_exact(depth * width)) {
            let right = (left + width).min(columns.end);
            if let Summation::Bias(bias) = sum {
                // SAFETY: rows and columns lie in C, and this job alone owns the block.
                unsafe {
                    self.output
                        .each_row(rows.clone(), &(left..right), |c| c.copy_from_slice(&bias[left..right]));
                }
            }
            for (top, a) in rows.clone().step_by(height).zip(a.chunks_exact(depth * height)) {
                let bottom = (top + height).min(rows.end);
                // SAFETY: as above; the panels hold `depth` times `height` and `width` values.
                unsafe {
                    let tile = OutputTile {
                        values: self.output.at(top, left),
                        row_stride: self.output.row_stride,
                        rows: bottom - top,
                        columns: right - left,
                    };
                    self.kernel.multiply_panels(depth, a, b, tile, sum);
                }
            }
        }
    }
}

/// The blocks of depth whose sums [`gemm_in`] adds up in single precision.
pub(crate) fn depth_blocks(k: usize) -> impl Iterator<Item = Range<usize>> {
    let short = MicroKernel::of(Isa::current(), Precision::F32, WIDEST).depth;
    even(0..k, k.div_ceil(DEPTH), 1).flat_map(move |long| {
        let parts = long.len().div_ceil(short);
        even(long, parts, 1)
    })
}
