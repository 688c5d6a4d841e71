//! `run.json`: what a run was started with, besides its recipe.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::image_source::ImageSource;
use crate::error::{Kind, shell};
use crate::files::json;
use crate::model::layout;
use crate::net::Network;
use crate::parallel::{ExchangePrecision, Scheme};
use crate::{Error, Result};

/// What a run was started with, besides its recipe: enough to resume it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of this file.
    pub format_version: u32,
    /// The images.
    #[serde(default)]
    pub source: ImageSource,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The model that it started from, if any.
    #[serde(with = "json::path::optional", default)]
    pub init: Option<PathBuf>,
    /// Further options.
    #[serde(flatten)]
    pub requests: Requests,
}

/// Options of a run that are not part of the experiment. `None` stands for the default. A resumed run keeps them unless they
/// are given again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// Steps after which training ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Compute threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Image loading threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Images per pass through the network, if fewer than a batch.
    pub micro_batch: Option<usize>,
    /// Minutes between two checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_minutes: Option<f64>,
    /// Steps between two checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_steps: Option<usize>,
    /// What happens when values become non-finite, as on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_divergence: Option<String>,
    /// What happens when the loss stays at chance level, as on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_plateau: Option<String>,
    /// How processes share the training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Number of leaves that gradients are summed in; with several processes, also the default that was in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves: Option<usize>,
    /// The precision of exchanged gradients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange_precision: Option<ExchangePrecision>,
}

/// Keys the random numbers of the layers as a run of this format version does, so that it resumes to the same bits.
pub(super) fn key_layers(network: &mut Network, format_version: u32) {
    if format_version < 2 {
        network.key_by_position();
    }
}

/// Whether the folder holds a run that can be resumed.
pub fn is_run(folder: &Path) -> bool {
    folder.join(layout::ORIGIN).is_file()
}

/// Returns the newest run in a folder of runs, or the folder itself if it is a run or contains none.
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
    /// Returns these options, completed by those of `before`.
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
            scheme: self.scheme.or(before.scheme),
            leaves: self.leaves.or(before.leaves),
            exchange_precision: self.exchange_precision.or(before.exchange_precision),
        }
    }

    /// Describes how `now` differs from these options; `None` if it does not.
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

    /// Each option's name and value.
    fn shown(&self) -> [(&'static str, Option<String>); 11] {
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
            ("parallel", self.scheme.map(|scheme| scheme.to_string())),
            ("leaves", count(self.leaves)),
            ("exchange-precision", self.exchange_precision.map(|precision| precision.to_string())),
        ]
    }
}

impl Origin {
    /// The file's name in the run folder.
    pub(super) const FILE: &str = layout::ORIGIN;

    /// The format version that this program writes, and the newest that it reads. In version 1, the random numbers of a layer
    /// are keyed by its position; in version 2, by its name.
    pub const FORMAT_VERSION: u32 = 2;

    /// Reads `run.json`.
    ///
    /// # Errors
    /// Returns an error if the folder holds no run, one that was stopped before it had started, or one of a newer program.
    pub fn read(folder: &Path) -> Result<Self> {
        if !is_run(folder) {
            return Err(missing(folder));
        }
        let origin: Self = json::read(&folder.join(Self::FILE), "file of `alexnet train`")
            .map_err(|error| Error { kind: Kind::Model, ..error })?;
        if origin.format_version > Self::FORMAT_VERSION {
            return Err(Error::model(format!(
                "{}: run format version {}; this program reads up to version {}",
                folder.display(),
                origin.format_version,
                Self::FORMAT_VERSION
            ))
            .help("update the program"));
        }
        Ok(origin)
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// Returns an error if it cannot be written; an earlier file is then unchanged.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        json::write(&folder.join(Self::FILE), self)
    }
}

/// The error for a folder without `run.json`. A run that was stopped while its folder was created has nothing to lose, and can
/// be started again with the same command.
fn missing(folder: &Path) -> Error {
    let shown = folder.display();
    let file = layout::ORIGIN;
    let help =
        "pass a run folder created by `alexnet train`, or start a run: `alexnet train SRC --recipe NAME`";
    if !folder.is_dir() {
        return match folder.exists() {
            true => Error::usage(format!("{shown} is not a folder")).help(help),
            false => Error::usage(format!("{shown} does not exist")).help(help),
        };
    }
    if !layout::is_unused(folder) {
        return Error::usage(format!("{shown} is not a run folder: it has no {file}")).help(help);
    }
    let commands = std::fs::read_to_string(folder.join(layout::COMMANDS)).unwrap_or_default();
    let command = match commands.lines().next() {
        Some(line) if line.contains("train") => line.to_owned(),
        _ => format!("alexnet train SRC --recipe NAME --run {}", shell(folder)),
    };
    Error::usage(format!(
        "{shown} cannot be resumed: the run was stopped before its first step and has no {file}"
    ))
    .help(format!("start it again in the same folder: `{command}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::name_key;

    pub(crate) fn origin() -> Origin {
        Origin {
            format_version: 1,
            source: ImageSource::BuiltIn,
            seed: 0,
            init: None,
            requests: Requests::default(),
        }
    }

    #[test]
    fn only_a_run_can_be_resumed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let error = Origin::read(folder.path()).unwrap_err();
        assert!(error.kind == Kind::Usage && error.message.contains("is not a run folder"), "{error}");
        Origin { format_version: 3, ..origin() }.write(folder.path()).unwrap();
        let error = Origin::read(folder.path()).unwrap_err();
        assert!(error.kind == Kind::Model && error.message.contains("version 3"), "{error}");
        std::fs::write(folder.path().join(Origin::FILE), "{").unwrap();
        assert_eq!(Origin::read(folder.path()).unwrap_err().kind, Kind::Model);
    }

    #[test]
    fn runs_of_format_version_1_key_layers_by_position() {
        let recipe = crate::net::Recipe::load("small").unwrap();
        let by_name = Network::new(&recipe, 10).unwrap();
        let keys = |format_version| {
            let mut network = by_name.clone();
            key_layers(&mut network, format_version);
            network.layers.iter().map(|layer| layer.random_key).collect::<Vec<u64>>()
        };
        assert_eq!(keys(1), (0..by_name.layers.len() as u64).collect::<Vec<u64>>());
        assert_eq!(keys(2), by_name.layers.iter().map(|layer| name_key(&layer.name)).collect::<Vec<u64>>());
    }

    /// As written by the first versions of the program.
    #[test]
    fn a_file_without_options_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"format_version": 1, "source": "/data", "seed": 7, "init": null, "micro_batch": 9}"#;
        std::fs::write(folder.path().join(Origin::FILE), text).unwrap();
        let read = Origin::read(folder.path()).unwrap();
        let requests = Requests { micro_batch: Some(9), ..Requests::default() };
        assert_eq!(read, Origin { source: ImageSource::Path("/data".into()), seed: 7, requests, ..origin() });
    }

    #[test]
    fn a_resumed_run_keeps_its_options() {
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
