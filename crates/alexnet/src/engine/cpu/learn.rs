//! Gradients of weights and biases.

use super::parameters::{Pair, Training};
use super::piece::Piece;
use crate::net::{Layer, Operation};
use alexnet_kernels::micro_batch::{GradAccumulator, MicroBatch};
use alexnet_kernels::{conv, fc, local};

/// Adds the images of a piece to the gradient of a layer's weights and biases, which is complete after the last piece. The
/// gradient of a leaf without images is zero.
pub(super) fn accumulate(
    layer: &Layer,
    gradient: &mut Pair,
    training: &mut Training,
    piece: &Piece<'_>,
    x: &[f32],
    dy: &[f32],
) {
    if piece.is_empty() {
        gradient.fill(0.0);
    } else {
        accumulate_images(layer, gradient, &mut training.accumulator, piece.micro_batch, x, dy);
    }
    piece.finish_leaf(training, gradient);
}

fn accumulate_images(
    layer: &Layer,
    Pair { weights, biases }: &mut Pair,
    accumulator: &mut GradAccumulator,
    micro_batch: MicroBatch,
    x: &[f32],
    dy: &[f32],
) {
    match &layer.operation {
        Operation::Conv(g, _) => {
            conv::accumulate_gradients(g, layer.precision, micro_batch, x, dy, weights, biases, accumulator);
        }
        Operation::Local(g, _) => {
            local::accumulate_gradients(g, micro_batch, x, dy, weights, biases, accumulator);
        }
        Operation::Fc(g, _) => {
            fc::accumulate_gradients(g, layer.precision, micro_batch, x, dy, weights, biases, accumulator);
        }
        Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => {}
    }
}
