//! McNemar's test.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};
use statrs::function::erf::erfc;

/// The result of [`mcnemar`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// The two-sided p of the exact test.
    pub exact_p: f64,
    /// The statistic of the corrected test, which has a chi-squared distribution with one degree of freedom.
    pub corrected_statistic: f64,
    /// The p of the corrected test, an approximation for at least 25 discordant images.
    pub corrected_p: f64,
}

/// Tests whether two models have the same accuracy, from the discordant images: those that only the first model and those
/// that only the second model classifies correctly.
///
/// - Exact: with b + c discordant images, b has the binomial distribution B(b + c, 1/2) if the accuracies are equal;
///   `p = min(1, 2 P(X <= min(b, c)))`.
/// - Corrected: `(|b - c| - 1)^2 / (b + c)`, and 0 if b = c.
///
/// Without discordant images p is 1. The test compares two models; it does not show which recipe is better, since another
/// seed makes other models.
///
/// Sources: McNemar, Psychometrika 12 (1947); Edwards, Psychometrika 13 (1948).
pub fn mcnemar(only_first: usize, only_second: usize) -> McNemar {
    let discordant = only_first + only_second;
    let difference = only_first.abs_diff(only_second);
    let corrected_statistic = match difference {
        0 => 0.0,
        _ => ((difference - 1) as f64).powi(2) / discordant as f64,
    };
    McNemar {
        exact_p: exact(only_first.min(only_second) as u64, discordant as u64),
        corrected_statistic,
        // The upper tail of chi-squared with one degree of freedom: of the square of a standard normal variable.
        corrected_p: erfc((corrected_statistic / 2.0).sqrt()),
    }
}

fn exact(fewer: u64, discordant: u64) -> f64 {
    match Binomial::new(0.5, discordant) {
        Ok(binomial) if 2 * fewer < discordant => (2.0 * binomial.cdf(fewer)).min(1.0),
        // Half of the images or none: the most probable outcome.
        Ok(_) | Err(_) => 1.0,
    }
}
