//! The expected time of a reproduction, from finished trainings and from a few steps of the others.

use super::folder::{rate_folder, run_folder};
use super::plan::{ExperimentPlan, PlannedArm, RemainingRuns};
use super::record::RunRecord;
use super::settings::ReproductionSettings;
use super::trainer::finished;
use crate::Result;
use crate::data::Split;
use crate::engine::{self, Device, Options, Pass, Update};
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

/// Counts what remains to be trained, and estimates the time. Trainings that are complete are those in `folder`.
///
/// # Errors
/// Returns an error if an arm's engine cannot be opened, for example because there is too little memory.
pub(super) fn remaining(
    plan: &ExperimentPlan,
    settings: &ReproductionSettings,
    folder: Option<&Path>,
) -> Result<RemainingRuns> {
    let mut remaining = RemainingRuns { runs: plan.runs(), complete: 0, seconds: 0.0 };
    let seeds = 0..settings.seeds as u64;
    let run = |arm: &str, seed| folder.and_then(|folder| finished(&run_folder(folder, arm, seed)));
    let rate = |arm: &str, rate| folder.and_then(|folder| finished(&rate_folder(folder, arm, rate)));
    for planned in &plan.arms {
        let runs = seeds.clone().map(|seed| run(&planned.arm.name, seed));
        add(&mut remaining, settings, planned, planned.arm.recipe.schedule.epochs, runs)?;
    }
    for planned in plan.speed.iter().flat_map(|speed| &speed.arms) {
        let name = &planned.arm.name;
        let runs = seeds.clone().map(|seed| run(name, seed));
        add(&mut remaining, settings, planned, planned.arm.recipe.schedule.epochs, runs)?;
        let tried = settings.rates.rates.iter().map(|&tried| rate(name, tried));
        add(&mut remaining, settings, planned, settings.rates.epochs, tried)?;
    }
    Ok(remaining)
}

/// Adds the trainings of an arm.
fn add(
    remaining: &mut RemainingRuns,
    settings: &ReproductionSettings,
    planned: &PlannedArm,
    epochs: usize,
    runs: impl Iterator<Item = Option<RunRecord>>,
) -> Result<()> {
    let runs: Vec<Option<RunRecord>> = runs.collect();
    let done: Vec<&RunRecord> = runs.iter().flatten().collect();
    let left = runs.len() - done.len();
    remaining.complete += done.len();
    if left == 0 {
        return Ok(());
    }
    let seconds = match done.len() {
        0 => expected(settings, &planned.arm.recipe, epochs)?,
        n => done.iter().map(|run| run.seconds).sum::<f64>() / n as f64,
    };
    remaining.seconds += left as f64 * seconds;
    Ok(())
}

/// The expected seconds of a training and its evaluations.
fn expected(settings: &ReproductionSettings, recipe: &Recipe, epochs: usize) -> Result<f64> {
    let PerImage { training, inference } = measure(settings, recipe)?;
    let images = |split: Option<&Split>| split.map_or(0, Split::len) as f64;
    let (train, val) = (images(settings.dataset.train().ok()), images(settings.dataset.val()));
    let epoch = train * training + val * inference;
    // The best model is evaluated at the end of the training, and then the last.
    Ok(epochs as f64 * epoch + 2.0 * val * recipe.evaluation.views.count() as f64 * inference)
}

/// Times a few steps on random images.
fn measure(settings: &ReproductionSettings, recipe: &Recipe) -> Result<PerImage> {
    let network = Network::new(recipe, settings.dataset.classes.len())?;
    let size = recipe.optimizer.batch;
    let mut engine = engine::open(Device::Cpu, network, &Options::training(size, settings.threads))?;
    engine.load(&initialize(engine.network(), 0)?)?;
    let images = RandomBatch::new(engine.network(), size)?;
    let (batch, update) = (images.whole(), Update::new(&recipe.optimizer, 0.0));
    engine.step(&batch, &update)?;
    let mut least = PerImage { training: f64::INFINITY, inference: f64::INFINITY };
    for _ in 0..STEPS {
        let begin = std::time::Instant::now();
        engine.step(&batch, &update)?;
        let per_image = |seconds: f64| seconds / size as f64;
        let forward = engine.timings().entries().iter().filter(|timing| timing.pass == Pass::Forward);
        least.training = least.training.min(per_image(begin.elapsed().as_secs_f64()));
        least.inference = least.inference.min(per_image(forward.map(|timing| timing.seconds).sum()));
    }
    Ok(least)
}
