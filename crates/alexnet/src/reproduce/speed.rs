//! How fast a network learns: epochs until the training error falls to 25 % (Fig. 1), and the choice of learning rates.

use serde::Serialize;

use super::arms::{Arm, Setting};
use super::folder::Folder;
use super::plan::{PlannedArm, SpeedPlan};
use super::record::{RunEnd, RunRecord};
use super::settings::RateSearch;
use super::trainer::{Goal, Job, Trainer, epoch_steps, lines};
use crate::Result;
use crate::train::metrics::Line;

/// The training error that [`Experiment::Relu`](super::Experiment::Relu) waits for.
pub const TARGET: f64 = 0.25;

/// The seed of the search for learning rates: not one of those that are compared.
const SEARCH_SEED: u64 = 1_000_000;

/// The training error is averaged over this share of an epoch.
const WINDOW: f64 = 0.25;

/// Steps between two lines of metrics.
const LINE_STEPS: usize = 20;

/// The training error over the epochs: the mean over the last quarter of an epoch, measured on the batches that the network
/// learns from, with dropout and augmentation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ErrorCurve {
    /// Epochs, and the error from 0 to 1.
    pub(super) points: Vec<(f64, f64)>,
}

impl ErrorCurve {
    pub(super) fn of(lines: &[Line], epoch_steps: usize) -> Self {
        // A line with a validation covers an epoch, the others the steps since the line before.
        let is_short = epoch_steps < LINE_STEPS && lines.iter().any(|line| line.validation.is_some());
        let lines: Vec<&Line> = lines.iter().filter(|line| line.validation.is_some() == is_short).collect();
        let window = ((WINDOW * epoch_steps as f64 / LINE_STEPS as f64).round() as usize).max(1);
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

/// A learning rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// The learning rate.
    pub rate: f32,
    /// The epochs after which the training error had fallen to that of the search; null if it had not.
    pub epochs_to_error: Option<f64>,
    /// The last training error, from 0 to 1; null if the training diverged.
    pub last_error: Option<f64>,
}

/// The learning rate of an arm, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChosenRate {
    /// The arm.
    pub arm: String,
    /// The rate.
    pub rate: f32,
    /// All rates that were tried.
    pub trials: Vec<Trial>,
}

/// Chooses the learning rate of an arm: each rate trains briefly; the one that reaches the error of the search first wins, or
/// else the one with the lowest error.
fn choose(
    search: &RateSearch,
    planned: &PlannedArm,
    folder: &Folder,
    trainer: &mut Trainer<'_>,
) -> Result<ChosenRate> {
    let Arm { name, recipe, .. } = &planned.arm;
    let mut trials = Vec::new();
    for &rate in &search.rates {
        let arm = Arm::new(name, recipe, at_rate(rate))?;
        let job = Job {
            name: format!("{name} at learning rate {rate}"),
            folder: folder.rate(name, rate),
            recipe: &arm.recipe,
            seed: SEARCH_SEED,
            goal: Goal::TrainingError(search.error),
            max_epochs: Some(search.epochs),
        };
        let record = trainer.train(&job)?;
        trials.push(trial(rate, search.error, &record, &curve(trainer, &job)?));
    }
    let rate = fastest(&trials);
    Ok(ChosenRate { arm: name.clone(), rate, trials })
}

fn trial(rate: f32, target: f64, record: &RunRecord, curve: &ErrorCurve) -> Trial {
    match record.end {
        RunEnd::Diverged => Trial { rate, epochs_to_error: None, last_error: None },
        RunEnd::Complete | RunEnd::Reached => {
            Trial { rate, epochs_to_error: curve.reaches(target), last_error: Some(curve.last_error()) }
        }
    }
}

/// The rate that reaches the error first; if none does, the one with the lowest error. Of equal ones, the lowest rate.
fn fastest(trials: &[Trial]) -> f32 {
    let key = |trial: &Trial| {
        [trial.epochs_to_error.unwrap_or(f64::INFINITY), trial.last_error.unwrap_or(f64::INFINITY)]
    };
    let order = |a: &&Trial, b: &&Trial| {
        let ([first, second], [other_first, other_second]) = (key(a), key(b));
        first.total_cmp(&other_first).then(second.total_cmp(&other_second)).then(a.rate.total_cmp(&b.rate))
    };
    trials.iter().min_by(order).map_or(f32::NAN, |trial| trial.rate)
}

fn at_rate(rate: f32) -> Vec<Setting> {
    vec![Setting::new("optimizer.rate", rate)]
}

fn curve(trainer: &Trainer<'_>, job: &Job<'_>) -> Result<ErrorCurve> {
    let steps = epoch_steps(&trainer.settings.dataset, job.recipe);
    Ok(ErrorCurve::of(&lines(&job.folder)?, steps))
}

/// The training of an arm with a seed.
#[derive(Clone, Debug)]
pub(super) struct SpeedRun {
    pub(super) seed: u64,
    pub(super) record: RunRecord,
    /// The epochs after which the training error had fallen to [`TARGET`], if it had.
    pub(super) reached: Option<f64>,
    pub(super) curve: ErrorCurve,
}

/// The trainings of an arm.
#[derive(Clone, Debug)]
pub(super) struct SpeedArm {
    pub(super) arm: Arm,
    pub(super) chosen: ChosenRate,
    pub(super) runs: Vec<SpeedRun>,
}

/// Chooses learning rates, and trains both arms with every seed until the training error has fallen to [`TARGET`].
pub(super) fn run(plan: &SpeedPlan, folder: &Folder, trainer: &mut Trainer<'_>) -> Result<[SpeedArm; 2]> {
    let [relu, tanh] = &plan.arms;
    let chosen = [choose(&plan.rates, relu, folder, trainer)?, choose(&plan.rates, tanh, folder, trainer)?];
    let mut arms = Vec::new();
    for (planned, chosen) in plan.arms.iter().zip(chosen) {
        let edits = [&planned.arm.edits[..], &at_rate(chosen.rate)].concat();
        let at_rate = Arm::new(&planned.arm.name, &planned.arm.recipe, at_rate(chosen.rate))?;
        arms.push(SpeedArm { arm: Arm { edits, ..at_rate }, chosen, runs: Vec::new() });
    }
    for seed in 0..trainer.settings.seeds as u64 {
        for SpeedArm { arm, runs, .. } in &mut arms {
            let job = Job {
                name: format!("{}, seed {seed}", arm.name),
                folder: folder.run(&arm.name, seed),
                recipe: &arm.recipe,
                seed,
                goal: Goal::TrainingError(TARGET),
                max_epochs: None,
            };
            let record = trainer.train(&job)?;
            let curve = curve(trainer, &job)?;
            runs.push(SpeedRun { seed, record, reached: curve.reaches(TARGET), curve });
        }
    }
    Ok(arms.try_into().unwrap_or_else(|_| unreachable!("two arms are planned")))
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
        // Fewer steps per epoch than between two lines: the lines of the epochs.
        let curve = ErrorCurve::of(&[line(7, 0.5, true), line(14, 0.8, true), line(20, 0.0, false)], 7);
        assert_eq!(curve.points.iter().map(|point| point.0).collect::<Vec<f64>>(), [1.0, 2.0]);
        assert_eq!(curve.reaches(0.25), Some(2.0));
        assert_eq!(ErrorCurve::of(&[], 160).last_error(), 1.0);
    }

    #[test]
    fn the_fastest_rate_is_the_first_to_reach_the_error() {
        let trial = |rate, epochs_to_error, last_error| Trial { rate, epochs_to_error, last_error };
        let slow = trial(0.001, Some(3.0), Some(0.3));
        let fast = trial(0.01, Some(1.0), Some(0.4));
        let diverged = trial(0.1, None, None);
        assert_eq!(fastest(&[slow, fast, diverged.clone()]), 0.01);
        let none = [trial(0.001, None, Some(0.8)), trial(0.003, None, Some(0.6)), diverged];
        assert_eq!(fastest(&none), 0.003);
        assert_eq!(fastest(&[trial(0.1, None, None), trial(0.01, None, None)]), 0.01);
    }
}
