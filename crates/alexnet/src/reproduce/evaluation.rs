//! Accuracies of trained models on the validation images, stored next to the models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::observer::{EvaluationStarted, ReproductionEvent, ReproductionObserver};
use super::settings::ReproductionSettings;
use crate::data::Split;
use crate::error::Kind;
use crate::eval::statistics::Paired;
use crate::eval::{
    Evaluation, ImageResult, ImageResults, Keep, Part, Predictor, PredictorOptions, results_shared,
};
use crate::files::json;
use crate::model::layout;
use crate::net::Views;
use crate::parallel::traffic::Payload;
use crate::parallel::transport::Lane;
use crate::parallel::{Collective, Job};
use crate::{Error, Result};

/// Views per call.
const BATCH: usize = 128;

/// A trained model: what it is called, and its run folder.
pub(super) struct Trained {
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) folder: PathBuf,
}

/// An ensemble against its best member, on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EnsembleRecord {
    /// The evaluation of each member, by seed.
    pub(super) members: Vec<(u64, Evaluation)>,
    /// The position of the best member.
    pub(super) best: usize,
    /// The mean of the softmax of all members.
    pub(super) ensemble: Evaluation,
    /// The ensemble first, the best member second.
    pub(super) paired: Paired,
}

/// Evaluates models.
pub(super) struct Evaluator<'a> {
    pub(super) settings: &'a ReproductionSettings,
    pub(super) observer: &'a mut dyn ReproductionObserver,
}

impl Evaluator<'_> {
    /// Evaluates the last model of a training run, unless that was done before.
    ///
    /// # Errors
    /// Returns an error if the model cannot be loaded, an image's file cannot be read, or the evaluation is interrupted.
    pub(super) fn accuracy(&mut self, model: &Trained, views: Views) -> Result<Evaluation> {
        let path = model.folder.join(format!("evaluation-{}.json", views.count()));
        if let Ok(known) = json::read(&path, "evaluation") {
            return Ok(known);
        }
        let found = self.results(model, views, Keep::Predictions)?.total();
        json::write(&path, &found)?;
        Ok(found)
    }

    /// Evaluates the mean of the softmax of several models, unless that was done before.
    ///
    /// # Errors
    /// As [`Evaluator::accuracy`].
    pub(super) fn ensemble(
        &mut self,
        models: &[Trained],
        views: Views,
        folder: &Path,
    ) -> Result<EnsembleRecord> {
        let path = folder.join(format!("ensemble-{}.json", models.len()));
        if let Ok(known) = json::read(&path, "evaluation of an ensemble") {
            return Ok(known);
        }
        let found: Vec<ImageResults> = models
            .iter()
            .map(|model| self.results(model, views, Keep::Probabilities))
            .collect::<Result<_>>()?;
        let record = combine(models, &found, self.settings.dataset.classes.len());
        json::write(&path, &record)?;
        Ok(record)
    }

    fn results(&mut self, model: &Trained, views: Views, keep: Keep) -> Result<ImageResults> {
        let ReproductionSettings { dataset, threads, workers, interrupt, .. } = self.settings;
        let split: &Split = dataset.val().ok_or_else(|| {
            Error::data(format!("{}: no validation images to evaluate models on", dataset.origin))
        })?;
        let options = PredictorOptions { batch: BATCH, threads: *threads, ..PredictorOptions::default() };
        let mut predictor = Predictor::load(&model.folder.join(layout::LAST), &options)?;
        let name = format!("{}, {views}", model.name);
        let started = EvaluationStarted { name: &name, images: split.len() };
        let mut wants_stop = self.observer.observe(&ReproductionEvent::EvaluationStarted(started)).is_break();
        let world =
            Collective::world(&Job::default().transport, Lane::Main, Payload::Control, &Arc::default());
        let (mut before, observer) = (0, &mut *self.observer);
        let mut advance = |done: usize| {
            wants_stop |= observer.observe(&ReproductionEvent::EvaluationAdvanced(done - before)).is_break();
            before = done;
            match wants_stop {
                true => Err(Error::new(Kind::Runtime, "stopped by an observer")),
                false => {
                    interrupt.check().map_err(|error| error.help("run the same command again to continue"))
                }
            }
        };
        let mut classifiers: Vec<_> = predictor.classifiers().collect();
        let part = Part::alone(&world);
        results_shared(&mut classifiers, split, views, *workers, part, keep, &mut advance)?
            .ok_or_else(|| Error::new(Kind::Runtime, "the evaluation has ended early"))
    }
}

/// Averages the probabilities of the members, image by image.
fn combine(models: &[Trained], found: &[ImageResults], classes: usize) -> EnsembleRecord {
    let members: Vec<(u64, Evaluation)> =
        models.iter().zip(found).map(|(model, results)| (model.seed, results.total())).collect();
    let order = |&a: &usize, &b: &usize| {
        let (a, b) = (&members[a].1, &members[b].1);
        a.top1.cmp(&b.top1).then(b.loss.total_cmp(&a.loss))
    };
    // Of equal ones, the first.
    let best = (0..members.len()).rev().max_by(order).unwrap_or(0);
    let images = found.first().map_or(&[][..], |results| &results.images);
    let mut ensemble = Evaluation { skipped: members[best].1.skipped.clone(), ..Evaluation::default() };
    let mut paired = Paired::default();
    let mut loss = 0.0;
    for (i, image) in images.iter().enumerate() {
        let mut mean = vec![0.0; classes];
        for results in found {
            let logs = results.log_probabilities.as_deref().unwrap_or_default();
            let own = logs.get(i * classes..(i + 1) * classes).unwrap_or_default();
            mean.iter_mut()
                .zip(own)
                .for_each(|(mean, log)| *mean += f64::from(*log).exp() / found.len() as f64);
        }
        let rank = crate::eval::topk::rank(&mean, image.label);
        ensemble.images += 1;
        ensemble.top1 += usize::from(rank == 0);
        ensemble.top5 += usize::from(rank < 5);
        loss -= mean[image.label].max(f64::MIN_POSITIVE).ln();
        paired.add(rank == 0, found[best].images.get(i).is_some_and(ImageResult::is_correct));
    }
    ensemble.loss = loss / images.len().max(1) as f64;
    EnsembleRecord { members, best, ensemble, paired }
}
