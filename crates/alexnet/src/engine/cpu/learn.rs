//! Gradients of weights and biases.

use super::parameters::{Pair, Training};
use crate::net::{Layer, Operation};
use alexnet_kernels::micro_batch::MicroBatch;
use alexnet_kernels::{conv, fc, local};

/// Adds the images of a micro-batch to the gradient of a layer's weights and biases, which is complete after the last
/// micro-batch.
pub(super) fn accumulate(
    layer: &Layer,
    training: &mut Training,
    micro_batch: MicroBatch,
    x: &[f32],
    dy: &[f32],
) {
    let Training { gradient: Pair { weights, biases }, accumulator, .. } = training;
    match &layer.operation {
        Operation::Conv(g, _) => {
            conv::accumulate_gradients(g, micro_batch, x, dy, weights, biases, accumulator);
        }
        Operation::Local(g, _) => {
            local::accumulate_gradients(g, micro_batch, x, dy, weights, biases, accumulator);
        }
        Operation::Fc(g, _) => {
            fc::accumulate_gradients(g, micro_batch, x, dy, weights, biases, accumulator);
        }
        Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => {}
    }
}
