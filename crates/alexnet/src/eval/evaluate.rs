//! Top-1, top-5 and loss of a model or an ensemble on a split.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::topk::{add_softmax, rank};
use crate::data::{LoadedBatch, Loader, Preprocess, Share, Skip, Split};
use crate::engine::Engine;
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

/// The results of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of images that were evaluated.
    pub images: usize,
    /// The number of images whose most probable class is correct.
    pub top1: usize,
    /// The number of images whose class is among the five most probable.
    pub top5: usize,
    /// The mean cross-entropy loss.
    pub loss: f64,
    /// The images that were skipped, with reasons.
    pub skipped: Vec<Skip>,
}

impl Evaluation {
    /// Returns the top-1 accuracy, from 0 to 1; 0 without images.
    pub fn top1_share(&self) -> f64 {
        self.share(self.top1)
    }

    /// Returns the top-5 accuracy, from 0 to 1; 0 without images.
    pub fn top5_share(&self) -> f64 {
        self.share(self.top5)
    }

    fn share(&self, count: usize) -> f64 {
        if self.images == 0 { 0.0 } else { count as f64 / self.images as f64 }
    }
}

/// Evaluates a model on all images of `split`, with the softmax averaged over `views`: 1 (center), or 10 (corners and
/// center, and their flips; paper, section 4.1). Labels are indices of outputs. `workers` threads load images; their number
/// does not affect the results. `on_batch` receives the number of images processed so far; an error from it ends the
/// evaluation.
///
/// # Errors
/// See [`ensemble`].
pub fn evaluate(
    model: Classifier<'_>,
    split: &Split,
    views: usize,
    workers: usize,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Evaluation> {
    ensemble(&mut [model], split, views, workers, on_batch)
}

/// Evaluates an ensemble: the weighted mean of the probabilities of the models, each with its own preprocessing (paper,
/// section 6.1).
///
/// # Errors
/// Returns an error if there are no models, if a label is not one of their classes, if a file cannot be read, or if an
/// engine fails.
pub fn ensemble(
    models: &mut [Classifier<'_>],
    split: &Split,
    views: usize,
    workers: usize,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Evaluation> {
    let mut share = ShareEvaluation::new(models, split, Share::WHOLE, views, workers)?;
    while share.step(models)? {
        on_batch(share.images())?;
    }
    Ok(Evaluation::of([share.finish()]))
}

/// The evaluation of one process's share of a split, batch by batch.
pub(super) struct ShareEvaluation {
    /// One for each model. They load the same images in the same order; only preprocessing differs.
    loaders: Vec<Loader>,
    views: usize,
    classes: usize,
    found: ShareResults,
}

/// The results of one process's share of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ShareResults {
    top1: usize,
    top5: usize,
    /// The loss of each image, which are added in order whatever the number of processes.
    losses: Vec<f64>,
    skipped: Vec<Skip>,
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
        views: usize,
        workers: usize,
    ) -> Result<Self> {
        let classes = common_classes(models, split)?;
        let smallest = models.iter().map(|model| model.engine.batch()).min().unwrap_or(1);
        let images = (smallest / views).max(1);
        let loader = |model: &Classifier<'_>| {
            Loader::evaluation(split, model.preprocess, views, images, share, workers)
        };
        let loaders = models.iter().map(loader).collect();
        Ok(Self { loaders, views, classes, found: ShareResults::default() })
    }

    /// Evaluates the next batch; returns whether there was one.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if an engine fails.
    pub(super) fn step(&mut self, models: &mut [Classifier<'_>]) -> Result<bool> {
        let batches =
            self.loaders.iter_mut().map(Iterator::next).collect::<Option<Result<Vec<LoadedBatch>>>>();
        let Some(batches) = batches else { return Ok(false) };
        let mut batches = batches?;
        let total: f64 = models.iter().map(|model| model.weight).sum();
        let mut probabilities = vec![0.0; batches[0].labels.len() * self.classes];
        for (model, batch) in models.iter_mut().zip(&batches) {
            let weight = model.weight / (self.views as f64 * total);
            add_probabilities(model, &batch.images, self.views, weight, &mut probabilities)?;
        }
        self.found.add(&probabilities, &batches[0].labels, self.classes);
        self.found.skipped.append(&mut batches[0].skipped);
        self.loaders.iter_mut().zip(batches).for_each(|(loader, batch)| loader.recycle(batch));
        Ok(true)
    }

    /// Takes part in a batch of other processes with the calls of [`ShareEvaluation::step`], without images.
    ///
    /// # Errors
    /// Returns an error if an engine fails.
    pub(super) fn take_part(&mut self, models: &mut [Classifier<'_>]) -> Result<()> {
        for model in models {
            // A batch of at least as many views as an image has is one call; a smaller one is filled by each image's views.
            for _ in 0..self.views.div_ceil(model.engine.batch().max(1)) {
                model.engine.forward(&[])?;
            }
        }
        Ok(())
    }

    /// The number of images so far, skipped ones included.
    pub(super) fn images(&self) -> usize {
        self.found.losses.len() + self.found.skipped.len()
    }

    /// Returns the results.
    pub(super) fn finish(self) -> ShareResults {
        self.found
    }
}

impl ShareResults {
    /// Adds images with probabilities `[labels, classes]`.
    fn add(&mut self, probabilities: &[f64], labels: &[u32], classes: usize) {
        for (probabilities, &label) in probabilities.chunks_exact(classes).zip(labels) {
            let rank = rank(probabilities, label as usize);
            self.top1 += usize::from(rank == 0);
            self.top5 += usize::from(rank < 5);
            // Clamped, so that the loss stays finite.
            self.losses.push(-probabilities[label as usize].max(f64::MIN_POSITIVE).ln());
        }
    }
}

impl Evaluation {
    /// Combines the results of all shares, given in order.
    pub(super) fn of(shares: impl IntoIterator<Item = ShareResults>) -> Self {
        let mut all = Self::default();
        for ShareResults { top1, top5, losses, mut skipped } in shares {
            all.images += losses.len();
            all.top1 += top1;
            all.top5 += top5;
            all.loss = losses.iter().fold(all.loss, |sum, loss| sum + loss);
            all.skipped.append(&mut skipped);
        }
        all.loss /= all.images.max(1) as f64;
        all
    }
}

/// Adds `weight` times the softmax of each view in `images` `[images, views, crop, crop, 3]` to the probabilities of its
/// image, `[images, classes]`.
pub(super) fn add_probabilities(
    model: &mut Classifier<'_>,
    images: &[f32],
    views: usize,
    weight: f64,
    probabilities: &mut [f64],
) -> Result<()> {
    let classes = model.engine.network().classes;
    let batch = model.engine.batch().max(1);
    let mut view = 0;
    for images in images.chunks(batch * model.preprocess.view_len()) {
        for logits in model.engine.forward(images)?.chunks_exact(classes) {
            let image = view / views;
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
