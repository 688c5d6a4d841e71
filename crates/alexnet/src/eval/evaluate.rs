//! Top-1, top-5 and loss of a model or an ensemble on a split.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::topk::{add_softmax, rank};
use crate::data::{LoadedBatch, Loader, Preprocess, Skip, Split};
use crate::engine::Engine;
use crate::{Error, Result};

/// An engine that has loaded a model, and the preprocessing of the model.
pub struct Classifier<'a> {
    /// Computes the logits.
    pub engine: &'a mut dyn Engine,
    /// How an image becomes the input of the network.
    pub preprocess: &'a Arc<Preprocess>,
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

/// Evaluates an ensemble: probabilities are averaged over the models, each with its own preprocessing (paper, section 6.1).
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
    let classes = common_classes(models, split)?;
    let smallest = models.iter().map(|model| model.engine.batch()).min().unwrap_or(1);
    let images = (smallest / views).max(1);
    let mut loaders: Vec<Loader> = models
        .iter()
        .map(|model| Loader::evaluation(split, model.preprocess, views, images, workers))
        .collect();
    let mut found = Evaluation::default();
    let weight = 1.0 / (views * models.len()) as f64;
    // The loaders load the same images in the same order; only preprocessing differs.
    while let Some(batches) =
        loaders.iter_mut().map(Iterator::next).collect::<Option<Result<Vec<LoadedBatch>>>>()
    {
        let mut batches = batches?;
        let mut probabilities = vec![0.0; batches[0].labels.len() * classes];
        for (model, batch) in models.iter_mut().zip(&batches) {
            add_probabilities(model, &batch.images, views, weight, &mut probabilities)?;
        }
        found.add(&probabilities, &batches[0].labels, classes);
        found.skipped.append(&mut batches[0].skipped);
        loaders.iter_mut().zip(batches).for_each(|(loader, batch)| loader.recycle(batch));
        on_batch(found.images + found.skipped.len())?;
    }
    found.loss /= found.images.max(1) as f64;
    Ok(found)
}

impl Evaluation {
    /// Adds images with probabilities `[labels, classes]`. The loss is a sum until the end.
    fn add(&mut self, probabilities: &[f64], labels: &[u32], classes: usize) {
        for (probabilities, &label) in probabilities.chunks_exact(classes).zip(labels) {
            let rank = rank(probabilities, label as usize);
            self.images += 1;
            self.top1 += usize::from(rank == 0);
            self.top5 += usize::from(rank < 5);
            // Clamped, so that the loss stays finite.
            self.loss -= probabilities[label as usize].max(f64::MIN_POSITIVE).ln();
        }
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
