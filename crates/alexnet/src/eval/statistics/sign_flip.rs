//! The sign-flip test of paired differences.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::random::generator;

/// Most differences whose sign patterns are all enumerated.
const MOST_EXACT: usize = 12;

/// The number of random sign patterns for more differences.
const RANDOM_FLIPS: usize = 100_000;

/// Sums that differ by less than this fraction of the sum of magnitudes count as equal.
const ROUNDING: f64 = 1e-12;

/// The result of [`sign_flip`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignFlip {
    /// The two-sided p.
    pub p: f64,
    /// Which sign patterns were compared.
    pub flips: Flips,
}

/// Which sign patterns a test compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flips {
    /// All of them: p is exact.
    Exact,
    /// This many random ones: p has a Monte Carlo error.
    MonteCarlo(usize),
}

/// Tests whether paired differences are symmetric around zero, such as the differences of two recipes over several seeds: the
/// two-sided p is the fraction of all 2^n sign patterns for which the magnitude of the sum is at least as large as the
/// observed one. Up to 12 differences are enumerated. For more, `(1 + hits) / (1 + N)` of N = 100,000 random patterns with a
/// fixed seed: the same numbers every time.
///
/// Without differences, or if one is not finite, p is 1.
///
/// Sources: Fisher, "The Design of Experiments" (1935), section 21; Phipson and Smyth, "Permutation p-values should never be
/// zero", Statistical Applications in Genetics and Molecular Biology 9 (2010).
pub fn sign_flip(differences: &[f64]) -> SignFlip {
    let magnitude: f64 = differences.iter().map(|difference| difference.abs()).sum();
    let least = differences.iter().sum::<f64>().abs() - ROUNDING * magnitude;
    // No sum is below NaN, so that p is 1.
    let is_smaller = |sum: f64| sum.abs() < least;
    if differences.len() <= MOST_EXACT {
        let patterns = 1_u32 << differences.len();
        let hits = (0..patterns).filter(|&pattern| !is_smaller(flipped(differences, pattern))).count();
        return SignFlip { p: hits as f64 / f64::from(patterns), flips: Flips::Exact };
    }
    let mut random = generator(0);
    let hits = (0..RANDOM_FLIPS).filter(|_| {
        let patterns = differences.chunks(32).map(|some| flipped(some, random.random()));
        !is_smaller(patterns.sum())
    });
    let p = (1 + hits.count()) as f64 / (1 + RANDOM_FLIPS) as f64;
    SignFlip { p, flips: Flips::MonteCarlo(RANDOM_FLIPS) }
}

/// The sum of at most 32 values, with the signs flipped that are set in `pattern`.
fn flipped(values: &[f64], pattern: u32) -> f64 {
    values.iter().enumerate().map(|(i, &value)| if (pattern >> i) & 1 == 1 { -value } else { value }).sum()
}

/// Returns the smallest p that [`sign_flip`] can return for `n` differences: `2 / 2^n`, that of all signs equal, or of random
/// patterns `1 / 100,001`.
pub fn smallest_p(n: usize) -> f64 {
    let exact = (2.0 / 2_f64.powf(n as f64)).min(1.0);
    if n <= MOST_EXACT { exact } else { exact.max(1.0 / (1 + RANDOM_FLIPS) as f64) }
}

/// Returns the fewest differences for which [`sign_flip`] can return a p of at most `level`: 6 for 0.05. `None` if no number
/// of differences suffices.
pub fn fewest_pairs(level: f64) -> Option<usize> {
    (1..=64).find(|&n| smallest_p(n) <= level)
}
