//! The micro-kernels of x86-64.

use super::tile::{COLUMNS, STEP, TALLEST, Tile, Value, WORD};
use std::arch::x86_64::*;

/// Rows addressed from one pointer: an x86 address can add a register, scaled by 1 or 2.
const BUNCH: usize = 3;

/// With VNNI: for twelve rows, twenty-four accumulators of sixteen sums.
///
/// # Safety
/// As [`Tile::compute`] for a whole tile of `ROWS` rows, on a machine with AVX-512F, BW and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn vnni<const ROWS: usize, T: Value>(tile: &Tile<T>) {
    let Tile { words, a, a_row, mut b, first, .. } = *tile;
    // SAFETY: `a` and `b` advance `words` times by a word of their row or panel; the rest is guaranteed by the caller.
    unsafe {
        let mut bunches: [_; TALLEST / BUNCH] =
            std::array::from_fn(|bunch| a.wrapping_add(bunch * BUNCH * a_row));
        let mut sums = [[0, 16].map(|j| _mm512_loadu_si512(first.add(j).cast())); ROWS];
        for _ in 0..words {
            let (left, right) = (_mm512_loadu_si512(b.cast()), _mm512_loadu_si512(b.add(STEP / 2).cast()));
            for (i, sums) in sums.iter_mut().enumerate() {
                let a = bunches[i / BUNCH].add(i % BUNCH * a_row).cast::<i32>();
                let a = _mm512_set1_epi32(a.read_unaligned());
                sums[0] = _mm512_dpbusd_epi32(sums[0], a, left);
                sums[1] = _mm512_dpbusd_epi32(sums[1], a, right);
            }
            bunches = bunches.map(|a| a.wrapping_add(WORD));
            b = b.add(STEP);
        }
        finish(tile, &sums);
    }
}

/// Requantizes and stores the sums of a tile.
///
/// # Safety
/// As [`Tile::compute`] for a whole tile of `ROWS` rows, on a machine with AVX-512F and BW.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn finish<const ROWS: usize, T: Value>(tile: &Tile<T>, sums: &[[__m512i; 2]; ROWS]) {
    let Tile { multipliers, offsets, y, y_row, .. } = *tile;
    // SAFETY: guaranteed by the caller.
    unsafe {
        for j in 0..2 {
            let multipliers = _mm512_loadu_ps(multipliers.add(16 * j));
            let offsets = _mm512_loadu_ps(offsets.add(16 * j));
            for (i, sums) in sums.iter().enumerate() {
                let products = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[j]), multipliers);
                let values = if T::HAS_OFFSET { _mm512_add_ps(products, offsets) } else { products };
                T::store(values, y.add(i * y_row + 16 * j));
            }
        }
    }
}

/// Rows that the widening kernels compute together.
const STRIP: usize = 4;

/// Defines a kernel that widens bytes to 16 bits: `vpmaddwd` multiplies the even bytes, then the odd ones. Sums of two
/// such products fit 32 bits, unlike the 16 bits of `vpmaddubsw`.
macro_rules! widening {
    ($name:ident, $strip:ident, $features:literal, $register:ty, $load:ident, $store:ident, $splat:ident, $and:ident, $add:ident,
     $multiply:ident, $shift_left:ident, $shift_right:ident, $shift_right_signed:ident) => {
        /// # Safety
        /// As [`Tile::compute`] for a whole tile of `ROWS` rows, on a machine with these instructions.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name<const ROWS: usize, T: Value>(tile: &Tile<T>) {
            for first in (0..COLUMNS).step_by(2 * size_of::<$register>() / WORD) {
                // SAFETY: rows and columns of the tile.
                unsafe {
                    let whole = ROWS / STRIP * STRIP;
                    for top in (0..whole).step_by(STRIP) {
                        $strip::<STRIP, T>(tile, top, first);
                    }
                    for top in whole..ROWS {
                        $strip::<1, T>(tile, top, first);
                    }
                }
            }
        }

        /// Computes `ROWS` rows and two registers of columns.
        ///
        /// # Safety
        /// As above.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $strip<const ROWS: usize, T: Value>(tile: &Tile<T>, top: usize, first: usize) {
            const LANES: usize = size_of::<$register>() / WORD;
            // SAFETY: `words` words of each row and of the panel; two registers of columns from `first` on.
            unsafe {
                let low = $splat(0x00ff_00ff);
                let start = [0, LANES].map(|j| $load(tile.first.add(first + j).cast()));
                let mut sums = [start; ROWS];
                for word in 0..tile.words {
                    let b = tile.b.add(word * STEP + first * WORD);
                    let b = [0, LANES].map(|j| $load(b.add(j * WORD).cast()));
                    let even = b.map(|b| $shift_right_signed::<8>($shift_left::<8>(b)));
                    let odd = b.map(|b| $shift_right_signed::<8>(b));
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let a = tile.a.add((top + i) * tile.a_row + word * WORD).cast::<i32>();
                        let a = $splat(a.read_unaligned());
                        let (a_even, a_odd) = ($and(a, low), $shift_right::<8>(a));
                        for j in 0..2 {
                            let products = $add($multiply(a_even, even[j]), $multiply(a_odd, odd[j]));
                            sums[j] = $add(sums[j], products);
                        }
                    }
                }
                for (i, sums) in sums.iter().enumerate() {
                    for (j, &sum) in sums.iter().enumerate() {
                        let mut values = [0; LANES];
                        $store(values.as_mut_ptr().cast(), sum);
                        tile.finish_row(top + i, first + j * LANES, &values);
                    }
                }
            }
        }
    };
}

#[rustfmt::skip]
widening!(
    avx2, avx2_strip, "avx2,fma", __m256i, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32, _mm256_and_si256, _mm256_add_epi32,
    _mm256_madd_epi16, _mm256_slli_epi16, _mm256_srli_epi16, _mm256_srai_epi16
);

#[rustfmt::skip]
widening!(
    avx512, avx512_strip, "avx512f,avx512bw", __m512i, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32, _mm512_and_si512,
    _mm512_add_epi32, _mm512_madd_epi16, _mm512_slli_epi16, _mm512_srli_epi16, _mm512_srai_epi16
);
