//! The BCa bootstrap interval of a mean.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::interval::{Interval, LEVEL};
use crate::random::generator;

/// Most values whose resamples are all enumerated: 92,378 multisets of 10 values.
const MOST_EXACT: usize = 10;

/// The number of random resamples of more values.
const RANDOM_RESAMPLES: usize = 20_000;

/// Means that differ by less than this fraction of the largest magnitude count as equal.
const ROUNDING: f64 = 1e-12;

/// The result of [`bootstrap`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The mean of the values.
    pub mean: f64,
    /// The interval.
    pub interval: Interval,
    /// The bias correction, z0.
    pub bias: f64,
    /// The acceleration, a.
    pub acceleration: f64,
    /// Which resamples were used.
    pub resamples: Resamples,
}

/// Which resamples a bootstrap uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resamples {
    /// All n^n of them: the interval has no Monte Carlo error.
    Exact,
    /// This many random ones.
    MonteCarlo(usize),
}

/// Returns the interval of [`bootstrap`].
pub fn bca(values: &[f64]) -> Option<Interval> {
    bootstrap(values).map(|found| found.interval)
}

/// Computes the bias-corrected and accelerated bootstrap interval of the mean of `values`. With G the distribution of the
/// means of resamples, and Phi the normal distribution, its ends are the quantiles of G at
/// `Phi(z0 + (z0 + z) / (1 - a (z0 + z)))` for `z = Phi^-1(0.025)` and `Phi^-1(0.975)`, where
/// - `z0 = Phi^-1(G(mean))`, counting half of the means that are equal,
/// - `a = sum((x - mean)^3) / (6 sum((x - mean)^2)^(3/2))`, which is the jackknife's value for a mean.
///
/// Up to 10 values all resamples are enumerated. For more, 20,000 random resamples with a fixed seed: the same numbers every
/// time.
///
/// `None` for fewer than two values, of which nothing about their spread is known, or if a value is not finite. For two values
/// the interval lies between them; if all values are equal, it is that value. Intervals of fewer than about ten values are too
/// narrow: see [`sign_flip`](super::sign_flip()) for an exact test.
///
/// Source: Efron, "Better bootstrap confidence intervals", JASA 82 (1987).
pub fn bootstrap(values: &[f64]) -> Option<Bootstrap> {
    if values.len() < 2 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let resamples =
        if values.len() <= MOST_EXACT { Resamples::Exact } else { Resamples::MonteCarlo(RANDOM_RESAMPLES) };
    if values.iter().all(|&value| value == values[0]) {
        let interval = Interval { low: values[0], high: values[0] };
        return Some(Bootstrap { mean: values[0], interval, bias: 0.0, acceleration: 0.0, resamples });
    }
    let means = match resamples {
        Resamples::Exact => Means::all(values),
        Resamples::MonteCarlo(count) => Means::random(values, count),
    };
    let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let normal = Normal::standard();
    let bias = normal.inverse_cdf(means.below(mean, ROUNDING * largest));
    let acceleration = acceleration(values, mean);
    let end = |share: f64| {
        let z = bias + normal.inverse_cdf(share);
        let divisor = 1.0 - acceleration * z;
        // Beyond the pole of the transformation everything is below the quantile.
        let share = if divisor > 0.0 { normal.cdf(bias + z / divisor) } else { 1.0 };
        means.quantile(share)
    };
    let interval = Interval { low: end((1.0 - LEVEL) / 2.0), high: end((1.0 + LEVEL) / 2.0) };
    Some(Bootstrap { mean, interval, bias, acceleration, resamples })
}

/// The skewness of the mean's jackknife values, over 6.
fn acceleration(values: &[f64], mean: f64) -> f64 {
    let power = |n: i32| values.iter().map(|value| (value - mean).powi(n)).sum::<f64>();
    power(3) / (6.0 * power(2).powf(1.5))
}

/// The means of resamples, sorted, each with the number of resamples that have it.
struct Means {
    sorted: Vec<(f64, f64)>,
    total: f64,
}

impl Means {
    fn of(mut means: Vec<(f64, f64)>) -> Self {
        means.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total = means.iter().map(|mean| mean.1).sum();
        Self { sorted: means, total }
    }

    /// The means of all n^n resamples: of every multiset of n values, with the number of its orders.
    fn all(values: &[f64]) -> Self {
        let n = values.len();
        let factorials: Vec<f64> = (0..=n)
            .scan(1.0, |product, i| {
                *product *= i.max(1) as f64;
                Some(*product)
            })
            .collect();
        let mut out = Vec::new();
        let mut counts = vec![0; n];
        counts[0] = n;
        loop {
            let sum: f64 = counts.iter().zip(values).map(|(&count, value)| count as f64 * value).sum();
            let orders = counts.iter().fold(factorials[n], |orders, &count| orders / factorials[count]);
            out.push((sum / n as f64, orders));
            if !next_composition(&mut counts) {
                return Self::of(out);
            }
        }
    }

    fn random(values: &[f64], count: usize) -> Self {
        let mut random = generator(0);
        let n = values.len();
        let mean = |_| (0..n).map(|_| values[random.random_range(0..n)]).sum::<f64>() / n as f64;
        Self::of((0..count).map(mean).map(|mean| (mean, 1.0)).collect())
    }

    /// The fraction of resamples with a mean below `value`, and half of those within `tolerance` of it; never 0 or 1.
    fn below(&self, value: f64, tolerance: f64) -> f64 {
        let count = |is: &dyn Fn(f64) -> bool| -> f64 {
            self.sorted.iter().filter(|(mean, _)| is(*mean)).map(|(_, orders)| orders).sum()
        };
        let less = count(&|mean| mean < value - tolerance);
        let equal = count(&|mean| (mean - value).abs() <= tolerance);
        ((less + equal / 2.0) / self.total).clamp(0.5 / self.total, 1.0 - 0.5 / self.total)
    }

    /// The smallest mean that at least this fraction of the resamples does not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let mut before = 0.0;
        for &(mean, orders) in &self.sorted {
            before += orders;
            if before >= share * self.total {
                return mean;
            }
        }
        self.sorted[self.sorted.len() - 1].0
    }
}

/// Advances to the next way of writing a number as a sum of counts; returns whether there is one.
fn next_composition(counts: &mut [usize]) -> bool {
    let last = counts.len() - 1;
    let Some(first) = counts.iter().position(|&count| count > 0).filter(|&first| first < last) else {
        return false;
    };
    let rest = counts[first] - 1;
    counts[first] = 0;
    counts[0] = rest;
    counts[first + 1] += 1;
    true
}
