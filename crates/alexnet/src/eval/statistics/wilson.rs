//! The interval of a proportion.

use super::interval::{Interval, Z};

/// Returns the Wilson score interval of a proportion, such as an accuracy: all proportions p with
/// `|successes / n - p| <= z sqrt(p (1 - p) / n)`. It stays within 0 and 1, and has a width when all or none succeed. For
/// `n` = 0 it is 0 to 1.
///
/// Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
pub fn wilson(successes: usize, n: usize) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (count, share) = (n as f64, successes as f64 / n as f64);
    let (z2, failures) = (Z * Z, n.saturating_sub(successes));
    let center = share + z2 / (2.0 * count);
    let half = Z * ((share * (1.0 - share) + z2 / (4.0 * count)) / count).max(0.0).sqrt();
    let scale = 1.0 + z2 / count;
    // Exact where rounding would leave a trace.
    Interval {
        low: if successes == 0 { 0.0 } else { (center - half) / scale },
        high: if failures == 0 { 1.0 } else { (center + half) / scale },
    }
}
