//! What to train.

use std::path::PathBuf;

use super::checkpoint_writer::Frequency;
use super::image_source::ImageSource;
use super::origin::Requests;
use super::signals::Interrupt;
use super::watch::{OnDivergence, OnPlateau};
use crate::data::Dataset;
use crate::net::Recipe;
use crate::parallel::Job;

/// What to train, on which images, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The recipe.
    pub recipe: Recipe,
    /// Images with labels.
    pub dataset: Dataset,
    /// Where the images come from, so that the training can be resumed.
    pub source: ImageSource,
    /// Options that were given explicitly, so that a resumed run keeps them. The values in effect are below.
    pub requests: Requests,
    /// The run folder.
    pub run: RunFolder,
    /// A model to start from.
    pub init: Option<PathBuf>,
    /// The command line, for the records.
    pub command: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Compute threads.
    pub threads: usize,
    /// Image loading threads; 0 to load on the training's own thread.
    pub workers: usize,
    /// Images per pass through the network, if fewer than a batch: less memory, the same bits.
    pub micro_batch: Option<usize>,
    /// Steps after which training stops.
    pub max_steps: Option<usize>,
    /// How often checkpoints are written.
    pub checkpoints: Frequency,
    /// What to do when values become non-finite.
    pub on_divergence: OnDivergence,
    /// What to do when the loss stays at chance level.
    pub on_plateau: OnPlateau,
    /// Stop after the forecast.
    pub only_forecast: bool,
    /// The processes that train together.
    pub job: Job,
    /// Stops the training early; what was learned is saved.
    pub interrupt: Interrupt,
}

/// Which run folder to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunFolder {
    /// A new one: this, which must be empty or missing, or the first unused number below `runs/`.
    New(Option<PathBuf>),
    /// This one; the files of an earlier run are moved aside.
    Over(PathBuf),
    /// Resume the run in this one.
    Resume {
        /// The folder.
        folder: PathBuf,
        /// Whether to resume with another recipe, other images or another seed.
        accept_changes: bool,
    },
}

impl Config {
    /// A training on all threads of this machine, in a new run folder.
    pub fn new(recipe: Recipe, dataset: Dataset) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            recipe,
            dataset,
            source: ImageSource::BuiltIn,
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
            job: Job::default(),
            interrupt: Interrupt::new(),
        }
    }
}
