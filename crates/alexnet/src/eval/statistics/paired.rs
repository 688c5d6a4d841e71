//! The difference of two accuracies on the same images.

use serde::{Deserialize, Serialize};

use super::interval::Interval;
use super::wilson::wilson;

/// How two models classify the same images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// Images that both classify correctly.
    pub both: usize,
    /// Images that only the first classifies correctly.
    pub only_first: usize,
    /// Images that only the second classifies correctly.
    pub only_second: usize,
    /// Images that neither classifies correctly.
    pub neither: usize,
}

impl Paired {
    /// The number of images.
    pub fn images(&self) -> usize {
        self.both + self.only_first + self.only_second + self.neither
    }

    /// Adds an image.
    pub fn add(&mut self, first_correct: bool, second_correct: bool) {
        match (first_correct, second_correct) {
            (true, true) => self.both += 1,
            (true, false) => self.only_first += 1,
            (false, true) => self.only_second += 1,
            (false, false) => self.neither += 1,
        }
    }
}

/// Returns the interval of the accuracy of the first model minus that of the second: Newcombe's hybrid score interval
/// (method 10), from the Wilson intervals of both accuracies and the correlation of the models' errors. Without images it is
/// -1 to 1.
///
/// Source: Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired data",
/// Statistics in Medicine 17 (1998).
pub fn paired_difference(paired: Paired) -> Interval {
    let n = paired.images();
    if n == 0 {
        return Interval { low: -1.0, high: 1.0 };
    }
    let (first, second) = (paired.both + paired.only_first, paired.both + paired.only_second);
    let share = |count: usize| count as f64 / n as f64;
    let difference = (paired.only_first as f64 - paired.only_second as f64) / n as f64;
    let phi = correlation(paired);
    let distance = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
    let (of_first, of_second) = (wilson(first, n), wilson(second, n));
    let below = distance(share(first) - of_first.low, of_second.high - share(second));
    let above = distance(of_first.high - share(first), share(second) - of_second.low);
    Interval { low: difference - below, high: difference + above }
}

/// The correlation of the models' errors, with Newcombe's continuity correction where it is positive; 0 if a model is always
/// or never correct.
fn correlation(paired: Paired) -> f64 {
    let [both, only_first, only_second, neither] =
        [paired.both, paired.only_first, paired.only_second, paired.neither].map(|count| count as f64);
    let margins =
        (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither);
    if margins == 0.0 {
        return 0.0;
    }
    let determinant = both * neither - only_first * only_second;
    let n = paired.images() as f64;
    let corrected = if determinant > 0.0 { (determinant - n / 2.0).max(0.0) } else { determinant };
    corrected / margins.sqrt()
}
