//! What a training returns.

use std::path::PathBuf;

use super::forecast::Forecast;
use super::schedule::End;
use super::snapshot::Snapshot;
use super::watch::Advice;
use crate::data::Skip;
use crate::eval::Evaluation;
use crate::parallel::traffic::SentBytes;

/// The result of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Evaluation of the best model on the validation images, with the recipe's number of views; `None` without
    /// validation images, or if the training was stopped early.
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

/// Why a training stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The schedule is complete.
    Schedule(End),
    /// The limit of steps was reached ([`super::Config::max_steps`]).
    StepLimit,
    /// A signal, or [`super::signals::Interrupt::request`].
    Signal(u8),
    /// An observer returned `Break`.
    Observer,
    /// Only a forecast was wanted.
    Forecast,
}
