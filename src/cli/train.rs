//! `alexnet train`: a recipe, with what is changed in it, on a source of pictures.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::TrainArgs;
use super::output::{Output, percent, printable};
use super::recipe::run_recipe;
use super::{Ending, command_line, settings};
use crate::data::{Dataset, embedded};
use crate::eval::model_path;
use crate::interop::Model;
use crate::net::show::grouped;
use crate::net::{Change, Edit, Purpose, Recipe};
use crate::train::keeper::Frequency;
use crate::train::progress::Display;
use crate::train::run::Origin;
use crate::train::signals::Interrupt;
use crate::train::watch::{OnDivergence, OnPlateau};
use crate::train::{Config, Report, RunFolder, train};
use crate::{Error, Result};

pub(super) fn run(args: &TrainArgs, out: &mut Output) -> Ending {
    let report = train(config(args)?)?;
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
    let source = match (&args.source, &origin) {
        (None, Some(origin)) => origin.source.clone(),
        (source, _) => source.clone(),
    };
    let dataset = match &source {
        Some(source) => Dataset::open(source)?,
        None => embedded::fashion_mnist()?,
    };
    settings::check_training(args, &recipe, &dataset)?;
    let threads = args.machine.threads();
    let minutes = Duration::from_secs_f64(60.0 * args.checkpoint_minutes);
    Ok(Config {
        source,
        run: folder(args),
        init: args.init.clone(),
        command: command_line(),
        seed: origin.as_ref().map_or(args.seed, |origin| origin.seed),
        micro_batch: match (args.micro_batch, origin) {
            (None, Some(origin)) => origin.micro_batch,
            (micro_batch, _) => micro_batch.map(|n| n as usize),
        },
        threads,
        workers: args.workers.map_or(threads, usize::from),
        max_steps: args.steps.map(|steps| steps as usize),
        checkpoints: Frequency {
            time: Some(minutes),
            steps: args.checkpoint_steps.map(|steps| steps as usize),
        },
        on_divergence: match args.on_divergence.as_str() {
            "stop" => OnDivergence::Stop,
            _ => OnDivergence::LowerRate,
        },
        on_plateau: match args.on_plateau.as_str() {
            "restart-with-he" => OnPlateau::RestartWithHe,
            "restart-with-small-biases" => OnPlateau::RestartWithSmallBiases,
            "stop" => OnPlateau::Stop,
            _ => OnPlateau::Tell,
        },
        only_forecast: args.forecast,
        display: if args.tui { Display::dashboard() } else { Display::detect(false) },
        interrupt: Interrupt::on_signals(),
        ..Config::new(recipe, dataset)
    })
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
    report.interrupted.map_or(0, |signal| 128 + signal)
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
        "skipped": report.skipped,
        "interrupted": report.interrupted,
        "forecast": report.forecast,
        "advice": report.advice,
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
        let _ = writeln!(out, "top-1   {top1}\ntop-5   {top5}\nof      {} pictures", grouped(found.images));
    }
    if model_path(&report.run).is_ok() {
        let _ = writeln!(out, "use it  alexnet classify {run} IMAGE");
    }
    out
}
