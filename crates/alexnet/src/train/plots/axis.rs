//! Axes with round ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::format::grouped;

/// An axis with labeled ticks.
#[derive(Clone)]
pub(super) struct Axis {
    ends: Range<f64>,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From the first tick to the last.
    fn over(ticks: Vec<(f64, String)>) -> Self {
        Self { ends: ticks[0].0..ticks[ticks.len() - 1].0, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.ends.start) / (self.ends.end - self.ends.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // There are no minor ticks.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.iter().map(|tick| tick.0).collect()
        }
    }

    fn range(&self) -> Range<f64> {
        self.ends.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(_: &f64) -> String {
        unreachable!("labels come from `format_ext`")
    }

    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|tick| tick.0 == *value).map_or(String::new(), |tick| tick.1.clone())
    }
}

/// From 0 to the last step.
pub(super) fn from_start(last: usize) -> Axis {
    let ends = 0.0..last as f64;
    let step = round_step(ends.end, 8.0).max(1.0);
    let ticks = (0..=(ends.end / step) as usize).map(|i| i as f64 * step);
    Axis { ends, ticks: ticks.map(|tick| (tick, grouped(tick as usize))).collect() }
}

/// From 0 to just above all values, but at most `end`.
pub(super) fn from_zero(values: impl Iterator<Item = f64>, end: f64) -> Axis {
    let most = values.fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let step = round_step(most, 8.0);
    let ticks = (most / step + 0.1).ceil().min(end / step) as usize;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let ticks = (0..=ticks).map(|i| i as f64 * step).map(|tick| (tick, format!("{tick:.decimals$}")));
    Axis::over(ticks.collect())
}

/// From a round value below all values to one above.
pub(super) fn around(values: impl Iterator<Item = f64>) -> Axis {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = values
        .filter(|value| value.is_finite())
        .fold(ends, |(least, most), value| (least.min(value), most.max(value)));
    let (least, most) = if least < most { (least, most) } else { (0.0, most.max(1.0)) };
    let step = round_step(most - least, 8.0);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((least / step).floor() as i64, (most / step).ceil() as i64);
    let ticks = (first..=last).map(|i| i as f64 * step);
    Axis::over(ticks.map(|tick| (tick, format!("{tick:.decimals$}"))).collect())
}

/// Where a logarithmic axis ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// At the ticks below and above all values.
    Ticks,
    /// At the smallest and the largest value.
    Values,
}

/// A logarithmic axis for values that are logarithms: powers of ten, and if these are few, twice and five times each.
pub(super) fn powers(values: impl Iterator<Item = f64>, ends: Ends) -> Axis {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = values.fold(start, |(least, most), value| (least.min(value), most.max(value)));
    let (least, most) = if least <= most { (least, most) } else { (-3.0, -2.0) };
    // An f32 such as 1e-6 is not exactly that power of ten.
    let (first, last) = ((least + 1e-6).floor() as i32 - 1, (most - 1e-6).ceil() as i32 + 1);
    let apart = f64::from(last - first);
    let digits: &[u32] = if apart > 5.0 { &[1] } else { &[1, 2, 5] };
    let every = (apart / 8.0).ceil() as i32;
    let all = (first..=last).filter(|power| (power - first) % every.max(1) == 0);
    let all = all.flat_map(|power| digits.iter().map(move |digit| format!("{digit}e{power}")));
    let ticks: Vec<f64> = all.filter_map(|tick| tick.parse().ok()).collect();
    // The last tick below all values, and the first above.
    let from = ticks.iter().rposition(|tick| tick.log10() < least - 1e-6).unwrap_or(0);
    let to = ticks.iter().position(|tick| tick.log10() > most + 1e-6).unwrap_or(ticks.len() - 1);
    // All labels in one notation.
    let is_small = ticks[from] < 1e-5;
    let label = |tick: f64| if is_small { format!("{tick:e}") } else { tick.to_string() };
    let mut axis = Axis::over(ticks[from..=to].iter().map(|&tick| (tick.log10(), label(tick))).collect());
    if ends == Ends::Values && least < most {
        axis.ends = least..most;
        axis.ticks.retain(|tick| (least - 1e-6..=most + 1e-6).contains(&tick.0));
    }
    axis
}

/// A logarithmic axis with a tick for each of these values, in ascending order, which are at least two.
pub(super) fn each(values: &[f64]) -> Axis {
    Axis::over(values.iter().map(|value| (value.log10(), value.to_string())).collect())
}

/// 1, 2 or 5 times a power of ten, so that no more than `most` of them make `span`.
pub(super) fn round_step(span: f64, most: f64) -> f64 {
    let power = 10_f64.powf((span / most).log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| span / step <= most);
    step.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let labels = |axis: Axis| axis.ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>().join(" ");
        assert_eq!(labels(from_zero([2.3].into_iter(), f64::INFINITY)), "0.0 0.5 1.0 1.5 2.0 2.5");
        assert_eq!(labels(from_zero([99.5].into_iter(), 100.0)), "0 20 40 60 80 100");
        assert_eq!(labels(from_zero(std::iter::empty(), 100.0)), "0.0 0.2 0.4 0.6 0.8 1.0 1.2");
        assert_eq!(labels(powers([-2.0].into_iter(), Ends::Ticks)), "0.005 0.01 0.02");
        assert_eq!(
            labels(powers([-2.0, -3.0].into_iter(), Ends::Ticks)),
            "0.0005 0.001 0.002 0.005 0.01 0.02"
        );
        assert_eq!(labels(powers([-2.2, -0.5].into_iter(), Ends::Values)), "0.01 0.02 0.05 0.1 0.2");
        assert_eq!(labels(each(&[1.0, 2.0, 4.0])), "1 2 4");
        assert_eq!(labels(around([6.51, 6.93].into_iter())), "6.5 6.6 6.7 6.8 6.9 7.0");
        assert_eq!(
            labels(powers([-7.0, -2.0].into_iter(), Ends::Ticks)),
            "1e-8 1e-7 1e-6 1e-5 1e-4 1e-3 1e-2 1e-1"
        );
    }
}
