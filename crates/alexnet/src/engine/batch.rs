//! The arguments and the result of a training step.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::net::{Algorithm, Optimizer};

/// Images and labels of one training step, or of one process's share of it.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Centered images, `[n, height, width, channels]`.
    pub images: &'a [f32],
    /// The class of each image, `[n]`.
    pub labels: &'a [u32],
    /// One key per image, `[n]`, which determines its dropout masks. Keys belong to images, not to their positions, so
    /// an image has the same masks in any shard.
    pub keys: &'a [u64],
    /// Where these images are in the global batch.
    pub shard: Shard,
}

/// The position of some images in a global batch.
///
/// Gradients are those of the mean loss over the global batch: the gradients of all shards add up to the gradient of the
/// whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Position of the first image in the global batch.
    pub first: usize,
    /// Number of images in the global batch.
    pub global: usize,
}

impl Shard {
    /// All images of a batch.
    pub const fn whole(images: usize) -> Self {
        Self { first: 0, global: images }
    }
}

impl<'a> Batch<'a> {
    /// A whole batch.
    pub const fn whole(images: &'a [f32], labels: &'a [u32], keys: &'a [u64]) -> Self {
        Self { images, labels, keys, shard: Shard::whole(labels.len()) }
    }

    /// The images, labels (if any) and keys of a range.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        let image = self.images.len() / self.keys.len().max(1);
        let images = &self.images[range.start * image..range.end * image];
        let shard = Shard { first: self.shard.first + range.start, ..self.shard };
        let labels = self.labels.get(range.clone()).unwrap_or_default();
        Self { images, labels, keys: &self.keys[range], shard }
    }
}

/// The result of a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Multinomial logistic loss: the sum over the given images, divided by the size of the global batch. For a whole batch,
    /// the mean; the losses of shards add up to it.
    pub loss: f64,
    /// Number of images whose largest logit is that of their own class.
    pub correct: usize,
}

/// The settings of one update, `v <- momentum v - decay rate w - rate gradient; w <- w + v` (paper, section 5).
///
/// The algorithm may give each layer a rate of its own. Per-layer rate factors and weight decay come from the recipe; biases
/// have no weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Learning rate.
    pub rate: f32,
    /// Momentum coefficient.
    pub momentum: f32,
    /// Weight decay of layers whose recipe sets none.
    pub decay: f32,
    /// How the learning rate of each layer is determined.
    pub algorithm: Algorithm,
}

impl Update {
    /// An update with the settings of a recipe, at a learning rate.
    pub const fn new(optimizer: &Optimizer, rate: f32) -> Self {
        let Optimizer { momentum, decay, algorithm, .. } = *optimizer;
        Self { rate, momentum, decay, algorithm }
    }

    /// Stochastic gradient descent.
    pub const fn sgd(rate: f32, momentum: f32, decay: f32) -> Self {
        Self { rate, momentum, decay, algorithm: Algorithm::Sgd }
    }
}

/// The number of images whose own class has the largest logit; of equal logits the first counts as the largest.
pub(crate) fn count_correct(logits: &[f32], labels: &[u32], classes: usize) -> usize {
    let own_is_largest = |(row, &label): (&[f32], &u32)| {
        let own = row[label as usize];
        let before = &row[..label as usize];
        row.iter().all(|&other| own >= other) && before.iter().all(|&other| own > other)
    };
    logits.chunks_exact(classes).zip(labels).filter(|&pair| own_is_largest(pair)).count()
}
