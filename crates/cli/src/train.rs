//! `alexnet train`: a recipe, with what is changed in it, on a source of images.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Limit, TrainArgs};
use super::output::{Output, note, percent, printable};
use super::recipe::run_recipe;
use super::ui::{Display, TrainingView};
use super::{Ending, classes, command_line, settings};
use alexnet::data::{Dataset, embedded};
use alexnet::eval::model_path;
use alexnet::format::grouped;
use alexnet::model::Model;
use alexnet::net::{Change, Edit, Purpose, Recipe};
use alexnet::train::checkpoint_writer::Frequency;
use alexnet::train::origin::{Origin, Requests};
use alexnet::train::signals::Interrupt;
use alexnet::train::snapshot::Snapshot;
use alexnet::train::watch::{OnDivergence, OnPlateau};
use alexnet::train::{Config, Report, RunFolder, Session};
use alexnet::{Error, Result};

/// Minutes between two checkpoints, unless said otherwise.
const CHECKPOINT_MINUTES: f64 = 10.0;

pub(super) fn run(args: &TrainArgs, out: &mut Output) -> Ending {
    let config = config(args)?;
    let display = if args.tui { Display::dashboard() } else { Display::detect(false) };
    let view = TrainingView::new(display, config.interrupt.clone());
    let report = Session::new(config).observe(view).run()?;
    if args.format.json {
        out.json(&json(&report))?;
    } else {
        out.text(&text(&report))?;
    }
    Ok(exit_code(&report))
}

/// The recipe comes first: it is found wrong at once, a large source only after it has been listed.
fn config(args: &TrainArgs) -> Result<Config> {
    let recipe = recipe(args)?;
    let origin = args.resume.as_ref().map(|run| Origin::read(run)).transpose()?;
    let source = source(args, origin.as_ref())?;
    let requests = requests(args, origin.as_ref().map(|origin| &origin.requests));
    let dataset = match &source {
        Some(source) => Dataset::open(source)?,
        None => embedded::fashion_mnist()?,
    };
    settings::check_training(args, &recipe, &dataset)?;
    if let Some(run) = &args.resume {
        note(&format!("resuming {}", run.display()));
    }
    // A run that is resumed had its one class allowed before.
    classes::introduce(&dataset, args.allow_one_class || args.resume.is_some())?;
    let threads = requests.threads.unwrap_or_else(|| args.machine.threads());
    let minutes = Duration::from_secs_f64(60.0 * requests.checkpoint_minutes.unwrap_or(CHECKPOINT_MINUTES));
    Ok(Config {
        source,
        run: folder(args),
        init: args.init.clone(),
        command: command_line(),
        seed: origin.as_ref().map_or(args.seed, |origin| origin.seed),
        micro_batch: requests.micro_batch,
        threads,
        workers: requests.workers.unwrap_or(threads),
        max_steps: requests.steps,
        checkpoints: Frequency { time: Some(minutes), steps: requests.checkpoint_steps },
        on_divergence: match requests.on_divergence.as_deref() {
            Some("stop") => OnDivergence::Stop,
            _ => OnDivergence::LowerRate,
        },
        on_plateau: match requests.on_plateau.as_deref() {
            Some("restart-with-he") => OnPlateau::RestartWithHe,
            Some("restart-with-small-biases") => OnPlateau::RestartWithSmallBiases,
            Some("stop") => OnPlateau::Stop,
            _ => OnPlateau::Tell,
        },
        requests,
        only_forecast: args.forecast,
        interrupt: Interrupt::on_signals(),
        ..Config::new(recipe, dataset)
    })
}

/// Where the images are: as given, or where a run that is resumed had them.
fn source(args: &TrainArgs, origin: Option<&Origin>) -> Result<Option<PathBuf>> {
    let (None, Some(Origin { source, .. }), Some(run)) = (&args.source, origin, &args.resume) else {
        return Ok(args.source.clone());
    };
    match source {
        Some(source) if !source.exists() => Err(Error::data(format!(
            "{}: the images of this run cannot be opened: there is no such file or folder",
            source.display()
        ))
        .help(format!("if they have moved: `alexnet train NEW/PLACE --resume {}`", run.display()))),
        source => Ok(source.clone()),
    }
}

/// What is asked for now, and what was before where nothing is.
fn requests(args: &TrainArgs, before: Option<&Requests>) -> Requests {
    let now = Requests {
        steps: match args.steps {
            Some(Limit::Steps(steps)) => Some(steps),
            Some(Limit::None) | None => None,
        },
        threads: args.machine.threads.map(usize::from),
        workers: args.workers.map(usize::from),
        micro_batch: args.micro_batch.map(|n| n as usize),
        checkpoint_minutes: args.checkpoint_minutes,
        checkpoint_steps: args.checkpoint_steps.map(|steps| steps as usize),
        on_divergence: args.on_divergence.clone(),
        on_plateau: args.on_plateau.clone(),
    };
    let Some(before) = before else { return now };
    let steps = if args.steps == Some(Limit::None) { None } else { before.steps };
    now.or(&Requests { steps, ..before.clone() })
}

fn folder(args: &TrainArgs) -> RunFolder {
    match (&args.resume, &args.run) {
        (Some(folder), _) => {
            RunFolder::Resume { folder: folder.clone(), accept_changes: args.accept_changes }
        }
        (None, Some(folder)) if args.exist_ok => RunFolder::Over(folder.clone()),
        (None, folder) => RunFolder::New(folder.clone()),
    }
}

/// The recipe with every `--set`, `--epochs` and `--freeze`, checked as a whole.
fn recipe(args: &TrainArgs) -> Result<Recipe> {
    let mut recipe = match (&args.recipe, &args.resume, &args.init) {
        (Some(recipe), _, _) => Recipe::load(recipe)?,
        (None, Some(run), _) => {
            Origin::read(run)?;
            run_recipe(run)?
        }
        (None, None, Some(model)) => Model::load(model_path(model)?)?.recipe,
        (None, None, None) => return Err(Error::usage("no recipe").help("--recipe small")),
    };
    settings::apply(&mut recipe, &args.set, args.epochs, Purpose::Training)?;
    for (i, layer) in args.freeze.iter().enumerate() {
        let change = Change::Freeze(layer.clone());
        change.check(&recipe).map_err(|error| error.context(format!("--freeze {layer}")))?;
        recipe.edits.insert(i, Edit { step: 0, change });
    }
    Ok(recipe)
}

/// 128 + signal after an interruption, as shells have it.
pub(super) fn exit_code(report: &Report) -> u8 {
    report.signal().map_or(0, |signal| 128 + signal)
}

/// The fields of `train --json` and `demo --json`; `top1` and what belongs to it are null without validation.
pub(super) fn json(report: &Report) -> Value {
    let found = report.evaluation.as_ref();
    json!({
        "run": report.run.display().to_string(),
        "epochs": report.epochs,
        "steps": report.steps,
        "seconds": report.seconds,
        "top1": found.map(|found| found.top1_share()),
        "top5": found.map(|found| found.top5_share()),
        "loss": found.map(|found| found.loss),
        "images": found.map(|found| found.images),
        "best": report.best.as_ref().map(best),
        "skipped": report.skipped,
        "interrupted": report.signal(),
        "forecast": report.forecast,
        "advice": report.advice,
    })
}

/// Which model is the best: its epoch, and how it was judged after it; null without validation.
fn best(best: &Snapshot) -> Value {
    let found = best.evaluation.as_ref();
    json!({
        "epoch": best.epoch,
        "step": best.step,
        "images": found.map(|found| found.images),
        "top1": found.map(|found| found.top1_share()),
        "top5": found.map(|found| found.top5_share()),
        "loss": found.map(|found| found.loss),
    })
}

/// What came out, and what to do with it.
fn text(report: &Report) -> String {
    let run = printable(&report.run.display().to_string());
    if !report.run.exists() {
        // Only a forecast was asked for.
        let over = || format!("no forecast: the training is over after {} steps\n", report.steps);
        return report.forecast.as_ref().map_or_else(over, |forecast| format!("{forecast}\n"));
    }
    let mut out = format!("run     {run}\n");
    if let Some(found) = &report.evaluation {
        let (top1, top5) = (percent(found.top1_share()), percent(found.top5_share()));
        let _ = writeln!(out, "top-1   {top1}\ntop-5   {top5}\nof      {} images", grouped(found.images));
    }
    if let Some(Snapshot { evaluation: Some(found), epoch, .. }) = &report.best {
        let _ = writeln!(out, "best    epoch {epoch}, chosen on {} validation images", grouped(found.images));
    }
    if model_path(&report.run).is_ok() {
        let _ = writeln!(out, "use it  alexnet classify {run} IMAGE");
    }
    out
}
