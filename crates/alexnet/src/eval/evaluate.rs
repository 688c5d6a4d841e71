//! The evaluation of a model or an ensemble on a split.

use std::sync::Arc;

use super::results::{Evaluation, ImageResults, Keep};
use super::topk::add_softmax;
use crate::data::{LoadedBatch, Loader, Preprocess, Share, Split};
use crate::engine::Engine;
use crate::net::Views;
use crate::{Error, Result};

/// An engine that has loaded a model, the preprocessing of the model, and its weight in an ensemble.
pub struct Classifier<'a> {
    /// Computes the logits.
    pub engine: &'a mut dyn Engine,
    /// How an image becomes the input of the network.
    pub preprocess: &'a Arc<Preprocess>,
    /// The weight of its probabilities, relative to those of the other models of an ensemble.
    pub weight: f64,
}

/// Evaluates a model on all images of `split`, with the softmax averaged over `views`. Labels are indices of outputs. `workers`
/// threads load images; their number does not affect the results. `on_batch` receives the number of images processed so far; an
/// error from it ends the evaluation.
///
/// # Errors
/// See [`ensemble`].
pub fn evaluate(
    model: Classifier<'_>,
    split: &Split,
    views: Views,
    workers: usize,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Evaluation> {
    ensemble(&mut [model], split, views, workers, on_batch)
}

/// Evaluates an ensemble: the weighted mean of the probabilities of the models, each with its own preprocessing (paper,
/// section 6).
///
/// # Errors
/// Returns an error if there are no models, if a label is not one of their classes, if a file cannot be read, or if an
/// engine fails.
pub fn ensemble(
    models: &mut [Classifier<'_>],
    split: &Split,
    views: Views,
    workers: usize,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Evaluation> {
    Ok(results(models, split, views, workers, Keep::Predictions, on_batch)?.total())
}

/// Evaluates as [`ensemble`] does, and returns the results of each image.
///
/// # Errors
/// As [`ensemble`].
pub fn results(
    models: &mut [Classifier<'_>],
    split: &Split,
    views: Views,
    workers: usize,
    keep: Keep,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<ImageResults> {
    let mut share = ShareEvaluation::new(models, split, Share::WHOLE, views, workers, keep)?;
    while share.step(models)?.is_some() {
        on_batch(share.images())?;
    }
    Ok(share.finish())
}

/// The evaluation of one process's share of a split, batch by batch.
pub(super) struct ShareEvaluation {
    /// One for each model. They load the same images in the same order; only preprocessing differs.
    loaders: Vec<Loader>,
    views: Views,
    classes: usize,
    found: ImageResults,
}

impl ShareEvaluation {
    /// Starts the evaluation of a share of `split`: consecutive batches.
    ///
    /// # Errors
    /// Returns an error if there are no models, or if a label is not one of their classes.
    pub(super) fn new(
        models: &[Classifier<'_>],
        split: &Split,
        share: Share,
        views: Views,
        workers: usize,
        keep: Keep,
    ) -> Result<Self> {
        let classes = common_classes(models, split)?;
        let smallest = models.iter().map(|model| model.engine.batch()).min().unwrap_or(1);
        let images = (smallest / views.count()).max(1);
        let loader = |model: &Classifier<'_>| {
            Loader::evaluation(split, model.preprocess, views, images, share, workers)
        };
        let loaders = models.iter().map(loader).collect();
        Ok(Self { loaders, views, classes, found: ImageResults::new(keep) })
    }

    /// Evaluates the next batch; returns the number of its images that could be decoded, or `None` if there is no batch left.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if an engine fails.
    pub(super) fn step(&mut self, models: &mut [Classifier<'_>]) -> Result<Option<usize>> {
        let batches =
            self.loaders.iter_mut().map(Iterator::next).collect::<Option<Result<Vec<LoadedBatch>>>>();
        let Some(batches) = batches else { return Ok(None) };
        let mut batches = batches?;
        let total: f64 = models.iter().map(|model| model.weight).sum();
        let images = batches[0].labels.len();
        let mut probabilities = vec![0.0; images * self.classes];
        for (model, batch) in models.iter_mut().zip(&batches) {
            let weight = model.weight / (self.views.count() as f64 * total);
            add_probabilities(model, &batch.images, self.views, weight, &mut probabilities)?;
        }
        self.found.add(&mut batches[0], &probabilities, self.classes);
        self.loaders.iter_mut().zip(batches).for_each(|(loader, batch)| loader.recycle(batch));
        Ok(Some(images))
    }

    /// Takes part in a batch of other processes with the calls of [`ShareEvaluation::step`], without images.
    ///
    /// # Errors
    /// Returns an error if an engine fails.
    pub(super) fn take_part(&mut self, models: &mut [Classifier<'_>]) -> Result<()> {
        for model in models {
            // A batch of at least as many views as an image has is one call; a smaller one is filled by each image's views.
            for _ in 0..self.views.count().div_ceil(model.engine.batch().max(1)) {
                model.engine.forward(&[])?;
            }
        }
        Ok(())
    }

    /// The number of images so far, skipped ones included.
    pub(super) fn images(&self) -> usize {
        self.found.images.len() + self.found.skipped.len()
    }

    /// Returns the results.
    pub(super) fn finish(self) -> ImageResults {
        self.found
    }
}

/// Adds `weight` times the softmax of each view in `images` `[images, views, crop, crop, 3]` to the probabilities of its
/// image, `[images, classes]`.
pub(super) fn add_probabilities(
    model: &mut Classifier<'_>,
    images: &[f32],
    views: Views,
    weight: f64,
    probabilities: &mut [f64],
) -> Result<()> {
    let classes = model.engine.network().classes;
    let batch = model.engine.batch().max(1);
    let mut view = 0;
    for images in images.chunks(batch * model.preprocess.view_len()) {
        for logits in model.engine.forward(images)?.chunks_exact(classes) {
            let image = view / views.count();
            add_softmax(logits, weight, &mut probabilities[image * classes..][..classes]);
            view += 1;
        }
    }
    Ok(())
}

/// Returns the number of classes, which must be the same for all models and include all labels of the split.
fn common_classes(models: &[Classifier<'_>], split: &Split) -> Result<usize> {
    let mut counts = models.iter().map(|model| model.engine.network().classes);
    let classes = counts.next().ok_or_else(|| Error::usage("no model to evaluate, expected at least one"))?;
    if let Some(other) = counts.find(|&other| other != classes) {
        return Err(Error::model(format!(
            "the models of the ensemble have {classes} and {other} classes, expected the same classes"
        )));
    }
    match (0..split.len()).map(|i| split.label(i) as usize).enumerate().find(|&(_, label)| label >= classes) {
        Some((index, label)) => Err(Error::data(format!(
            "{}: label {label}, expected one of the model's {classes} classes",
            split.file(index)
        ))),
        None => Ok(classes),
    }
}
