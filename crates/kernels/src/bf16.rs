//! bfloat16, the upper half of an `f32`, stored as `u16` bits: its range, with 8 significant bits.
//!
//! The products of two of them are exact in single precision. `vdpbf16ps` reads subnormal operands as zero.

use crate::isa::multiversioned;
use crate::precision::Precision;
use crate::slices::check_len;

/// Rounds a value to the nearest bfloat16, ties to even; values beyond the range become infinite, and a NaN stays one.
#[inline(always)]
pub fn from_f32(value: f32) -> u16 {
    (round(value).to_bits() >> 16) as u16
}

/// The value of a bfloat16, exactly.
#[inline(always)]
pub fn to_f32(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The nearest value that a bfloat16 represents.
#[inline(always)]
pub fn round(value: f32) -> f32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    // Rounding would turn some NaNs into infinity or zero.
    let quiet = (bits | 0x0040_0000) & 0xffff_0000;
    f32::from_bits(if value.is_nan() { quiet } else { rounded })
}

/// Rounds values as [`from_f32`] does; subnormal ones may become zero.
///
/// # Panics
/// If the slices differ in length.
pub fn narrow(values: &[f32], halves: &mut [u16]) {
    check_len!(halves, values.len());
    #[cfg(target_arch = "x86_64")]
    if Precision::Bf16.is_native() {
        // SAFETY: the machine supports the instructions.
        return unsafe { x86::narrow(values, halves) };
    }
    narrow_values(values, halves);
}

/// Converts values as [`to_f32`] does.
///
/// # Panics
/// If the slices differ in length.
pub fn widen(halves: &[u16], values: &mut [f32]) {
    check_len!(values, halves.len());
    widen_values(halves, values);
}

multiversioned! {
    fn narrow_values(values: &[f32], halves: &mut [u16]) {
        halves.iter_mut().zip(values).for_each(|(half, &value)| *half = from_f32(value));
    }

    fn widen_values(halves: &[u16], values: &mut [f32]) {
        values.iter_mut().zip(halves).for_each(|(value, &half)| *value = to_f32(half));
    }

    /// Rounds values in place.
    pub(crate) fn round_values(values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = round(*value));
    }

    fn pair_any(low: &[f32], high: &[f32], words: &mut [f32]) {
        let (both, rest) = words.split_at_mut(high.len());
        for ((word, &low), &high) in both.iter_mut().zip(low).zip(high) {
            *word = f32::from_bits(round(low).to_bits() >> 16 | round(high).to_bits());
        }
        for (word, &low) in rest.iter_mut().zip(&low[high.len()..]) {
            *word = f32::from_bits(round(low).to_bits() >> 16);
        }
    }
}

/// Words of a value from `low` and one from `high`; a missing one is zero. Subnormal values may become zero.
pub(crate) fn pair_values(low: &[f32], high: &[f32], words: &mut [f32]) {
    assert!(low.len() == words.len() && high.len() <= low.len());
    #[cfg(target_arch = "x86_64")]
    if Precision::Bf16.is_native() && high.len() == low.len() {
        // SAFETY: the machine supports the instructions.
        return unsafe { x86::pair(low, high, words) };
    }
    pair_any(low, high, words);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{from_f32, pair_any};
    use std::arch::x86_64::*;

    /// Sixteen values as halves.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn halves(values: &[f32; 16]) -> __m256i {
        // SAFETY: sixteen values; registers of the same size.
        unsafe { std::mem::transmute(_mm512_cvtneps_pbh(_mm512_loadu_ps(values.as_ptr()))) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn narrow(values: &[f32], rounded: &mut [u16]) {
        let (blocks, rest) = values.as_chunks::<16>();
        let (rounded_blocks, rounded_rest) = rounded.as_chunks_mut::<16>();
        for (values, rounded) in blocks.iter().zip(rounded_blocks) {
            // SAFETY: sixteen values.
            unsafe { _mm256_storeu_si256(rounded.as_mut_ptr().cast(), halves(values)) };
        }
        rounded_rest.iter_mut().zip(rest).for_each(|(rounded, &value)| *rounded = from_f32(value));
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn pair(low: &[f32], high: &[f32], words: &mut [f32]) {
        let ((low, low_rest), (high, high_rest)) = (low.as_chunks::<16>(), high.as_chunks::<16>());
        let (blocks, rest) = words.as_chunks_mut::<16>();
        for ((low, high), words) in low.iter().zip(high).zip(blocks) {
            let [low, high] = [low, high].map(|values| _mm512_cvtepu16_epi32(halves(values)));
            let pairs = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
            // SAFETY: sixteen words.
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), pairs) };
        }
        pair_any(low_rest, high_rest, rest);
    }
}

/// Words as the halves that they hold, low halves first.
pub(crate) fn halves_of(words: &mut [f32]) -> &mut [u16] {
    // SAFETY: a word is two halves, which need less alignment; every bit pattern is valid on either side.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 2 * words.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_round_trips() {
        for half in 0..=u16::MAX {
            let value = to_f32(half);
            assert!(from_f32(value) == half || value.is_nan() && to_f32(from_f32(value)).is_nan());
        }
    }

    #[test]
    fn ties_round_to_even_and_nans_stay() {
        for half in [0x3f80_u16, 0x3f81, 0x4049, 0x0080, 0x8000, 0xc2f7, 0x7f7e] {
            let middle = f32::from_bits(to_f32(half).to_bits() + 0x8000);
            assert_eq!(from_f32(middle), half + (half & 1), "halfway after {half:#06x}");
            assert_eq!(from_f32(f32::from_bits(middle.to_bits() - 1)), half);
            assert_eq!(from_f32(f32::from_bits(middle.to_bits() + 1)), half + 1);
        }
        assert_eq!([f32::MAX, f32::INFINITY].map(from_f32), [0x7f80; 2]);
        for bits in [0x7fff_ffff, 0xffff_ffff, 0x7f80_0001, 0x7fc0_0000] {
            assert!(to_f32(from_f32(f32::from_bits(bits))).is_nan(), "{bits:#x}");
        }
    }

    #[test]
    fn slices_are_converted_as_single_values() {
        let values: Vec<f32> =
            (0..1003).map(|i| (i as f32 * 0.37).sin() * ((i as f32 - 500.0) / 5.0).exp2()).collect();
        let mut halves = vec![0; values.len()];
        narrow(&values, &mut halves);
        assert!(halves.iter().zip(&values).all(|(&half, &value)| half == from_f32(value)));
        let mut words = vec![0.0; values.len()];
        pair_values(&values, &values[1..], &mut words);
        for (i, word) in halves_of(&mut words).chunks_exact(2).enumerate() {
            assert_eq!(word, [halves[i], halves.get(i + 1).copied().unwrap_or(0)]);
        }
    }
}
