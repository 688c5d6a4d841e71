//! The training error over the epochs.

use crate::train::metrics::{LOG_EVERY, Line};

/// The training error is averaged over this share of an epoch.
const WINDOW: f64 = 0.25;

/// The training error over the epochs: the mean over the last quarter of an epoch, measured on the batches that the network
/// learns from, with dropout and augmentation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ErrorCurve {
    /// Epochs, and the error from 0 to 1.
    pub(super) points: Vec<(f64, f64)>,
}

impl ErrorCurve {
    pub(super) fn of(lines: &[Line], epoch_steps: usize) -> Self {
        // A line with a validation covers an epoch, the others the steps since the line before: up to 20, fewer at the end of an epoch or
        // where the training was interrupted, which must not count.
        let is_short = epoch_steps < LOG_EVERY && lines.iter().any(|line| line.validation.is_some());
        let counts = |line: &&Line| match is_short {
            true => line.validation.is_some(),
            false => line.validation.is_none() && line.step.is_multiple_of(LOG_EVERY),
        };
        let lines: Vec<&Line> = lines.iter().filter(counts).collect();
        let window = ((WINDOW * epoch_steps as f64 / LOG_EVERY as f64).round() as usize).max(1);
        let mean = |last: usize| {
            let window = &lines[(last + 1).saturating_sub(window)..=last];
            window.iter().map(|line| 1.0 - f64::from(line.top1)).sum::<f64>() / window.len() as f64
        };
        let epochs = |line: &Line| line.step as f64 / epoch_steps as f64;
        // The mean of fewer steps would jump.
        let points = (window - 1..lines.len()).map(|i| (epochs(lines[i]), mean(i)));
        Self { points: points.collect() }
    }

    /// The epochs after which the error has fallen to `target`.
    pub(super) fn reaches(&self, target: f64) -> Option<f64> {
        self.points.iter().find(|(_, error)| *error <= target).map(|(epochs, _)| *epochs)
    }

    /// The last error; 1 without any.
    pub(super) fn last_error(&self) -> f64 {
        self.points.last().map_or(1.0, |(_, error)| *error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::train::metrics::Validation;

    fn line(step: usize, top1: f32, validation: bool) -> Line {
        let found = Validation { loss: 1.0, top1: 0.0, top5: 1.0 };
        Line {
            step,
            epoch: 1,
            seconds: 0.0,
            loss: 1.0,
            top1,
            lr: 0.1,
            images_per_second: 1.0,
            waiting: 0.0,
            validation: validation.then_some(found),
            health: BTreeMap::new(),
        }
    }

    #[test]
    fn the_error_is_averaged_over_a_quarter_of_an_epoch() {
        // 160 steps per epoch: a quarter are two lines. The line of the epoch is not one of them.
        let mut lines: Vec<Line> = (1..=8).map(|i| line(20 * i, i as f32 / 8.0, false)).collect();
        lines.push(line(160, 0.5, true));
        let curve = ErrorCurve::of(&lines, 160);
        let first = [(0.25, 1.0 - 1.5 / 8.0), (0.375, 1.0 - 2.5 / 8.0)];
        assert_eq!(curve.points[..2], first);
        assert_eq!(curve.reaches(0.25), Some(0.875));
        assert_eq!((curve.reaches(0.01), curve.last_error()), (None, 0.0625));
        // A lucky step before an interruption.
        lines.push(line(161, 1.0, false));
        assert_eq!(ErrorCurve::of(&lines, 160), curve);
        // Fewer steps per epoch than between two lines: the lines of the epochs.
        let curve = ErrorCurve::of(&[line(7, 0.5, true), line(14, 0.8, true), line(20, 0.0, false)], 7);
        assert_eq!(curve.points.iter().map(|point| point.0).collect::<Vec<f64>>(), [1.0, 2.0]);
        assert_eq!(curve.reaches(0.25), Some(2.0));
        assert_eq!(ErrorCurve::of(&[], 160).last_error(), 1.0);
    }
}
