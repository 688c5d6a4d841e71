//! The range of numbers that the bytes of a tensor stand for.

use serde::Serialize;

use super::histogram::Histogram;
use crate::engine::Quantizer;

/// How the range of a tensor is chosen from its values for the calibration images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RangeRule {
    /// All values.
    Max,
    /// The magnitudes of 99.99 % of the non-zero values.
    Percentile,
    /// The range with the smallest mean squared error; it may clip a few large values.
    #[default]
    Mse,
}

/// The share of non-zero values that [`RangeRule::Percentile`] includes, and that outliers are compared with.
const PERCENTILE: f64 = 0.9999;

/// Ranges that [`RangeRule::Mse`] compares: from all values down to a 128th, 16 for each halving.
const CANDIDATES: usize = 7 * 16;

/// A range, and what it does to the values of the calibration images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    /// The smallest value.
    pub low: f32,
    /// The largest value.
    pub high: f32,
    /// The largest magnitude over the one that 99.99 % of the non-zero values do not exceed.
    pub outlier_ratio: f64,
    /// The difference between the numbers of two adjacent bytes.
    pub scale: f32,
    /// The byte of 0.
    pub zero: u8,
    /// The relative RMS error of the values.
    pub error: f64,
    /// The share of the non-zero values that are clipped.
    pub clipped: f64,
    /// The share of the non-zero values that become 0.
    pub vanishing: f64,
}

impl Range {
    /// The bytes.
    pub fn quantizer(&self) -> Quantizer {
        Quantizer { scale: self.scale, zero: self.zero }
    }

    /// Chooses the range of values that `function` is then applied to.
    pub fn choose(histogram: &Histogram, rule: RangeRule, function: &dyn Fn(f64) -> f64) -> Self {
        let largest = f64::from(histogram.high().max(-histogram.low()));
        let typical = histogram.quantile(PERCENTILE);
        let scaled =
            |factor: f64| bytes_for([histogram.low(), histogram.high()].map(|end| f64::from(end) * factor));
        let bytes = match rule {
            RangeRule::Max => scaled(1.0),
            RangeRule::Percentile if largest > 0.0 => scaled(typical / largest),
            RangeRule::Percentile => scaled(1.0),
            RangeRule::Mse => {
                let candidates = (0..CANDIDATES).map(|i| scaled((-(i as f64) / 16.0).exp2()));
                let errors = candidates.map(|bytes| (bytes, error(histogram, bytes, function)));
                // Of equal errors, the first, which clips least.
                errors
                    .reduce(|best, next| if next.1 < best.1 { next } else { best })
                    .map_or(scaled(1.0), |best| best.0)
            }
        };
        let non_zero = histogram.non_zero().max(1) as f64;
        let share = |matches: &dyn Fn(f64) -> bool| {
            let matching = histogram.bins().filter(|(value, _)| matches(*value));
            matching.map(|(_, count)| count as f64).sum::<f64>() / non_zero
        };
        let [lowest, highest] = [0, 255].map(|byte| f64::from(bytes.dequantize(byte)));
        let step = f64::from(bytes.scale);
        Self {
            low: histogram.low(),
            high: histogram.high(),
            outlier_ratio: if typical > 0.0 { largest / typical } else { 1.0 },
            scale: bytes.scale,
            zero: bytes.zero,
            error: error(histogram, bytes, function),
            clipped: share(&|value| value < lowest - step / 2.0 || value > highest + step / 2.0),
            vanishing: share(&|value| value.abs() < step / 2.0),
        }
    }
}

/// Bytes for the numbers of a range, and for 0, which has a byte of its own. A range of zeros has a scale of 1.
fn bytes_for([low, high]: [f64; 2]) -> Quantizer {
    let (low, high) = (low.min(0.0), high.max(0.0));
    let scale = ((high - low) / 255.0) as f32;
    // A subnormal scale has no precision left.
    match scale.is_normal() {
        true => {
            Quantizer { scale, zero: (-low / f64::from(scale)).round_ties_even().clamp(0.0, 255.0) as u8 }
        }
        false => Quantizer { scale: 1.0, zero: 0 },
    }
}

/// The relative RMS error of `function` of the values, if they are stored as bytes.
fn error(histogram: &Histogram, bytes: Quantizer, function: &dyn Fn(f64) -> f64) -> f64 {
    let (scale, zero) = (f64::from(bytes.scale), f64::from(bytes.zero));
    let (mut errors, mut squares) = (0.0, 0.0);
    for (value, count) in histogram.bins() {
        let byte = ((value / scale).round_ties_even() + zero).clamp(0.0, 255.0);
        let (stored, exact) = (function(scale * (byte - zero)), function(value));
        errors += count as f64 * (stored - exact) * (stored - exact);
        squares += count as f64 * exact * exact;
    }
    if errors == 0.0 { 0.0 } else { (errors / squares).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alexnet_kernels::hash::combine;

    fn histogram(values: impl IntoIterator<Item = f32>) -> Histogram {
        let values: Vec<f32> = values.into_iter().collect();
        let mut histogram = Histogram::default();
        histogram.add(&values);
        histogram
    }

    /// The absolute values of a normal distribution: sums of twelve uniform numbers.
    fn bell(n: u32) -> Vec<f32> {
        let uniform = |i: u32| (combine(1, i.into()) >> 11) as f64 / (1_u64 << 53) as f64;
        (0..n).map(|i| ((0..12).map(|j| uniform(12 * i + j)).sum::<f64>() - 6.0).abs() as f32).collect()
    }

    fn choose(values: Vec<f32>, rule: RangeRule) -> Range {
        Range::choose(&histogram(values), rule, &|value| value)
    }

    #[test]
    fn the_rule_of_least_error_is_never_worse_than_the_others() {
        for outlier in [0.0, 10.0, 100.0, 1000.0] {
            let mut values = bell(20_000);
            values.push(outlier);
            let [max, percentile, mse] = [RangeRule::Max, RangeRule::Percentile, RangeRule::Mse]
                .map(|rule| choose(values.clone(), rule));
            assert!(
                mse.error <= max.error && mse.error <= percentile.error * 1.02,
                "{mse:?}\n{percentile:?}\n{max:?}"
            );
            assert!(max.clipped == 0.0);
        }
    }

    #[test]
    fn a_bell_has_an_error_of_half_a_percent() {
        let range = choose(bell(20_000), RangeRule::Mse);
        // A step is 1/255 of about 3.5, and its error a step over the square root of 12.
        assert!((0.002..0.006).contains(&range.error), "{range:?}");
        assert!(range.outlier_ratio < 1.3 && range.vanishing < 0.01 && range.clipped < 0.01, "{range:?}");
    }

    #[test]
    fn outliers_are_measured() {
        let mut values = bell(20_000);
        values.push(400.0);
        let range = choose(values, RangeRule::Max);
        assert!((80.0..140.0).contains(&range.outlier_ratio), "{range:?}");
        assert!(range.vanishing > 0.5, "{range:?}");
    }

    #[test]
    fn a_range_of_zeros_has_a_valid_scale() {
        for rule in [RangeRule::Max, RangeRule::Percentile, RangeRule::Mse] {
            let range = choose(vec![0.0; 10], rule);
            assert_eq!((range.scale, range.zero), (1.0, 0));
            assert_eq!(
                (range.error, range.clipped, range.vanishing, range.outlier_ratio),
                (0.0, 0.0, 0.0, 1.0)
            );
        }
    }

    #[test]
    fn zero_has_a_byte_of_its_own() {
        for (low, high) in [(-3.0, 1.0), (0.0, 5.0), (-2.0, 0.0), (0.3, 4.0), (-1e-30, 1e30)] {
            let bytes = bytes_for([low, high]);
            assert_eq!(bytes.quantize(0.0), bytes.zero);
            assert_eq!(bytes.dequantize(bytes.zero), 0.0);
            for value in [low.min(0.0), high.max(0.0)].map(|value| value as f32) {
                let back = bytes.dequantize(bytes.quantize(value));
                assert!((back - value).abs() <= bytes.scale, "{value}: {back} of {bytes:?}");
            }
        }
    }

    #[test]
    fn the_error_is_that_after_the_function() {
        let values: Vec<f32> = (-1000..1000).map(|i| i as f32 * 0.02).collect();
        let plain = Range::choose(&histogram(values.clone()), RangeRule::Mse, &|value| value);
        let tanh = Range::choose(&histogram(values), RangeRule::Mse, &f64::tanh);
        // The tangent is flat beyond 4: a finer step below is worth more.
        assert!(tanh.scale < 0.5 * plain.scale, "{tanh:?} {plain:?}");
    }
}
