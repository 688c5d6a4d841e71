//! The options of a training run.

use std::path::PathBuf;

use pyo3::prelude::*;

use alexnet::Error;
use alexnet::train::watch::{OnDivergence, OnPlateau};
use alexnet::train::{Minutes, Requests};

/// A whole number of Python, of any sign: [`whole`] checks it.
#[derive(Clone, Copy)]
pub(crate) struct Whole(pub(crate) i128);

impl<'py> FromPyObject<'_, 'py> for Whole {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // NumPy's numbers become Python's, of which 128 bits are read.
        let number = value.py().import("operator")?.call_method1("index", (value,))?;
        Ok(Self(number.extract()?))
    }
}

/// The options of `alexnet.train`, from a dictionary.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    pub(crate) run: Option<PathBuf>,
    pub(crate) exist_ok: bool,
    pub(crate) resume: Option<PathBuf>,
    pub(crate) accept_changes: bool,
    pub(crate) init: Option<PathBuf>,
    seed: Option<Whole>,
    steps: Option<Whole>,
    threads: Option<Whole>,
    workers: Option<Whole>,
    micro_batch: Option<Whole>,
    checkpoint_minutes: Option<f64>,
    checkpoint_steps: Option<Whole>,
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
        let checked = |name: &str, value: Option<Whole>, least: usize, most: usize| {
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

    /// The seed.
    ///
    /// # Errors
    /// Returns an error if it is not a number of 64 bits.
    pub(crate) fn seed(&self) -> alexnet::Result<Option<u64>> {
        let checked = |Whole(seed): Whole| {
            let expected = format!("seed={seed}: expected 0 to {}", u64::MAX);
            u64::try_from(seed).map_err(|_| Error::usage(expected))
        };
        self.seed.map(checked).transpose()
    }
}

/// A whole number within a range.
///
/// # Errors
/// Returns an error if it is not.
pub(crate) fn whole(name: &str, Whole(value): Whole, least: usize, most: usize) -> alexnet::Result<usize> {
    if let Some(value) = usize::try_from(value).ok().filter(|value| (least..=most).contains(value)) {
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
/// Returns an error if no action has this name.
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
