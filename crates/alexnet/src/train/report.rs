//! What a training run returns.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::forecast::Forecast;
use super::schedule::End;
use super::snapshot::Snapshot;
use super::watch::Advice;
use crate::data::Skip;
use crate::eval::Evaluation;
use crate::parallel::traffic::SentBytes;

/// The result of a training run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Evaluation of the best model, or at a limit of steps or epochs the last, on the validation images, with the recipe's number
    /// of views; `None` without validation images or [`Config::final_evaluation`](super::Config::final_evaluation), for a forecast,
    /// or if a signal or an observer stopped the training.
    pub evaluation: Option<Evaluation>,
    /// Completed epochs.
    pub epochs: usize,
    /// Updates of the parameters.
    pub steps: usize,
    /// Wall-clock seconds, setup and evaluation included.
    pub seconds: f64,
    /// The run folder.
    pub run: PathBuf,
    /// The best model and its validation result; `None` if there is none.
    pub best: Option<Snapshot>,
    /// Training and validation images that were skipped, and why.
    pub skipped: Vec<Skip>,
    /// Why the training stopped.
    pub stop_reason: StopReason,
    /// Measurements of the first steps.
    pub forecast: Option<Forecast>,
    /// What did not look right, with known remedies.
    pub advice: Vec<Advice>,
    /// Bytes that this rank has sent to the others of its job.
    pub sent: SentBytes,
}

impl Report {
    /// The report as a JSON object, as `alexnet train --json` prints it; results are null without validation images, and so is the
    /// run folder if only a forecast was wanted, which deletes it.
    pub fn json(&self) -> Value {
        let found = self.evaluation.as_ref();
        json!({
            "run": self.run.exists().then(|| self.run.display().to_string()),
            "epochs": self.epochs,
            "steps": self.steps,
            "seconds": self.seconds,
            "top1": found.map(|found| found.top1_share()),
            "top5": found.map(|found| found.top5_share()),
            "loss": found.map(|found| found.loss),
            "images": found.map(|found| found.images),
            "best": self.best.as_ref().map(best),
            "skipped": self.skipped,
            "interrupted": self.signal(),
            "forecast": self.forecast,
            "advice": self.advice,
            "sent": self.sent,
        })
    }

    /// The signal that ended the training before its final evaluation, if one did.
    pub fn signal(&self) -> Option<u8> {
        match self.stop_reason {
            StopReason::Signal(signal) => Some(signal),
            StopReason::Schedule(_) | StopReason::StepLimit | StopReason::Observer | StopReason::Forecast => {
                None
            }
        }
    }
}

/// Why a training run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The schedule is complete.
    Schedule(End),
    /// A limit was reached ([`super::Requests::steps`], [`super::Config::max_epochs`]).
    StepLimit,
    /// A signal, or [`super::signals::Interrupt::request`].
    Signal(u8),
    /// An observer returned `Break`.
    Observer,
    /// Only a forecast was wanted.
    Forecast,
}

impl StopReason {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule(_) => "schedule",
            Self::StepLimit => "step-limit",
            Self::Signal(_) => "signal",
            Self::Observer => "observer",
            Self::Forecast => "forecast",
        }
    }
}

/// The best model: its epoch and validation results.
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
