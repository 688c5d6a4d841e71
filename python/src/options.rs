//! The options of a training.

use std::path::PathBuf;

use pyo3::prelude::*;

use alexnet::Error;
use alexnet::train::watch::{OnDivergence, OnPlateau};
use alexnet::train::{Minutes, Requests};

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
        let (on_divergence, on_plateau) = (self.on_divergence.as_deref(), self.on_plateau.as_deref());
        let minutes =
            |minutes: f64| Minutes::try_from(minutes).map_err(|error| error.help("checkpoint_minutes=10"));
        Ok(Requests {
            steps: checked("steps", self.steps, 1, usize::MAX)?,
            threads: checked("threads", self.threads, 1, MAX_THREADS)?,
            workers: checked("workers", self.workers, 0, MAX_THREADS)?,
            micro_batch: checked("micro_batch", self.micro_batch, 1, usize::MAX)?,
            checkpoint_minutes: self.checkpoint_minutes.map(minutes).transpose()?,
            checkpoint_steps: checked("checkpoint_steps", self.checkpoint_steps, 1, usize::MAX)?,
            on_divergence: on_divergence
                .map(|name| action("on_divergence", name, &OnDivergence::ALL, OnDivergence::name))
                .transpose()?,
            on_plateau: on_plateau
                .map(|name| action("on_plateau", name, &OnPlateau::ALL, OnPlateau::name))
                .transpose()?,
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

/// The action of this name.
///
/// # Errors
/// Returns an error if there is none.
fn action<T: Copy>(
    key: &str,
    name: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> alexnet::Result<T> {
    let found = all.iter().copied().find(|&action| name_of(action) == name);
    found.ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|&action| format!("\"{}\"", name_of(action))).collect();
        let (last, others) = names.split_last().expect("there are several actions");
        Error::usage(format!("{key}=\"{name}\": expected {} or {last}", others.join(", ")))
    })
}
