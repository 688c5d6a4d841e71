//! The models of a training run: which is the best, saving it and the last one, and restoring them after an interruption.

use std::path::{Path, PathBuf};

use super::learner::Learner;
use super::reporter::Reporter;
use crate::data::{Image, decode};
use crate::engine::Tensor;
use crate::error::{Kind, shell};
use crate::eval::Evaluation;
use crate::model::layout::{BEST, LAST};
use crate::model::{Model, Summary};
use crate::train::checkpoint::State;
use crate::train::disk::Output;
use crate::train::shelf::{BestModel, Restored, Shelf};
use crate::train::snapshot::Snapshot;
use crate::{Error, Result};

/// One of the two models that a training run saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one with the best validation result.
    Best,
    /// The one of the last step.
    Last,
}

impl Which {
    fn file(self) -> &'static str {
        match self {
            Self::Best => BEST,
            Self::Last => LAST,
        }
    }

    fn snapshot(self, state: &mut State) -> &mut Option<Snapshot> {
        match self {
            Self::Best => &mut state.best,
            Self::Last => &mut state.last,
        }
    }
}

/// A model that a full disk has no space for yet.
struct Unsaved {
    which: Which,
    model: Model,
}

/// The model files of a run.
pub(super) struct Models {
    run: PathBuf,
    /// Sample images for the model files.
    golden: Vec<Image>,
    unsaved: Vec<Unsaved>,
    /// Whether the file of the best model has been changed or removed.
    best_is_lost: bool,
    /// The step at which the training was resumed, if it was.
    resumed_at: Option<usize>,
}

impl Models {
    pub(super) fn new(run: &Path, golden: Vec<Image>, resumed_at: Option<usize>) -> Self {
        Self { run: run.to_path_buf(), golden, unsaved: Vec::new(), best_is_lost: false, resumed_at }
    }

    /// Records the model of the engine, and saves it.
    pub(super) fn keep(
        &mut self,
        which: Which,
        model: Model,
        evaluation: Option<Evaluation>,
        learner: &mut Learner,
        reporter: &mut Reporter<'_>,
    ) -> Result<()> {
        let (epoch, step) = (model.summary.epochs, model.summary.steps);
        *which.snapshot(&mut learner.state) = Some(Snapshot { evaluation, epoch, step, file: None });
        self.unsaved.retain(|unsaved| unsaved.which != which);
        self.unsaved.push(Unsaved { which, model });
        self.save(&mut learner.state, reporter)
    }

    /// Saves the models that are not saved yet. A full disk is reported, and saving is retried later.
    pub(super) fn save(&mut self, state: &mut State, reporter: &mut Reporter<'_>) -> Result<()> {
        for unsaved in std::mem::take(&mut self.unsaved) {
            let saved = match unsaved.which {
                Which::Best => self.shelf().save(&unsaved.model),
                Which::Last => unsaved.model.save(self.path(Which::Last)),
            };
            let output = Output::Model(unsaved.which.file());
            match saved {
                Ok(digest) => {
                    reporter.written(output, Ok(()));
                    if let Some(snapshot) = unsaved.which.snapshot(state) {
                        snapshot.file = Some(digest);
                    }
                    self.best_is_lost &= unsaved.which != Which::Best;
                }
                Err(error) if error.kind == Kind::Runtime => {
                    let help =
                        "training continues; the model is kept in memory and saved when there is space";
                    reporter.written(output, Err(error.help(help)));
                    self.unsaved.push(unsaved);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The best model, until it is saved: checkpoints hold its parameters.
    pub(super) fn unsaved_best(&self) -> Option<&Model> {
        self.unsaved.iter().find(|unsaved| unsaved.which == Which::Best).map(|unsaved| &unsaved.model)
    }

    pub(super) fn is_saved(&self) -> bool {
        self.unsaved.is_empty()
    }

    /// Returns the model of the engine, trained for this many epochs and steps.
    pub(super) fn capture(
        &self,
        epochs: usize,
        steps: usize,
        evaluation: Option<&Evaluation>,
        learner: &mut Learner,
    ) -> Result<Model> {
        let preprocess = &learner.images.preprocess;
        let golden = learner.engine.golden(preprocess, self.golden.clone())?;
        Ok(Model {
            recipe: learner.config.recipe.clone(),
            classes: learner.config.dataset.classes.clone(),
            preprocess: (**preprocess).clone(),
            parameters: learner.engine.parameters()?,
            summary: Summary {
                epochs,
                steps,
                seed: learner.config.seed,
                top1: evaluation.map(Evaluation::top1_share),
                top5: evaluation.map(Evaluation::top5_share),
                loss: evaluation.map(|evaluation| evaluation.loss),
                images: evaluation.map_or(0, |evaluation| evaluation.images),
                program: env!("CARGO_PKG_VERSION").to_owned(),
                data: learner.lineage.data.to_string(),
                trained_on: learner.lineage.data.digest("train").map(str::to_owned),
                decoder: decode::DECODER.to_owned(),
            },
            golden,
        })
    }

    /// Restores the best model's file as the state of a checkpoint says. `carried` are the parameters of a best model that could
    /// not be saved before; the engine holds them afterwards.
    pub(super) fn restore_best(
        &mut self,
        carried: Option<Vec<Tensor>>,
        learner: &mut Learner,
        reporter: &mut Reporter<'_>,
    ) -> Result<()> {
        self.unsaved.clear();
        self.best_is_lost = false;
        if let (Some(Snapshot { evaluation, epoch, step, file: None }), Some(parameters)) =
            (learner.state.best.clone(), carried)
        {
            learner.engine.load(&parameters)?;
            let model = self.capture(epoch, step, evaluation.as_ref(), learner)?;
            return self.keep(Which::Best, model, evaluation, learner, reporter);
        }
        let file = self.path(Which::Best);
        let state = &mut learner.state;
        if let Some(best) = &mut state.best {
            identify(best, &file, state.step);
        }
        let Restored { place, moved_to } = self.shelf().restore(state.best.as_ref())?;
        if let Some(moved_to) = moved_to {
            reporter.note(&format!(
                "{} is not the best model up to step {}, from where training continues: moved to {}",
                file.display(),
                state.step,
                moved_to.display()
            ));
        }
        match place {
            BestModel::None | BestModel::Expected => {}
            BestModel::Lost => {
                self.best_is_lost = true;
                let lost = self.lost_message(state);
                reporter.warning(&format!("{lost}; the next better model replaces it"));
            }
        }
        Ok(())
    }

    /// Restores the last model's file if an epoch has just ended and no step follows that would replace it: it may not have been
    /// saved.
    pub(super) fn restore_last(&mut self, learner: &mut Learner, reporter: &mut Reporter<'_>) -> Result<()> {
        let file = self.path(Which::Last);
        let State { batches: 0, last: Some(last), .. } = &learner.state else { return Ok(()) };
        let is_intact = last.file.is_some() && Model::digest(&file).ok() == last.file;
        if is_intact || last.step != learner.state.step {
            return Ok(());
        }
        let Snapshot { evaluation, epoch, step, .. } = last.clone();
        let model = self.capture(epoch, step, evaluation.as_ref(), learner)?;
        self.keep(Which::Last, model, evaluation, learner, reporter)
    }

    /// Whether the last model is saved already: an epoch has just ended, or no step was made since the training was resumed.
    pub(super) fn last_is_current(&self, step: usize, is_between_epochs: bool) -> bool {
        let last = Summary::read(&self.path(Which::Last));
        (is_between_epochs || self.resumed_at == Some(step)) && last.is_ok_and(|last| last.steps == step)
    }

    pub(super) fn path(&self, which: Which) -> PathBuf {
        self.run.join(which.file())
    }

    fn shelf(&self) -> Shelf {
        Shelf::new(&self.run)
    }

    fn lost_message(&self, state: &State) -> String {
        let epoch = state.best.as_ref().map_or(0, |best| best.epoch);
        let file = self.path(Which::Best);
        format!(
            "{}: the best model, of epoch {epoch}, is lost: its file was changed or removed",
            file.display()
        )
    }

    /// The error of a training run that ends without its best model, if it is lost.
    pub(super) fn lost_error(&self, state: &State) -> Option<Error> {
        let last = self.path(Which::Last);
        let help = format!(
            "{} is the model of the last step; restore the file and resume, or train again",
            last.display()
        );
        self.best_is_lost.then(|| Error::new(Kind::Runtime, self.lost_message(state)).help(help))
    }

    /// The error of a training run that ends with unsaved models, if there are any.
    pub(super) fn unsaved_error(&self) -> Option<Error> {
        let unsaved = self.unsaved.first()?;
        let what = format!("{}: {} could not be saved", self.run.display(), unsaved.which.file());
        Some(Error::new(Kind::Runtime, what).help(format!(
            "free some disk space; `alexnet train --resume {}` then continues from the last checkpoint",
            shell(&self.run)
        )))
    }
}

/// Completes the best model of a checkpoint of format version 1, which does not name its file, if `file` has the same
/// evaluation.
fn identify(best: &mut Snapshot, file: &Path, step: usize) {
    if best.file.is_some() || best.step > 0 {
        return;
    }
    let Ok(summary) = Summary::read(file) else { return };
    let evaluation = best.evaluation.as_ref();
    let same = evaluation.is_some_and(|found| {
        (summary.images, summary.top1, summary.loss)
            == (found.images, Some(found.top1_share()), Some(found.loss))
    });
    if same && summary.steps <= step {
        (best.epoch, best.step) = (summary.epochs, summary.steps);
        best.file = Model::digest(file).ok();
    }
}
