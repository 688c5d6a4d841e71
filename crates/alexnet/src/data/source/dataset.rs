//! A data set: classes and splits.

use std::path::PathBuf;
use std::sync::Arc;

use super::split::Split;
use crate::data::pack::SquaresUser;
use crate::data::statistics::Statistics;
use crate::error::shell;
use crate::net::Input;
use crate::{Error, Result};

/// Labeled images in splits.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The class names; a label is an index into them. Names of folders are sorted by their bytes.
    pub classes: Vec<String>,
    /// The splits: `train`, and if present `val`, `test` and `all`.
    pub splits: Vec<Split>,
    /// The path or name of the source, recorded with each run.
    pub origin: String,
    /// Notes for the user on how the source was read.
    pub notes: Vec<String>,
    pub(super) advice: Advice,
}

/// What the help of errors about a data set says.
#[derive(Clone, Debug, Default)]
pub(super) struct Advice {
    /// The path that was opened, for commands: an origin need not be one. `None` for images in memory.
    pub(super) path: Option<PathBuf>,
    /// What to do if there are no training images; `None` to add a folder of them.
    pub(super) to_train: Option<String>,
}

impl Dataset {
    /// Returns the split with this name.
    ///
    /// # Errors
    /// Returns an error that lists the existing splits if there is none.
    pub fn split(&self, name: &str) -> Result<&Split> {
        self.splits.iter().find(|split| split.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.splits.iter().map(|split| split.name.as_str()).collect();
            Error::data(format!("{} has no split `{name}`, only {}", self.origin, names.join(", ")))
                .help(format!("--split {}", unseen(&names)))
        })
    }

    /// Returns the training images.
    ///
    /// # Errors
    /// Returns an error if there are none.
    pub fn train(&self) -> Result<&Split> {
        self.splits.iter().find(|split| split.name == "train").ok_or_else(|| {
            let names: Vec<&str> = self.splits.iter().map(|split| split.name.as_str()).collect();
            let add = self.advice.to_train.as_deref().unwrap_or("add a train/ folder next to it");
            let help = match self.shell_path() {
                Some(path) => format!(
                    "to train, {add}; to evaluate a model on these images: \
                     `alexnet eval MODEL --data {path} --split {}`",
                    names.first().unwrap_or(&"test")
                ),
                None => format!("to train, {add}"),
            };
            Error::data(format!("{}: no training images, only {}", self.origin, names.join(" and ")))
                .help(help)
        })
    }

    /// Returns the path that was opened, quoted for use in a shell command; `None` for images in memory.
    pub(crate) fn shell_path(&self) -> Option<String> {
        self.advice.path.as_ref().map(shell)
    }

    /// Decodes all splits with the orientation of a recipe's `input`, after checking that packed squares suit it.
    ///
    /// # Errors
    /// Returns an error as [`Split::check_packed`] does.
    pub fn prepare(&mut self, input: &Input) -> Result<()> {
        for split in &mut self.splits {
            let note = split.check_packed(input.square, input.orientation, SquaresUser::Recipe)?;
            self.notes.extend(note.filter(|note| !self.notes.contains(note)));
            *split = split.oriented(input.orientation);
        }
        Ok(())
    }

    /// Sets the statistics of the training images, so that they are not measured again.
    pub fn set_statistics(&mut self, statistics: Statistics) {
        if let Some(train) = self.splits.iter_mut().find(|split| split.name == "train") {
            train.set_statistics(Arc::new(statistics));
        }
    }

    /// Returns the validation images: `val`, or otherwise `test`.
    pub fn val(&self) -> Option<&Split> {
        self.split("val").or_else(|_| self.split("test")).ok()
    }
}

/// The split of these names that is least likely to be what a model was trained on.
fn unseen<'n>(names: &[&'n str]) -> &'n str {
    ["val", "test"]
        .into_iter()
        .find_map(|name| names.iter().find(|other| **other == name))
        .or(names.first())
        .unwrap_or(&"train")
}
