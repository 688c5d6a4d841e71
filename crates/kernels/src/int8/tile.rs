//! A tile of outputs: its shape, the addresses of its operands, and the types of its values.

use super::quantizer::round_to_u8;
use super::vector::ByteVector;

/// Rows of the tallest tile.
pub(super) const TALLEST: usize = 12;

/// Columns of a tile, and of a panel of weights.
pub(super) const COLUMNS: usize = 32;

/// Values along the depth that are multiplied together.
pub(super) const WORD: usize = 4;

/// Bytes of one word of a panel.
pub(super) const STEP: usize = COLUMNS * WORD;

/// The height of the tile that pads `rows` remaining rows least.
pub(super) const fn height(rows: usize) -> usize {
    match rows {
        0 | 1 => 1,
        2..=4 => 4,
        5..=8 => 8,
        _ => TALLEST,
    }
}

/// A type of outputs.
pub(super) trait Value: Copy + Default + Send + Sync {
    /// Whether offsets are added to the products of sums and multipliers.
    const HAS_OFFSET: bool = true;

    /// The output of a requantized sum.
    fn finish(value: f32) -> Self;

    /// [`Self::finish`], then stores the results.
    ///
    /// # Safety
    /// The machine supports the vector's instructions; `V::LANES` values can be written at `to`.
    unsafe fn store<V: ByteVector>(values: V, to: *mut Self);
}

impl Value for u8 {
    #[inline(always)]
    fn finish(value: f32) -> Self {
        round_to_u8(value)
    }

    #[inline(always)]
    unsafe fn store<V: ByteVector>(values: V, to: *mut Self) {
        // SAFETY: guaranteed by the caller.
        unsafe { values.store_bytes(to) }
    }
}

impl Value for f32 {
    #[inline(always)]
    fn finish(value: f32) -> Self {
        value
    }

    #[inline(always)]
    unsafe fn store<V: ByteVector>(values: V, to: *mut Self) {
        // SAFETY: guaranteed by the caller.
        unsafe { values.store(to) }
    }
}

/// A sum that is only scaled.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub(super) struct Scaled(f32);

impl Value for Scaled {
    const HAS_OFFSET: bool = false;

    #[inline(always)]
    fn finish(value: f32) -> Self {
        Self(value)
    }

    #[inline(always)]
    unsafe fn store<V: ByteVector>(values: V, to: *mut Self) {
        // SAFETY: guaranteed by the caller.
        unsafe { values.store(to.cast()) }
    }
}

/// The addresses of a tile's operands and results.
#[derive(Clone, Copy)]
pub(super) struct Tile<T> {
    /// Words of the depth.
    pub(super) words: usize,
    pub(super) a: *const u8,
    /// Bytes from row to row of `a`.
    pub(super) a_row: usize,
    pub(super) b: *const u8,
    /// The value that each column's sums start from.
    pub(super) first: *const i32,
    pub(super) multipliers: *const f32,
    pub(super) offsets: *const f32,
    pub(super) y: *mut T,
    /// Values from row to row of `y`.
    pub(super) y_row: usize,
}

impl<T: Value> Tile<T> {
    /// Requantizes and stores the sums of `N` columns of a row, from column `first` on.
    ///
    /// # Safety
    /// `N` values can be read at `first` of `multipliers` and `offsets`, and written at `first` of the row of `y`.
    #[inline(always)]
    pub(super) unsafe fn finish_row<const N: usize>(&self, row: usize, first: usize, sums: &[i32; N]) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let multipliers = &*self.multipliers.add(first).cast::<[f32; N]>();
            let offsets = &*self.offsets.add(first).cast::<[f32; N]>();
            let y = &mut *self.y.add(row * self.y_row + first).cast::<[T; N]>();
            for (((y, &sum), multiplier), offset) in y.iter_mut().zip(sums).zip(multipliers).zip(offsets) {
                let product = sum as f32 * multiplier;
                *y = T::finish(if T::HAS_OFFSET { product + offset } else { product });
            }
        }
    }
}
