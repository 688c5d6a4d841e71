//! `alexnet train`: a recipe, with what is changed in it, on a source of pictures.

use std::fmt::Write;

use serde_json::{Value, json};

use super::args::TrainArgs;
use super::output::{Output, percent, printable};
use super::{Ending, command_line};
use crate::Result;
use crate::data::Dataset;
use crate::eval::model_path;
use crate::net::Recipe;
use crate::net::show::grouped;
use crate::train::progress::Display;
use crate::train::signals::Interrupt;
use crate::train::{Config, Report, RunFolder, train};

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
    let threads = args.machine.threads();
    Ok(Config {
        run: match &args.run {
            Some(folder) if args.exist_ok => RunFolder::Over(folder.clone()),
            folder => RunFolder::New(folder.clone()),
        },
        command: command_line(),
        seed: args.seed,
        threads,
        workers: args.workers.map_or(threads, usize::from),
        max_steps: args.steps.map(|steps| steps as usize),
        display: Display::detect(false),
        interrupt: Interrupt::on_signals(),
        ..Config::new(recipe, Dataset::open(&args.source)?)
    })
}

/// The recipe with every `--set` and `--epochs`, checked as a whole.
fn recipe(args: &TrainArgs) -> Result<Recipe> {
    let mut recipe = Recipe::load(&args.recipe)?;
    let epochs = args.epochs.map(|epochs| epochs.to_string());
    let settings = args.set.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let settings: Vec<_> = settings.chain(epochs.as_deref().map(|n| ("schedule.epochs", n))).collect();
    if !settings.is_empty() {
        recipe.set_all(settings)?;
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
    })
}

/// What came out, and what to do with it.
fn text(report: &Report) -> String {
    let run = printable(&report.run.display().to_string());
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
