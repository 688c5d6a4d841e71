//! Micro-kernels: one tile of outputs, `y[i, j] = finish((first[j] + sum_d a[i, d] b[d, j]) multiplier[j] + offset[j])`,
//! whose sums stay in registers over the whole depth.
//!
//! The depth is cut into words of four bytes, which `vpdpbusd` and `tdpbusd` multiply and add. Rows of `a` are contiguous; `b` is a
//! panel, `[words][COLUMNS][4]`.

#[cfg(target_arch = "x86_64")]
use super::amx;
use super::isa::Int8Isa;
use super::tile::{COLUMNS, STEP, TALLEST, Tile, Value, WORD, height};
#[cfg(target_arch = "x86_64")]
use super::x86;

impl<T: Value> Tile<T> {
    /// Computes the first `rows` rows and `columns` columns of a tile of [`height`]`(rows)` rows.
    ///
    /// # Safety
    /// The machine supports `isa`. `words` words can be read at each of the tile's rows from `a`, `words` steps at `b`,
    /// [`COLUMNS`] values at `first`, `multipliers` and `offsets`; `rows` rows of `columns` values can be written at `y`.
    #[inline]
    pub(super) unsafe fn compute(&self, isa: Int8Isa, rows: usize, columns: usize) {
        debug_assert!((1..=TALLEST).contains(&rows) && (1..=COLUMNS).contains(&columns));
        if rows == height(rows) && columns == COLUMNS {
            // SAFETY: guaranteed by the caller.
            return unsafe { self.compute_whole(isa, rows) };
        }
        let mut whole = [T::default(); TALLEST * COLUMNS];
        let tile = Self { y: whole.as_mut_ptr(), y_row: COLUMNS, ..*self };
        // SAFETY: `whole` has room for the tallest tile; the rest is guaranteed by the caller.
        unsafe {
            tile.compute_whole(isa, height(rows));
            for (i, row) in whole.chunks_exact(COLUMNS).enumerate().take(rows) {
                self.y.add(i * self.y_row).copy_from_nonoverlapping(row.as_ptr(), columns);
            }
        }
    }

    /// Computes a tile of one of the heights.
    ///
    /// # Safety
    /// As [`Self::compute`], for whole tiles.
    #[inline]
    unsafe fn compute_whole(&self, isa: Int8Isa, height: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match height {
                1 => self.compute_rows::<1>(isa),
                4 => self.compute_rows::<4>(isa),
                8 => self.compute_rows::<8>(isa),
                TALLEST => self.compute_rows::<TALLEST>(isa),
                _ => unreachable!("no tile has {height} rows"),
            }
        }
    }

    /// # Safety
    /// As [`Self::compute`], for whole tiles.
    #[inline]
    unsafe fn compute_rows<const ROWS: usize>(&self, isa: Int8Isa) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match isa {
                Int8Isa::Portable => self.compute_portably::<ROWS>(),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx2 => x86::avx2::<ROWS, T>(self),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx512 => x86::avx512::<ROWS, T>(self),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx512Vnni => x86::vnni::<ROWS, T>(self),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Amx => amx::amx::<ROWS, T>(self),
                #[cfg(not(target_arch = "x86_64"))]
                Int8Isa::Avx2 | Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => {
                    unreachable!("{} is only available on x86-64", isa.name())
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::compute`], for whole tiles.
    unsafe fn compute_portably<const ROWS: usize>(&self) {
        for i in 0..ROWS {
            // SAFETY: guaranteed by the caller.
            unsafe {
                let mut sums = self.first.cast::<[i32; COLUMNS]>().read_unaligned();
                for word in 0..self.words {
                    let a = self.a.add(i * self.a_row + word * WORD).cast::<[u8; WORD]>().read();
                    let b = &*self.b.add(word * STEP).cast::<[[i8; WORD]; COLUMNS]>();
                    for (sum, b) in sums.iter_mut().zip(b) {
                        let products = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b));
                        *sum = sum.wrapping_add(products.sum());
                    }
                }
                self.finish_row(i, 0, &sums);
            }
        }
    }
}
