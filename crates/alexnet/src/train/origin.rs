//! `run.json`: what a run began with and what it was asked for, beside its recipe.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Kind, shell};
use crate::files::json;
use crate::{Error, Result};

/// What a run began with, beside its recipe: enough to resume it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of this file.
    pub format_version: u32,
    /// The images; `None`: those that come with the program.
    #[serde(with = "json::path::optional", default)]
    pub source: Option<PathBuf>,
    /// What all random numbers follow from.
    pub seed: u64,
    /// The model that it started from, if it did from one.
    #[serde(with = "json::path::optional", default)]
    pub init: Option<PathBuf>,
    /// What was asked for beside these.
    #[serde(flatten)]
    pub requests: Requests,
}

/// Arguments of a run that do not belong to the experiment. `None`: not given, so the default holds. A resumed run uses
/// those of before unless they are given anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// Updates after which training ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Threads that compute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Threads that load images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Images that go through the network at once, if fewer than a batch.
    pub micro_batch: Option<usize>,
    /// Minutes between two checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_minutes: Option<f64>,
    /// Steps between two checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_steps: Option<usize>,
    /// What happens when numbers stop being finite, as it is typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_divergence: Option<String>,
    /// What happens when the loss stays at that of a blind guess, as it is typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_plateau: Option<String>,
}

/// Returns whether the folder holds a run that can be resumed.
pub fn is_run(folder: &Path) -> bool {
    folder.join(Origin::FILE).is_file()
}

/// The newest run in a folder of runs; the folder itself, if it is a run or holds none.
pub fn newest(folder: &Path) -> PathBuf {
    let written = |run: &PathBuf| {
        let files = std::fs::read_dir(run).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let runs = entries.filter(|run| !is_run(folder) && is_run(run));
    runs.max_by_key(|run| (written(run), run.clone())).unwrap_or_else(|| folder.to_owned())
}

impl Requests {
    /// These, and what `before` asked for where these ask for nothing.
    #[must_use]
    pub fn or(self, before: &Self) -> Self {
        let before = before.clone();
        Self {
            steps: self.steps.or(before.steps),
            threads: self.threads.or(before.threads),
            workers: self.workers.or(before.workers),
            micro_batch: self.micro_batch.or(before.micro_batch),
            checkpoint_minutes: self.checkpoint_minutes.or(before.checkpoint_minutes),
            checkpoint_steps: self.checkpoint_steps.or(before.checkpoint_steps),
            on_divergence: self.on_divergence.or(before.on_divergence),
            on_plateau: self.on_plateau.or(before.on_plateau),
        }
    }

    /// What `now` asks for otherwise than these, as arguments; `None` where nothing differs.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let differences: Vec<String> = self
            .shown()
            .into_iter()
            .zip(now.shown())
            .filter(|((_, before), (_, after))| before != after)
            .map(|((name, before), (_, after))| {
                let shown = |value: Option<String>, instead: &str| value.unwrap_or(instead.into());
                format!("--{name} {} -> {}", shown(before, "not given"), shown(after, "none"))
            })
            .collect();
        (!differences.is_empty()).then(|| differences.join(", "))
    }

    /// Each argument's name and its value.
    fn shown(&self) -> [(&'static str, Option<String>); 8] {
        let count = |value: Option<usize>| value.map(|value| value.to_string());
        [
            ("steps", count(self.steps)),
            ("threads", count(self.threads)),
            ("workers", count(self.workers)),
            ("micro-batch", count(self.micro_batch)),
            ("checkpoint-minutes", self.checkpoint_minutes.map(|minutes| minutes.to_string())),
            ("checkpoint-steps", count(self.checkpoint_steps)),
            ("on-divergence", self.on_divergence.clone()),
            ("on-plateau", self.on_plateau.clone()),
        ]
    }
}

impl Origin {
    /// The file's name in the run folder.
    pub(super) const FILE: &str = "run.json";

    /// Version of the file that this program writes, and the newest that it reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// Reads what a run began with.
    ///
    /// # Errors
    /// When the folder holds no run, one that was stopped before it had begun, or one of a newer program.
    pub fn read(folder: &Path) -> Result<Self> {
        if !is_run(folder) {
            return Err(missing(folder));
        }
        let origin: Self = json::read(&folder.join(Self::FILE), "what `alexnet train` writes")
            .map_err(|error| Error { kind: Kind::Model, ..error })?;
        if origin.format_version > Self::FORMAT_VERSION {
            return Err(Error::model(format!(
                "{}: a run in format {}, this program reads up to {}",
                folder.display(),
                origin.format_version,
                Self::FORMAT_VERSION
            ))
            .help("a newer version of the program"));
        }
        Ok(origin)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; what stood there is then unchanged.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        json::write(&folder.join(Self::FILE), self)
    }
}

/// What is said of a folder without `run.json`. A run that was stopped while its folder was made has nothing to lose, and the
/// command that began it works again.
fn missing(folder: &Path) -> Error {
    let shown = folder.display();
    let file = Origin::FILE;
    if !folder.is_dir() {
        return Error::usage(format!("{shown} is no folder: there is no {file}"))
            .help("name a run folder, as `alexnet train` makes it; or start a run: `alexnet train SRC --recipe NAME`");
    }
    match super::run::began_only(folder) {
        true => {
            let command = std::fs::read_to_string(folder.join("command.txt")).unwrap_or_default();
            let command = match command.lines().next() {
                Some(line) if line.contains("train") => line.to_owned(),
                _ => format!("alexnet train SRC --recipe NAME --run {}", shell(folder)),
            };
            Error::usage(format!(
                "{shown} holds no run that can go on: it was stopped before its first step, and there is no {file}"
            ))
            .help(format!("start it again, in the same folder: `{command}`"))
        }
        false => Error::usage(format!("{shown} holds no run that can go on: there is no {file}"))
            .help("name a run folder, as `alexnet train` makes it; or start a run: `alexnet train SRC --recipe NAME`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn origin() -> Origin {
        Origin { format_version: 1, source: None, seed: 0, init: None, requests: Requests::default() }
    }

    #[test]
    fn only_a_run_can_be_resumed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let error = Origin::read(folder.path()).unwrap_err();
        assert!(error.kind == Kind::Usage && error.message.contains("holds no run"), "{error}");
        Origin { format_version: 2, ..origin() }.write(folder.path()).unwrap();
        let error = Origin::read(folder.path()).unwrap_err();
        assert!(error.kind == Kind::Model && error.message.contains("format 2"), "{error}");
        std::fs::write(folder.path().join(Origin::FILE), "{").unwrap();
        assert_eq!(Origin::read(folder.path()).unwrap_err().kind, Kind::Model);
    }

    /// The file as the first versions of the program wrote it.
    #[test]
    fn a_file_without_requests_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"format_version": 1, "source": "/data", "seed": 7, "init": null, "micro_batch": 9}"#;
        std::fs::write(folder.path().join(Origin::FILE), text).unwrap();
        let read = Origin::read(folder.path()).unwrap();
        let requests = Requests { micro_batch: Some(9), ..Requests::default() };
        assert_eq!(read, Origin { source: Some("/data".into()), seed: 7, requests, ..origin() });
    }

    #[test]
    fn requests_outlive_a_resume_unless_they_are_given_anew() {
        let before = Requests {
            steps: Some(100),
            workers: Some(2),
            checkpoint_minutes: Some(0.5),
            on_plateau: Some("stop".into()),
            ..Requests::default()
        };
        let folder = tempfile::tempdir().unwrap();
        Origin { requests: before.clone(), ..origin() }.write(folder.path()).unwrap();
        assert_eq!(Origin::read(folder.path()).unwrap().requests, before);
        assert_eq!(before.difference(&before), None);
        let now = Requests { workers: Some(0), threads: Some(4), ..Requests::default() }.or(&before);
        assert_eq!((now.steps, now.workers, now.checkpoint_minutes), (Some(100), Some(0), Some(0.5)));
        assert_eq!(before.difference(&now).unwrap(), "--threads not given -> 4, --workers 2 -> 0");
    }
}
