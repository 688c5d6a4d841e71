//! Training of consecutive layers, whose loss is computed elsewhere.

use super::batch::Shard;
use super::interface::{Engine, OnGradient};
use crate::Result;

/// The images of a training step, or their activations, as the first layer of a stage sees them.
#[derive(Clone, Copy, Debug)]
pub struct StageBatch<'a> {
    /// The inputs, `[n, height, width, channels]`.
    pub inputs: &'a [f32],
    /// One key per image, `[n]`; see [`Batch::keys`](super::Batch::keys).
    pub keys: &'a [u64],
    /// Which part of the step the images are.
    pub part: StagePart,
}

/// The part of a training step that a call computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagePart {
    /// A shard of the global batch, whose gradients are summed in leaves.
    Shard(Shard),
    /// One of several rounds, whose gradients are added in a binary tree. The engine's number of leaves is that of rounds.
    Round {
        /// The round, from 0.
        index: usize,
        /// Number of rounds, a power of two.
        count: usize,
    },
}

/// An engine of consecutive layers of a network. Its outputs have the place of the logits.
pub trait Stage: Engine {
    /// Returns the outputs `[n, values]` as computed in training, with dropout, and keeps what
    /// [`Stage::backward_training`] needs.
    ///
    /// # Errors
    /// Returns an error if the batch does not fit the engine, or the engine was not opened for training.
    fn forward_training(&mut self, batch: &StageBatch<'_>) -> Result<&[f32]>;

    /// Computes the gradients of weights and biases for the batch of the last [`Stage::forward_training`], given the gradient
    /// with respect to its outputs. Writes the gradient with respect to the inputs, unless the stage has the first layer of
    /// the network; it is one process's part of the sum over the units of the first layer.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Stage::forward_training`], or if `on_gradient` fails.
    fn backward_training<'a>(
        &'a mut self,
        batch: &StageBatch<'_>,
        output_gradient: &[f32],
        input_gradient: &mut [f32],
        on_gradient: &mut OnGradient<'_, 'a>,
    ) -> Result<()>;

    /// Finds where the outputs of the last step became non-finite, for [`Engine::non_finite`].
    fn find_non_finite(&mut self);
}
