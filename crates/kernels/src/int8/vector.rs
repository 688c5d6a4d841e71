//! Registers of `f32` values that are loaded from bytes and stored as bytes.

use super::quantizer::{round_centered, round_to_u8};
use crate::simd::{self, Four, Vector};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// A vector register. Its functions are only sound to call on a machine that supports the
/// instructions; those of 512 bits need AVX-512BW.
pub(super) trait ByteVector: Vector {
    /// # Safety
    /// The machine supports the instructions; `LANES` bytes can be read at `from`.
    unsafe fn load_bytes(from: *const u8) -> Self;

    /// Rounds to the nearest bytes, ties to even, clamped, and stores them. NaN becomes 0.
    ///
    /// # Safety
    /// The machine supports the instructions; `LANES` bytes can be written at `to`.
    unsafe fn store_bytes(self, to: *mut u8);

    /// Rounds values to the nearest integers, ties to even, clamped to -128..=127, adds 128 and stores them, each register
    /// at its own address. NaN becomes 255.
    ///
    /// # Safety
    /// The machine supports the instructions; `LANES` bytes can be written at each of `to`.
    #[inline(always)]
    unsafe fn store_centered(values: [Self; 4], to: [*mut u8; 4]) {
        for (values, to) in values.into_iter().zip(to) {
            let mut lanes = [0.0; 16];
            assert!(Self::LANES <= lanes.len());
            // SAFETY: the array has room for the lanes; the rest is guaranteed by the caller.
            unsafe {
                values.store(lanes.as_mut_ptr());
                for (i, &value) in lanes[..Self::LANES].iter().enumerate() {
                    to.add(i).write(round_centered(value));
                }
            }
        }
    }

    /// The value whose bits are `guess` minus a quarter of those of `self`.
    ///
    /// # Safety
    /// The machine supports the instructions.
    unsafe fn guess_root(self, guess: u32) -> Self;
}

/// A single value, for channels that do not fill a register. Integers must not depend on fused multiply-adds.
pub(super) type One = simd::One<false>;

impl ByteVector for One {
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(f32::from(unsafe { from.read() }))
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller.
        unsafe { to.write(round_to_u8(self.0)) }
    }

    #[inline(always)]
    unsafe fn guess_root(self, guess: u32) -> Self {
        Self(f32::from_bits(guess.wrapping_sub(self.0.to_bits() >> 2)))
    }
}

impl ByteVector for Four {
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller; the array has four values.
        unsafe { Self::load(from.cast::<[u8; 4]>().read().map(f32::from).as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        let mut values = [0.0; 4];
        // SAFETY: guaranteed by the caller; the array has four values.
        unsafe {
            self.store(values.as_mut_ptr());
            to.cast::<[u8; 4]>().write(values.map(round_to_u8));
        }
    }

    #[inline(always)]
    unsafe fn guess_root(self, guess: u32) -> Self {
        let mut values = [0.0; 4];
        // SAFETY: the array has four values.
        unsafe {
            self.store(values.as_mut_ptr());
            Self::load(values.map(|value| f32::from_bits(guess.wrapping_sub(value.to_bits() >> 2))).as_ptr())
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl ByteVector for __m256 {
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller. If an operand is NaN, x86 returns the second.
        unsafe {
            let values = _mm256_min_ps(_mm256_max_ps(self, _mm256_setzero_ps()), _mm256_set1_ps(255.0));
            let integers = _mm256_cvtps_epi32(values);
            let (low, high) = (_mm256_castsi256_si128(integers), _mm256_extracti128_si256::<1>(integers));
            let words = _mm_packus_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }

    #[inline(always)]
    unsafe fn store_centered(values: [Self; 4], to: [*mut u8; 4]) {
        // SAFETY: guaranteed by the caller. Packing saturates; too large values must not reach the conversion.
        unsafe {
            let most = _mm256_set1_ps(127.0);
            let [a, b, c, d] = values.map(|values| _mm256_cvtps_epi32(_mm256_min_ps(values, most)));
            let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            // Each half has four bytes of each register.
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let bytes = _mm256_xor_si256(_mm256_permutevar8x32_epi32(bytes, order), _mm256_set1_epi8(-128));
            let halves = [_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes)];
            for (half, to) in halves.into_iter().zip([[to[0], to[1]], [to[2], to[3]]]) {
                _mm_storel_epi64(to[0].cast(), half);
                _mm_storel_epi64(to[1].cast(), _mm_unpackhi_epi64(half, half));
            }
        }
    }

    #[inline(always)]
    unsafe fn guess_root(self, guess: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let quarter = _mm256_srli_epi32::<2>(_mm256_castps_si256(self));
            _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_set1_epi32(guess as i32), quarter))
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl ByteVector for __m512 {
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller. If an operand is NaN, x86 returns the second.
        unsafe {
            let values = _mm512_min_ps(_mm512_max_ps(self, _mm512_setzero_ps()), _mm512_set1_ps(255.0));
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(values)));
        }
    }

    #[inline(always)]
    unsafe fn store_centered(values: [Self; 4], to: [*mut u8; 4]) {
        // SAFETY: guaranteed by the caller. Packing saturates; too large values must not reach the conversion.
        unsafe {
            let most = _mm512_set1_ps(127.0);
            let [a, b, c, d] = values.map(|values| _mm512_cvtps_epi32(_mm512_min_ps(values, most)));
            let bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            // Each quarter has four bytes of each register.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), _mm512_set1_epi8(-128));
            _mm_storeu_si128(to[0].cast(), _mm512_castsi512_si128(bytes));
            _mm_storeu_si128(to[1].cast(), _mm512_extracti32x4_epi32::<1>(bytes));
            _mm_storeu_si128(to[2].cast(), _mm512_extracti32x4_epi32::<2>(bytes));
            _mm_storeu_si128(to[3].cast(), _mm512_extracti32x4_epi32::<3>(bytes));
        }
    }

    #[inline(always)]
    unsafe fn guess_root(self, guess: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let quarter = _mm512_srli_epi32::<2>(_mm512_castps_si512(self));
            _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32(guess as i32), quarter))
        }
    }
}
