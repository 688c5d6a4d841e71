//! Micro-kernels: a tile of `C` held in registers while `depth` columns of `A` and rows of `B` go by.

use crate::isa::Isa;

/// The tallest tile of any micro-kernel.
const TALLEST: usize = 12;

/// The widest tile of any micro-kernel.
pub(crate) const WIDEST: usize = 32;

/// Where the operands and the result of a tile lie: `a[i, d]` at `a + i a_row + d a_step`, `b[d, j]` at
/// `b + d b_step + j`, `c[i, j]` at `c + i c_row + j`.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) depth: usize,
    pub(crate) a: *const f32,
    pub(crate) a_row: usize,
    pub(crate) a_step: usize,
    pub(crate) b: *const f32,
    pub(crate) b_step: usize,
    pub(crate) c: *mut f32,
    pub(crate) c_row: usize,
}

/// What the sums of a tile begin with, and what becomes of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// They begin with zero and are stored.
    Zero,
    /// They begin with zero and are added to what is there: a long sum keeps more digits in pieces.
    Add,
    /// They begin with what is there: cut anywhere, a sum has the same bits.
    Continue,
}

/// [`Begin`], as the micro-kernels take it at compile time.
const ZERO: u8 = Begin::Zero as u8;
const ADD: u8 = Begin::Add as u8;
const CONTINUE: u8 = Begin::Continue as u8;

/// Computes a whole tile.
type Compute = unsafe fn(&Tile);

/// A tile's shape and the code that computes it.
pub(crate) struct MicroKernel {
    /// Rows of a tile, and of a panel of `A`.
    pub(crate) rows: usize,
    /// Columns of a tile, and of a panel of `B`.
    pub(crate) columns: usize,
    /// Depth at which a panel of each fits the first-level cache.
    pub(super) depth: usize,
    /// `c[i, j] += sum_d a[i, d] b[d, j]`, where `a_row` is 1.
    add: Compute,
    /// The same, as one chain of multiply-adds that begins with `c[i, j]`.
    go_on: Compute,
    /// `c[i, j] = sum_d a[i, d] b[d, j]`, where `a_row` is 1.
    set: Compute,
    /// The same, where `a_step` is 1.
    set_along: Compute,
}

const PORTABLE: MicroKernel = MicroKernel {
    rows: 4,
    columns: 8,
    depth: 256,
    add: portable::<false, ADD>,
    go_on: portable::<false, CONTINUE>,
    set: portable::<false, ZERO>,
    set_along: portable::<true, ZERO>,
};

#[cfg(target_arch = "x86_64")]
const AVX2: MicroKernel = MicroKernel {
    rows: 6,
    columns: 16,
    depth: 256,
    add: x86::avx2::<false, ADD>,
    go_on: x86::avx2::<false, CONTINUE>,
    set: x86::avx2::<false, ZERO>,
    set_along: x86::avx2::<true, ZERO>,
};

/// Narrow tiles, beside wider ones: as deep as those, so that the bits are the same.
#[cfg(target_arch = "x86_64")]
const AVX512_NARROW: MicroKernel = MicroKernel { depth: AVX512.depth, ..AVX2 };

#[cfg(target_arch = "x86_64")]
const AVX512: MicroKernel = MicroKernel {
    rows: 12,
    columns: 32,
    depth: 384,
    add: x86::avx512::<12, false, ADD>,
    go_on: x86::avx512::<12, false, CONTINUE>,
    set: x86::avx512::<12, false, ZERO>,
    set_along: x86::avx512::<12, true, ZERO>,
};

/// Lower tiles, for few rows.
#[cfg(target_arch = "x86_64")]
const AVX512_LOW: MicroKernel = MicroKernel {
    rows: 8,
    columns: 32,
    depth: 384,
    add: x86::avx512::<8, false, ADD>,
    go_on: x86::avx512::<8, false, CONTINUE>,
    set: x86::avx512::<8, false, ZERO>,
    set_along: x86::avx512::<8, true, ZERO>,
};

impl MicroKernel {
    /// The kernel of an instruction set for a result of `n` columns. An element's bits do not depend on `n`.
    ///
    /// # Panics
    /// When the machine lacks the instructions: calling the kernel would be undefined.
    pub(crate) fn of(isa: Isa, n: usize) -> &'static Self {
        assert!(isa.is_available(), "this machine has no {}", isa.name());
        match isa {
            Isa::Portable => &PORTABLE,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            // Where tiles of 32 columns would compute much in vain, narrower ones are faster.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if 8 * n.next_multiple_of(32) > 9 * n.next_multiple_of(16) => &AVX512_NARROW,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &AVX512,
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("{} is only available on x86-64, not for {n} columns", isa.name()),
        }
    }

    /// This kernel, or one of tiles as wide, whichever computes fewer of `rows` rows in vain. The bits are the same.
    pub(crate) fn for_rows(&'static self, rows: usize) -> &'static Self {
        #[cfg(target_arch = "x86_64")]
        if self.columns == AVX512_LOW.columns
            && rows.next_multiple_of(AVX512_LOW.rows) < rows.next_multiple_of(self.rows)
        {
            return &AVX512_LOW;
        }
        let _ = rows;
        self
    }

    fn compute(&self, begin: Begin) -> Compute {
        match begin {
            Begin::Zero => self.set,
            Begin::Add => self.add,
            Begin::Continue => self.go_on,
        }
    }

    /// Puts the product of two panels into the first `rows` x `columns` of a tile at `c`, or adds it.
    ///
    /// # Safety
    /// `rows` rows of `columns` values, `stride` apart, can be read and written at `c`.
    pub(super) unsafe fn panels(
        &self,
        depth: usize,
        a: &[f32],
        b: &[f32],
        c: *mut f32,
        stride: usize,
        [rows, columns]: [usize; 2],
        begin: Begin,
    ) {
        assert!(a.len() >= depth * self.rows && b.len() >= depth * self.columns);
        let compute = self.compute(begin);
        let mut tile = Tile {
            depth,
            a: a.as_ptr(),
            a_row: 1,
            a_step: self.rows,
            b: b.as_ptr(),
            b_step: self.columns,
            c,
            c_row: stride,
        };
        if rows == self.rows && columns == self.columns {
            // SAFETY: the panels are long enough; the caller vouches for the tile.
            return unsafe { compute(&tile) };
        }
        // At the edges of C the tile is computed beside it.
        let mut beside = [0.0; TALLEST * WIDEST];
        (tile.c, tile.c_row) = (beside.as_mut_ptr(), self.columns);
        // SAFETY: `beside` holds `self.rows` x `self.columns`; the caller vouches for the part of C.
        unsafe {
            if begin != Begin::Zero {
                for i in 0..rows {
                    let row = tile.c.add(i * self.columns);
                    c.add(i * stride).copy_to_nonoverlapping(row, columns);
                }
            }
            compute(&tile);
            for i in 0..rows {
                let row = tile.c.add(i * self.columns);
                c.add(i * stride).copy_from_nonoverlapping(row, columns);
            }
        }
    }

    /// `c[i, j] = sum_d a[i, d] b[d, j]` for a whole tile, where the rows of `a` are contiguous.
    ///
    /// # Safety
    /// `a_step` is 1; `self.rows` rows of `depth` values can be read at `a`, `depth` rows of `self.columns` at `b`,
    /// and `self.rows` rows of `self.columns` written at `c`.
    pub(crate) unsafe fn set_along(&self, tile: &Tile) {
        debug_assert_eq!(tile.a_step, 1);
        // SAFETY: promised by the caller.
        unsafe { (self.set_along)(tile) };
    }

    /// `c[i, j] = sum_d a[i, d] b[d, j]`, or is increased by it, for a whole tile, where the columns of `a` are
    /// contiguous.
    ///
    /// # Safety
    /// `a_row` is 1; `depth` columns of `self.rows` values can be read at `a`, `depth` rows of `self.columns` at `b`,
    /// and `self.rows` rows of `self.columns` read and written at `c`.
    pub(crate) unsafe fn across(&self, tile: &Tile, begin: Begin) {
        debug_assert_eq!(tile.a_row, 1);
        // SAFETY: promised by the caller.
        unsafe { (self.compute(begin))(tile) };
    }
}

/// A tile small enough for sixteen registers of four values, in code that compilers vectorize. With `ALONG`
/// the rows of `A` are contiguous, without, the columns; `BEGIN` is a [`Begin`].
///
/// # Safety
/// As [`MicroKernel::set_along`] or [`MicroKernel::across`].
unsafe fn portable<const ALONG: bool, const BEGIN: u8>(tile: &Tile) {
    const ROWS: usize = PORTABLE.rows;
    const COLUMNS: usize = PORTABLE.columns;
    let (row, step) = if ALONG { (tile.a_row, 1) } else { (1, tile.a_step) };
    let mut sums = [[0.0; COLUMNS]; ROWS];
    if BEGIN == CONTINUE {
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            *sums = unsafe { tile.c.add(i * tile.c_row).cast::<[f32; COLUMNS]>().read() };
        }
    }
    for d in 0..tile.depth {
        // SAFETY: promised by the caller.
        let b = unsafe { tile.b.add(d * tile.b_step).cast::<[f32; COLUMNS]>().read() };
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            let a = unsafe { tile.a.add(i * row + d * step).read() };
            for j in 0..COLUMNS {
                sums[j] += a * b[j];
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        // SAFETY: promised by the caller.
        let c = unsafe { &mut *tile.c.add(i * tile.c_row).cast::<[f32; COLUMNS]>() };
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if BEGIN == ADD { *c + sum } else { *sum };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ADD, AVX2, CONTINUE, TALLEST, Tile};
    use std::arch::x86_64::*;

    /// Rows whose addresses are reckoned from one pointer: x86 adds a register once or twice.
    const BUNCH: usize = 3;

    /// 6 x 16: twelve accumulators of eight, two registers of `B` and one of `A`.
    ///
    /// # Safety
    /// As [`super::portable`], on a machine with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<const ALONG: bool, const BEGIN: u8>(tile: &Tile) {
        const ROWS: usize = AVX2.rows;
        let Tile { depth, a, mut b, b_step, c, c_row, .. } = *tile;
        let (row, step) = if ALONG { (tile.a_row, 1) } else { (1, tile.a_step) };
        // SAFETY: `a` and `b` advance `depth` times by a row of their panel; C's tile is the caller's promise.
        unsafe {
            for i in 0..ROWS {
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row).cast());
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row + 15).cast());
            }
            let mut bunches = [a, a.add(BUNCH * row)];
            let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
            if BEGIN == CONTINUE {
                for (i, sums) in sums.iter_mut().enumerate() {
                    *sums = [0, 8].map(|j| _mm256_loadu_ps(c.add(i * c_row + j)));
                }
            }
            for _ in 0..depth {
                let (left, right) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = _mm256_broadcast_ss(&*bunches[i / BUNCH].add(i % BUNCH * row));
                    sums[0] = _mm256_fmadd_ps(a, left, sums[0]);
                    sums[1] = _mm256_fmadd_ps(a, right, sums[1]);
                }
                bunches = bunches.map(|a| a.add(step));
                b = b.add(b_step);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    let c = c.add(i * c_row + j * 8);
                    _mm256_storeu_ps(
                        c,
                        if BEGIN == ADD { _mm256_add_ps(_mm256_loadu_ps(c), sum) } else { sum },
                    );
                }
            }
        }
    }

    /// 12 x 32, twenty-four accumulators of sixteen, or 8 x 32.
    ///
    /// # Safety
    /// As [`super::portable`], on a machine with AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512<const ROWS: usize, const ALONG: bool, const BEGIN: u8>(tile: &Tile) {
        let Tile { depth, a, mut b, b_step, c, c_row, .. } = *tile;
        let (row, step) = if ALONG { (tile.a_row, 1) } else { (1, tile.a_step) };
        // SAFETY: as in `avx2`.
        unsafe {
            for i in 0..ROWS {
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row).cast());
                _mm_prefetch::<_MM_HINT_T0>(c.add(i * c_row + 31).cast());
            }
            let mut bunches: [_; TALLEST / BUNCH] =
                std::array::from_fn(|bunch| a.wrapping_add(bunch * BUNCH * row));
            let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
            if BEGIN == CONTINUE {
                for (i, sums) in sums.iter_mut().enumerate() {
                    *sums = [0, 16].map(|j| _mm512_loadu_ps(c.add(i * c_row + j)));
                }
            }
            for _ in 0..depth {
                let (left, right) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = _mm512_set1_ps(*bunches[i / BUNCH].add(i % BUNCH * row));
                    sums[0] = _mm512_fmadd_ps(a, left, sums[0]);
                    sums[1] = _mm512_fmadd_ps(a, right, sums[1]);
                }
                bunches = bunches.map(|a| a.wrapping_add(step));
                b = b.add(b_step);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    let c = c.add(i * c_row + j * 16);
                    _mm512_storeu_ps(
                        c,
                        if BEGIN == ADD { _mm512_add_ps(_mm512_loadu_ps(c), sum) } else { sum },
                    );
                }
            }
        }
    }
}
