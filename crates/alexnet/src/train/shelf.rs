//! The files of the best models: `best.safetensors`, and in the folder of checkpoints the earlier ones that these refer to.
//!
//! A checkpoint refers to the best model of its steps by a digest. When a better one is saved, the previous one moves to
//! `checkpoints/best-000000120.safetensors`, where 120 is its step, for as long as a checkpoint may refer to it: a training run
//! that is resumed from that checkpoint with an edit may never reach the better one again.

use std::path::{Path, PathBuf};

use super::checkpoint;
use super::snapshot::Snapshot;
use crate::model::layout::{BEST, CHECKPOINTS};
use crate::model::{Model, Summary};
use crate::{Error, Result};

/// Where the best model is after [`Shelf::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BestModel {
    /// This state of the training has none.
    None,
    /// In `best.safetensors`.
    Expected,
    /// Its file was changed or removed.
    Lost,
}

/// The result of [`Shelf::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the best model is.
    pub place: BestModel,
    /// Where an unexpected `best.safetensors` was moved.
    pub moved_to: Option<PathBuf>,
}

/// The best models in a run folder.
#[derive(Clone, Debug)]
pub struct Shelf {
    run: PathBuf,
}

impl Shelf {
    /// Those of a run folder.
    pub fn new(run: &Path) -> Self {
        Self { run: run.to_path_buf() }
    }

    /// The path of the best model.
    pub fn best(&self) -> PathBuf {
        self.run.join(BEST)
    }

    /// Saves a model as the best, and returns its digest. The previous one is kept with the checkpoints.
    ///
    /// # Errors
    /// As [`Model::save`]; the previous model then stays the best.
    pub fn save(&self, model: &Model) -> Result<String> {
        let (best, previous) = (self.best(), self.keep_previous()?);
        let saved = model.save(&best);
        if saved.is_err()
            && !best.exists()
            && let Some(previous) = previous
        {
            rename(&previous, &best)?;
        }
        let digest = saved?;
        self.remove_copy(model.summary.steps, &digest);
        Ok(digest)
    }

    /// Links the best model into the folder of checkpoints, or moves it there if the file system has no links.
    fn keep_previous(&self) -> Result<Option<PathBuf>> {
        let best = self.best();
        let Ok(summary) = Summary::read(&best) else { return Ok(None) };
        let folder = self.run.join(CHECKPOINTS);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "create the folder", &error))?;
        let kept = folder.join(name(summary.steps));
        let _ = std::fs::remove_file(&kept);
        std::fs::hard_link(&best, &kept)
            .or_else(|_| std::fs::rename(&best, &kept))
            .map_err(|error| Error::io(&kept, "keep the previous best model", &error))?;
        Ok(Some(kept))
    }

    /// Removes files that were moved out of the way at the same step if they are identical: the training has reached them
    /// again.
    fn remove_copy(&self, step: usize, digest: &str) {
        for Numbered { path, .. } in list(&self.run).into_iter().filter(|moved| moved.step == step) {
            if Model::digest(&path).is_ok_and(|other| other == digest) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Restores the best model of a checkpoint. A different file in its place, of steps that were rolled back or damaged, is
    /// moved out of the way.
    ///
    /// # Errors
    /// Returns an error if a file cannot be moved.
    pub fn restore(&self, best: Option<&Snapshot>) -> Result<Restored> {
        let expected = self.best();
        let digest = best.and_then(|best| best.file.as_deref());
        let is_it = |path: &Path| digest.is_some() && Model::digest(path).ok().as_deref() == digest;
        if is_it(&expected) {
            return Ok(Restored { place: BestModel::Expected, moved_to: None });
        }
        let mut moved_to = None;
        if expected.exists() {
            let step = Summary::read(&expected).map_or(0, |summary| summary.steps);
            let to = self.moved(step).find(|to| !to.exists()).expect("there are more numbers than files");
            rename(&expected, &to)?;
            moved_to = Some(to);
        }
        let Some(best) = best else { return Ok(Restored { place: BestModel::None, moved_to }) };
        let kept = self.run.join(CHECKPOINTS).join(name(best.step));
        let place = match is_it(&kept) {
            true => {
                rename(&kept, &expected)?;
                BestModel::Expected
            }
            false => BestModel::Lost,
        };
        Ok(Restored { place, moved_to })
    }

    /// Where the best models of steps that were rolled back are moved, in this order: those of the same step are kept, too.
    fn moved(&self, step: usize) -> impl Iterator<Item = PathBuf> {
        let again = (2..).map(move |n: usize| format!("{PREFIX}{step:09}-{n}{SUFFIX}"));
        std::iter::once(name(step)).chain(again).map(|name| self.run.join(name))
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| Error::io(from, "rename the file", &error))
}

const PREFIX: &str = "best-";
const SUFFIX: &str = ".safetensors";

fn name(step: usize) -> String {
    format!("{PREFIX}{step:09}{SUFFIX}")
}

/// Removes the best models in a folder of checkpoints that none of these refers to, where `best` is the step of the current
/// best model.
///
/// A checkpoint of step `s` refers to the best model of a step up to `s`, or to the one before if it was written right before a
/// validation at `s`. So of the models before the oldest checkpoint, only the last is needed.
pub fn prune(folder: &Path, best: Option<usize>) {
    let kept = list(folder);
    let Some(oldest) = checkpoint::list(folder).pop() else { return };
    let steps = kept.iter().map(|model| model.step).chain(best);
    let needed = steps.filter(|&step| step < oldest.step).max().unwrap_or(0);
    for model in kept.into_iter().filter(|model| model.step < needed) {
        // A file that cannot be removed takes space and does no harm.
        let _ = std::fs::remove_file(model.path);
    }
}

/// A best model other than `best.safetensors`.
pub(super) struct Numbered {
    step: usize,
    pub(super) path: PathBuf,
}

/// Those of a folder: of checkpoints, or a run folder, where [`Shelf::restore`] has moved them out of the way.
pub(super) fn list(folder: &Path) -> Vec<Numbered> {
    let step = |path: &Path| -> Option<usize> {
        let middle = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        let (step, again) = middle.split_once('-').unwrap_or((middle, "1"));
        again.parse::<usize>().ok().and(step.parse().ok())
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(Numbered { step: step(&entry.path())?, path: entry.path() })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::model;

    fn of_step(step: usize) -> Model {
        let mut model = model();
        model.summary.steps = step;
        model
    }

    fn snapshot(step: usize, file: &str) -> Snapshot {
        Snapshot { evaluation: None, epoch: 1, step, file: Some(file.to_owned()) }
    }

    fn step(path: &Path) -> usize {
        Summary::read(path).unwrap().steps
    }

    #[test]
    fn the_best_model_of_a_checkpoint_is_restored() {
        let run = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(run.path());
        let [first, second] = [20, 40].map(|step| shelf.save(&of_step(step)).unwrap());
        assert_eq!(step(&shelf.best()), 40);
        let there = shelf.restore(Some(&snapshot(40, &second))).unwrap();
        assert_eq!(there, Restored { place: BestModel::Expected, moved_to: None });
        let moved = run.path().join("best-000000040.safetensors");
        let back = shelf.restore(Some(&snapshot(20, &first))).unwrap();
        assert_eq!(back, Restored { place: BestModel::Expected, moved_to: Some(moved.clone()) });
        assert_eq!((step(&shelf.best()), step(&moved)), (20, 40));
        // The same steps lead to the same model: the copy is removed.
        assert_eq!(shelf.save(&of_step(40)).unwrap(), second);
        assert!(!moved.exists() && step(&shelf.best()) == 40);
        let none = shelf.restore(None).unwrap();
        assert_eq!(none, Restored { place: BestModel::None, moved_to: Some(moved) });
        assert!(!shelf.best().exists());
    }

    #[test]
    fn moved_models_of_the_same_step_are_all_kept() {
        let run = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(run.path());
        let mut digests = Vec::new();
        for name in ["best-000000040.safetensors", "best-000000040-2.safetensors"] {
            let mut model = of_step(40);
            model.parameters[0].data[0] = digests.len() as f32;
            digests.push(shelf.save(&model).unwrap());
            assert_eq!(shelf.restore(None).unwrap().moved_to, Some(run.path().join(name)));
        }
        std::fs::write(run.path().join("best-of-all.safetensors"), "").unwrap();
        let moved = || {
            let mut moved: Vec<PathBuf> = list(run.path()).into_iter().map(|model| model.path).collect();
            moved.sort_unstable_by_key(|path| path.as_os_str().len());
            moved.iter().map(|path| Model::digest(path).unwrap()).collect::<Vec<String>>()
        };
        assert_eq!(moved(), digests);
        // A training run that reaches the second one again needs no copy of it.
        let mut model = of_step(40);
        model.parameters[0].data[0] = 1.0;
        shelf.save(&model).unwrap();
        assert_eq!(moved(), digests[..1]);
    }

    #[test]
    fn a_changed_or_missing_file_is_not_the_best_model() {
        let run = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(run.path());
        let digest = shelf.save(&of_step(20)).unwrap();
        let mut bytes = std::fs::read(shelf.best()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(shelf.best(), bytes).unwrap();
        let lost = shelf.restore(Some(&snapshot(20, &digest))).unwrap();
        assert_eq!(lost.place, BestModel::Lost);
        assert!(lost.moved_to.is_some_and(|path| path.exists()) && !shelf.best().exists());
    }

    #[test]
    fn models_that_no_checkpoint_refers_to_are_removed() {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path();
        for name in ["best-000000010", "best-000000020", "best-000000030", "best-000000050"] {
            std::fs::write(folder.join(format!("{name}.safetensors")), "").unwrap();
        }
        for name in ["step-000000030", "step-000000040"] {
            std::fs::write(folder.join(format!("{name}.safetensors")), "").unwrap();
        }
        prune(folder, None);
        let mut left: Vec<usize> = list(folder).into_iter().map(|model| model.step).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [20, 30, 50],
            "a checkpoint of step 30 may have been made before the validation there"
        );
        prune(folder, Some(25));
        assert_eq!(list(folder).len(), 2);
    }
}
