//! The hyperbolic tangent in operations that compilers vectorize, with the same bits on every machine: the system's
//! function is a call per value, and its last bits differ between systems.

/// Below this, the sum of a series; above, a quotient of exponentials. Each loses digits where the other is used.
const SERIES: f32 = 0.625;

/// From here on, the result rounds to 1.
const LARGE: f32 = 10.0;

/// `tanh(x)`, within 2 units in the last place.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let size = x.abs();
    // A comparison with NaN is false, and NaN comes out below.
    let bounded = if size > LARGE { LARGE } else { size };
    let e = exp_of_negative(-2.0 * bounded);
    let quotient = (1.0 - e) / (1.0 + e);
    let value = if size < SERIES { series(size) } else { quotient };
    if x.is_nan() { x } else { value.copysign(x) }
}

/// The minimax polynomial of Cephes, `x + x^3 p(x^2)`, for `x` in `0..SERIES`.
#[inline(always)]
fn series(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3 * z + 2.063_909e-2;
    let p = p * z - 5.373_971_4e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    x + x * (z * p)
}

/// `e^x` for `x` in `-2 LARGE..=0`, as `2^n e^r` with `r` in `-0.35..0.35`.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    /// Adding it rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// `ln 2` in two parts; products of the first with small integers are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let p = 1.987_569_1e-4 * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    (p * (r * r) + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::tanh;

    /// The distance in units in the last place of the expected value.
    fn error(x: f32) -> f64 {
        let expected = f64::from(x).tanh();
        let unit = f64::from((expected as f32).next_up()) - f64::from(expected as f32);
        (f64::from(tanh(x)) - expected).abs() / unit
    }

    #[test]
    fn two_units_in_the_last_place() {
        let values = (0..400_000).map(|i| (i as f32 * 1e-4 - 20.0) * 0.9973);
        let tiny = (0..1000).map(|i| f32::from_bits(1 + i * 1_000_003));
        let worst = values.chain(tiny).map(error).fold(0.0, f64::max);
        assert!(worst < 2.0, "{worst}");
    }

    #[test]
    fn special_values() {
        assert!(tanh(f32::NAN).is_nan());
        assert_eq!([tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)], [1.0, -1.0]);
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!([tanh(1e-43), tanh(-1e-30)], [1e-43, -1e-30]);
        assert_eq!(tanh(50.0), 1.0);
    }
}
