//! How the results of a transform are stored: as the words that micro-kernels multiply.

use crate::bf16;
use crate::gemm::Word;
use crate::simd::{Four, Vector};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// The form of stored results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreAs {
    /// One value in each word.
    Words,
    /// One value in each word, rounded to bfloat16.
    Rounded,
    /// Two bfloat16 values in each word, which belong to neighboring channels.
    #[cfg(target_arch = "x86_64")]
    Halves,
    /// The low half of each word; the high half becomes zero.
    #[cfg(target_arch = "x86_64")]
    LowHalves,
    /// The high half of each word; the low half stays.
    #[cfg(target_arch = "x86_64")]
    HighHalves,
}

impl StoreAs {
    /// Operands whose products are summed over channels, in words of neighboring channels.
    pub(super) fn along_channels(word: Word) -> Self {
        match word {
            Word::F32 => Self::Words,
            Word::RoundedToBf16 => Self::Rounded,
            #[cfg(target_arch = "x86_64")]
            Word::Bf16Pair => Self::Halves,
            #[cfg(not(target_arch = "x86_64"))]
            Word::Bf16Pair => unreachable!("pairs are only multiplied on x86-64"),
        }
    }

    /// Operands whose products are summed over squares: where a word holds two values, squares `2 i` and `2 i + 1` are
    /// stored into row `i`, in this order.
    pub(super) fn along_squares(word: Word, square: usize) -> Self {
        match word {
            Word::F32 => Self::Words,
            Word::RoundedToBf16 => Self::Rounded,
            #[cfg(target_arch = "x86_64")]
            Word::Bf16Pair if square.is_multiple_of(2) => Self::LowHalves,
            #[cfg(target_arch = "x86_64")]
            Word::Bf16Pair => Self::HighHalves,
            #[cfg(not(target_arch = "x86_64"))]
            Word::Bf16Pair => unreachable!("pairs are only multiplied on x86-64"),
        }
    }
}

/// Stores a register of channels from channel `c` on; `y` is the address of channel 0.
pub(super) trait Store<V: Vector> {
    /// # Safety
    /// The machine supports the instructions, and the words can be written.
    unsafe fn store(value: V, y: *mut f32, c: usize);
}

/// A way to store that every instruction set has.
#[cfg(target_arch = "x86_64")]
pub(super) trait StoreAny: Store<Four> + Store<__m256> + Store<__m512> {}
/// A way to store that every instruction set has.
#[cfg(not(target_arch = "x86_64"))]
pub(super) trait StoreAny: Store<Four> {}

/// See [`StoreAs::Words`].
pub(super) struct Words;
/// See [`StoreAs::Rounded`].
pub(super) struct Rounded;

impl StoreAny for Words {}
impl StoreAny for Rounded {}

impl<V: Vector> Store<V> for Words {
    #[inline(always)]
    unsafe fn store(value: V, y: *mut f32, c: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe { value.store(y.add(c)) }
    }
}

impl<V: Vector> Store<V> for Rounded {
    #[inline(always)]
    unsafe fn store(value: V, y: *mut f32, c: usize) {
        let mut lanes = [0.0; 16];
        // SAFETY: the array has room for the lanes; the rest is guaranteed by the caller.
        unsafe {
            value.store(lanes.as_mut_ptr());
            V::load(lanes.map(bf16::round).as_ptr()).store(y.add(c));
        }
    }
}

/// See [`StoreAs::Halves`].
#[cfg(target_arch = "x86_64")]
pub(super) struct Halves;
/// See [`StoreAs::LowHalves`].
#[cfg(target_arch = "x86_64")]
pub(super) struct LowHalves;
/// See [`StoreAs::HighHalves`].
#[cfg(target_arch = "x86_64")]
pub(super) struct HighHalves;

/// Implements the three for a register, whose halves fill `$halves`.
#[cfg(target_arch = "x86_64")]
macro_rules! store_halves {
    ($register:ident, $halves:ident, $narrow:ident, $store_halves:ident, $widen:ident, $shift:ident, $or:ident, $load:ident, $store:ident) => {
        impl Store<$register> for Halves {
            #[inline(always)]
            unsafe fn store(value: $register, y: *mut f32, c: usize) {
                // SAFETY: registers of the same size; the rest is guaranteed by the caller.
                unsafe {
                    let halves: $halves = std::mem::transmute($narrow(value));
                    $store_halves(y.add(c / 2).cast(), halves);
                }
            }
        }

        impl Store<$register> for LowHalves {
            #[inline(always)]
            unsafe fn store(value: $register, y: *mut f32, c: usize) {
                // SAFETY: as above.
                unsafe {
                    let halves: $halves = std::mem::transmute($narrow(value));
                    $store(y.add(c).cast(), $widen(halves));
                }
            }
        }

        impl Store<$register> for HighHalves {
            #[inline(always)]
            unsafe fn store(value: $register, y: *mut f32, c: usize) {
                // SAFETY: as above.
                unsafe {
                    let halves: $halves = std::mem::transmute($narrow(value));
                    let words = $or($load(y.add(c).cast()), $shift::<16>($widen(halves)));
                    $store(y.add(c).cast(), words);
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
store_halves!(
    __m256, __m128i, _mm256_cvtneps_pbh, _mm_storeu_si128, _mm256_cvtepu16_epi32, _mm256_slli_epi32, _mm256_or_si256,
    _mm256_loadu_si256, _mm256_storeu_si256
);
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
store_halves!(
    __m512, __m256i, _mm512_cvtneps_pbh, _mm256_storeu_si256, _mm512_cvtepu16_epi32, _mm512_slli_epi32, _mm512_or_si512,
    _mm512_loadu_si512, _mm512_storeu_si512
);
