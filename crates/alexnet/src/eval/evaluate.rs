//! Top-1, top-5 and loss on a split, of one model or of several together.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::topk::{add_softmax, rank};
use crate::data::{LoadedBatch, Loader, Preprocess, Skip, Split};
use crate::engine::Engine;
use crate::{Error, Result};

/// What judges images: an engine that holds a model, and the model's preprocessing.
pub struct Judge<'a> {
    /// Holds the parameters.
    pub engine: &'a mut dyn Engine,
    /// How an image becomes the network's input.
    pub preprocess: &'a Arc<Preprocess>,
}

/// What an evaluation found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images judged.
    pub images: usize,
    /// Images whose most probable class is right.
    pub top1: usize,
    /// Images whose class is among the five most probable.
    pub top5: usize,
    /// Minus the logarithm of the true class's probability, mean over the images.
    pub loss: f64,
    /// Images that were left out, and why.
    pub skipped: Vec<Skip>,
}

impl Evaluation {
    /// Share of images whose most probable class is right, 0 to 1; 0 without images.
    pub fn top1_share(&self) -> f64 {
        self.share(self.top1)
    }

    /// Share of images whose class is among the five most probable, 0 to 1; 0 without images.
    pub fn top5_share(&self) -> f64 {
        self.share(self.top5)
    }

    fn share(&self, count: usize) -> f64 {
        if self.images == 0 { 0.0 } else { count as f64 / self.images as f64 }
    }
}

/// Judges every image of `split` by the mean of the softmax over its `views`: 1 (the center) or 10 (corners,
/// center, and their flips; paper, section 4.1). Labels index the network's outputs. Images are loaded by `workers`
/// threads; their number changes no result. `on_batch` is told the images done so far, and ends the evaluation with
/// the error it returns.
///
/// # Errors
/// As [`ensemble`].
pub fn evaluate(
    judge: Judge<'_>,
    split: &Split,
    views: usize,
    workers: usize,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Evaluation> {
    ensemble(&mut [judge], split, views, workers, on_batch)
}

/// As [`evaluate`], by the mean of several models' probabilities (paper, section 6.1), each model with its own
/// preprocessing.
///
/// # Errors
/// When there is no model, a label is none of a model's classes, a file cannot be read, or an engine fails.
pub fn ensemble(
    judges: &mut [Judge<'_>],
    split: &Split,
    views: usize,
    workers: usize,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Evaluation> {
    let classes = common_classes(judges, split)?;
    let smallest = judges.iter().map(|judge| judge.engine.batch()).min().unwrap_or(1);
    let images = (smallest / views).max(1);
    let mut loaders: Vec<Loader> = judges
        .iter()
        .map(|judge| Loader::evaluation(split, judge.preprocess, views, images, workers))
        .collect();
    let mut found = Evaluation::default();
    let weight = 1.0 / (views * judges.len()) as f64;
    // The loaders take the same images in the same order; only the squares and crops differ.
    while let Some(batches) =
        loaders.iter_mut().map(Iterator::next).collect::<Option<Result<Vec<LoadedBatch>>>>()
    {
        let mut batches = batches?;
        let mut probabilities = vec![0.0; batches[0].labels.len() * classes];
        for (judge, batch) in judges.iter_mut().zip(&batches) {
            add_probabilities(judge, &batch.images, views, weight, &mut probabilities)?;
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
    /// Adds images with probabilities `[labels, classes]`; the loss is a sum until the end.
    fn add(&mut self, probabilities: &[f64], labels: &[u32], classes: usize) {
        for (probabilities, &label) in probabilities.chunks_exact(classes).zip(labels) {
            let rank = rank(probabilities, label as usize);
            self.images += 1;
            self.top1 += usize::from(rank == 0);
            self.top5 += usize::from(rank < 5);
            // A probability too small for f64 counts as the smallest there is: the loss stays finite.
            self.loss -= probabilities[label as usize].max(f64::MIN_POSITIVE).ln();
        }
    }
}

/// Adds `weight` times the softmax of each view of `images` `[images, views, crop, crop, 3]` to its image's
/// probabilities, `[images, classes]`.
pub(super) fn add_probabilities(
    judge: &mut Judge<'_>,
    images: &[f32],
    views: usize,
    weight: f64,
    probabilities: &mut [f64],
) -> Result<()> {
    let classes = judge.engine.network().classes;
    let most = judge.engine.batch().max(1);
    let mut view = 0;
    for images in images.chunks(most * judge.preprocess.view_len()) {
        for logits in judge.engine.forward(images)?.chunks_exact(classes) {
            let image = view / views;
            add_softmax(logits, weight, &mut probabilities[image * classes..][..classes]);
            view += 1;
        }
    }
    Ok(())
}

/// Outputs of every network; every label of the split is one of them.
fn common_classes(judges: &[Judge<'_>], split: &Split) -> Result<usize> {
    let mut counts = judges.iter().map(|judge| judge.engine.network().classes);
    let classes = counts.next().ok_or_else(|| Error::usage("no model to evaluate, expected at least one"))?;
    if let Some(other) = counts.find(|&other| other != classes) {
        return Err(Error::model(format!("models of {classes} and of {other} classes in one ensemble")));
    }
    match (0..split.len()).map(|i| split.label(i) as usize).enumerate().find(|&(_, label)| label >= classes) {
        Some((index, label)) => Err(Error::data(format!(
            "{}: label {label}, expected one of the model's {classes} classes",
            split.file(index)
        ))),
        None => Ok(classes),
    }
}
