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
//! on `k` and on the micro-kernel alone.

mod kernel;
mod operand;
pub mod reference;

use crate::isa::Isa;
use crate::scratch;
pub(crate) use kernel::{MicroKernel, Tile, WIDEST};
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
    let Shape { m, n, k } = shape;
    if m == 0 || n == 0 {
        return;
    }
    assert!(row_stride >= n, "rows of C overlap: stride {row_stride} for {n} columns");
    assert!(c.len() >= (m - 1) * row_stride + n, "length of C: {} for {m} rows of {row_stride}", c.len());
    if let Start::Row(row) = start {
        assert_eq!(row.len(), n, "length of the start's row");
    }
    let output = Output { values: c.as_mut_ptr(), row_stride };
    if k == 0 {
        // SAFETY: the asserts above put rows `0..m` of `n` columns inside `c`, which is borrowed mutably.
        return unsafe { output.begin(start, 0..m, 0..n) };
    }
    Product { kernel: MicroKernel::of(isa, n), shape, a, b, output }.run(start);
}

/// `C`, shared by the jobs, each of which touches its own block only.
struct Output {
    values: *mut f32,
    row_stride: usize,
}

// SAFETY: a pointer into a slice that `gemm_with` borrows mutably; jobs reach disjoint elements through it.
unsafe impl Sync for Output {}

impl Output {
    /// The address of an element.
    ///
    /// # Safety
    /// The element lies inside the slice.
    unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: promised by the caller.
        unsafe { self.values.add(row * self.row_stride + column) }
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
struct Product<'a> {
    kernel: &'static MicroKernel,
    shape: Shape,
    a: &'a dyn Operand,
    b: &'a dyn Operand,
    output: Output,
}

impl Product<'_> {
    fn run(&self, start: Start) {
        let Shape { n, k, .. } = self.shape;
        let deepest = k.min(DEPTH);
        let width = self.kernel.columns;
        let widest = (SHARED / deepest / width).max(1) * width;
        let blocks = n.div_ceil(widest);
        for columns in even(0..n, blocks, width) {
            scratch::with(deepest * columns.len().next_multiple_of(width), |packed| {
                for depth in even(0..k, k.div_ceil(DEPTH), 1) {
                    self.pack_b(&columns, &depth, packed);
                    let start = if depth.start == 0 { start } else { Start::Keep };
                    self.multiply(&columns, &depth, packed, start);
                }
            });
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

    /// Adds the product of a block of `B` and all of `A` beside it, in parallel over blocks of `C`.
    fn multiply(&self, columns: &Range<usize>, depth: &Range<usize>, packed: &[f32], start: Start) {
        let (height, width) = (self.kernel.rows, self.kernel.columns);
        let m = self.shape.m;
        let blocks = m.div_ceil(ROWS);
        // Few rows are cut into columns as well, though each job then packs its rows of A again.
        let parts = (JOBS * rayon::current_num_threads()).div_ceil(blocks);
        let parts = parts.min(columns.len().div_ceil(width));
        let jobs = even(0..m, blocks, height)
            .flat_map(|rows| even(columns.clone(), parts, width).map(move |part| (rows.clone(), part)));
        self.each(jobs.collect(), |(rows, part)| {
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
                    self.tiles(&rows, &part, a, b, short.len(), start);
                }
            });
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
            let is_first = matches!(start, Start::Zero);
            if !is_first {
                // SAFETY: rows and columns lie in C, and this job alone owns the block.
                unsafe { self.output.begin(start, rows.clone(), left..right) };
            }
            for (top, a) in rows.clone().step_by(height).zip(a.chunks_exact(depth * height)) {
                let size = [(top + height).min(rows.end) - top, right - left];
                // SAFETY: as above; the panels hold `depth` times `height` and `width` values.
                unsafe {
                    let c = self.output.at(top, left);
                    self.kernel.panels(depth, a, b, c, self.output.row_stride, size, is_first);
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
