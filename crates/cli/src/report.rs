//! The results of a training as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::output::{percent, printable};
use alexnet::error::shell;
use alexnet::eval::model_path;
use alexnet::format::grouped;
use alexnet::train::Report;
use alexnet::train::snapshot::Snapshot;

/// The exit code: 0, or 128 + the number of the signal that stopped the training, as in shells.
pub(crate) fn exit_code(report: &Report) -> u8 {
    report.signal().map_or(0, |signal| 128 + signal)
}

/// What `train --json` and `demo --json` print; the results are null without validation images.
pub(crate) fn json(report: &Report) -> Value {
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
        "sent": report.sent,
    })
}

/// The best model: its epoch and validation results, null without validation images.
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

/// The results, and what to do with them.
pub(crate) fn text(report: &Report) -> String {
    let run = printable(&report.run.display().to_string());
    if !report.run.exists() {
        // `--forecast` deletes it.
        let too_short = || format!("no estimate: training ends after {} steps\n", report.steps);
        return report.forecast.as_ref().map_or_else(too_short, |forecast| format!("{forecast}\n"));
    }
    let mut out = format!("run     {run}\n");
    if let Some(found) = &report.evaluation {
        let (top1, top5) = (percent(found.top1_share()), percent(found.top5_share()));
        let _ = writeln!(out, "top-1   {top1}\ntop-5   {top5}\nimages  {}", grouped(found.images));
    }
    if let Some(Snapshot { evaluation: Some(found), epoch, .. }) = &report.best {
        let _ =
            writeln!(out, "best    epoch {epoch}, selected on {} validation images", grouped(found.images));
    }
    if model_path(&report.run).is_ok() {
        let _ = writeln!(out, "use it  alexnet classify {} IMAGE", shell(&report.run));
    }
    out
}
