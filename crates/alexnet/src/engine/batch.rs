//! The arguments and the result of a training step.

use std::ops::Range;

/// Images and labels of one training step.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Centered images, `[n, height, width, channels]`.
    pub images: &'a [f32],
    /// The class of each image, `[n]`.
    pub labels: &'a [u32],
    /// One key per image, `[n]`, which determines its dropout masks.
    pub keys: &'a [u64],
}

impl<'a> Batch<'a> {
    /// The images of a range.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        let image = self.images.len() / self.labels.len();
        let images = &self.images[range.start * image..range.end * image];
        Self { images, labels: &self.labels[range.clone()], keys: &self.keys[range] }
    }
}

/// The result of a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Multinomial logistic loss, mean over the batch.
    pub loss: f64,
    /// Number of images whose largest logit is that of their own class.
    pub correct: usize,
}

/// The settings of one update, `v <- momentum v - decay rate w - rate gradient; w <- w + v` (paper, section 5).
///
/// Per-layer rate factors and weight decay come from the recipe; biases have no weight decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Learning rate.
    pub rate: f32,
    /// Momentum coefficient.
    pub momentum: f32,
    /// Weight decay of layers whose recipe sets none.
    pub decay: f32,
}
