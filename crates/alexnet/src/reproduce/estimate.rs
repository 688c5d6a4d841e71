//! The expected time of a reproduction, from finished training runs and from a few steps of the others.

use super::folder::{rate_folder, run_folder};
use super::plan::{ExperimentPlan, PlannedArm, RemainingRuns};
use super::record::RunRecord;
use super::settings::ReproductionSettings;
use super::trainer::finished;
use crate::Result;
use crate::data::Split;
use crate::engine::{self, Device, Options, Pass};
use crate::net::{Network, Recipe};
use crate::train::init::initialize;
use crate::train::random_batch::RandomBatch;
use std::path::Path;

/// Steps that are timed, after one that is not.
const STEPS: usize = 2;

/// Seconds per image.
#[derive(Clone, Copy, Debug)]
struct PerImage {
    training: f64,
    inference: f64,
}

/// Counts what remains to be trained, and estimates the time. Training runs that are complete are those in `folder`.
///
/// # Errors
/// Returns an error if an arm's engine cannot be opened, for example because there is too little memory.
pub(super) fn remaining(
    plan: &ExperimentPlan,
    settings: &ReproductionSettings,
    folder: Option<&Path>,
) -> Result<RemainingRuns> {
    let mut estimate = Estimate {
        settings,
        folder,
        remaining: RemainingRuns { runs: plan.runs(), complete: 0, seconds: 0.0 },
    };
    for planned in &plan.arms {
        let schedule = planned.arm.recipe.schedule.epochs;
        estimate.add(planned, &[(schedule, estimate.runs(planned))])?;
    }
    for planned in plan.speed.iter().flat_map(|speed| &speed.arms) {
        let schedule = planned.arm.recipe.schedule.epochs;
        let trials = (settings.rates.epochs, estimate.trials(planned));
        estimate.add(planned, &[(schedule, estimate.runs(planned)), trials])?;
    }
    Ok(estimate.remaining)
}

/// What remains, arm by arm.
struct Estimate<'a> {
    settings: &'a ReproductionSettings,
    folder: Option<&'a Path>,
    remaining: RemainingRuns,
}

/// The training runs of an arm, complete or not.
type Runs = Vec<Option<RunRecord>>;

impl Estimate<'_> {
    /// The training runs of all seeds.
    fn runs(&self, planned: &PlannedArm) -> Runs {
        let run = |seed| finished(&run_folder(self.folder?, &planned.arm.name, seed));
        (0..self.settings.seeds as u64).map(run).collect()
    }

    /// Those of the search for learning rates.
    fn trials(&self, planned: &PlannedArm) -> Runs {
        let trial = |&rate: &f32| finished(&rate_folder(self.folder?, &planned.arm.name, rate));
        self.settings.rates.rates.iter().map(trial).collect()
    }

    /// Adds the training runs of an arm, each with their most epochs.
    fn add(&mut self, planned: &PlannedArm, trainings: &[(usize, Runs)]) -> Result<()> {
        let complete = |runs: &Runs| runs.iter().flatten().count();
        self.remaining.complete += trainings.iter().map(|(_, runs)| complete(runs)).sum::<usize>();
        if trainings.iter().all(|(_, runs)| complete(runs) == runs.len()) {
            return Ok(());
        }
        let recipe = &planned.arm.recipe;
        let per_image = measure(self.settings, recipe)
            .map_err(|error| error.context(format!("arm {}", planned.arm.name)))?;
        for (epochs, runs) in trainings {
            let left = (runs.len() - complete(runs)) as f64;
            self.remaining.seconds += left * self.expected(recipe, *epochs, runs, per_image);
        }
        Ok(())
    }

    /// The most seconds of a training run and the evaluation of its model: by the steps of those that are complete, if there are any.
    /// A training run that waits for an error may end earlier.
    fn expected(&self, recipe: &Recipe, epochs: usize, runs: &Runs, per_image: PerImage) -> f64 {
        let PerImage { training, inference } = per_image;
        let images = |split: Option<&Split>| split.map_or(0, Split::len);
        let (train, val) = (images(self.settings.dataset.train().ok()), images(self.settings.dataset.val()));
        let steps = epochs * train.div_ceil(recipe.optimizer.batch);
        let (done, seconds) = runs
            .iter()
            .flatten()
            .fold((0, 0.0), |(steps, seconds), run| (steps + run.steps, seconds + run.seconds));
        let trained = match done {
            0 => epochs as f64 * (train as f64 * training + val as f64 * inference),
            _ => steps as f64 * seconds / done as f64,
        };
        trained + (val * recipe.evaluation.views.count()) as f64 * inference
    }
}

/// Times a few steps on random images.
fn measure(settings: &ReproductionSettings, recipe: &Recipe) -> Result<PerImage> {
    let network = Network::new(recipe, settings.dataset.classes.len())?;
    let size = recipe.optimizer.batch;
    let mut engine = engine::open(Device::Cpu, network, &Options::training(size, settings.threads))?;
    engine.load(&initialize(engine.network(), 0)?)?;
    let images = RandomBatch::new(engine.network(), size)?;
    images.step(&mut *engine, recipe)?;
    let mut least = PerImage { training: f64::INFINITY, inference: f64::INFINITY };
    for _ in 0..STEPS {
        let begin = std::time::Instant::now();
        images.step(&mut *engine, recipe)?;
        let per_image = |seconds: f64| seconds / size as f64;
        let forward = engine.timings().entries().iter().filter(|timing| timing.pass == Pass::Forward);
        least.training = least.training.min(per_image(begin.elapsed().as_secs_f64()));
        least.inference = least.inference.min(per_image(forward.map(|timing| timing.seconds).sum()));
    }
    Ok(least)
}
