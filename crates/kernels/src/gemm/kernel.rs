//! Micro-kernels: `c[i, j] = c0[i, j] + sum_d a[i, d] b[d, j]` for one tile of `C`, which stays in registers while the
//! sum runs over `depth`.
//!
//! Operands are made of [`Word`]s of 32 bits. Where a word holds two bfloat16 values that follow each other along the
//! depth, `a[i, d] b[d, j]` is the sum of two products, and everything else stays the same.

use super::amx::{self, CHAINED_STEP, STEP};
use super::summation::Summation;
use super::tile::Tile;
use super::word::Word;
use crate::amx::Loaded;
use crate::isa::{Isa, has_bf16};
use crate::precision::Precision;

/// Rows of the tallest tile of any micro-kernel.
const TALLEST: usize = 32;

/// Columns of the widest tile of any micro-kernel.
pub(crate) const WIDEST: usize = 32;

/// A possibly incomplete tile at the edge of `C`: `rows` rows of `columns` values, `row_stride` apart.
#[derive(Clone, Copy)]
pub(super) struct OutputTile {
    pub(super) values: *mut f32,
    pub(super) row_stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// The micro-kernels' compile-time mode: sums start at zero and are stored.
const OVERWRITE: u8 = 0;
/// Sums start at zero and are added to `C`.
const ADD: u8 = 1;
/// Sums start at `C` and are stored.
const CHAIN: u8 = 2;

/// Computes a whole tile.
type Compute = unsafe fn(&Tile);

/// A tile's shape and the code that computes it.
pub(crate) struct MicroKernel {
    /// Rows of a tile, and of a panel of `A`.
    pub(crate) rows: usize,
    /// Columns of a tile, and of a panel of `B`.
    pub(crate) columns: usize,
    /// What a word of an operand holds.
    pub(crate) word: Word,
    /// Depth in words at which a panel of each operand fits the first-level cache.
    pub(super) depth: usize,
    /// How panels of `A` lie in memory.
    pub(super) left: Left,
    /// [`ADD`].
    add: Compute,
    /// [`CHAIN`].
    chain: Compute,
    /// [`OVERWRITE`], as the first part of a chain.
    start_chain: Compute,
    /// [`OVERWRITE`].
    overwrite: Compute,
    /// [`OVERWRITE`] where rows are contiguous; `None` if they have to be.
    overwrite_along: Option<Compute>,
}

/// How the left operand of a tile lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Columns are contiguous, `a_row` is 1.
    Across,
    /// Rows are contiguous, `a_step` is 1.
    Along,
}

const PORTABLE: MicroKernel = MicroKernel {
    rows: 4,
    columns: 8,
    word: Word::F32,
    depth: 256,
    left: Left::Across,
    add: portable::<false, ADD>,
    chain: portable::<false, CHAIN>,
    start_chain: portable::<false, OVERWRITE>,
    overwrite: portable::<false, OVERWRITE>,
    overwrite_along: Some(portable::<true, OVERWRITE>),
};

#[cfg(target_arch = "x86_64")]
const AVX2: MicroKernel = MicroKernel {
    rows: 6,
    columns: 16,
    word: Word::F32,
    depth: 256,
    left: Left::Across,
    add: x86::avx2::<false, ADD>,
    chain: x86::avx2::<false, CHAIN>,
    start_chain: x86::avx2::<false, OVERWRITE>,
    overwrite: x86::avx2::<false, OVERWRITE>,
    overwrite_along: Some(x86::avx2::<true, OVERWRITE>),
};

/// Narrow tiles with the depth of the wide ones, so that both give the same bits.
#[cfg(target_arch = "x86_64")]
const AVX512_NARROW: MicroKernel = MicroKernel { depth: AVX512.depth, ..AVX2 };

#[cfg(target_arch = "x86_64")]
const AVX512: MicroKernel = MicroKernel {
    rows: 12,
    columns: 32,
    word: Word::F32,
    depth: 384,
    left: Left::Across,
    add: x86::avx512::<12, 2, false, ADD>,
    chain: x86::avx512::<12, 2, false, CHAIN>,
    start_chain: x86::avx512::<12, 2, false, OVERWRITE>,
    overwrite: x86::avx512::<12, 2, false, OVERWRITE>,
    overwrite_along: Some(x86::avx512::<12, 2, true, OVERWRITE>),
};

/// Shorter tiles, for few rows.
#[cfg(target_arch = "x86_64")]
const AVX512_LOW: MicroKernel = MicroKernel {
    rows: 8,
    columns: 32,
    word: Word::F32,
    depth: 384,
    left: Left::Across,
    add: x86::avx512::<8, 2, false, ADD>,
    chain: x86::avx512::<8, 2, false, CHAIN>,
    start_chain: x86::avx512::<8, 2, false, OVERWRITE>,
    overwrite: x86::avx512::<8, 2, false, OVERWRITE>,
    overwrite_along: Some(x86::avx512::<8, 2, true, OVERWRITE>),
};

/// Pairs of bfloat16 values in tiles of the shape of [`AVX512`].
#[cfg(target_arch = "x86_64")]
const BF16: MicroKernel = MicroKernel {
    rows: 12,
    columns: 32,
    word: Word::Bf16Pair,
    depth: 384,
    left: Left::Across,
    add: x86::avx512_bf16::<12, 2, false, ADD>,
    chain: x86::avx512_bf16::<12, 2, false, CHAIN>,
    start_chain: x86::avx512_bf16::<12, 2, false, OVERWRITE>,
    overwrite: x86::avx512_bf16::<12, 2, false, OVERWRITE>,
    overwrite_along: Some(x86::avx512_bf16::<12, 2, true, OVERWRITE>),
};

#[cfg(target_arch = "x86_64")]
const BF16_NARROW: MicroKernel = MicroKernel {
    columns: 16,
    add: x86::avx512_bf16::<12, 1, false, ADD>,
    chain: x86::avx512_bf16::<12, 1, false, CHAIN>,
    start_chain: x86::avx512_bf16::<12, 1, false, OVERWRITE>,
    overwrite: x86::avx512_bf16::<12, 1, false, OVERWRITE>,
    overwrite_along: Some(x86::avx512_bf16::<12, 1, true, OVERWRITE>),
    ..BF16
};

#[cfg(target_arch = "x86_64")]
const BF16_LOW: MicroKernel = MicroKernel {
    rows: 8,
    add: x86::avx512_bf16::<8, 2, false, ADD>,
    chain: x86::avx512_bf16::<8, 2, false, CHAIN>,
    start_chain: x86::avx512_bf16::<8, 2, false, OVERWRITE>,
    overwrite: x86::avx512_bf16::<8, 2, false, OVERWRITE>,
    overwrite_along: Some(x86::avx512_bf16::<8, 2, true, OVERWRITE>),
    ..BF16
};

/// Pairs of bfloat16 values in tile registers.
#[cfg(target_arch = "x86_64")]
const AMX: MicroKernel = MicroKernel {
    rows: 32,
    columns: 32,
    word: Word::Bf16Pair,
    depth: 384,
    left: Left::Along,
    add: amx::wide::<true, STEP>,
    chain: amx::wide::<true, CHAINED_STEP>,
    start_chain: amx::wide::<false, CHAINED_STEP>,
    overwrite: amx::wide::<false, STEP>,
    overwrite_along: None,
};

#[cfg(target_arch = "x86_64")]
const AMX_NARROW: MicroKernel = MicroKernel {
    columns: 16,
    add: amx::narrow::<true, STEP>,
    chain: amx::narrow::<true, CHAINED_STEP>,
    start_chain: amx::narrow::<false, CHAINED_STEP>,
    overwrite: amx::narrow::<false, STEP>,
    ..AMX
};

/// A kernel of single-precision words, for values that are rounded to bfloat16 as they are packed.
const fn rounded(kernel: MicroKernel) -> MicroKernel {
    MicroKernel { word: Word::RoundedToBf16, ..kernel }
}

const PORTABLE_ROUNDED: MicroKernel = rounded(PORTABLE);
#[cfg(target_arch = "x86_64")]
const AVX2_ROUNDED: MicroKernel = rounded(AVX2);
#[cfg(target_arch = "x86_64")]
const AVX512_ROUNDED: MicroKernel = rounded(AVX512);
#[cfg(target_arch = "x86_64")]
const AVX512_NARROW_ROUNDED: MicroKernel = rounded(AVX512_NARROW);
#[cfg(target_arch = "x86_64")]
const AVX512_LOW_ROUNDED: MicroKernel = rounded(AVX512_LOW);

impl MicroKernel {
    /// The kernel of an instruction set and a precision for a result of `n` columns. The bits of an element do not
    /// depend on `n`.
    ///
    /// # Panics
    /// If the machine does not support the instruction set: running the kernel would be undefined behavior.
    pub(crate) fn of(isa: Isa, precision: Precision, n: usize) -> &'static Self {
        assert!(isa.is_available(), "this machine does not support {}", isa.name());
        match precision {
            Precision::F32 => Self::of_f32(isa, n),
            Precision::Bf16 => Self::of_bf16(isa, n),
        }
    }

    fn of_bf16(isa: Isa, n: usize) -> &'static Self {
        #[cfg(target_arch = "x86_64")]
        if isa >= Isa::Amx {
            return if is_narrow(n) { &AMX_NARROW } else { &AMX };
        }
        #[cfg(target_arch = "x86_64")]
        if has_bf16(isa) {
            return if is_narrow(n) { &BF16_NARROW } else { &BF16 };
        }
        match isa {
            Isa::Portable => &PORTABLE_ROUNDED,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2_ROUNDED,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx if is_narrow(n) => &AVX512_NARROW_ROUNDED,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx => &AVX512_ROUNDED,
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("{} is only available on x86-64, not for {n} columns", isa.name()),
        }
    }

    fn of_f32(isa: Isa, n: usize) -> &'static Self {
        match isa {
            Isa::Portable => &PORTABLE,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx if is_narrow(n) => &AVX512_NARROW,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx => &AVX512,
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("{} is only available on x86-64, not for {n} columns", isa.name()),
        }
    }

    /// This kernel or one with tiles of the same width, whichever pads `rows` less. The bits are the same.
    pub(crate) fn for_rows(&'static self, rows: usize) -> &'static Self {
        #[cfg(target_arch = "x86_64")]
        if self.columns == AVX512_LOW.columns
            && self.left == AVX512_LOW.left
            && rows.next_multiple_of(AVX512_LOW.rows) < rows.next_multiple_of(self.rows)
        {
            return match self.word {
                Word::F32 => &AVX512_LOW,
                Word::RoundedToBf16 => &AVX512_LOW_ROUNDED,
                Word::Bf16Pair => &BF16_LOW,
            };
        }
        let _ = rows;
        self
    }

    /// Values along the depth that a sum is cut at multiples of, so that its bits do not depend on where.
    pub(super) fn unit(&self, sum: Summation) -> usize {
        match self.left {
            Left::Across => self.word.values(),
            Left::Along => self.word.values() * if sum.is_chain() { CHAINED_STEP } else { STEP },
        }
    }

    /// Prepares this thread for products of panels of `depth` words, until the result is dropped.
    pub(super) fn prepare(&self, depth: usize, sum: Summation) -> Option<Loaded> {
        match self.left {
            Left::Across => None,
            // SAFETY: the kernel was chosen because the machine has AMX; panels are multiplied one depth after the other.
            Left::Along => Some(unsafe { amx::load_shapes(depth, self.unit(sum) / self.word.values()) }),
        }
    }

    fn compute(&self, sum: Summation) -> Compute {
        match sum {
            Summation::Overwrite => self.overwrite,
            Summation::StartChain => self.start_chain,
            Summation::Bias(_) | Summation::Add => self.add,
            Summation::ContinueChain => self.chain,
        }
    }

    /// Stores the product of two panels in a tile of `C`, or adds it; a bias must already be there.
    ///
    /// # Safety
    /// [`Self::prepare`] was called on this thread for the depth and the sum, and its result is alive.
    /// `c` can be read and written, and no other thread accesses it during the call.
    pub(super) unsafe fn multiply_panels(
        &self,
        depth: usize,
        a: &[f32],
        b: &[f32],
        c: OutputTile,
        sum: Summation,
    ) {
        assert!(a.len() >= depth * self.rows && b.len() >= depth * self.columns);
        let compute = self.compute(sum);
        let (a_row, a_step) = match self.left {
            Left::Across => (1, self.rows),
            Left::Along => (depth, 1),
        };
        let mut tile = Tile {
            depth,
            a: a.as_ptr(),
            a_row,
            a_step,
            b: b.as_ptr(),
            b_step: self.columns,
            c: c.values,
            c_row: c.row_stride,
        };
        if c.rows == self.rows && c.columns == self.columns {
            // SAFETY: the panels are long enough; the tile is guaranteed by the caller.
            return unsafe { compute(&tile) };
        }
        // An incomplete tile is computed in a full one.
        let mut full = [0.0; TALLEST * WIDEST];
        (tile.c, tile.c_row) = (full.as_mut_ptr(), self.columns);
        // SAFETY: `full` holds `self.rows` x `self.columns` values; the tile of C is guaranteed by the caller.
        unsafe {
            if sum.reads_c() {
                for i in 0..c.rows {
                    let row = tile.c.add(i * self.columns);
                    c.values.add(i * c.row_stride).copy_to_nonoverlapping(row, c.columns);
                }
            }
            compute(&tile);
            for i in 0..c.rows {
                let row = tile.c.add(i * self.columns);
                c.values.add(i * c.row_stride).copy_from_nonoverlapping(row, c.columns);
            }
        }
    }

    /// `c[i, j] = sum_d a[i, d] b[d, j]` for a full tile, where the rows of `a` are contiguous.
    ///
    /// # Panics
    /// If the kernel needs [`Self::prepare`].
    ///
    /// # Safety
    /// `a_step` is 1; `self.rows` rows of `depth` values can be read at `a`, `depth` rows of `self.columns` at `b`,
    /// and `self.rows` rows of `self.columns` written at `c`.
    pub(crate) unsafe fn overwrite_along(&self, tile: &Tile) {
        debug_assert_eq!(tile.a_step, 1);
        let compute = self.overwrite_along.expect("a kernel that needs no preparation");
        // SAFETY: guaranteed by the caller.
        unsafe { compute(tile) };
    }

    /// Stores `sum_d a[i, d] b[d, j]` in a full tile, or adds it, where the columns of `a` are contiguous.
    ///
    /// # Panics
    /// If the kernel needs [`Self::prepare`].
    ///
    /// # Safety
    /// `a_row` is 1; `depth` columns of `self.rows` values can be read at `a`, `depth` rows of `self.columns` at `b`,
    /// and `self.rows` rows of `self.columns` read and written at `c`.
    pub(crate) unsafe fn multiply_across(&self, tile: &Tile, sum: Summation) {
        debug_assert_eq!(tile.a_row, 1);
        assert_eq!(self.left, Left::Across);
        // SAFETY: guaranteed by the caller.
        unsafe { (self.compute(sum))(tile) };
    }
}

/// Whether products of a precision are those of tiles (AMX). Rows of the left operand are then packed along the depth: where sums
/// run across the rows that are stored, they are transposed, unlike columns of the right operand.
pub(crate) fn uses_tiles(precision: Precision) -> bool {
    MicroKernel::of(Isa::current(), precision, WIDEST).left == Left::Along
}

/// Whether padding a result of `n` columns to 32 would waste more than an eighth: then narrower tiles are faster.
const fn is_narrow(n: usize) -> bool {
    8 * n.next_multiple_of(32) > 9 * n.next_multiple_of(16)
}

/// A tile small enough for sixteen registers of four values, in code that compilers vectorize. `ALONG`: the rows of
/// `A` are contiguous, else the columns. `MODE` is one of the constants above.
///
/// # Safety
/// As [`MicroKernel::overwrite_along`] or [`MicroKernel::multiply_across`].
unsafe fn portable<const ALONG: bool, const MODE: u8>(tile: &Tile) {
    const ROWS: usize = PORTABLE.rows;
    const COLUMNS: usize = PORTABLE.columns;
    let (row, step) = if ALONG { (tile.a_row, 1) } else { (1, tile.a_step) };
    let mut sums = [[0.0; COLUMNS]; ROWS];
    if MODE == CHAIN {
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: guaranteed by the caller.
            *sums = unsafe { tile.c.add(i * tile.c_row).cast::<[f32; COLUMNS]>().read() };
        }
    }
    for d in 0..tile.depth {
        // SAFETY: guaranteed by the caller.
        let b = unsafe { tile.b.add(d * tile.b_step).cast::<[f32; COLUMNS]>().read() };
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: guaranteed by the caller.
            let a = unsafe { tile.a.add(i * row + d * step).read() };
            for j in 0..COLUMNS {
                sums[j] += a * b[j];
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        // SAFETY: guaranteed by the caller.
        let c = unsafe { &mut *tile.c.add(i * tile.c_row).cast::<[f32; COLUMNS]>() };
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if MODE == ADD { *c + sum } else { *sum };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ADD, AVX2, AVX512, CHAIN, Tile};
    use std::arch::x86_64::*;

    /// Rows addressed from one pointer: an x86 address can add a register, scaled by 1 or 2.
    const BUNCH: usize = 3;

    /// 6 x 16: twelve accumulators of eight values, two registers for `B` and one for `A`.
    ///
    /// # Safety
    /// As [`super::portable`], on a machine with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<const ALONG: bool, const MODE: u8>(tile: &Tile) {
        const ROWS: usize = AVX2.rows;
        let Tile { depth, a, mut b, b_step, c, c_row, .. } = *tile;
        let (row, step) = if ALONG { (tile.a_row, 1) } else { (1, tile.a_step) };
        // SAFETY: `a` and `b` advance `depth` times by a row of their panel, and are not read past the last one; the tile of C is
        // guaranteed by the caller.
        unsafe {
            for i in 0..ROWS {
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row).cast());
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row + 15).cast());
            }
            let mut bunches = [a, a.wrapping_add(BUNCH * row)];
            let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
            if MODE == CHAIN {
                for (i, sums) in sums.iter_mut().enumerate() {
                    *sums = [0, 8].map(|j| _mm256_loadu_ps(c.add(i * c_row + j)));
                }
            }
            // Two depths at a time: fewer instructions that only advance, up to a fifth faster
            // (`benches/runs/2026-11-27-avx2-products.md`).
            for _ in 0..depth / 2 {
                avx2_products(&mut sums, bunches, row, b);
                avx2_products(&mut sums, bunches.map(|a| a.wrapping_add(step)), row, b.wrapping_add(b_step));
                bunches = bunches.map(|a| a.wrapping_add(2 * step));
                b = b.wrapping_add(2 * b_step);
            }
            if !depth.is_multiple_of(2) {
                avx2_products(&mut sums, bunches, row, b);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    let c = c.add(i * c_row + j * 8);
                    _mm256_storeu_ps(
                        c,
                        if MODE == ADD { _mm256_add_ps(_mm256_loadu_ps(c), sum) } else { sum },
                    );
                }
            }
        }
    }

    /// Adds the products of one depth: `sums[i, j] += a[i] b[j]`, where rows of `A` are `row` apart and addressed in bunches.
    ///
    /// # Safety
    /// Six values of `A` and sixteen of `B` can be read, on a machine with AVX2 and FMA.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_products(
        sums: &mut [[__m256; 2]; AVX2.rows],
        bunches: [*const f32; AVX2.rows / BUNCH],
        row: usize,
        b: *const f32,
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (left, right) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
            for (i, sums) in sums.iter_mut().enumerate() {
                let a = _mm256_broadcast_ss(&*bunches[i / BUNCH].add(i % BUNCH * row));
                sums[0] = _mm256_fmadd_ps(a, left, sums[0]);
                sums[1] = _mm256_fmadd_ps(a, right, sums[1]);
            }
        }
    }

    /// Implements a kernel of `ROWS` x 16 `VECTORS`; `$multiply_add` adds the products of two vectors of words to a vector
    /// of sums.
    macro_rules! avx512_kernel {
        ($(#[$doc:meta])* $name:ident, $features:literal, $multiply_add:expr) => {
            $(#[$doc])*
            ///
            /// # Safety
            /// As [`super::portable`], on a machine with the instructions.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $name<
                const ROWS: usize,
                const VECTORS: usize,
                const ALONG: bool,
                const MODE: u8,
            >(
                tile: &Tile,
            ) {
                let Tile { depth, a, mut b, b_step, c, c_row, .. } = *tile;
                let (row, step) = if ALONG { (tile.a_row, 1) } else { (1, tile.a_step) };
                // SAFETY: as in `avx2`.
                unsafe {
                    for i in 0..ROWS {
                        _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row).cast());
                        _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row + 16 * VECTORS - 1).cast());
                    }
                    let mut bunches: [_; AVX512.rows / BUNCH] =
                        std::array::from_fn(|bunch| a.wrapping_add(bunch * BUNCH * row));
                    let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
                    if MODE == CHAIN {
                        for (i, sums) in sums.iter_mut().enumerate() {
                            for (j, sum) in sums.iter_mut().enumerate() {
                                *sum = _mm512_loadu_ps(c.add(i * c_row + 16 * j));
                            }
                        }
                    }
                    for _ in 0..depth {
                        let mut columns = [_mm512_setzero_ps(); VECTORS];
                        for (j, column) in columns.iter_mut().enumerate() {
                            *column = _mm512_loadu_ps(b.add(16 * j));
                        }
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let a = _mm512_set1_ps(*bunches[i / BUNCH].add(i % BUNCH * row));
                            for (sum, column) in sums.iter_mut().zip(columns) {
                                *sum = $multiply_add(a, column, *sum);
                            }
                        }
                        bunches = bunches.map(|a| a.wrapping_add(step));
                        b = b.wrapping_add(b_step);
                    }
                    for (i, sums) in sums.iter().enumerate() {
                        for (j, &sum) in sums.iter().enumerate() {
                            let c = c.add(i * c_row + j * 16);
                            _mm512_storeu_ps(
                                c,
                                if MODE == ADD { _mm512_add_ps(_mm512_loadu_ps(c), sum) } else { sum },
                            );
                        }
                    }
                }
            }
        };
    }

    avx512_kernel!(
        /// Words of one value: 12 x 32, with twenty-four accumulators of sixteen values, or 8 x 32.
        avx512, "avx512f", |a, b, sum| _mm512_fmadd_ps(a, b, sum)
    );

    avx512_kernel!(
        /// Words of two bfloat16 values, whose products are added to the sum one after the other.
        avx512_bf16, "avx512f,avx512bf16", |a, b, sum| _mm512_dpbf16_ps(sum, pairs(a), pairs(b))
    );

    /// Words as the bfloat16 values that they hold.
    #[inline(always)]
    fn pairs(words: __m512) -> __m512bh {
        // SAFETY: both are registers of 64 bytes, of which every value is valid.
        unsafe { std::mem::transmute(words) }
    }
}
