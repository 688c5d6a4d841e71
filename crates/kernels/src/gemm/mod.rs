//! Matrix product: `C = start + A B`, `A: [m, k]`, `B: [k, n]`, `C: [m, n]`.
//!
//! The blocking is Goto's ("Anatomy of High-Performance Matrix Multiplication", 2008). Both operands are
//! packed into panels as wide as the registers' tile, in blocks that fit a level of cache each:
//!
//! ```text
//! for columns of C, in blocks whose part of B fits the shared cache
//!   for depth, in long blocks                      B is packed here, by all threads
//!     in parallel, for blocks of C's rows          a job: owns its block of C
//!       for depth, in short blocks                 A is packed here, into the core's own cache
//!         for panels of B (first-level cache)
//!           for panels of A                        the micro-kernel: one tile of C, in registers
//! ```
//!
//! An operand only has to know how to pack itself ([`Operand`]), so that a convolution's patches are never
//! written out. The sum over `k` runs in the same order for every number of threads: the depth blocks depend
//! on `k` and on the set of instructions alone. Each block is summed by itself and added, which keeps digits; in
//! `gemm_chain` blocks continue the sums instead.

mod kernel;
mod operand;
pub mod reference;

use crate::isa::Isa;
use crate::part::Part;
use crate::scratch;
pub(crate) use kernel::{Begin, MicroKernel, Tile, WIDEST};
pub(crate) use operand::{LINES, interleave, spread};
pub use operand::{Matrix, Operand};
use rayon::prelude::*;
use std::ops::Range;

/// Depth of the part of `B` that is packed at once.
const DEPTH: usize = 2304;

/// Values of `B` packed at once: 8 MiB, to stay in the last-level cache.
const SHARED: usize = 2 << 20;

/// Rows of `C` in a job: their part of `A` takes a quarter of a second-level cache of 512 KiB.
const ROWS: usize = 96;

/// Values of a block that is handed on: half of a second-level cache of 512 KiB.
const BLOCK: usize = 64 << 10;

/// Columns of `B` that a task packs: their part of a stored row is worth a visit to its page.
const PACKED: usize = 256;

/// Jobs for each thread, so that the last to finish is not waited for long.
const JOBS: usize = 4;

/// Multiply-adds below which other threads are not worth waking.
const ALONE: usize = 1 << 17;

/// The sizes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of `A` and `C`.
    pub m: usize,
    /// Columns of `B` and `C`.
    pub n: usize,
    /// Columns of `A`, rows of `B`: the length of the sums.
    pub k: usize,
}

/// What the product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing: `C` is overwritten.
    Zero,
    /// What `C` holds.
    Keep,
    /// The same row, `[n]`, for each row of `C`: a bias.
    Row(&'a [f32]),
}

impl Start<'_> {
    /// The start of a sum over a batch whose parts come one after another.
    pub(crate) fn of(part: Part) -> Self {
        if part.is_first() { Start::Zero } else { Start::Keep }
    }
}

/// `C = start + A B`. Row `i` of `C` is `c[i * row_stride..][..n]`; what lies between the rows is untouched.
///
/// # Panics
/// When `c` or the start's row is too short, or rows overlap.
pub fn gemm(shape: Shape, a: &dyn Operand, b: &dyn Operand, start: Start, c: &mut [f32], row_stride: usize) {
    gemm_with(Isa::current(), shape, a, b, start, c, row_stride);
}

/// [`gemm`] with a given set of instructions.
///
/// # Panics
/// As [`gemm`], and when the machine lacks the instructions.
pub fn gemm_with(
    isa: Isa,
    shape: Shape,
    a: &dyn Operand,
    b: &dyn Operand,
    start: Start,
    c: &mut [f32],
    row_stride: usize,
) {
    run(isa, shape, a, b, start, c, row_stride, false);
}

fn run(
    isa: Isa,
    shape: Shape,
    a: &dyn Operand,
    b: &dyn Operand,
    start: Start,
    c: &mut [f32],
    row_stride: usize,
    is_chain: bool,
) {
    let Shape { m, n, k } = shape;
    if m == 0 || n == 0 {
        return;
    }
    assert!(row_stride >= n, "rows of C overlap: stride {row_stride} for {n} columns");
    assert!(c.len() >= (m - 1) * row_stride + n, "length of C: {} for {m} rows of {row_stride}", c.len());
    if let Start::Row(row) = start {
        assert_eq!(row.len(), n, "length of the start's row");
    }
    let output = Output { values: c.as_mut_ptr(), row_stride, first: [0, 0] };
    if k == 0 {
        // SAFETY: the asserts above put rows `0..m` of `n` columns inside `c`, which is borrowed mutably.
        return unsafe { output.begin(start, 0..m, 0..n) };
    }
    Product { kernel: MicroKernel::of(isa, n), shape, a, b, output, is_chain }.run(start);
}

/// `C = A B`, or `C = C + A B` where the `start` is [`Start::Keep`]: each element is one chain of multiply-adds, from
/// the first product to the last, so that a sum computed in several calls has the bits of the sum in one.
///
/// # Panics
/// As [`gemm`].
pub(crate) fn gemm_chain(
    shape: Shape,
    a: &dyn Operand,
    b: &dyn Operand,
    start: Start,
    c: &mut [f32],
    row_stride: usize,
) {
    run(Isa::current(), shape, a, b, start, c, row_stride, true);
}

/// The longest sums of [`gemm_blocks`].
pub(crate) const LONGEST_IN_BLOCKS: usize = DEPTH;

/// `C = A B`, handed on block by block while it is in the cache, and never written as a whole. `take` gets the rows
/// and columns of a block and its values, `[rows, columns]`; each element is handed on once. The bits are those of
/// `gemm_chain`.
///
/// # Panics
/// When the sums are empty or too long.
pub(crate) fn gemm_blocks(shape: Shape, a: &dyn Operand, b: &dyn Operand, take: &Take) {
    let Shape { m, n, k } = shape;
    assert!((1..=LONGEST_IN_BLOCKS).contains(&k), "sums of {k} products");
    if m == 0 || n == 0 {
        return;
    }
    let output = Output { values: std::ptr::null_mut(), row_stride: 0, first: [0, 0] };
    Product { kernel: MicroKernel::of(Isa::current(), n), shape, a, b, output, is_chain: true }
        .run_blocks(take);
}

/// Takes the rows and columns of a block of `C`, and its values.
pub(crate) type Take<'a> = dyn Fn(Range<usize>, Range<usize>, &[f32]) + Sync + 'a;

/// `C` or a block of it, shared by the jobs, each of which touches its own elements only.
#[derive(Clone, Copy)]
struct Output {
    values: *mut f32,
    row_stride: usize,
    /// Row and column of the first element.
    first: [usize; 2],
}

// SAFETY: a pointer into a slice that its owner borrows mutably; the job that a copy is sent to reaches its own elements.
unsafe impl Send for Output {}

// SAFETY: a pointer into a slice that `gemm_with` borrows mutably; jobs reach disjoint elements through it.
unsafe impl Sync for Output {}

impl Output {
    /// The address of an element.
    ///
    /// # Safety
    /// The element lies inside the slice.
    unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: promised by the caller.
        unsafe { self.values.add((row - self.first[0]) * self.row_stride + column - self.first[1]) }
    }

    /// Puts into a block what the product is added to.
    ///
    /// # Safety
    /// The block lies inside the slice, and nobody else uses it meanwhile.
    unsafe fn begin(&self, start: Start, rows: Range<usize>, columns: Range<usize>) {
        for row in rows {
            // SAFETY: promised by the caller.
            let c = unsafe { std::slice::from_raw_parts_mut(self.at(row, columns.start), columns.len()) };
            match start {
                Start::Zero => c.fill(0.0),
                Start::Keep => {}
                Start::Row(row) => c.copy_from_slice(&row[columns.clone()]),
            }
        }
    }
}

/// A product under way.
#[derive(Clone, Copy)]
struct Product<'a> {
    kernel: &'static MicroKernel,
    shape: Shape,
    a: &'a dyn Operand,
    b: &'a dyn Operand,
    output: Output,
    /// Whether blocks of depth continue the sums, rather than being summed by themselves and added.
    is_chain: bool,
}

impl Product<'_> {
    fn run(&self, start: Start) {
        let k = self.shape.k;
        self.with_b(&|columns, packed| {
            for depth in even(0..k, k.div_ceil(DEPTH), 1) {
                self.pack_b(columns, &depth, packed);
                let start = if depth.start == 0 { start } else { Start::Keep };
                // Few rows are cut into columns as well, though each job then packs its rows of A again.
                let parts = (JOBS * rayon::current_num_threads()).div_ceil(self.shape.m.div_ceil(ROWS));
                self.each(self.jobs(columns, parts), |(rows, part)| {
                    self.multiply(columns, &rows, &part, &depth, packed, start);
                });
            }
        });
    }

    /// Hands the product on, a block for each job.
    fn run_blocks(&self, take: &Take) {
        let depth = 0..self.shape.k;
        self.with_b(&|columns, packed| {
            self.pack_b(columns, &depth, packed);
            let packed = &*packed;
            self.each(self.jobs(columns, columns.len().div_ceil(BLOCK / ROWS)), |(rows, part)| {
                scratch::with(rows.len() * part.len(), |c| {
                    let output = Output {
                        values: c.as_mut_ptr(),
                        row_stride: part.len(),
                        first: [rows.start, part.start],
                    };
                    let block = Self { output, ..*self };
                    block.multiply(columns, &rows, &part, &depth, packed, Start::Zero);
                    take(rows, part, c);
                });
            });
        });
    }

    /// Lends room for packed parts of `B`, for blocks of columns that leave them in the last-level cache.
    fn with_b(&self, work: &dyn Fn(&Range<usize>, &mut [f32])) {
        let Shape { n, k, .. } = self.shape;
        let (deepest, width) = (k.min(DEPTH), self.kernel.columns);
        let widest = (SHARED / deepest / width).max(1) * width;
        for columns in even(0..n, n.div_ceil(widest), width) {
            scratch::with(deepest * columns.len().next_multiple_of(width), |packed| work(&columns, packed));
        }
    }

    /// The short blocks of a long block of depth.
    fn short(&self, depth: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        even(depth.clone(), depth.len().div_ceil(self.kernel.depth), 1)
    }

    /// Does `job` for every item, on all threads if the product is worth it.
    fn each<T: Send>(&self, items: Vec<T>, job: impl Fn(T) + Send + Sync) {
        if self.shape.m * self.shape.n * self.shape.k < ALONE {
            items.into_iter().for_each(job);
        } else {
            items.into_par_iter().for_each(job);
        }
    }

    /// Packs a block of `B`: short block after short block, each panel after panel, each `[depth, width]`.
    fn pack_b(&self, columns: &Range<usize>, depth: &Range<usize>, packed: &mut [f32]) {
        let width = self.kernel.columns;
        let padded = columns.len().next_multiple_of(width);
        let mut rest = &mut packed[..depth.len() * padded];
        let mut blocks = Vec::new();
        for short in self.short(depth) {
            for columns in even(columns.clone(), columns.len().div_ceil(PACKED), width) {
                let (block, tail) = rest.split_at_mut(short.len() * columns.len().next_multiple_of(width));
                blocks.push((columns, short.clone(), block));
                rest = tail;
            }
        }
        self.each(blocks, |(columns, depth, block)| self.b.pack(columns, depth, width, block));
    }

    /// Blocks of `C`: all rows, and some columns cut into parts.
    fn jobs(&self, columns: &Range<usize>, parts: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let (height, width) = (self.kernel.rows, self.kernel.columns);
        let parts = parts.min(columns.len().div_ceil(width));
        let rows = even(0..self.shape.m, self.shape.m.div_ceil(ROWS), height);
        rows.flat_map(|rows| even(columns.clone(), parts, width).map(move |part| (rows.clone(), part)))
            .collect()
    }

    /// Adds the product of some rows of `A` and a part of the packed `B`, which begins with `columns`.
    fn multiply(
        &self,
        columns: &Range<usize>,
        rows: &Range<usize>,
        part: &Range<usize>,
        depth: &Range<usize>,
        packed: &[f32],
        start: Start,
    ) {
        let (height, width) = (self.kernel.rows, self.kernel.columns);
        let tallest = rows.len().next_multiple_of(height);
        scratch::with(tallest * depth.len().min(self.kernel.depth), |a| {
            for short in self.short(depth) {
                let a = &mut a[..tallest * short.len()];
                self.a.pack(rows.clone(), short.clone(), height, a);
                let padded = columns.len().next_multiple_of(width);
                let before =
                    (short.start - depth.start) * padded + (part.start - columns.start) * short.len();
                let b = &packed[before..][..part.len().next_multiple_of(width) * short.len()];
                let start = if short.start == depth.start { start } else { Start::Keep };
                self.tiles(rows, part, a, b, short.len(), start);
            }
        });
    }

    /// Adds the product of packed operands to a block of `C`, tile by tile.
    fn tiles(
        &self,
        rows: &Range<usize>,
        columns: &Range<usize>,
        a: &[f32],
        b: &[f32],
        depth: usize,
        start: Start,
    ) {
        let (height, width) = (self.kernel.rows, self.kernel.columns);
        for (left, b) in columns.clone().step_by(width).zip(b.chunks_exact(depth * width)) {
            let right = (left + width).min(columns.end);
            let begin = match start {
                Start::Zero => Begin::Zero,
                _ if self.is_chain => Begin::Continue,
                _ => Begin::Add,
            };
            if begin != Begin::Zero {
                // SAFETY: rows and columns lie in C, and this job alone owns the block.
                unsafe { self.output.begin(start, rows.clone(), left..right) };
            }
            for (top, a) in rows.clone().step_by(height).zip(a.chunks_exact(depth * height)) {
                let size = [(top + height).min(rows.end) - top, right - left];
                // SAFETY: as above; the panels hold `depth` times `height` and `width` values.
                unsafe {
                    let c = self.output.at(top, left);
                    self.kernel.panels(depth, a, b, c, self.output.row_stride, size, begin);
                }
            }
        }
    }
}

/// Cuts a range into at most `parts` of nearly equal length, each but the last a multiple of `unit`.
fn even(range: Range<usize>, parts: usize, unit: usize) -> impl Iterator<Item = Range<usize>> {
    let step = range.len().div_ceil(parts.max(1)).next_multiple_of(unit).max(1);
    let end = range.end;
    range.step_by(step).map(move |start| start..(start + step).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_parts_cover_the_range() {
        let parts: Vec<_> = even(3..103, 7, 6).collect();
        assert_eq!(parts.first(), Some(&(3..21)));
        assert_eq!(parts.last(), Some(&(93..103)));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(even(0..0, 0, 1).count(), 0);
    }
}
