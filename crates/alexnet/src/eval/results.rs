//! The results of an evaluation: for each image, and in total.

use serde::{Deserialize, Serialize};

use super::topk::{best, rank};
use crate::Result;
use crate::data::{LoadedBatch, Skip};
use crate::engine::softmax::check_finite;

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

/// The result for one image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageResult {
    /// The index of the image in its split.
    pub index: usize,
    /// The class of the image.
    pub label: usize,
    /// The most probable class.
    pub predicted: usize,
    /// The probability of the most probable class.
    pub confidence: f64,
    /// The number of classes that are more probable than the label: 0 for top-1, below 5 for top-5.
    pub rank: usize,
    /// The cross-entropy loss.
    pub loss: f64,
}

impl ImageResult {
    /// Returns whether the most probable class is the label.
    pub fn is_correct(&self) -> bool {
        self.rank == 0
    }
}

/// What [`ImageResults`] contain of each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// An [`ImageResult`].
    Predictions,
    /// The probabilities of all classes too, which take four bytes per image and class.
    Probabilities,
}

/// The results of an evaluation, image by image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageResults {
    /// The images that were evaluated, in the order of the split.
    pub images: Vec<ImageResult>,
    /// The images that were skipped, with reasons.
    pub skipped: Vec<Skip>,
    /// The logarithms of the probabilities, `[images, classes]`, with [`Keep::Probabilities`].
    pub log_probabilities: Option<Vec<f32>>,
}

impl ImageResults {
    pub(super) fn new(keep: Keep) -> Self {
        let log_probabilities = match keep {
            Keep::Predictions => None,
            Keep::Probabilities => Some(Vec::new()),
        };
        Self { images: Vec::new(), skipped: Vec::new(), log_probabilities }
    }

    /// Adds the images of a batch with probabilities `[images, classes]`.
    pub(super) fn add(&mut self, batch: &mut LoadedBatch, probabilities: &[f64], classes: usize) {
        let images = batch.indices.iter().zip(&batch.labels);
        for (probabilities, (&index, &label)) in probabilities.chunks_exact(classes).zip(images) {
            let label = label as usize;
            let predicted = best(probabilities);
            self.images.push(ImageResult {
                index,
                label,
                predicted,
                confidence: probabilities[predicted],
                rank: rank(probabilities, label),
                loss: -logarithm(probabilities[label]),
            });
        }
        if let Some(all) = &mut self.log_probabilities {
            all.extend(probabilities.iter().map(|&probability| logarithm(probability) as f32));
        }
        self.skipped.append(&mut batch.skipped);
    }

    /// Appends the results of the next share of the split.
    pub(super) fn append(&mut self, mut next: Self) {
        self.images.append(&mut next.images);
        self.skipped.append(&mut next.skipped);
        if let (Some(all), Some(mut next)) = (&mut self.log_probabilities, next.log_probabilities) {
            all.append(&mut next);
        }
    }

    /// Refuses results of a model whose training has diverged: measures of NaN look like those of a bad model.
    ///
    /// # Errors
    /// Returns an error if a probability is not finite.
    pub fn check_finite(&self) -> Result<()> {
        self.images.iter().try_for_each(|image| check_finite(&[image.confidence]))
    }

    /// Returns the totals.
    pub fn total(&self) -> Evaluation {
        let count = |most: usize| self.images.iter().filter(|image| image.rank < most).count();
        // Added in order, whatever the number of processes.
        let loss = self.images.iter().fold(0.0, |sum, image| sum + image.loss);
        Evaluation {
            images: self.images.len(),
            top1: count(1),
            top5: count(5),
            loss: loss / self.images.len().max(1) as f64,
            skipped: self.skipped.clone(),
        }
    }
}

/// Clamped, so that the loss stays finite.
fn logarithm(probability: f64) -> f64 {
    probability.max(f64::MIN_POSITIVE).ln()
}
