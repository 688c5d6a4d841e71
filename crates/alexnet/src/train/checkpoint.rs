//! Checkpoints: everything from which a training goes on to the same bits.
//!
//! A checkpoint is a sealed safetensors file, `checkpoints/step-000012000.safetensors`. Tensors, 32-bit: the parameters as in
//! a model file, and beside each the momentum, `momentum.conv1.weight`, and `mean`; while the best model is not saved, its
//! parameters, `best.conv1.weight`; the last array is the SHA-256 of all bytes before it. Metadata: `format_version`, `state` ([`State`]) and `lineage` ([`Lineage`]), JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::schedule::Pace;
use super::settings::Settings;
use super::snapshot::Snapshot;
use super::tally::Tally;
use crate::data::Identity;
use crate::engine::Tensor;
use crate::files::container::{self, Array, Values};
use crate::net::{Recipe, diff};
use crate::{Error, Result};

/// Version of the checkpoints that this program writes, and the newest that it reads. Version 1 says of the best model only
/// how it was judged.
pub const FORMAT_VERSION: u32 = 2;

/// What the momentum of a parameter is called: this, and the parameter's name.
const MOMENTUM: &str = "momentum.";
/// The same for the parameters of the best model.
const BEST: &str = "best.";
const MEAN: &str = "mean";

/// Where a training stands between two steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Updates so far.
    pub step: usize,
    /// Batches of the epoch under way that have been used.
    pub batches: usize,
    /// Where the schedule stands.
    pub pace: Pace,
    /// What has been changed since the start.
    pub settings: Settings,
    /// The best model so far, saved or not.
    pub best: Option<Snapshot>,
    /// The model after the last epoch that is over.
    #[serde(default)]
    pub last: Option<Snapshot>,
    /// The epoch under way.
    pub epoch: Tally,
    /// The last quarter of the epoch under way.
    pub late: Tally,
    /// The steps since the last line of metrics.
    pub recent: Tally,
    /// Lines of metrics so far.
    pub lines: usize,
    /// The last of them, as far as they could not be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwritten: Vec<String>,
    /// Seconds of training so far.
    pub seconds: f64,
    /// How often numbers that were not finite made it go back to a checkpoint.
    pub rollbacks: usize,
}

/// What a checkpoint belongs to: a training is only resumed with the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// The recipe, as TOML.
    pub recipe: String,
    /// The images.
    pub data: Identity,
    /// What all random numbers follow from.
    pub seed: u64,
    /// SHA-256 of the model that the training started from, if it did from one.
    pub init: Option<String>,
}

/// Everything from which a training goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where it stands.
    pub state: State,
    /// What it belongs to.
    pub lineage: Lineage,
    /// Weights and biases.
    pub parameters: Vec<Tensor>,
    /// Their momentum, named as they are.
    pub velocities: Vec<Tensor>,
    /// What is subtracted from images: see [`crate::data::Preprocess`].
    pub mean: Vec<f32>,
    /// Weights and biases of the best model, while it is not saved.
    pub best: Option<Vec<Tensor>>,
}

impl Lineage {
    /// What differs between a checkpoint's lineage and that of a training that would go on from it, in words; `None` if
    /// nothing does.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let mut differences = Vec::new();
        // Parsed, because an earlier version may have written the same recipe differently.
        let read = |text: &str| Recipe::parse(text, "the checkpoint's recipe");
        match (read(&self.recipe), read(&now.recipe)) {
            (Ok(then), Ok(now)) if then == now => {}
            (Ok(then), Ok(now)) => differences.push(format!("the recipe:\n{}", diff(&then, &now).trim_end())),
            (Err(_), _) | (_, Err(_)) => {
                differences.push("the recipe, which this version cannot read".to_owned());
            }
        }
        if let Some(difference) = self.data.difference(&now.data) {
            differences.push(format!("the images: {difference}"));
        }
        if self.seed != now.seed {
            differences.push(format!("the seed: {} -> {}", self.seed, now.seed));
        }
        if self.init != now.init {
            differences.push("the model that the training started from".to_owned());
        }
        (!differences.is_empty()).then(|| differences.join("\n"))
    }
}

impl Checkpoint {
    /// Writes the checkpoint into the folder, whole or not at all, and gives its path.
    ///
    /// # Errors
    /// When the file cannot be written; those that are there stay as they are.
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
    /// When the file cannot be read, is cut short, has changed since it was written, or was written by a newer version.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            Error::model(format!("{}: cannot read the checkpoint: {error}", path.display()))
        })?;
        Self::parse(&bytes).map_err(|error| Error { help: None, ..error }.context(path.display()))
    }

    /// Reads a checkpoint's bytes. A newer version is told before anything else of it is looked at.
    fn parse(bytes: &[u8]) -> Result<Self> {
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

fn newer(version: &str) -> Error {
    Error::new(
        crate::error::Kind::Model,
        format!(
            "written in format {version}, this program reads up to {FORMAT_VERSION}: use a newer program"
        ),
    )
}

fn name(step: usize) -> String {
    format!("step-{step:09}.safetensors")
}

/// The checkpoints in a folder, newest first, each with its step.
pub fn list(folder: &Path) -> Vec<(usize, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let step = |path: &Path| -> Option<usize> {
        path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
    };
    let mut found: Vec<_> = entries.filter_map(|entry| Some((step(&entry.path())?, entry.path()))).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

/// The newest checkpoint in a folder that is whole, and what is wrong with newer ones; `None` without any.
///
/// # Errors
/// When all are damaged, or the newest was written by a newer version of the program: an older one would undo its work.
pub fn newest(folder: &Path) -> Result<(Option<Checkpoint>, Vec<Error>)> {
    let mut damaged = Vec::new();
    for (_, path) in list(folder) {
        match Checkpoint::load(&path) {
            Ok(checkpoint) => return Ok((Some(checkpoint), damaged)),
            Err(error) if error.message.contains("written in format") => return Err(error),
            Err(error) => damaged.push(error),
        }
    }
    match damaged.is_empty() {
        true => Ok((None, damaged)),
        false => {
            let messages: Vec<String> = damaged.into_iter().map(|error| error.message).collect();
            Err(Error::model(messages.join("\n"))
                .help("begin again, in another folder: `alexnet train SRC --recipe ... --run DIR`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            },
            parameters: vec![tensor("fc1.weight", 0.1), tensor("fc1.bias", -0.0)],
            velocities: vec![tensor("fc1.weight", 1e-30), tensor("fc1.bias", 3.0)],
            mean: vec![1.0, 2.0, 3.0],
            best: None,
        }
    }

    #[test]
    fn a_checkpoint_comes_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let before = checkpoint(12);
        let path = before.save(folder.path()).unwrap();
        assert!(path.ends_with("step-000000012.safetensors"));
        let after = Checkpoint::load(&path).unwrap();
        assert_eq!(after, before);
        assert!(after.parameters[1].data[0].is_sign_negative(), "-0 stays");
        let best = Snapshot { found: None, epoch: 2, step: 10, file: None };
        let state = State { best: Some(best), ..before.state.clone() };
        let unsaved = Checkpoint { state, best: Some(before.velocities.clone()), ..before };
        assert_eq!(Checkpoint::load(&unsaved.save(folder.path()).unwrap()).unwrap(), unsaved);
    }

    /// As the first versions of the program wrote it.
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
        assert_eq!((best.found.unwrap().top1, best.step, best.file), (3, 0, None));
        assert_eq!(state.last, None);
    }

    #[test]
    fn no_length_and_no_flipped_bit_goes_unseen() {
        let folder = tempfile::tempdir().unwrap();
        let path = checkpoint(12).save(folder.path()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            let error = Checkpoint::parse(&whole[..length]).unwrap_err();
            assert_eq!(error.kind, crate::error::Kind::Model, "cut at {length}");
        }
        // Length of the header, header with state and lineage, numbers, checksum: every byte, another bit of each.
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = Checkpoint::parse(&bytes).unwrap_err();
            assert_eq!(error.kind, crate::error::Kind::Model, "flipped at {at}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(Checkpoint::parse(&longer).is_err());
    }

    #[test]
    fn the_newest_that_is_whole_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest(folder.path()).unwrap().0.is_none());
        let paths = [8, 12, 100].map(|step| checkpoint(step).save(folder.path()).unwrap());
        std::fs::write(folder.path().join("step-x.safetensors"), "no checkpoint").unwrap();
        assert_eq!(list(folder.path()).iter().map(|(step, _)| *step).collect::<Vec<_>>(), [100, 12, 8]);
        std::fs::write(&paths[2], "cut").unwrap();
        let (found, damaged) = newest(folder.path()).unwrap();
        assert_eq!((found.unwrap().state.step, damaged.len()), (12, 1));
        assert!(damaged[0].message.contains("step-000000100.safetensors"), "{}", damaged[0]);
        paths.iter().for_each(|path| std::fs::write(path, "cut").unwrap());
        let error = newest(folder.path()).unwrap_err();
        assert!(error.message.lines().count() == 3 && error.help.is_some(), "{error}");
    }

    /// An older checkpoint is no way round a newer program's: it would undo its work.
    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(8).save(folder.path()).unwrap();
        let path = folder.path().join(name(12));
        let metadata = BTreeMap::from([("format_version", "3".to_owned())]);
        container::write_sealed(&path, &metadata, &[]).unwrap();
        let error = newest(folder.path()).unwrap_err();
        assert!(error.message.contains("format 3") && error.message.contains("a newer program"), "{error}");
    }

    #[test]
    fn what_differs_is_told() {
        let then = checkpoint(1).lineage;
        assert_eq!(then.difference(&then), None);
        let mut recipe = Recipe::load("small").unwrap();
        recipe.set("optimizer.rate", "0.5").unwrap();
        let mut data = then.data.clone();
        data.classes.push("dog".into());
        let now = Lineage { recipe: recipe.to_toml(), data, seed: 8, init: Some("x".into()) };
        let told = then.difference(&now).unwrap();
        for expected in ["optimizer.rate: 0.01 -> 0.5", "classes: 1 -> 2", "the seed: 7 -> 8", "started from"]
        {
            assert!(told.contains(expected), "{told}");
        }
    }
}
