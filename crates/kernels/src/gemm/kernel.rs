//! Micro-kernels: a tile of `C` held in registers while `depth` columns of `A` and rows of `B` go by.

use super::operand::WIDEST;
use crate::isa::Isa;

/// The tallest tile of any micro-kernel.
const TALLEST: usize = 12;

/// `c[i, j] += sum_d a[d, i] b[d, j]` for a whole tile, given the depth, `a`, `b`, `c` and `c`'s row stride.
type AddTile = unsafe fn(usize, *const f32, *const f32, *mut f32, usize);

/// A tile's shape and the code that computes it.
pub(super) struct MicroKernel {
    /// Rows of a tile, and of a panel of `A`.
    pub(super) rows: usize,
    /// Columns of a tile, and of a panel of `B`.
    pub(super) columns: usize,
    /// Depth at which a panel of each fits the first-level cache.
    pub(super) depth: usize,
    add_tile: AddTile,
}

const PORTABLE: MicroKernel = MicroKernel { rows: 4, columns: 8, depth: 256, add_tile: portable };

#[cfg(target_arch = "x86_64")]
const AVX2: MicroKernel = MicroKernel { rows: 6, columns: 16, depth: 256, add_tile: x86::avx2 };

#[cfg(target_arch = "x86_64")]
const AVX512: MicroKernel = MicroKernel { rows: 12, columns: 32, depth: 192, add_tile: x86::avx512 };

impl MicroKernel {
    /// The kernel of an instruction set for a result of `n` columns.
    ///
    /// # Panics
    /// When the machine lacks the instructions: calling the kernel would be undefined.
    pub(super) fn of(isa: Isa, n: usize) -> &'static Self {
        assert!(isa.is_available(), "this machine has no {}", isa.name());
        match isa {
            Isa::Portable => &PORTABLE,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            // Where tiles of 32 columns would compute much in vain, narrower ones are faster.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if 8 * n.next_multiple_of(32) > 9 * n.next_multiple_of(16) => &AVX2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &AVX512,
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("{} is only available on x86-64, not for {n} columns", isa.name()),
        }
    }

    /// Adds the product of two panels to the first `rows` x `columns` of a tile at `c`.
    ///
    /// # Safety
    /// `rows` rows of `columns` values, `stride` apart, can be read and written at `c`.
    pub(super) unsafe fn add(
        &self,
        depth: usize,
        a: &[f32],
        b: &[f32],
        c: *mut f32,
        stride: usize,
        rows: usize,
        columns: usize,
    ) {
        assert!(a.len() >= depth * self.rows && b.len() >= depth * self.columns);
        if rows == self.rows && columns == self.columns {
            // SAFETY: the panels are long enough; the caller vouches for the tile.
            return unsafe { (self.add_tile)(depth, a.as_ptr(), b.as_ptr(), c, stride) };
        }
        // At the edges of C the tile is computed beside it.
        let mut tile = [0.0; TALLEST * WIDEST];
        // SAFETY: the tile holds `self.rows` x `self.columns`; the caller vouches for the part of C.
        unsafe {
            for i in 0..rows {
                let row = tile[i * self.columns..][..columns].as_mut_ptr();
                c.add(i * stride).copy_to_nonoverlapping(row, columns);
            }
            (self.add_tile)(depth, a.as_ptr(), b.as_ptr(), tile.as_mut_ptr(), self.columns);
            for i in 0..rows {
                let row = tile[i * self.columns..][..columns].as_ptr();
                c.add(i * stride).copy_from_nonoverlapping(row, columns);
            }
        }
    }
}

/// A tile small enough for sixteen registers of four values, in code that compilers vectorise.
///
/// # Safety
/// As [`AddTile`]: `a` holds `4 depth` values, `b` `8 depth`, and `c` four rows of eight.
unsafe fn portable(depth: usize, a: *const f32, b: *const f32, c: *mut f32, stride: usize) {
    const ROWS: usize = PORTABLE.rows;
    const COLUMNS: usize = PORTABLE.columns;
    // SAFETY: promised by the caller.
    let (a, b) = unsafe {
        (std::slice::from_raw_parts(a, ROWS * depth), std::slice::from_raw_parts(b, COLUMNS * depth))
    };
    let mut sums = [[0.0; COLUMNS]; ROWS];
    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
        for i in 0..ROWS {
            for j in 0..COLUMNS {
                sums[i][j] += a[i] * b[j];
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        // SAFETY: promised by the caller.
        let c = unsafe { std::slice::from_raw_parts_mut(c.add(i * stride), COLUMNS) };
        for (c, sum) in c.iter_mut().zip(sums) {
            *c += sum;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{AVX2, AVX512};
    use std::arch::x86_64::*;

    /// 6 x 16: twelve accumulators of eight, two registers of `B` and one of `A`.
    ///
    /// # Safety
    /// As [`super::AddTile`], on a machine with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(
        depth: usize,
        mut a: *const f32,
        mut b: *const f32,
        c: *mut f32,
        stride: usize,
    ) {
        const ROWS: usize = AVX2.rows;
        // SAFETY: `a` and `b` advance `depth` times by a row of their panel; C's tile is the caller's promise.
        unsafe {
            for i in 0..ROWS {
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * stride).cast());
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * stride + 15).cast());
            }
            let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
            for _ in 0..depth {
                let (left, right) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = _mm256_broadcast_ss(&*a.add(i));
                    sums[0] = _mm256_fmadd_ps(a, left, sums[0]);
                    sums[1] = _mm256_fmadd_ps(a, right, sums[1]);
                }
                a = a.add(ROWS);
                b = b.add(16);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    let c = c.add(i * stride + j * 8);
                    _mm256_storeu_ps(c, _mm256_add_ps(_mm256_loadu_ps(c), sum));
                }
            }
        }
    }

    /// 12 x 32: twenty-four accumulators of sixteen.
    ///
    /// # Safety
    /// As [`super::AddTile`], on a machine with AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(
        depth: usize,
        mut a: *const f32,
        mut b: *const f32,
        c: *mut f32,
        stride: usize,
    ) {
        const ROWS: usize = AVX512.rows;
        // SAFETY: as in `avx2`.
        unsafe {
            for i in 0..ROWS {
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * stride).cast());
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * stride + 31).cast());
            }
            let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
            for _ in 0..depth {
                let (left, right) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = _mm512_set1_ps(*a.add(i));
                    sums[0] = _mm512_fmadd_ps(a, left, sums[0]);
                    sums[1] = _mm512_fmadd_ps(a, right, sums[1]);
                }
                a = a.add(ROWS);
                b = b.add(32);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    let c = c.add(i * stride + j * 16);
                    _mm512_storeu_ps(c, _mm512_add_ps(_mm512_loadu_ps(c), sum));
                }
            }
        }
    }
}
