//! `run.json`: what a run was started with, besides its recipe.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::image_source::ImageSource;
use super::lineage::recipe_difference;
use super::remedy::Remedy;
use super::requests::Requests;
use crate::error::{Kind, shell};
use crate::files::json;
use crate::model::layout;
use crate::net::{Network, Recipe};
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
    /// The remedy that it was restarted with, if any. The recipe contains it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<Remedy>,
    /// Further options.
    #[serde(flatten)]
    pub requests: Requests,
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
    let is_earlier =
        |run: &Path| run.file_name().is_some_and(|name| name.to_string_lossy().starts_with(layout::EARLIER));
    let runs = entries.filter(|run| !is_run(folder) && is_run(run) && !is_earlier(run));
    runs.max_by_key(|run| (written(run), run.clone())).unwrap_or_else(|| folder.to_owned())
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

    /// The recipe to resume with, if that of the command was `given` and the run has `run`: a run that was restarted with a remedy has
    /// it in its recipe, and continues when the command that started it is repeated.
    pub fn remedied(&self, given: Recipe, run: Recipe) -> Recipe {
        let is_run = |remedied: &Recipe| recipe_difference(&run.to_toml(), &remedied.to_toml()).is_none();
        match self.remedy.map(|remedy| remedy.apply(&given)) {
            Some(Ok(remedied)) if is_run(&remedied) => run,
            Some(_) | None => given,
        }
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
    use crate::train::watch::OnPlateau;

    pub(crate) fn origin() -> Origin {
        Origin {
            format_version: 1,
            source: ImageSource::BuiltIn,
            seed: 0,
            init: None,
            remedy: None,
            requests: Requests::default(),
        }
    }

    #[test]
    fn a_restarted_run_resumes_with_the_recipe_that_it_started_with() {
        let paper = Recipe::load("paper").unwrap();
        let other = Recipe::load("small").unwrap();
        for remedy in [Remedy::He, Remedy::SmallBiases] {
            let run = remedy.apply(&paper).unwrap();
            let restarted = Origin { remedy: Some(remedy), ..origin() };
            for (given, resumed) in [(&paper, &run), (&run, &run), (&other, &other)] {
                assert_eq!(restarted.remedied(given.clone(), run.clone()), *resumed, "{remedy:?}");
            }
            assert_eq!(origin().remedied(paper.clone(), run), paper);
        }
    }

    /// A restart that was killed in between: its first attempt is not the run.
    #[test]
    fn earlier_attempts_are_not_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = folder.path().join("earlier-1");
        std::fs::create_dir(&earlier).unwrap();
        origin().write(&earlier).unwrap();
        assert_eq!(newest(folder.path()), folder.path());
        std::fs::write(folder.path().join(layout::LOCK), "process 1\n").unwrap();
        assert!(layout::is_unused(folder.path()));
        std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        assert!(!layout::is_unused(folder.path()));
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
        let requests = Requests {
            steps: Some(100),
            workers: Some(2),
            checkpoint_minutes: Some(0.1.try_into().unwrap()),
            on_plateau: Some(OnPlateau::Stop),
            ..Requests::default()
        };
        let folder = tempfile::tempdir().unwrap();
        Origin { requests: requests.clone(), ..origin() }.write(folder.path()).unwrap();
        assert_eq!(Origin::read(folder.path()).unwrap().requests, requests);
        let text = r#"{"format_version": 1, "seed": 7, "micro_batch": null, "checkpoint_minutes": -1}"#;
        std::fs::write(folder.path().join(Origin::FILE), text).unwrap();
        let error = Origin::read(folder.path()).unwrap_err();
        assert!(error.kind == Kind::Model && error.message.contains("checkpoint_minutes=-1"), "{error}");
    }
}
