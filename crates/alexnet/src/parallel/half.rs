//! Values in half precision for a message, scaled so that they fit.
//!
//! Halves range from 6e-8 to 65,504; gradients may all be smaller than that. So the values of a message are multiplied by a power
//! of two, which all ranks choose by the largest magnitude of any of them: the sums just fit, and the smallest value that is
//! not lost is 2^-39 of the largest sum.

use alexnet_kernels::f16;

/// Sums stay below 2^15 after scaling: a bit below the largest half, so that rounding cannot overflow.
const SUM_EXPONENT: i32 = 15;

/// The largest exponent of a factor: it and its inverse are normal numbers in single precision.
const MAX_FACTOR_EXPONENT: i32 = 126;

/// The exponent of an upper bound of the magnitudes: all finite values are below two to its power. The smallest possible
/// exponent if all are zero or non-finite.
pub(super) fn exponent_bound(values: &[f32]) -> i32 {
    const SIGN: u32 = 1 << 31;
    const INFINITY: u32 = f32::INFINITY.to_bits();
    // Without the sign bit, floats compare like their bits.
    let magnitude = |value: &f32| match value.to_bits() & !SIGN {
        finite @ 0..INFINITY => finite,
        _ => 0,
    };
    let largest = values.iter().map(magnitude).fold(0, u32::max);
    (largest >> 23) as i32 - 126
}

/// A power of two that values are multiplied by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    exponent: i32,
}

impl Scale {
    /// The scale for sums of `count` values below two to the power of `exponent_bound`.
    pub(super) fn new(exponent_bound: i32, count: usize) -> Self {
        let sum_bound = exponent_bound + count.next_power_of_two().trailing_zeros() as i32;
        let exponent = (SUM_EXPONENT - sum_bound).clamp(-MAX_FACTOR_EXPONENT, MAX_FACTOR_EXPONENT);
        Self { exponent }
    }

    /// Scales values before they are sent.
    pub(super) fn apply(self, values: &mut [f32]) {
        multiply(values, self.exponent);
    }

    /// Restores the magnitude of values.
    pub(super) fn undo(self, values: &mut [f32]) {
        multiply(values, -self.exponent);
    }
}

fn multiply(values: &mut [f32], exponent: i32) {
    let factor = f32::from_bits(((exponent + 127) as u32) << 23);
    values.iter_mut().for_each(|value| *value *= factor);
}

/// Rounds values to those that a message holds.
pub(super) fn round(values: &mut [f32]) {
    let mut halves = vec![0; values.len()];
    f16::narrow(values, &mut halves);
    f16::widen(&halves, values);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_the_next_power_of_two() {
        let of = |values: &[f32]| exponent_bound(values);
        assert_eq!([of(&[1.0]), of(&[0.999]), of(&[-2.0, 1.0]), of(&[f32::MAX])], [1, 0, 2, 128]);
        assert_eq!([of(&[]), of(&[0.0, f32::NAN, f32::NEG_INFINITY]), of(&[f32::from_bits(1)])], [-126; 3]);
        assert_eq!(of(&[f32::INFINITY, 0.25]), -1);
    }

    #[test]
    fn scales_are_undone_exactly() {
        for value in [1e-8_f32, 1.5e-30, 3.0e38, 7.0, f32::MIN_POSITIVE] {
            for count in [1, 2, 8, 3] {
                let mut values = [value, -value];
                let scale = Scale::new(exponent_bound(&values), count);
                scale.apply(&mut values);
                assert!(values[0] * count as f32 <= 32_768.0 && values[0] > 0.9, "{value}: {values:?}");
                scale.undo(&mut values);
                assert_eq!(values, [value, -value]);
            }
        }
    }
}
