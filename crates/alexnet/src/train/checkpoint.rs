//! Checkpoints: everything that a bit-identical resume needs.
//!
//! A checkpoint is a sealed safetensors file, `checkpoints/step-000012000.safetensors`. Its tensors are f32: the parameters as
//! in a model file, the momentum of each, `momentum.conv1.weight`, and `mean`; while the best model is not saved, its
//! parameters, `best.conv1.weight`. The last array is the SHA-256 of all bytes before it. Metadata: `format_version`, and as
//! JSON `state` ([`State`]) and `lineage` ([`Lineage`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lineage::Lineage;
use super::schedule::LrState;
use super::settings::Settings;
use super::snapshot::Snapshot;
use super::tally::Tally;
use crate::engine::Tensor;
use crate::files::container::{self, Array, Values};
use crate::{Error, Result};

/// The format version that this program writes, and the newest that it reads. Version 1 has only the evaluation of the best
/// model.
pub const FORMAT_VERSION: u32 = 2;

/// Prefix of a parameter's name for its momentum.
const MOMENTUM: &str = "momentum.";
/// Prefix of a parameter's name for its value in the best model.
const BEST: &str = "best.";
const MEAN: &str = "mean";

/// The state of a training run between two steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps so far.
    pub step: usize,
    /// Batches of the current epoch that have been used.
    pub batches: usize,
    /// The state of the schedule.
    #[serde(rename = "pace")]
    pub lr: LrState,
    /// Settings changed by edits.
    pub settings: Settings,
    /// The best model so far, saved or not.
    pub best: Option<Snapshot>,
    /// The model after the last completed epoch.
    #[serde(default)]
    pub last: Option<Snapshot>,
    /// The current epoch.
    pub epoch: Tally,
    /// The last quarter of the current epoch.
    pub late: Tally,
    /// The steps since the last line of metrics.
    pub recent: Tally,
    /// Lines of metrics so far.
    pub lines: usize,
    /// The last of these, if they could not be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwritten: Vec<String>,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Rollbacks after non-finite values.
    pub rollbacks: usize,
}

/// Everything that a resume needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The state.
    pub state: State,
    /// What it belongs to.
    pub lineage: Lineage,
    /// Weights and biases.
    pub parameters: Vec<Tensor>,
    /// Their momentum, under the same names.
    pub velocities: Vec<Tensor>,
    /// What is subtracted from images: see [`crate::data::Preprocess`].
    pub mean: Vec<f32>,
    /// Weights and biases of the best model, until it is saved.
    pub best: Option<Vec<Tensor>>,
}

impl Checkpoint {
    /// Writes the checkpoint into a folder atomically, and returns its path.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; other checkpoints are unchanged.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(name(self.state.step));
        let json = |value: serde_json::Result<String>| value.expect("strings and numbers are JSON");
        let metadata = BTreeMap::from([
            ("format_version", FORMAT_VERSION.to_string()),
            ("state", json(serde_json::to_string(&self.state))),
            ("lineage", json(serde_json::to_string(&self.lineage))),
        ]);
        let best = self.best.as_deref().unwrap_or_default();
        let groups = [("", &self.parameters[..]), (MOMENTUM, &self.velocities), (BEST, best)];
        let tensors: Vec<(String, &Tensor)> = groups
            .into_iter()
            .flat_map(|(prefix, tensors)| tensors.iter().map(move |t| (format!("{prefix}{}", t.name), t)))
            .collect();
        let shape = [self.mean.len()];
        let mut arrays: Vec<Array<'_>> = tensors
            .iter()
            .map(|(name, tensor)| Array { name, shape: &tensor.shape, values: Values::F32(&tensor.data) })
            .collect();
        arrays.push(Array { name: MEAN, shape: &shape, values: Values::F32(&self.mean) });
        container::write_sealed(&path, &metadata, &arrays)?;
        Ok(path)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is truncated, has changed since it was written, or was written by a newer
    /// version.
    pub fn load(path: &Path) -> Result<Self> {
        Self::read(path).map_err(Unreadable::into_error)
    }

    fn read(path: &Path) -> std::result::Result<Self, Unreadable> {
        let bytes = std::fs::read(path).map_err(|error| {
            let shown = path.display();
            Unreadable::Damaged(Error::model(format!("{shown}: cannot read the checkpoint: {error}")))
        })?;
        Self::parse(&bytes).map_err(|unreadable| unreadable.at(path))
    }

    /// Parses a checkpoint. The format version is checked before anything else.
    fn parse(bytes: &[u8]) -> std::result::Result<Self, Unreadable> {
        let (file, header) = container::parse(bytes)?;
        container::check_seal(bytes)?;
        let text = |name: &str| {
            let all = header.metadata().as_ref();
            let text = all.and_then(|all| all.get(name)).map(String::as_str);
            text.ok_or_else(|| Error::model(format!("the metadata has no `{name}`: not a checkpoint")))
        };
        let version = text("format_version")?;
        if version.parse::<u32>().map_or(true, |version| version > FORMAT_VERSION) {
            return Err(newer(version));
        }
        let malformed =
            |error: serde_json::Error| Error::model(format!("the metadata is malformed: {error}"));
        let state: State = serde_json::from_str(text("state")?).map_err(malformed)?;
        let lineage: Lineage = serde_json::from_str(text("lineage")?).map_err(malformed)?;
        let mut infos: Vec<_> =
            header.tensors().into_iter().filter(|(name, _)| name != container::SEAL).collect();
        infos.sort_by_key(|(_, info)| info.data_offsets);
        let (mut parameters, mut velocities, mut best) = (Vec::new(), Vec::new(), Vec::new());
        let (_, mean) = container::floats(&file, MEAN)?;
        for (name, _) in infos.into_iter().filter(|(name, _)| name != MEAN) {
            let (shape, data) = container::floats(&file, &name)?;
            let (group, name) = match (name.strip_prefix(MOMENTUM), name.strip_prefix(BEST)) {
                (Some(name), _) => (&mut velocities, name),
                (None, Some(name)) => (&mut best, name),
                (None, None) => (&mut parameters, name.as_str()),
            };
            group.push(Tensor { name: name.to_owned(), shape, data });
        }
        let best = (!best.is_empty()).then_some(best);
        Ok(Self { state, lineage, parameters, velocities, mean, best })
    }
}

/// Why a checkpoint cannot be used.
enum Unreadable {
    /// It is damaged: an older one will do.
    Damaged(Error),
    /// A newer program wrote it: an older one would undo its work.
    Newer(Error),
}

impl Unreadable {
    fn into_error(self) -> Error {
        match self {
            Self::Damaged(error) | Self::Newer(error) => error,
        }
    }

    fn at(self, path: &Path) -> Self {
        let at = |error: Error| Error { help: None, ..error }.context(path.display());
        match self {
            Self::Damaged(error) => Self::Damaged(at(error)),
            Self::Newer(error) => Self::Newer(at(error)),
        }
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Damaged(error)
    }
}

fn newer(version: &str) -> Unreadable {
    Unreadable::Newer(Error::model(format!(
        "checkpoint format version {version}; this program reads up to version {FORMAT_VERSION}: update the program"
    )))
}

fn name(step: usize) -> String {
    format!("step-{step:09}.safetensors")
}

/// A checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointFile {
    /// Its step.
    pub step: usize,
    /// Its path.
    pub path: PathBuf,
}

/// Returns the checkpoints in a folder, newest first.
pub fn list(folder: &Path) -> Vec<CheckpointFile> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let step = |path: &Path| -> Option<usize> {
        path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some(CheckpointFile { step: step(&entry.path())?, path: entry.path() }))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

/// The result of [`newest`].
#[derive(Debug, Default)]
pub struct Newest {
    /// The newest intact checkpoint, if there is any checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Why newer ones cannot be used.
    pub damaged: Vec<Error>,
}

/// Loads the newest intact checkpoint in a folder.
///
/// # Errors
/// Returns an error if all are damaged, or if the newest was written by a newer version of the program: an older one would undo
/// its work.
pub fn newest(folder: &Path) -> Result<Newest> {
    let mut damaged = Vec::new();
    for file in list(folder) {
        match Checkpoint::read(&file.path) {
            Ok(checkpoint) => return Ok(Newest { checkpoint: Some(checkpoint), damaged }),
            Err(Unreadable::Newer(error)) => return Err(error),
            Err(Unreadable::Damaged(error)) => damaged.push(error),
        }
    }
    if damaged.is_empty() {
        return Ok(Newest::default());
    }
    let messages: Vec<String> = damaged.into_iter().map(|error| error.message).collect();
    Err(Error::model(messages.join("\n"))
        .help("start again in another folder: `alexnet train SRC --recipe NAME --run DIR`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Identity;
    use crate::net::Recipe;

    fn checkpoint(step: usize) -> Checkpoint {
        let tensor =
            |name: &str, value: f32| Tensor { name: name.into(), shape: vec![2, 3], data: vec![value; 6] };
        let recipe = Recipe::load("small").unwrap();
        Checkpoint {
            state: State { step, seconds: 1.0 / 3.0, ..State::default() },
            lineage: Lineage {
                recipe: recipe.to_toml(),
                data: Identity { classes: vec!["cat".into()], splits: Vec::new() },
                seed: 7,
                init: None,
                leaves: 1,
                scheme: Default::default(),
                precision: Default::default(),
            },
            parameters: vec![tensor("fc1.weight", 0.1), tensor("fc1.bias", -0.0)],
            velocities: vec![tensor("fc1.weight", 1e-30), tensor("fc1.bias", 3.0)],
            mean: vec![1.0, 2.0, 3.0],
            best: None,
        }
    }

    #[test]
    fn a_checkpoint_is_read_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let before = checkpoint(12);
        let path = before.save(folder.path()).unwrap();
        assert!(path.ends_with("step-000000012.safetensors"));
        let after = Checkpoint::load(&path).unwrap();
        assert_eq!(after, before);
        assert!(after.parameters[1].data[0].is_sign_negative(), "-0 is kept");
        let best = Snapshot { evaluation: None, epoch: 2, step: 10, file: None };
        let state = State { best: Some(best), ..before.state.clone() };
        let unsaved = Checkpoint { state, best: Some(before.velocities.clone()), ..before };
        assert_eq!(Checkpoint::load(&unsaved.save(folder.path()).unwrap()).unwrap(), unsaved);
    }

    /// As written by the first versions of the program.
    #[test]
    fn a_state_of_version_1_is_read() {
        let text = r#"{"step":8,"batches":1,"pace":{"epochs":1,"divided":0,"best_error":0.5,"waited":0},
            "settings":{"frozen":{},"color_noise":null,"stop_after":null},
            "best":{"images":6,"top1":3,"top5":6,"loss":1.5,"skipped":[]},
            "epoch":{"pictures":0,"correct":0,"loss":0.0,"time":0.0,"waiting":0.0},
            "late":{"pictures":0,"correct":0,"loss":0.0,"time":0.0,"waiting":0.0},
            "recent":{"pictures":0,"correct":0,"loss":0.0,"time":0.0,"waiting":0.0},
            "lines":2,"seconds":1.5,"rollbacks":0}"#;
        let state: State = serde_json::from_str(text).unwrap();
        let best = state.best.unwrap();
        assert_eq!((best.evaluation.unwrap().top1, best.step, best.file), (3, 0, None));
        assert_eq!(state.last, None);
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = checkpoint(12).save(folder.path()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            let error = Checkpoint::parse(&whole[..length]).unwrap_err().into_error();
            assert_eq!(error.kind, crate::error::Kind::Model, "truncated at {length}");
        }
        // Header length, header with state and lineage, values, checksum: one bit of every byte.
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = Checkpoint::parse(&bytes).unwrap_err().into_error();
            assert_eq!(error.kind, crate::error::Kind::Model, "flipped at {at}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(Checkpoint::parse(&longer).is_err());
    }

    #[test]
    fn the_newest_intact_checkpoint_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest(folder.path()).unwrap().checkpoint.is_none());
        let paths = [8, 12, 100].map(|step| checkpoint(step).save(folder.path()).unwrap());
        std::fs::write(folder.path().join("step-x.safetensors"), "no checkpoint").unwrap();
        assert_eq!(list(folder.path()).iter().map(|file| file.step).collect::<Vec<_>>(), [100, 12, 8]);
        std::fs::write(&paths[2], "cut").unwrap();
        let Newest { checkpoint: found, damaged } = newest(folder.path()).unwrap();
        assert_eq!((found.unwrap().state.step, damaged.len()), (12, 1));
        assert!(damaged[0].message.contains("step-000000100.safetensors"), "{}", damaged[0]);
        paths.iter().for_each(|path| std::fs::write(path, "cut").unwrap());
        let error = newest(folder.path()).unwrap_err();
        assert!(error.message.lines().count() == 3 && error.help.is_some(), "{error}");
    }

    /// Falling back to an older checkpoint would undo the newer program's work.
    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(8).save(folder.path()).unwrap();
        let path = folder.path().join(name(12));
        let metadata = BTreeMap::from([("format_version", "3".to_owned())]);
        container::write_sealed(&path, &metadata, &[]).unwrap();
        let error = newest(folder.path()).unwrap_err();
        assert!(
            error.message.contains("version 3") && error.message.contains("update the program"),
            "{error}"
        );
    }
}
