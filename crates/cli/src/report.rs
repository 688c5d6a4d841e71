//! The results of a training run as text.

use std::fmt::Write;

use super::output::{percent, printable};
use alexnet::error::shell;
use alexnet::eval::model_path;
use alexnet::format::{counted, grouped};
use alexnet::train::Report;
use alexnet::train::snapshot::Snapshot;

/// The exit code: 0, or 128 + the number of the signal that stopped the training, as in shells.
pub(crate) fn exit_code(report: &Report) -> u8 {
    report.signal().map_or(0, |signal| 128 + signal)
}

/// The results, and what to do with them.
pub(crate) fn text(report: &Report) -> String {
    let run = printable(&report.run.display().to_string());
    if !report.run.exists() {
        // `--forecast` deletes it.
        let too_short = || format!("no estimate: training ends after {}\n", counted(report.steps, "step"));
        return report.forecast.as_ref().map_or_else(too_short, |forecast| format!("{forecast}\n"));
    }
    let mut out = format!("run     {run}\n");
    if let Some(found) = &report.evaluation {
        let (top1, top5) = (percent(found.top1_share()), percent(found.top5_share()));
        let _ = writeln!(out, "top-1   {top1}\ntop-5   {top5}\nimages  {}", grouped(found.images));
    }
    if let Some(Snapshot { evaluation: Some(found), epoch, .. }) = &report.best {
        let _ =
            writeln!(out, "best    epoch {epoch}, selected on {}", counted(found.images, "validation image"));
    }
    if model_path(&report.run).is_ok() {
        let _ = writeln!(out, "use it  alexnet classify {} IMAGE", shell(&report.run));
    }
    out
}
