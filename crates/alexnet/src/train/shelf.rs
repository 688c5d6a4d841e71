//! The files of the best models: `best.safetensors`, and beside the checkpoints the best models that these refer to.
//!
//! A checkpoint names the best model of its steps by a digest. When a better one is saved, the one before moves to
//! `checkpoints/best-000000120.safetensors`, where 120 is its step, for as long as a kept checkpoint may refer to it: a
//! training that goes back to that checkpoint, and is changed there, may never find the better one again.

use std::path::{Path, PathBuf};

use super::checkpoint;
use super::run::CHECKPOINTS;
use super::snapshot::Snapshot;
use crate::model::{Model, Summary};
use crate::{Error, Result};

const BEST: &str = "best.safetensors";

/// Where the best model is after [`Shelf::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is none in this state of the training.
    None,
    /// Where it is expected.
    Expected,
    /// Nowhere: its file was changed or removed.
    Lost,
}

/// What [`Shelf::restore`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the best model is.
    pub place: Place,
    /// Where the file has moved that stood in its place.
    pub aside: Option<PathBuf>,
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

    /// Where the best model is expected.
    pub fn best(&self) -> PathBuf {
        self.run.join(BEST)
    }

    /// Saves a model as the best, and returns its digest. The one before stays beside the checkpoints.
    ///
    /// # Errors
    /// As [`Model::save`]; the best model is then the one before.
    pub fn save(&self, model: &Model) -> Result<String> {
        let (best, before) = (self.best(), self.keep_before()?);
        let saved = model.save(&best);
        if saved.is_err()
            && !best.exists()
            && let Some(before) = before
        {
            std::fs::rename(&before, &best).map_err(|error| Error::io(&before, "move it back", &error))?;
        }
        let digest = saved?;
        self.forget_copy(model.summary.steps, &digest);
        Ok(digest)
    }

    /// Gives the best model a second name beside the checkpoints, or that name alone where files can have only one.
    fn keep_before(&self) -> Result<Option<PathBuf>> {
        let best = self.best();
        let Ok(summary) = Summary::read(&best) else { return Ok(None) };
        let folder = self.run.join(CHECKPOINTS);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "make the folder", &error))?;
        let kept = folder.join(name(summary.steps));
        let _ = std::fs::remove_file(&kept);
        std::fs::hard_link(&best, &kept)
            .or_else(|_| std::fs::rename(&best, &kept))
            .map_err(|error| Error::io(&kept, "keep the best model so far", &error))?;
        Ok(Some(kept))
    }

    /// Removes what was set aside of the same step, if it is the same file: the training has come there again.
    fn forget_copy(&self, step: usize, digest: &str) {
        let aside = self.aside(step);
        if aside.exists() && Model::digest(&aside).is_ok_and(|other| other == digest) {
            let _ = std::fs::remove_file(aside);
        }
    }

    /// Puts the best model of a checkpoint where it is expected. What stands there instead, the best of steps that the
    /// training has gone back from, or a damaged file, is set aside.
    ///
    /// # Errors
    /// When a file cannot be moved.
    pub fn restore(&self, best: Option<&Snapshot>) -> Result<Restored> {
        let expected = self.best();
        let digest = best.and_then(|best| best.file.as_deref());
        let is_it = |path: &Path| digest.is_some() && Model::digest(path).ok().as_deref() == digest;
        if is_it(&expected) {
            return Ok(Restored { place: Place::Expected, aside: None });
        }
        let mut aside = None;
        if expected.exists() {
            let step = Summary::read(&expected).map_or(0, |summary| summary.steps);
            let to = self.aside(step);
            move_file(&expected, &to)?;
            aside = Some(to);
        }
        let Some(best) = best else { return Ok(Restored { place: Place::None, aside }) };
        let kept = self.run.join(CHECKPOINTS).join(name(best.step));
        let place = match is_it(&kept) {
            true => {
                move_file(&kept, &expected)?;
                Place::Expected
            }
            false => Place::Lost,
        };
        Ok(Restored { place, aside })
    }

    /// Where the best model of steps that the training has gone back from is set aside.
    fn aside(&self, step: usize) -> PathBuf {
        self.run.join(name(step))
    }
}

fn move_file(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| Error::io(from, "move it", &error))
}

fn name(step: usize) -> String {
    format!("best-{step:09}.safetensors")
}

/// Removes the best models in a folder of checkpoints that none of these refers to any more, `best` being the step of the
/// best model now.
///
/// A checkpoint of step `s` refers to the best model of a step up to `s`; one that was made right before a validation at
/// `s`, to the one before. So of the models before the oldest checkpoint, the last is needed, and no other.
pub fn prune(folder: &Path, best: Option<usize>) {
    let kept = list(folder);
    let Some(&(oldest, _)) = checkpoint::list(folder).last() else { return };
    let steps = kept.iter().map(|(step, _)| *step).chain(best);
    let needed = steps.filter(|&step| step < oldest).max().unwrap_or(0);
    for (_, path) in kept.into_iter().filter(|(step, _)| *step < needed) {
        // A file that cannot be removed takes space and does no harm.
        let _ = std::fs::remove_file(path);
    }
}

/// The best models in a folder of checkpoints, with their steps.
fn list(folder: &Path) -> Vec<(usize, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let step = |path: &Path| -> Option<usize> {
        path.file_name()?.to_str()?.strip_prefix("best-")?.strip_suffix(".safetensors")?.parse().ok()
    };
    entries.filter_map(|entry| Some((step(&entry.path())?, entry.path()))).collect()
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
        Snapshot { found: None, epoch: 1, step, file: Some(file.to_owned()) }
    }

    fn step(path: &Path) -> usize {
        Summary::read(path).unwrap().steps
    }

    #[test]
    fn a_checkpoint_gets_its_best_model_back() {
        let run = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(run.path());
        let [first, second] = [20, 40].map(|step| shelf.save(&of_step(step)).unwrap());
        assert_eq!(step(&shelf.best()), 40);
        let there = shelf.restore(Some(&snapshot(40, &second))).unwrap();
        assert_eq!(there, Restored { place: Place::Expected, aside: None });
        let aside = run.path().join("best-000000040.safetensors");
        let back = shelf.restore(Some(&snapshot(20, &first))).unwrap();
        assert_eq!(back, Restored { place: Place::Expected, aside: Some(aside.clone()) });
        assert_eq!((step(&shelf.best()), step(&aside)), (20, 40));
        // The same steps lead to the same model: the copy goes.
        assert_eq!(shelf.save(&of_step(40)).unwrap(), second);
        assert!(!aside.exists() && step(&shelf.best()) == 40);
        let none = shelf.restore(None).unwrap();
        assert_eq!(none, Restored { place: Place::None, aside: Some(aside) });
        assert!(!shelf.best().exists());
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
        assert_eq!(lost.place, Place::Lost);
        assert!(lost.aside.is_some_and(|path| path.exists()) && !shelf.best().exists());
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
        let mut left: Vec<usize> = list(folder).into_iter().map(|(step, _)| step).collect();
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
