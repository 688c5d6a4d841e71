//! The layout of a run folder: the names of its files.

use std::path::{Path, PathBuf};

/// A folder with the files of one run. The paths are those of the layout; the files may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLayout {
    path: PathBuf,
}

impl RunLayout {
    /// The file name of the best model.
    pub const BEST: &str = "best.safetensors";
    /// The file name of the last model.
    pub const LAST: &str = "last.safetensors";

    /// Describes the run folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the model with the lowest validation error.
    pub fn best(&self) -> PathBuf {
        self.path.join(Self::BEST)
    }

    /// Returns the path of the model at the end of training, or where training was stopped.
    pub fn last(&self) -> PathBuf {
        self.path.join(Self::LAST)
    }

    /// Returns the path of the recipe, with all changes of `--set`.
    pub fn recipe(&self) -> PathBuf {
        self.path.join("recipe.toml")
    }

    /// Returns the path of the other settings that the run started with.
    pub fn settings(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// Returns the path of the command lines.
    pub fn command(&self) -> PathBuf {
        self.path.join("command.txt")
    }

    /// Returns the path of the log.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.txt")
    }

    /// Returns the path of the metrics.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// Returns the path of the journal: changes made during training.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// Returns the path of the folder with requested edits.
    pub fn edits(&self) -> PathBuf {
        self.path.join("edits")
    }

    /// Returns the path of the folder with checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Returns the path of the folder with plots.
    pub fn plots(&self) -> PathBuf {
        self.path.join("plots")
    }

    /// Returns the path of the statistics of the training images.
    pub fn statistics(&self) -> PathBuf {
        self.path.join("statistics.safetensors")
    }

    /// Returns the path of the lock that a training holds.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Returns the model to use for the run: the best one, or the last one if training ended before its first validation;
    /// `None` if neither exists.
    pub fn model(&self) -> Option<PathBuf> {
        [self.best(), self.last()].into_iter().find(|path| path.is_file())
    }
}
