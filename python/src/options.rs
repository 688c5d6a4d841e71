//! The options of a training.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;

use alexnet::Error;
use alexnet::train::checkpoint_writer::Frequency;
use alexnet::train::origin::Requests;
use alexnet::train::watch::{OnDivergence, OnPlateau};

/// The options of `alexnet.train`, from a dictionary.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    pub(crate) run: Option<PathBuf>,
    pub(crate) exist_ok: bool,
    pub(crate) resume: Option<PathBuf>,
    pub(crate) accept_changes: bool,
    pub(crate) init: Option<PathBuf>,
    pub(crate) seed: Option<u64>,
    steps: Option<usize>,
    threads: Option<usize>,
    workers: Option<usize>,
    micro_batch: Option<usize>,
    checkpoint_minutes: Option<f64>,
    checkpoint_steps: Option<usize>,
    on_divergence: Option<String>,
    on_plateau: Option<String>,
    pub(crate) command: String,
}

/// The most threads of a kind.
pub(crate) const MAX_THREADS: usize = 1024;

impl Options {
    /// The options that a run keeps when it is resumed.
    ///
    /// # Errors
    /// Returns an error if a value is out of range.
    pub(crate) fn requests(&self) -> alexnet::Result<Requests> {
        let checked = |name: &str, value: Option<usize>, least: usize, most: usize| {
            value.map(|value| whole(name, value, least, most)).transpose()
        };
        Ok(Requests {
            steps: checked("steps", self.steps, 1, usize::MAX)?,
            threads: checked("threads", self.threads, 1, MAX_THREADS)?,
            workers: checked("workers", self.workers, 0, MAX_THREADS)?,
            micro_batch: checked("micro_batch", self.micro_batch, 1, usize::MAX)?,
            checkpoint_minutes: self.checkpoint_minutes,
            checkpoint_steps: checked("checkpoint_steps", self.checkpoint_steps, 1, usize::MAX)?,
            on_divergence: self.on_divergence.clone(),
            on_plateau: self.on_plateau.clone(),
            ..Requests::default()
        })
    }
}

/// A whole number within a range.
///
/// # Errors
/// Returns an error if it is not.
pub(crate) fn whole(name: &str, value: usize, least: usize, most: usize) -> alexnet::Result<usize> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let expected = match most {
        usize::MAX => format!("at least {least}"),
        most => format!("{least} to {most}"),
    };
    Err(Error::usage(format!("{name}={value}: expected {expected}")))
}

/// How often checkpoints are written.
///
/// # Errors
/// Returns an error if the time is not above 0.
pub(crate) fn checkpoints(requests: &Requests) -> alexnet::Result<Frequency> {
    let default = Frequency::default();
    let time = match requests.checkpoint_minutes {
        None => default.time,
        Some(minutes) => {
            let time = Duration::try_from_secs_f64(60.0 * minutes).ok().filter(|time| !time.is_zero());
            Some(time.ok_or_else(|| {
                Error::usage(format!("checkpoint_minutes={minutes}: expected a number above 0"))
                    .help("checkpoint_minutes=10")
            })?)
        }
    };
    Ok(Frequency { time, steps: requests.checkpoint_steps })
}

/// What to do when values become non-finite.
///
/// # Errors
/// Returns an error if there is no such action.
pub(crate) fn on_divergence(name: Option<&str>) -> alexnet::Result<OnDivergence> {
    match name {
        None => Ok(OnDivergence::default()),
        Some("lower-rate") => Ok(OnDivergence::LowerRate),
        Some("stop") => Ok(OnDivergence::Stop),
        Some(other) => {
            Err(Error::usage(format!("on_divergence=\"{other}\": expected \"lower-rate\" or \"stop\"")))
        }
    }
}

/// What to do when the loss stays at chance level.
///
/// # Errors
/// Returns an error if there is no such action.
pub(crate) fn on_plateau(name: Option<&str>) -> alexnet::Result<OnPlateau> {
    match name {
        None => Ok(OnPlateau::default()),
        Some("advise") => Ok(OnPlateau::Tell),
        Some("restart-with-he") => Ok(OnPlateau::RestartWithHe),
        Some("restart-with-small-biases") => Ok(OnPlateau::RestartWithSmallBiases),
        Some("stop") => Ok(OnPlateau::Stop),
        Some(other) => Err(Error::usage(format!(
            "on_plateau=\"{other}\": expected \"advise\", \"restart-with-he\", \"restart-with-small-biases\" or \"stop\""
        ))),
    }
}
