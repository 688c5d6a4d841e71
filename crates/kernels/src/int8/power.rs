//! `s^-beta` by additions and multiplications alone, so that every machine and library returns the same bits.

use std::f64::consts::{LN_2, SQRT_2};

/// `s^-beta` for positive `s`, within a relative error of 7e-5: a sixtieth of the step between two bytes.
pub(super) fn inverse_power(s: f32, beta: f64) -> f32 {
    if beta == 0.75 { inverse_three_quarters(s) } else { exp2(-beta * log2(f64::from(s))) as f32 }
}

/// `s^-0.75`, as the cube of the inverse fourth root: a guess from the exponent, then two steps of Newton's method.
fn inverse_three_quarters(s: f32) -> f32 {
    let root = newton(s, newton(s, f32::from_bits(GUESS.wrapping_sub(s.to_bits() >> 2))));
    root * root * root
}

/// Minus a quarter of the bits of `s`, plus this, are the bits of about `s^-1/4`.
pub(super) const GUESS: u32 = 0x4f58_cae5;

fn newton(s: f32, root: f32) -> f32 {
    let square = root * root;
    root * (1.25 - (0.25 * s) * (square * square))
}

/// The binary logarithm of a positive normal value.
fn log2(value: f64) -> f64 {
    let bits = value.to_bits();
    let (exponent, mantissa) = ((bits >> 52) as i64 - 1023, f64::from_bits(bits << 12 >> 12 | 1023 << 52));
    let (exponent, mantissa) =
        if mantissa > SQRT_2 { (exponent + 1, mantissa / 2.0) } else { (exponent, mantissa) };
    // ln m = 2 artanh t = 2 (t + t^3 / 3 + t^5 / 5 + ...)
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..12).rev().fold(0.0, |sum, n| sum * (t * t) + 1.0 / f64::from(2 * n + 1));
    exponent as f64 + 2.0 * t * series / LN_2
}

/// `2^value`, 0 where that is not a normal value.
fn exp2(value: f64) -> f64 {
    if value < -1022.0 {
        return 0.0;
    }
    let whole = value.min(1023.0).round();
    let rest = (value.min(1023.0) - whole) * LN_2;
    let series = (1..=16).rev().fold(1.0, |sum, n| sum * rest / f64::from(n) + 1.0);
    f64::from_bits(((whole as i64 + 1023) as u64) << 52) * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_accurate() {
        for beta in [0.0, 0.1, 0.5, 0.75, 1.0, 1.5] {
            let mut s = 1e-3_f32;
            while s < 1e6 {
                let expected = f64::from(s).powf(-beta);
                let error = (f64::from(inverse_power(s, beta)) - expected).abs() / expected;
                assert!(error < 7e-5, "{s}^-{beta}: error {error}");
                s *= 1.01;
            }
        }
    }
}
