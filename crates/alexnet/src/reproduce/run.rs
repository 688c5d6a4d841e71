//! A reproduction from its plan to its results.

use std::path::PathBuf;

use super::compare;
use super::estimate::remaining;
use super::evaluation::{Evaluator, Trained};
use super::experiment::Experiment;
use super::folder::{Folder, continued};
use super::observer::{ReproductionEvent, ReproductionObserver};
use super::plan::{Comparison, Contrast, ExperimentPlan, PlannedArm};
use super::plots;
use super::record::{Record, RunRecord};
use super::results::{ArmResult, Compared, ComparisonResult, ExperimentResult, Results, RunResult};
use super::settings::ReproductionSettings;
use super::speed::{self, SpeedArm};
use super::trainer::{Goal, Job, Trainer};
use crate::Result;
use crate::data::Identity;
use crate::eval::Evaluation;
use crate::files::{atomic, json};
use crate::net::Views;

/// An arm with its training runs, by seed.
struct TrainedArm<'p> {
    planned: &'p PlannedArm,
    models: Vec<Trained>,
    records: Vec<RunRecord>,
    /// With the recipe's views.
    evaluations: Vec<Evaluation>,
}

/// The plan of [`reproduce`] with the expected time, from a few training steps of each arm and from training runs that are complete.
/// Writes nothing.
///
/// # Errors
/// Returns an error where [`reproduce`] does before it trains, but for a folder that is in use or cannot be written to.
pub fn forecast(settings: &ReproductionSettings) -> Result<ExperimentPlan> {
    let mut settings = settings.clone();
    settings.dataset.prepare(&settings.recipe.input)?;
    let mut plan = ExperimentPlan::new(&settings)?;
    let continues = continued(&settings.folder, &Record::of(&settings))?.is_some();
    plan.remaining = Some(remaining(&plan, &settings, continues.then_some(settings.folder.as_path()))?);
    Ok(plan)
}

/// Trains the arms of all experiments, evaluates and compares them. The results are in the output folder: `results.json`,
/// `table.md`, `plots/`. Whatever was trained by an earlier call is used, and interrupted training runs resume: the results have
/// the same bits.
///
/// # Errors
/// Returns an error as [`ExperimentPlan::new`] does, if packed images do not suit the recipe, if the output folder holds a
/// reproduction with other settings or is in use, if an arm does not fit the memory, or if a training run fails or is interrupted.
pub fn reproduce(
    settings: &ReproductionSettings,
    observer: &mut dyn ReproductionObserver,
) -> Result<Results> {
    let mut settings = settings.clone();
    settings.dataset.prepare(&settings.recipe.input)?;
    let settings = &settings;
    let mut plan = ExperimentPlan::new(settings)?;
    let folder = Folder::open(&settings.folder, &Record::of(settings))?;
    plan.remaining = Some(remaining(&plan, settings, Some(folder.path()))?);
    let _ = observer.observe(&ReproductionEvent::Planned(&plan));
    settings.interrupt.listen()?;
    let mut trainer = Trainer::new(settings, observer, plan.runs());
    let speeds = plan.speed.as_ref().map(|speed| speed::run(speed, &folder, &mut trainer)).transpose()?;
    let arms = train_arms(&plan, settings, &folder, &mut trainer)?;
    let mut evaluator = Evaluator { settings, observer: trainer.observer };
    let results = results(&plan, &folder, &arms, speeds.as_ref(), &mut evaluator)?;
    json::write(&folder.path().join("results.json"), &results)?;
    let text = results.table();
    atomic::replace(&folder.path().join("table.md"), |out| out.write_all(text.as_bytes()))?;
    Ok(results)
}

/// Trains and evaluates all arms, seed by seed: after the first seed there is something to see of every arm.
fn train_arms<'p>(
    plan: &'p ExperimentPlan,
    settings: &ReproductionSettings,
    folder: &Folder,
    trainer: &mut Trainer<'_>,
) -> Result<Vec<TrainedArm<'p>>> {
    let empty = |planned| TrainedArm { planned, models: vec![], records: vec![], evaluations: vec![] };
    let mut arms: Vec<TrainedArm<'p>> = plan.arms.iter().map(empty).collect();
    for seed in 0..settings.seeds as u64 {
        for arm in &mut arms {
            let job = Job {
                name: format!("{}, seed {seed}", arm.planned.arm.name),
                folder: folder.run(&arm.planned.arm.name, seed),
                recipe: &arm.planned.arm.recipe,
                seed,
                goal: Goal::Schedule,
                max_epochs: None,
            };
            arm.records.push(trainer.train(&job)?);
            let model = Trained { name: job.name, seed, folder: job.folder };
            let mut evaluator = Evaluator { settings, observer: &mut *trainer.observer };
            arm.evaluations.push(evaluator.accuracy(&model, settings.recipe.evaluation.views)?);
            arm.models.push(model);
        }
    }
    Ok(arms)
}

fn results(
    plan: &ExperimentPlan,
    folder: &Folder,
    arms: &[TrainedArm<'_>],
    speeds: Option<&[SpeedArm; 2]>,
    evaluator: &mut Evaluator<'_>,
) -> Result<Results> {
    let settings = evaluator.settings;
    let experiments = plan
        .experiments
        .iter()
        .map(|&experiment| experiment_result(experiment, plan, folder, arms, speeds, evaluator))
        .collect::<Result<Vec<ExperimentResult>>>()?;
    let trained = arms.iter().map(|arm| arm_result(arm, folder));
    let planned = plan.speed.iter().flat_map(|speed| &speed.arms);
    let fast = speeds
        .iter()
        .flat_map(|arms| arms.iter())
        .zip(planned)
        .map(|(arm, planned)| speed_result(arm, planned, folder));
    Ok(Results {
        format_version: 1,
        recipe: plan.recipe.clone(),
        data: Identity::of(&settings.dataset).to_string(),
        seeds: plan.seeds,
        epochs: plan.epochs,
        power: plan.power(),
        notes: plan.notes.clone(),
        experiments,
        arms: trained.chain(fast).collect(),
        rates: speeds.iter().flat_map(|arms| arms.iter()).map(|arm| arm.chosen.clone()).collect(),
    })
}

fn experiment_result(
    experiment: Experiment,
    plan: &ExperimentPlan,
    folder: &Folder,
    arms: &[TrainedArm<'_>],
    speeds: Option<&[SpeedArm; 2]>,
    evaluator: &mut Evaluator<'_>,
) -> Result<ExperimentResult> {
    let own: Vec<&Comparison> =
        plan.comparisons.iter().filter(|comparison| comparison.experiment == experiment).collect();
    let mut comparisons = Vec::new();
    for comparison in &own {
        let [with, without] = comparison.names().map(ToOwned::to_owned);
        if let Some(compared) = compared(comparison, folder, arms, speeds, evaluator)? {
            comparisons.push(ComparisonResult { with, without, compared });
        }
    }
    let plot = draw(experiment, &own, folder, arms, speeds)?;
    Ok(ExperimentResult {
        name: experiment.name(),
        question: experiment.question(),
        comparisons,
        published: experiment.findings(),
        plot,
    })
}

/// Compares what a comparison names; `None` if it was not trained.
fn compared(
    comparison: &Comparison,
    folder: &Folder,
    arms: &[TrainedArm<'_>],
    speeds: Option<&[SpeedArm; 2]>,
    evaluator: &mut Evaluator<'_>,
) -> Result<Option<Compared>> {
    if let (Contrast::Speed, Some([relu, tanh])) = (&comparison.contrast, speeds) {
        return Ok(Some(Compared::Seeds(compare::speeds(relu, tanh))));
    }
    let Some(control) = arms.first() else { return Ok(None) };
    let shares =
        |evaluations: &[Evaluation]| -> Vec<f64> { evaluations.iter().map(Evaluation::top1_share).collect() };
    Ok(match &comparison.contrast {
        Contrast::Arms { without } => {
            let without = arms.iter().find(|arm| arm.planned.arm.name == *without);
            without.map(|without| {
                Compared::Seeds(compare::accuracies(
                    &shares(&control.evaluations),
                    &shares(&without.evaluations),
                ))
            })
        }
        Contrast::Views => {
            let mut with_views = |views| {
                let found = control.models.iter().map(|model| evaluator.accuracy(model, views));
                found.collect::<Result<Vec<Evaluation>>>()
            };
            let (ten, one) = (with_views(Views::Ten)?, with_views(Views::Center)?);
            Some(Compared::Seeds(compare::accuracies(&shares(&ten), &shares(&one))))
        }
        Contrast::Ensemble => {
            let views = evaluator.settings.recipe.evaluation.views;
            let record = evaluator.ensemble(&control.models, views, folder.path())?;
            Some(Compared::Images(compare::ensemble(&record)))
        }
        Contrast::Speed => None,
    })
}

/// Draws the curves of an experiment; returns the file's name.
fn draw(
    experiment: Experiment,
    comparisons: &[&Comparison],
    folder: &Folder,
    arms: &[TrainedArm<'_>],
    speeds: Option<&[SpeedArm; 2]>,
) -> Result<Option<String>> {
    let name = format!("plots/{}.svg", experiment.name());
    let path = folder.path().join(&name);
    if let (Experiment::Relu, Some(speeds)) = (experiment, speeds) {
        return plots::draw_speeds(&path, speeds).map(|()| Some(name));
    }
    let is_compared = |arm: &TrainedArm<'_>| {
        let name = &arm.planned.arm.name;
        comparisons.iter().any(|comparison| match &comparison.contrast {
            Contrast::Arms { without } => name == without,
            Contrast::Views | Contrast::Ensemble | Contrast::Speed => false,
        })
    };
    let of = |arm: &TrainedArm<'_>| -> (String, Vec<PathBuf>) {
        (arm.planned.arm.name.clone(), arm.models.iter().map(|model| model.folder.clone()).collect())
    };
    let others: Vec<_> = arms.iter().filter(|arm| is_compared(arm)).map(of).collect();
    if others.is_empty() {
        return Ok(None);
    }
    let all: Vec<_> = arms.iter().take(1).map(of).chain(others).collect();
    let drawn = plots::draw_arms(&path, "Validation error, percent, mean over seeds", &all)?;
    Ok(drawn.then_some(name))
}

fn arm_result(arm: &TrainedArm<'_>, folder: &Folder) -> ArmResult {
    let runs =
        arm.models.iter().zip(&arm.records).zip(&arm.evaluations).map(|((model, record), found)| RunResult {
            images: Some(found.images),
            top1: Some(found.top1_share()),
            top5: Some(found.top5_share()),
            loss: Some(found.loss),
            ..run_result(model.seed, record, &arm.planned.arm.name, folder)
        });
    ArmResult { runs: runs.collect(), ..size(arm.planned) }
}

fn speed_result(arm: &SpeedArm, planned: &PlannedArm, folder: &Folder) -> ArmResult {
    let runs = arm.runs.iter().map(|run| RunResult {
        epochs_to_target: run.reached,
        ..run_result(run.seed, &run.record, &arm.arm.name, folder)
    });
    let edits = arm.arm.edits.iter().map(ToString::to_string).collect();
    ArmResult { runs: runs.collect(), edits, ..size(planned) }
}

fn size(planned: &PlannedArm) -> ArmResult {
    ArmResult {
        name: planned.arm.name.clone(),
        edits: planned.arm.edits.iter().map(ToString::to_string).collect(),
        parameters: planned.parameters,
        macs: planned.macs,
        runs: Vec::new(),
    }
}

fn run_result(seed: u64, record: &RunRecord, arm: &str, folder: &Folder) -> RunResult {
    let run = folder.run(arm, seed);
    let run = run.strip_prefix(folder.path()).unwrap_or(&run);
    RunResult {
        seed,
        epochs: record.epochs,
        steps: record.steps,
        images: None,
        top1: None,
        top5: None,
        loss: None,
        epochs_to_target: None,
        seconds: record.seconds,
        run: run.display().to_string(),
    }
}
