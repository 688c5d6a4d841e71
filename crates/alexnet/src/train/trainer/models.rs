//! The models of a training: which is the best, saving it and the last one, and finding them again after a stop.

use std::path::PathBuf;

use super::Trainer;
use crate::data::{Identity, decode};
use crate::engine::Tensor;
use crate::error::{Kind, shell};
use crate::eval::Evaluation;
use crate::model::{Golden, Model, Summary};
use crate::train::checkpoint::{Lineage, State};
use crate::train::record::Trouble;
use crate::train::shelf::{Place, Restored, Shelf};
use crate::train::snapshot::Snapshot;
use crate::{Error, Result};

/// Which of a training's models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one that was judged best.
    Best,
    /// The one of the last step.
    Last,
}

/// A model that a full disk had no room for yet.
pub(super) struct Unsaved {
    pub(super) which: Which,
    pub(super) model: Model,
}

impl Which {
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Best => "best.safetensors",
            Self::Last => "last.safetensors",
        }
    }

    /// What the state says of it.
    fn snapshot(self, state: &mut State) -> &mut Option<Snapshot> {
        match self {
            Self::Best => &mut state.best,
            Self::Last => &mut state.last,
        }
    }
}

impl Trainer<'_> {
    /// Takes note of the model now, and saves it.
    pub(super) fn keep_model(&mut self, which: Which, model: Model, found: Option<Evaluation>) -> Result<()> {
        let (epoch, step) = (model.summary.epochs, model.summary.steps);
        *which.snapshot(&mut self.state) = Some(Snapshot { found, epoch, step, file: None });
        self.unsaved.retain(|unsaved| unsaved.which != which);
        self.unsaved.push(Unsaved { which, model });
        self.save_models()
    }

    /// Saves what waits to be saved. A full disk is reported, and ends nothing: it is tried again.
    pub(super) fn save_models(&mut self) -> Result<()> {
        for unsaved in std::mem::take(&mut self.unsaved) {
            let saved = match unsaved.which {
                Which::Best => self.shelf().save(&unsaved.model),
                Which::Last => unsaved.model.save(self.model_file(Which::Last)),
            };
            let trouble = Trouble::Model(unsaved.which.file());
            match saved {
                Ok(digest) => {
                    self.record.works(trouble);
                    if let Some(snapshot) = unsaved.which.snapshot(&mut self.state) {
                        snapshot.file = Some(digest);
                    }
                    self.lost &= unsaved.which != Which::Best;
                }
                Err(error) if error.kind == Kind::Runtime => {
                    self.record.trouble(
                        trouble,
                        error.help("training continues; the model is kept in memory and saved when there is space again"),
                    );
                    self.unsaved.push(unsaved);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The best model's parameters, while it is not saved: a checkpoint carries them.
    pub(super) fn unsaved_best(&self) -> Option<&Model> {
        self.unsaved.iter().find(|unsaved| unsaved.which == Which::Best).map(|unsaved| &unsaved.model)
    }

    /// The model that the engine holds, as it is saved after this many epochs and steps.
    pub(super) fn model(&mut self, epochs: usize, steps: usize, found: Option<&Evaluation>) -> Result<Model> {
        let golden = Golden::record(&mut *self.engine, &self.preprocess, self.golden.clone())?;
        Ok(Model {
            recipe: self.config.recipe.clone(),
            classes: self.config.dataset.classes.clone(),
            preprocess: (*self.preprocess).clone(),
            parameters: self.engine.parameters()?,
            summary: Summary {
                epochs,
                steps,
                seed: self.config.seed,
                top1: found.map(Evaluation::top1_share),
                top5: found.map(Evaluation::top5_share),
                loss: found.map(|found| found.loss),
                images: found.map_or(0, |found| found.images),
                program: env!("CARGO_PKG_VERSION").to_owned(),
                data: self.lineage.data.to_string(),
                trained_on: self.lineage.data.digest("train").map(str::to_owned),
                decoder: decode::DECODER.to_owned(),
            },
            golden,
        })
    }

    /// Makes the best model's file that of the state, which has come from a checkpoint. `carried` are the parameters of a
    /// best model that could not be saved before; the engine holds them afterwards.
    pub(super) fn take_up_best(&mut self, carried: Option<Vec<Tensor>>) -> Result<()> {
        self.unsaved.clear();
        self.lost = false;
        if let (Some(Snapshot { found, epoch, step, file: None }), Some(parameters)) =
            (self.state.best.clone(), carried)
        {
            self.engine.load(&parameters)?;
            let model = self.model(epoch, step, found.as_ref())?;
            return self.keep_model(Which::Best, model, found);
        }
        let file = self.model_file(Which::Best);
        if let Some(best) = &mut self.state.best {
            recognize(best, &file, self.state.step);
        }
        let Restored { place, aside } = self.shelf().restore(self.state.best.as_ref())?;
        if let Some(aside) = aside {
            self.record.note(&format!(
                "{} is not the best model up to step {}, from where the training continues: moved to {}",
                file.display(),
                self.state.step,
                aside.display()
            ));
        }
        self.lost = place == Place::Lost;
        if self.lost {
            let told = self.best_is_lost();
            self.record.warning(&format!("{told}; it is replaced as soon as a model is better"));
        }
        Ok(())
    }

    /// Makes the last model's file that of the state where an epoch has just ended and no step follows that would replace it:
    /// it may not have been saved.
    pub(super) fn take_up_last(&mut self) -> Result<()> {
        let file = self.model_file(Which::Last);
        let State { batches: 0, last: Some(last), .. } = &self.state else { return Ok(()) };
        let is_it = last.file.is_some() && Model::digest(&file).ok() == last.file;
        if is_it || last.step != self.state.step {
            return Ok(());
        }
        let Snapshot { found, epoch, step, .. } = last.clone();
        let model = self.model(epoch, step, found.as_ref())?;
        self.keep_model(Which::Last, model, found)
    }

    /// The error of a training that ends without its best model.
    pub(super) fn best_is_lost(&self) -> String {
        let best = self.state.best.as_ref();
        let epoch = best.map_or(0, |best| best.epoch);
        format!(
            "{}: the best model, of epoch {epoch}, is gone: its file was changed or removed",
            self.model_file(Which::Best).display()
        )
    }

    pub(super) fn shelf(&self) -> Shelf {
        Shelf::new(self.record.run.folder())
    }

    pub(super) fn model_file(&self, which: Which) -> PathBuf {
        self.record.run.folder().join(which.file())
    }

    /// What an end with unsaved models comes to.
    pub(super) fn unsaved_error(&self) -> Option<Error> {
        let unsaved = self.unsaved.first()?;
        let folder = self.record.run.folder().display();
        let what = format!("{folder}: {} could not be saved", unsaved.which.file());
        Some(Error::new(Kind::Runtime, what).help(format!(
            "make room on the disk; `alexnet train --resume {}` then continues from the last checkpoint",
            shell(self.record.run.folder())
        )))
    }
}

/// Completes a best model of a checkpoint that did not say in which file it is, if `file` was judged as it was.
fn recognize(best: &mut Snapshot, file: &std::path::Path, step: usize) {
    if best.file.is_some() || best.step > 0 {
        return;
    }
    let Ok(summary) = Summary::read(file) else { return };
    let judged = best.found.as_ref().map(|found| (found.images, found.top1_share(), found.loss));
    let same = judged.is_some_and(|(images, top1, loss)| {
        (summary.images, summary.top1, summary.loss) == (images, Some(top1), Some(loss))
    });
    if same && summary.steps <= step {
        (best.epoch, best.step) = (summary.epochs, summary.steps);
        best.file = Model::digest(file).ok();
    }
}

/// Whether models that were judged under one lineage can be compared with those of another: the same classes, and the
/// same validation images.
pub(super) fn judges_alike(then: &Lineage, now: &Lineage) -> bool {
    let val = |lineage: &Lineage| -> Option<_> {
        let split =
            |data: &Identity, name: &str| data.splits.iter().find(|split| split.name == name).cloned();
        split(&lineage.data, "val").or_else(|| split(&lineage.data, "test"))
    };
    then.data.classes == now.data.classes && val(then) == val(now)
}
