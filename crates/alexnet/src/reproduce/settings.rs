//! What to reproduce.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::experiment::Experiment;
use crate::data::Dataset;
use crate::format::counted;
use crate::net::Recipe;
use crate::train::signals::Interrupt;

/// What to reproduce, on which images, and where the results go.
#[derive(Clone, Debug)]
pub struct ReproductionSettings {
    /// The experiments.
    pub selection: Selection,
    /// The recipe of the control.
    pub recipe: Recipe,
    /// Images with labels.
    pub dataset: Dataset,
    /// Where the images are; `None` for those that are part of the program.
    pub source: Option<PathBuf>,
    /// The number of seeds, 0 to `seeds - 1`.
    pub seeds: usize,
    /// How [`Experiment::Relu`] chooses learning rates.
    pub rates: RateSearch,
    /// The output folder. Called again with the same one, the reproduction continues.
    pub folder: PathBuf,
    /// Compute threads.
    pub threads: usize,
    /// Image loading threads.
    pub workers: usize,
    /// The command line, for the records.
    pub command: String,
    /// Stops after a checkpoint.
    pub interrupt: Interrupt,
}

impl ReproductionSettings {
    /// Six seeds on all threads of this machine.
    pub fn new(selection: Selection, recipe: Recipe, dataset: Dataset, folder: PathBuf) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            selection,
            recipe,
            dataset,
            source: None,
            seeds: 6,
            rates: RateSearch::default(),
            folder,
            threads,
            workers: threads,
            command: String::new(),
            interrupt: Interrupt::new(),
        }
    }
}

/// Which experiments to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These. A recipe that lacks an ingredient is an error.
    Experiments(Vec<Experiment>),
    /// All for which the recipe has the ingredient, except for [`Experiment::Relu`], which trains other networks.
    All,
}

/// How [`Experiment::Relu`] chooses a learning rate for each network, by the same rule: each rate of a grid trains briefly with
/// a seed of its own. The rate that reaches `error` first wins; if none does, the one with the lowest error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateSearch {
    /// The rates.
    pub rates: Vec<f32>,
    /// The most epochs of each training run.
    pub epochs: usize,
    /// The training error that ends a training run.
    pub error: f64,
}

impl fmt::Display for RateSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<String> = self.rates.iter().map(ToString::to_string).collect();
        write!(
            f,
            "{} for {} to {} % training error",
            rates.join(","),
            counted(self.epochs, "epoch"),
            100.0 * self.error
        )
    }
}

impl Default for RateSearch {
    fn default() -> Self {
        Self { rates: vec![0.0003, 0.001, 0.003, 0.01, 0.03], epochs: 5, error: 0.4 }
    }
}
