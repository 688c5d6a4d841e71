//! How fast a network learns: epochs until the training error falls to 25 % (Fig. 1), and the choice of learning rates.

use serde::Serialize;

use super::arm::{Arm, Setting};
use super::error_curve::ErrorCurve;
use super::folder::Folder;
use super::plan::{PlannedArm, SpeedPlan};
use super::record::{RunEnd, RunRecord};
use super::settings::RateSearch;
use super::trainer::{Goal, Job, Trainer, epoch_steps, lines};
use crate::Result;

/// The training error that [`Experiment::Relu`](super::Experiment::Relu) waits for.
pub const TARGET: f64 = 0.25;

/// The seed of the search for learning rates: not one of those that are compared.
const SEARCH_SEED: u64 = 1_000_000;

/// A learning rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RateTrial {
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
    pub trials: Vec<RateTrial>,
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

fn trial(rate: f32, target: f64, record: &RunRecord, curve: &ErrorCurve) -> RateTrial {
    match record.end {
        RunEnd::Diverged => RateTrial { rate, epochs_to_error: None, last_error: None },
        RunEnd::Complete | RunEnd::Reached => {
            RateTrial { rate, epochs_to_error: curve.reaches(target), last_error: Some(curve.last_error()) }
        }
    }
}

/// The rate that reaches the error first; if none does, the one with the lowest error. Of equal ones, the lowest rate.
fn fastest(trials: &[RateTrial]) -> f32 {
    let key = |trial: &RateTrial| {
        [trial.epochs_to_error.unwrap_or(f64::INFINITY), trial.last_error.unwrap_or(f64::INFINITY)]
    };
    let order = |a: &&RateTrial, b: &&RateTrial| {
        let ([first, second], [other_first, other_second]) = (key(a), key(b));
        first.total_cmp(&other_first).then(second.total_cmp(&other_second)).then(a.rate.total_cmp(&b.rate))
    };
    trials.iter().min_by(order).map_or(f32::NAN, |trial| trial.rate)
}

fn at_rate(rate: f32) -> Vec<Setting> {
    vec![Setting::new("optimizer.rate", rate)]
}

fn curve(trainer: &Trainer<'_>, job: &Job<'_>) -> Result<ErrorCurve> {
    let steps = epoch_steps(&trainer.settings.dataset, job);
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

/// The training runs of an arm.
#[derive(Clone, Debug)]
pub(super) struct SpeedArm {
    pub(super) arm: Arm,
    pub(super) chosen: ChosenRate,
    pub(super) runs: Vec<SpeedRun>,
}

impl SpeedArm {
    /// The epochs until the error of a run had fallen to [`TARGET`], or a lower bound: all of the run, and of one that diverged
    /// all that were planned.
    pub(super) fn epochs(&self, run: &SpeedRun) -> f64 {
        run.reached.unwrap_or(match run.record.end {
            RunEnd::Complete | RunEnd::Reached => run.record.epochs as f64,
            RunEnd::Diverged => self.arm.recipe.schedule.epochs as f64,
        })
    }
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
    use super::*;
    use crate::net::Recipe;

    #[test]
    fn the_fastest_rate_is_the_first_to_reach_the_error() {
        let trial = |rate, epochs_to_error, last_error| RateTrial { rate, epochs_to_error, last_error };
        let slow = trial(0.001, Some(3.0), Some(0.3));
        let fast = trial(0.01, Some(1.0), Some(0.4));
        let diverged = trial(0.1, None, None);
        assert_eq!(fastest(&[slow, fast, diverged.clone()]), 0.01);
        let none = [trial(0.001, None, Some(0.8)), trial(0.003, None, Some(0.6)), diverged];
        assert_eq!(fastest(&none), 0.003);
        assert_eq!(fastest(&[trial(0.1, None, None), trial(0.01, None, None)]), 0.01);
    }

    /// A training run that dies at once is not the fastest.
    #[test]
    fn a_training_that_diverges_counts_with_all_planned_epochs() {
        let recipe = Recipe::load("four-layer-tanh").unwrap();
        let planned = recipe.schedule.epochs as f64;
        let arm = Arm::new("tanh", &recipe, Vec::new()).unwrap();
        let chosen = ChosenRate { arm: "tanh".to_owned(), rate: 1.0, trials: Vec::new() };
        let arm = SpeedArm { arm, chosen, runs: Vec::new() };
        let run = |end, reached| SpeedRun {
            seed: 0,
            record: RunRecord { end, epochs: 3, steps: 30, seconds: 1.0 },
            reached,
            curve: ErrorCurve::of(&[], 10),
        };
        assert_eq!(arm.epochs(&run(RunEnd::Diverged, None)), planned);
        assert_eq!(arm.epochs(&run(RunEnd::Complete, None)), 3.0);
        assert_eq!(arm.epochs(&run(RunEnd::Reached, Some(2.5))), 2.5);
    }
}
