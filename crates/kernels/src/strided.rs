//! Matrix products that read both operands where they are, for results too narrow to pay for packed operands: packing a
//! value of `A` costs about as much as its multiply-adds with 32 columns of `B`.
//!
//! The products of an element are summed in the same order as in [`gemm_in`](crate::gemm::gemm_in), with the same bits.

use crate::activation::Epilogue;
use crate::gemm::Summation;
use crate::isa::Isa;
use crate::simd::{Four, One, Vector};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m256;

/// The operands of a product: along a [`Run`], `a[i, d]` is `a[run.a + i * a_row + d * a_step]`, and `b[d, j]` is
/// `b[run.b + d * b_step + j]`.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) a_row: usize,
    pub(crate) a_step: usize,
    pub(crate) b: &'a [f32],
    pub(crate) b_step: usize,
}

/// A part of the depth along which both operands are evenly spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The offset of the first value of row 0 of `A`.
    pub(crate) a: usize,
    /// The offset of the first row of `B`.
    pub(crate) b: usize,
    pub(crate) len: usize,
}

/// The result of a product: `c[i, j]` is at `values + i * row_stride + j`.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) values: *mut f32,
    pub(crate) row_stride: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Target {
    /// The part that vectors of `lanes` columns fill, and the number of columns that are left. If no vector fits, the whole and none.
    fn divided(self, lanes: usize) -> (Self, usize) {
        match self.columns % lanes {
            rest if rest < self.columns => (Self { columns: self.columns - rest, ..self }, rest),
            _ => (self, 0),
        }
    }
}

/// Accumulators of a row: a tile is up to this many vectors wide.
const WIDE: usize = 2;

impl Strided<'_> {
    /// Computes the sum of the products along `runs` as one chain, stores it as `sum` says, and applies the epilogue.
    ///
    /// # Panics
    /// If a run extends past an operand.
    ///
    /// # Safety
    /// Every element of `target` can be written, and no other thread accesses it during the call.
    pub(crate) unsafe fn multiply(&self, runs: &[Run], sum: Summation, epilogue: Epilogue, target: Target) {
        let Target { rows, columns, .. } = target;
        if rows == 0 || columns == 0 {
            return;
        }
        for run in runs.iter().filter(|run| run.len > 0) {
            let last = run.len - 1;
            let (below, along) = ((rows - 1).strict_mul(self.a_row), last.strict_mul(self.a_step));
            assert!(run.a.strict_add(below).strict_add(along) < self.a.len(), "{run:?} in `A`");
            let end = run.b.strict_add(last.strict_mul(self.b_step)).strict_add(columns);
            assert!(end <= self.b.len(), "{run:?} in `B`");
        }
        if let Summation::Bias(bias) = sum {
            assert_eq!(bias.len(), columns, "length of the bias");
        }
        // SAFETY: the runs lie inside the operands, and `current` only returns sets that the machine supports; the target
        // is guaranteed by the caller.
        unsafe {
            match Isa::current() {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 | Isa::Amx if columns.is_multiple_of(16) => {
                    x86::avx512(self, runs, sum, epilogue, target)
                }
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 | Isa::Avx512 | Isa::Amx => {
                    let (whole, rest) = target.divided(__m256::LANES);
                    x86::avx2(self, runs, sum, epilogue, whole);
                    if rest > 0 {
                        x86::avx2_last(self, runs, sum, epilogue, target, rest);
                    }
                }
                _ => {
                    let (whole, rest) = target.divided(Four::LANES);
                    self.tiles::<Four, One<false>>(runs, sum, epilogue, whole);
                    if rest > 0 {
                        self.last_tiles::<Four>(runs, sum, epilogue, target, rest);
                    }
                }
            }
        }
    }

    /// Covers the target with tiles of nearly equal numbers of rows: two vectors wide if possible, then one, or one column where no
    /// vector fits.
    ///
    /// # Safety
    /// As [`Self::multiply`], for runs inside the operands; the machine supports `V` and `Single`.
    #[inline(always)]
    unsafe fn tiles<V: Vector, Single: Vector>(
        &self,
        runs: &[Run],
        sum: Summation,
        epilogue: Epilogue,
        target: Target,
    ) {
        let Target { values, row_stride, rows, columns } = target;
        let height = rows.div_ceil(rows.div_ceil(tallest::<V>()));
        let mut column = 0;
        while column < columns {
            let width = match columns - column {
                left if left >= WIDE * V::LANES => WIDE * V::LANES,
                left if left >= V::LANES => V::LANES,
                _ => 1,
            };
            let sum = match sum {
                Summation::Bias(bias) => Summation::Bias(&bias[column..]),
                Summation::Overwrite | Summation::Add | Summation::StartChain | Summation::ContinueChain => {
                    sum
                }
            };
            for row in (0..rows).step_by(height) {
                let part = Part { row, column, sum, epilogue };
                // SAFETY: the tile lies inside the target; the rest is guaranteed by the caller.
                unsafe {
                    let c = values.add(row * row_stride + column);
                    let rows = height.min(rows - row);
                    if width == WIDE * V::LANES {
                        self.tile_of::<V, WIDE>(rows, runs, part, c, row_stride);
                    } else if width == V::LANES {
                        self.tile_of::<V, 1>(rows, runs, part, c, row_stride);
                    } else {
                        self.tile_of::<Single, 1>(rows, runs, part, c, row_stride);
                    }
                }
            }
            column += width;
        }
    }

    /// Computes the last `rest` columns of the target, which do not fill a vector, in tiles of one vector that begins earlier and
    /// stores none of the columns before them.
    ///
    /// # Safety
    /// As [`Self::multiply`], for runs inside the operands, and columns that fill a vector; the machine supports `V`.
    #[inline(always)]
    unsafe fn last_tiles<V: Vector>(
        &self,
        runs: &[Run],
        sum: Summation,
        epilogue: Epilogue,
        target: Target,
        rest: usize,
    ) {
        let Target { values, row_stride, rows, columns } = target;
        let (column, before) = (columns - V::LANES, V::LANES - rest);
        let sum = match sum {
            Summation::Bias(bias) => Summation::Bias(&bias[column..]),
            Summation::Overwrite | Summation::Add | Summation::StartChain | Summation::ContinueChain => sum,
        };
        let height = rows.div_ceil(rows.div_ceil(tallest::<V>()));
        let mut tile = [0.0; TALLEST * WIDEST];
        for row in (0..rows).step_by(height) {
            let part = Part { row, column, sum, epilogue };
            let rows = height.min(rows - row);
            // SAFETY: the tile lies inside the target, and the array has room for it; the rest is guaranteed by the caller.
            unsafe {
                let c = values.add(row * row_stride + column);
                for i in 0..rows {
                    let copy = tile[i * V::LANES..][..V::LANES].as_mut_ptr();
                    c.add(i * row_stride).copy_to_nonoverlapping(copy, V::LANES);
                }
                self.tile_of::<V, 1>(rows, runs, part, tile.as_mut_ptr(), V::LANES);
                for i in 0..rows {
                    let own = tile[i * V::LANES..][before..V::LANES].as_ptr();
                    own.copy_to_nonoverlapping(c.add(i * row_stride + before), rest);
                }
            }
        }
    }

    /// Calls [`Self::tile`] for up to [`tallest`] rows.
    ///
    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn tile_of<V: Vector, const N: usize>(
        &self,
        rows: usize,
        runs: &[Run],
        part: Part,
        c: *mut f32,
        c_row: usize,
    ) {
        macro_rules! call {
            ($($rows:literal)*) => {
                match rows {
                    $($rows => self.tile::<V, $rows, N>(runs, part, c, c_row),)*
                    _ => unreachable!("tiles have at most {} rows", tallest::<V>()),
                }
            };
        }
        // SAFETY: guaranteed by the caller.
        unsafe {
            match const { tallest::<V>() } {
                4 => call!(1 2 3 4),
                6 => call!(1 2 3 4 5 6),
                _ => call!(1 2 3 4 5 6 7 8),
            }
        }
    }

    /// Computes a tile of `ROWS` rows and `N` vectors.
    ///
    /// # Safety
    /// The runs of the tile lie inside the operands; the tile can be read and written at `c`; the machine supports `V`.
    #[inline(always)]
    unsafe fn tile<V: Vector, const ROWS: usize, const N: usize>(
        &self,
        runs: &[Run],
        part: Part,
        c: *mut f32,
        c_row: usize,
    ) {
        let Strided { a_row, a_step, b_step, .. } = *self;
        // SAFETY: guaranteed by the caller; pointers past the last step are not read.
        unsafe {
            let mut sums = [[V::splat(0.0); N]; ROWS];
            if let Summation::ContinueChain = part.sum {
                for (i, sums) in sums.iter_mut().enumerate() {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(c.add(i * c_row + j * V::LANES));
                    }
                }
            }
            for run in runs {
                let a = self.a.as_ptr().wrapping_add(run.a + part.row * a_row);
                let mut bunches: [*const f32; 3] =
                    std::array::from_fn(|bunch| a.wrapping_add(bunch * BUNCH * a_row));
                let mut b = self.b.as_ptr().wrapping_add(run.b + part.column);
                for _ in 0..run.len {
                    let mut right = [V::splat(0.0); N];
                    for (j, right) in right.iter_mut().enumerate() {
                        *right = V::load(b.add(j * V::LANES));
                    }
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let left = V::splat(*bunches[i / BUNCH].add(i % BUNCH * a_row));
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum = left.mul_add(right, *sum);
                        }
                    }
                    bunches = bunches.map(|a| a.wrapping_add(a_step));
                    b = b.wrapping_add(b_step);
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    let c = c.add(i * c_row + j * V::LANES);
                    let value = match part.sum {
                        Summation::Overwrite | Summation::StartChain | Summation::ContinueChain => sum,
                        Summation::Add => V::load(c).add(sum),
                        Summation::Bias(bias) => V::load(bias.as_ptr().add(j * V::LANES)).add(sum),
                    };
                    match part.epilogue {
                        Epilogue::Identity => value,
                        // The sum turns -0 into 0.
                        Epilogue::Relu => value.at_least(V::splat(0.0)).add(V::splat(0.0)),
                    }
                    .store(c);
                }
            }
        }
    }
}

/// Where a tile is in its target, and how it is stored.
#[derive(Clone, Copy)]
struct Part<'a> {
    row: usize,
    column: usize,
    /// The bias begins at the column of the tile.
    sum: Summation<'a>,
    epilogue: Epilogue,
}

/// Rows addressed from one pointer: an x86 address can add a register, scaled by 1 or 2.
const BUNCH: usize = 3;

/// Rows of the tallest tile of any instruction set.
const TALLEST: usize = 8;

/// Values of the widest vector.
const WIDEST: usize = 16;

/// The most rows of a tile whose accumulators, two vectors of `B` and one of `A` fit the registers. A single column has
/// the tiles of the columns beside it.
const fn tallest<V: Vector>() -> usize {
    match V::LANES {
        16 => 8,
        4 => 4,
        _ => 6,
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Epilogue, One, Run, Strided, Summation, Target};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(
        operands: &Strided,
        runs: &[Run],
        sum: Summation,
        epilogue: Epilogue,
        target: Target,
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe { operands.tiles::<__m256, One<true>>(runs, sum, epilogue, target) }
    }

    /// Apart from [`avx2`], whose tiles then stay as fast as they are alone.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2_last(
        operands: &Strided,
        runs: &[Run],
        sum: Summation,
        epilogue: Epilogue,
        target: Target,
        rest: usize,
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe { operands.last_tiles::<__m256>(runs, sum, epilogue, target, rest) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(
        operands: &Strided,
        runs: &[Run],
        sum: Summation,
        epilogue: Epilogue,
        target: Target,
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe { operands.tiles::<__m512, One<true>>(runs, sum, epilogue, target) }
    }
}
