//! Confidence intervals.

use serde::{Deserialize, Serialize};

/// The level of all intervals.
pub const LEVEL: f64 = 0.95;

/// The quantile of the standard normal distribution at `(1 + LEVEL) / 2`.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Returns whether `value` lies in the interval, ends included.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
