//! Half precision (IEEE 754 binary16, stored as `u16` bits) as a format for weights in memory and gradients in messages: half
//! the bytes, 11 significant bits. All arithmetic stays in `f32`.

use crate::isa::Isa;
use crate::slices::check_len;

/// Rounds a value to the nearest half, ties to even; values beyond the range become infinite.
pub fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    // 65520 lies halfway between the largest half and the next power of two.
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if magnitude < 0x3880_0000 {
        // Below 2^-14 halves are multiples of 2^-24, the unit in the last place of floats in 0.5..1: adding 0.5 rounds.
        let rounded = f32::from_bits(magnitude) + 0.5;
        return sign | (rounded.to_bits() - 0.5_f32.to_bits()) as u16;
    }
    let odd = (magnitude >> 13) & 1;
    let rounded = magnitude + 0x0fff + odd;
    sign | ((rounded - (112 << 23)) >> 13) as u16
}

/// The value of a half, exactly.
pub fn to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff);
    let bits = match magnitude >> 10 {
        0 => return f32::from_bits(sign | (magnitude as f32 * 2.0_f32.powi(-24)).to_bits()),
        31 => 0x7f80_0000 | (magnitude & 0x3ff) << 13,
        _ => (magnitude << 13) + (112 << 23),
    };
    f32::from_bits(sign | bits)
}

/// Rounds values as [`from_f32`] does. A NaN stays one, with bits that depend on the instruction set.
///
/// # Panics
/// If the slices differ in length.
pub fn narrow(values: &[f32], halves: &mut [u16]) {
    check_len!(halves, values.len());
    #[cfg(target_arch = "x86_64")]
    if Isa::current() >= Isa::Avx2 {
        // SAFETY: `current` only returns sets that the machine supports.
        return unsafe { x86::narrow(values, halves) };
    }
    halves.iter_mut().zip(values).for_each(|(half, &value)| *half = from_f32(value));
}

/// Converts halves as [`to_f32`] does.
///
/// # Panics
/// If the slices differ in length.
pub fn widen(halves: &[u16], values: &mut [f32]) {
    check_len!(values, halves.len());
    #[cfg(target_arch = "x86_64")]
    if Isa::current() >= Isa::Avx2 {
        // SAFETY: `current` only returns sets that the machine supports.
        return unsafe { x86::widen(halves, values) };
    }
    values.iter_mut().zip(halves).for_each(|(value, &half)| *value = to_f32(half));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{from_f32, to_f32};
    use std::arch::x86_64::*;

    /// # Safety
    /// The machine supports the instructions.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn narrow(values: &[f32], halves: &mut [u16]) {
        let (blocks, rest) = values.as_chunks::<8>();
        let (half_blocks, half_rest) = halves.as_chunks_mut::<8>();
        for (values, halves) in blocks.iter().zip(half_blocks) {
            // SAFETY: eight values on either side.
            unsafe {
                let values = _mm256_loadu_ps(values.as_ptr());
                let rounded = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values);
                _mm_storeu_si128(halves.as_mut_ptr().cast(), rounded);
            }
        }
        half_rest.iter_mut().zip(rest).for_each(|(half, &value)| *half = from_f32(value));
    }

    /// # Safety
    /// The machine supports the instructions.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn widen(halves: &[u16], values: &mut [f32]) {
        let (blocks, rest) = halves.as_chunks::<8>();
        let (wide_blocks, wide_rest) = values.as_chunks_mut::<8>();
        for (halves, values) in blocks.iter().zip(wide_blocks) {
            // SAFETY: eight values on either side.
            unsafe {
                let wide = _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast()));
                _mm256_storeu_ps(values.as_mut_ptr(), wide);
            }
        }
        rest.iter().zip(wide_rest).for_each(|(&half, value)| *value = to_f32(half));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every half and the values around it, in slices that do not fill whole vectors.
    #[test]
    fn slices_are_converted_as_single_values() {
        let halves: Vec<u16> = (0..=u16::MAX).collect();
        for halves in [&halves[..], &halves[1..4], &[]] {
            let mut wide = vec![0.0; halves.len()];
            widen(halves, &mut wide);
            for (&half, &value) in halves.iter().zip(&wide) {
                assert!(value.to_bits() == to_f32(half).to_bits() || value.is_nan() && to_f32(half).is_nan());
            }
            for change in [f32::next_down, |value| value, f32::next_up, |value| value * 1.000_3] {
                let values: Vec<f32> = wide.iter().map(|&value| change(value)).collect();
                let mut narrowed = vec![0; values.len()];
                narrow(&values, &mut narrowed);
                for (&value, &half) in values.iter().zip(&narrowed) {
                    assert!(half == from_f32(value) || value.is_nan() && to_f32(half).is_nan(), "{value}");
                }
            }
        }
    }

    #[test]
    fn every_half_round_trips() {
        for half in 0..=u16::MAX {
            let value = to_f32(half);
            let same = from_f32(value) == half || value.is_nan() && to_f32(from_f32(value)).is_nan();
            assert!(same, "{half:#06x} is {value}, which rounds to {:#06x}", from_f32(value));
        }
        assert_eq!((to_f32(0x3c00), to_f32(0xc000), to_f32(0x0001)), (1.0, -2.0, 2.0_f32.powi(-24)));
    }

    #[test]
    fn ties_round_to_even() {
        for half in 0..0x7bff_u16 {
            let (low, high) = (to_f32(half), to_f32(half + 1));
            let middle = (low + high) / 2.0;
            assert_eq!(from_f32(middle), half + (half & 1), "halfway after {half:#06x}");
            assert_eq!(from_f32(middle.next_down()), half);
            assert_eq!(from_f32(middle.next_up()), half + 1);
        }
        assert_eq!([65519.9, 65520.0, f32::INFINITY].map(from_f32), [0x7bff, 0x7c00, 0x7c00]);
    }
}
