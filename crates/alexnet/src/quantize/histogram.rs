//! How often which values occur.

/// Bins on either side of 0. At least half of those on one side are in use, so that a byte's step has 8 of them or more.
const HALF: usize = 4096;

/// Counts of values, in bins of equal width on either side of 0. The range is a power of two that grows as larger values are
/// added: bins are then merged in pairs, so that the counts do not depend on the order of the values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Bin `i` holds the values from `(i - HALF) * width` up to the next bin, without zeros.
    counts: Vec<u64>,
    /// The width of a bin, a power of two.
    width: f64,
    zeros: u64,
    non_finite: u64,
    low: f32,
    high: f32,
}

impl Histogram {
    /// Adds values.
    pub fn add(&mut self, values: &[f32]) {
        let finite = values.iter().copied().filter(|value| value.is_finite());
        let (low, high) =
            finite.fold((self.low, self.high), |(low, high), value| (low.min(value), high.max(value)));
        (self.low, self.high) = (low, high);
        self.grow(f64::from(high.max(-low)));
        let bins_per_unit = 1.0 / self.width;
        for &value in values {
            if value == 0.0 {
                self.zeros += 1;
            } else if value.is_finite() {
                let bin = (f64::from(value) * bins_per_unit).floor() as i64 + HALF as i64;
                self.counts[(bin.max(0) as usize).min(2 * HALF - 1)] += 1;
            } else {
                self.non_finite += 1;
            }
        }
    }

    /// Widens the bins until they hold values up to `largest` in magnitude.
    fn grow(&mut self, largest: f64) {
        if self.counts.is_empty() {
            self.counts = vec![0; 2 * HALF];
            self.width = f64::from(f32::from_bits(1)) / HALF as f64;
        }
        // Values at the upper end belong into a bin as well.
        while self.width * HALF as f64 <= largest {
            self.width *= 2.0;
            let mut merged = vec![0; 2 * HALF];
            for (bin, &count) in self.counts.iter().enumerate() {
                merged[HALF / 2 + bin / 2] += count;
            }
            self.counts = merged;
        }
    }

    /// The smallest value, at most 0.
    pub fn low(&self) -> f32 {
        self.low
    }

    /// The largest value, at least 0.
    pub fn high(&self) -> f32 {
        self.high
    }

    /// The number of infinite values and NaNs, which are in no bin.
    pub fn non_finite(&self) -> u64 {
        self.non_finite
    }

    /// The number of values that are neither 0 nor non-finite.
    pub fn non_zero(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The centers of the bins that hold values, and their counts. Zeros are not in a bin.
    pub fn bins(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let center = |bin: usize| (bin as f64 + 0.5 - HALF as f64) * self.width;
        let bins = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        bins.map(move |(bin, &count)| (center(bin), count))
    }

    /// The magnitude that a share of the non-zero values does not exceed, to the width of a bin.
    pub fn quantile(&self, share: f64) -> f64 {
        let beyond = ((1.0 - share) * self.non_zero() as f64) as u64;
        let mut seen = 0;
        for distance in (0..HALF).rev() {
            seen += self.counts.get(HALF + distance).unwrap_or(&0)
                + self.counts.get(HALF - 1 - distance).unwrap_or(&0);
            if seen > beyond {
                return ((distance + 1) as f64 * self.width).min(f64::from(self.high.max(-self.low)));
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(batches: &[&[f32]]) -> Histogram {
        let mut histogram = Histogram::default();
        batches.iter().for_each(|values| histogram.add(values));
        histogram
    }

    #[test]
    fn counts_do_not_depend_on_the_order_of_the_values() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 7919 % 1009) as f32 - 300.0) * 0.37).collect();
        let whole = of(&[&values]);
        let mut reversed = values.clone();
        reversed.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let parts: Vec<&[f32]> = reversed.chunks(7).collect();
        assert_eq!(whole, of(&parts));
        assert_eq!(whole.non_zero() + whole.zeros, 1000);
        let mean: f64 = whole.bins().map(|(center, count)| center * count as f64).sum::<f64>() / 1000.0;
        let expected = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 1000.0;
        assert!((mean - expected).abs() < whole.width, "{mean} {expected}");
    }

    #[test]
    fn quantiles_are_magnitudes() {
        let values: Vec<f32> = (1..=10_000).map(|i| i as f32 * if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let histogram = of(&[&values, &[0.0; 5000]]);
        for (share, expected) in [(0.5, 5000.0), (0.99, 9900.0), (0.9999, 9999.0), (1.0, 10_000.0)] {
            let found = histogram.quantile(share);
            assert!((found - expected).abs() <= histogram.width + 1.0, "{share}: {found}");
        }
        assert_eq!((histogram.low(), histogram.high()), (-9999.0, 10_000.0));
    }

    #[test]
    fn zeros_and_non_finite_values_are_in_no_bin() {
        let histogram = of(&[&[0.0, -0.0], &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3.0]]);
        assert_eq!((histogram.non_zero(), histogram.zeros, histogram.non_finite()), (1, 2, 3));
        assert_eq!((histogram.low(), histogram.high(), histogram.quantile(0.9999)), (0.0, 3.0, 3.0));
        let zeros = of(&[&[0.0; 9]]);
        assert_eq!((zeros.non_zero(), zeros.high(), zeros.quantile(0.9999)), (0, 0.0, 0.0));
        assert_eq!(zeros.bins().count(), 0);
    }

    #[test]
    fn the_extremes_of_f32_have_bins() {
        let histogram = of(&[&[f32::MIN_POSITIVE / 4.0], &[f32::MAX, f32::MIN]]);
        assert_eq!(histogram.non_zero(), 3);
        assert!(histogram.bins().all(|(center, _)| center.is_finite()));
    }
}
