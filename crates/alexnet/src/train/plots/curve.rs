//! Curves: smoothed, and thinned out to what a screen shows.

use std::borrow::Cow;

use plotters::style::RGBColor;

pub(super) const TRAINING: RGBColor = RGBColor(31, 119, 180);
pub(super) const VALIDATION: RGBColor = RGBColor(213, 94, 0);
pub(super) const VALIDATION_TOP5: RGBColor = RGBColor(44, 140, 70);

/// Most points of a curve: as many as a screen shows.
const POINTS: usize = 400;

/// Steps and values.
pub type Points = Vec<(f64, f64)>;

/// A line in a chart.
pub(super) struct Curve {
    pub(super) label: Cow<'static, str>,
    pub(super) color: RGBColor,
    pub(super) points: Points,
    /// The values before smoothing.
    pub(super) raw: Points,
}

impl Curve {
    pub(super) fn plain(label: impl Into<Cow<'static, str>>, color: RGBColor, points: Points) -> Self {
        Self { label: label.into(), color, points: thinned(&points), raw: Vec::new() }
    }

    /// A smoothed curve, over the values themselves in a pale tone.
    pub(super) fn measured(label: impl Into<Cow<'static, str>>, color: RGBColor, points: Points) -> Self {
        let smooth = smooth(&points);
        let raw = if smooth == points { Vec::new() } else { thinned(&points) };
        Self { label: label.into(), color, points: thinned(&smooth), raw }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.points.iter().chain(&self.raw).map(|point| point.1)
    }
}

/// Averages each value with its neighbors, a fortieth of all on either side.
fn smooth(points: &Points) -> Points {
    let reach = points.len() / 40;
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(points.iter().scan(0.0, |sum, point| {
            *sum += point.1;
            Some(*sum)
        }))
        .collect();
    let mean = |i: usize| {
        // Symmetric, so that the ends are not biased.
        let reach = reach.min(i).min(points.len() - 1 - i);
        (sums[i + reach + 1] - sums[i - reach]) / (2 * reach + 1) as f64
    };
    if reach == 0 { points.clone() } else { (0..points.len()).map(|i| (points[i].0, mean(i))).collect() }
}

/// Turns a curve into steps: each value holds until the next.
pub(super) fn steps_of(points: &Points) -> Points {
    let mut out = Points::new();
    for &(x, y) in points {
        match out.last() {
            Some(&(_, before)) if before != y => out.extend([(x, before), (x, y)]),
            Some(_) | None => out.push((x, y)),
        }
    }
    thinned(&out)
}

/// Thins a curve out to as many points as a screen shows: of every few neighbors it keeps the lowest and the highest, so
/// that outliers stay.
pub fn thinned(points: &[(f64, f64)]) -> Points {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let few = points.len().div_ceil(POINTS / 2);
    let extremes = |few: &[(f64, f64)]| -> Points {
        let by_value = |a: &usize, b: &usize| few[*a].1.total_cmp(&few[*b].1);
        let lowest = (0..few.len()).min_by(by_value).unwrap_or(0);
        let highest = (0..few.len()).max_by(by_value).unwrap_or(0);
        let (first, second) = (lowest.min(highest), lowest.max(highest));
        if first == second { vec![few[first]] } else { vec![few[first], few[second]] }
    };
    points.chunks(few).flat_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_outliers_and_smoothing_the_mean() {
        let mut points: Points = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        points[5_001].1 = 100.0;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.contains(&(5_001.0, 100.0)), "{}", thin.len());
        assert!(thin.is_sorted_by_key(|point| point.0));
        let smooth = smooth(&points);
        assert_eq!((smooth.len(), smooth[0], smooth[9_999]), (10_000, points[0], points[9_999]));
        assert!((smooth[5_000].1 - (1.0 + 99.0 / 501.0)).abs() < 1e-9, "{:?}", smooth[5_000]);
    }

    #[test]
    fn a_learning_rate_holds_until_the_next() {
        let points = vec![(20.0, 1.0), (40.0, 1.0), (60.0, 0.1)];
        assert_eq!(steps_of(&points), [(20.0, 1.0), (40.0, 1.0), (60.0, 1.0), (60.0, 0.1)]);
    }
}
