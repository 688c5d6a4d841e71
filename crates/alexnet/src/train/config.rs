//! What a training is told, and what it tells at its end.

use std::path::PathBuf;

use super::keeper::Frequency;
use super::origin::Requests;
use super::signals::Interrupt;
use super::watch::{OnDivergence, OnPlateau};
use crate::data::Dataset;
use crate::net::Recipe;

/// What to train, on what, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The experiment.
    pub recipe: Recipe,
    /// Images with labels.
    pub dataset: Dataset,
    /// Where they came from, so that the training can go on later; `None`: they come with the program.
    pub source: Option<PathBuf>,
    /// What was asked for explicitly, so that a later resume can use it again. The values that count are below.
    pub requests: Requests,
    /// The run folder.
    pub run: RunFolder,
    /// A model to start from.
    pub init: Option<PathBuf>,
    /// The command line, for the records.
    pub command: String,
    /// What all random numbers follow from.
    pub seed: u64,
    /// Threads that compute.
    pub threads: usize,
    /// Threads that load images; 0: none beside those that compute.
    pub workers: usize,
    /// Images that go through the network at once, if fewer than a batch: less memory, the same numbers.
    pub micro_batch: Option<usize>,
    /// Ends training after so many steps.
    pub max_steps: Option<usize>,
    /// How often checkpoints are made.
    pub checkpoints: Frequency,
    /// What is done when numbers stop being finite.
    pub on_divergence: OnDivergence,
    /// What is done when the loss stays at that of a blind guess.
    pub on_plateau: OnPlateau,
    /// Ends after the forecast.
    pub only_forecast: bool,
    /// Ends training early, with what was learned saved.
    pub interrupt: Interrupt,
}

/// Which run folder, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunFolder {
    /// A new one: this, which must be empty or not there, or the first below `runs/` with a free number.
    New(Option<PathBuf>),
    /// This one; what an earlier run left in it is moved aside.
    Over(PathBuf),
    /// The training in this one goes on.
    Resume {
        /// The folder.
        folder: PathBuf,
        /// Whether it goes on even with another recipe, other images or another seed.
        accept_changes: bool,
    },
}

impl Config {
    /// A training on all threads of this machine, into a new run folder.
    pub fn new(recipe: Recipe, dataset: Dataset) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            recipe,
            dataset,
            source: None,
            requests: Requests::default(),
            run: RunFolder::New(None),
            init: None,
            command: String::new(),
            seed: 0,
            threads,
            workers: threads,
            micro_batch: None,
            max_steps: None,
            checkpoints: Frequency::default(),
            on_divergence: OnDivergence::default(),
            on_plateau: OnPlateau::default(),
            only_forecast: false,
            interrupt: Interrupt::new(),
        }
    }
}
