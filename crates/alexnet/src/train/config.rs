//! What to train.

use std::path::PathBuf;
use std::sync::Arc;

use super::image_source::ImageSource;
use super::requests::Requests;
use super::signals::Interrupt;
use crate::data::Dataset;
use crate::net::Recipe;
use crate::parallel::{Job, Solo, Transport};

/// What to train, on which images, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The recipe.
    pub recipe: Recipe,
    /// Images with labels.
    pub dataset: Dataset,
    /// Where the images come from, so that the training can be resumed.
    pub source: ImageSource,
    /// Options that are recorded, so that a resumed run can keep them: those of a run are in its
    /// [`Origin`](super::origin::Origin).
    pub requests: Requests,
    /// The run folder.
    pub run: RunFolder,
    /// A model to start from.
    pub init: Option<PathBuf>,
    /// The command line, for the records.
    pub command: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The threads that this machine has for the training: their number unless [`Requests::threads`] says otherwise. It is not
    /// recorded, since a run may be resumed on another machine.
    pub cores: usize,
    /// Epochs after which training stops, if before its schedule. It is not recorded: a call that resumes the run names it again.
    pub max_epochs: Option<usize>,
    /// Whether to evaluate the best model at the end, with the recipe's views.
    pub final_evaluation: bool,
    /// Stop after the forecast, and remove the run folder, which must be a new one.
    pub only_forecast: bool,
    /// Messages between the processes that train together.
    pub transport: Arc<dyn Transport>,
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
    /// A training run on all threads of this machine, in a new run folder.
    pub fn new(recipe: Recipe, dataset: Dataset) -> Self {
        Self {
            recipe,
            dataset,
            source: ImageSource::BuiltIn,
            requests: Requests::default(),
            run: RunFolder::New(None),
            init: None,
            command: String::new(),
            seed: 0,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            max_epochs: None,
            final_evaluation: true,
            only_forecast: false,
            transport: Arc::new(Solo),
            interrupt: Interrupt::new(),
        }
    }

    /// Compute threads.
    pub fn threads(&self) -> usize {
        self.requests.threads.unwrap_or(self.cores)
    }

    /// Image loading threads; 0 to load on the training's own thread.
    pub fn workers(&self) -> usize {
        self.requests.workers.unwrap_or_else(|| self.threads())
    }

    /// The processes that train together, and how they share the work.
    pub fn job(&self) -> Job {
        let Requests { scheme, leaves, exchange_precision, .. } = self.requests;
        Job {
            transport: Arc::clone(&self.transport),
            scheme: scheme.unwrap_or_default(),
            leaves,
            precision: exchange_precision.unwrap_or_default(),
        }
    }
}
