//! The backward pass: the same steps, last first.

use super::forward::{mask_keys, training_scale};
use super::plan::Plan;
use super::{Pair, Parameters, update};
use crate::Result;
use crate::engine::batch::{Batch, Update};
use crate::engine::health::NonFinite;
use crate::engine::interface::{LayerGradient, OnGradient};
use crate::engine::timings::{LayerTimings, Pass};
use crate::net::{Activation, Layer, Network, Operation, PoolKind};
use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::MicroBatch;
use alexnet_kernels::{activation, conv, dropout, fc, local, lrn, map_norm, pool};

/// What becomes of a layer's gradients.
pub(super) enum Gradients<'a> {
    /// They are kept; who waits for them is told the layer's position as soon as they will not change any more: in the
    /// last part of the batch.
    Keep(&'a mut OnGradient<'a>),
    /// They are applied as soon as they are whole.
    Apply(&'a Update),
}

/// Finds what a part of a batch adds to the gradients of every parameter that is not frozen; `batch` is what belongs to
/// the part. `gradients[0]` comes in as the loss's gradient by the logits. Tells where an update left numbers that are
/// not finite.
pub(super) fn run(
    network: &Network,
    plan: &Plan,
    parameters: &mut [Parameters],
    slots: &[Buffer],
    gradients: &mut [Buffer; 2],
    part: MicroBatch,
    batch: &Batch<'_>,
    then: &mut Gradients<'_>,
    timings: &mut LayerTimings,
) -> Result<Option<NonFinite>> {
    let n = part.images();
    let mut not_finite = None;
    // Below the lowest layer that learns, nobody asks for a gradient.
    let learns = |i: usize| network.layers[i].weights().is_some() && !parameters[i].frozen;
    let lowest = (0..network.layers.len()).find(|&i| learns(i)).unwrap_or(network.layers.len());
    let [mut above, mut below] = gradients.each_mut();
    for (i, (layer, step)) in network.layers.iter().zip(&plan.steps).enumerate().rev() {
        if i < lowest {
            break;
        }
        if plan.is_done_after(i) {
            continue;
        }
        let (inputs, outputs) = (n * layer.input.len(), n * layer.output.len());
        let x = step.from.map_or(batch.images, |slot| &slots[slot][..inputs]);
        let y = &slots[step.to][..outputs];
        let dy = &mut above[..outputs];
        match &layer.operation {
            Operation::Activation(function) => activate(*function, y, dy),
            Operation::Dropout { rate, scale } => {
                dropout::apply(dy, n, &mask_keys(batch.keys, i), *rate, training_scale(*rate, *scale));
            }
            _ => {
                let parameters = &mut parameters[i];
                let learns = layer.weights().is_some() && !parameters.frozen;
                if let (true, Gradients::Keep(final_gradient)) = (learns, &mut *then) {
                    learn(layer, parameters, part, x, dy);
                    timings.record(i, Pass::WeightGradient);
                    if part.is_last() {
                        let Pair { weights, biases } = &mut parameters.gradient;
                        final_gradient(LayerGradient { layer: i, weights, biases })?;
                        timings.resume();
                    }
                }
                if i > lowest {
                    pass_on(layer, step.prologue, &parameters.value, part, x, dy, &mut below[..inputs]);
                    timings.record(i, Pass::InputGradient);
                }
                if let (true, Gradients::Apply(update)) = (learns, &*then) {
                    let spoilt = update::step(layer, parameters, part, x, dy, update);
                    // What goes wrong goes on downward: the highest layer is told.
                    not_finite = not_finite.or(spoilt.map(|place| NonFinite { layer: i, place }));
                    timings.record(i, Pass::WeightGradient);
                }
                std::mem::swap(&mut above, &mut below);
                continue;
            }
        }
        timings.record(i, Pass::InputGradient);
    }
    Ok(not_finite)
}

/// The gradient of the layer's own parameters, which is whole after the last part.
pub(super) fn learn(layer: &Layer, parameters: &mut Parameters, part: MicroBatch, x: &[f32], dy: &[f32]) {
    let Parameters { gradient: Pair { weights, biases }, carry, .. } = parameters;
    match &layer.operation {
        Operation::Conv(g, _) => conv::accumulate_gradients(g, part, x, dy, weights, biases, carry),
        Operation::Local(g, _) => local::accumulate_gradients(g, part, x, dy, weights, biases, carry),
        Operation::Fc(g, _) => fc::accumulate_gradients(g, part, x, dy, weights, biases, carry),
        _ => {}
    }
}

/// The gradient of what entered the layer.
fn pass_on(
    layer: &Layer,
    prologue: Epilogue,
    value: &Pair,
    part: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let n = part.images();
    match &layer.operation {
        Operation::Conv(g, _) => conv::backward_input(g, part, dy, &value.weights, dx),
        Operation::Local(g, _) => local::backward_input(g, n, dy, &value.weights, dx),
        Operation::Fc(g, _) => fc::backward_input(g, n, dy, &value.weights, dx),
        Operation::Pool(PoolKind::Max, g) => pool::max_backward(g, n, x, dy, dx),
        Operation::Pool(PoolKind::Average, g) => pool::avg_backward(g, n, dy, dx),
        Operation::Lrn(g) => lrn::backward(g, n, x, dy, prologue, dx),
        Operation::MapNorm(g) => map_norm::backward(g, n, x, dy, dx),
        Operation::Activation(_) | Operation::Dropout { .. } => unreachable!("handled by the caller"),
    }
}

fn activate(function: Activation, y: &[f32], dy: &mut [f32]) {
    match function {
        Activation::Relu => activation::relu_backward(y, dy),
        Activation::Tanh => activation::tanh_backward(y, dy),
        Activation::Logistic => activation::logistic_backward(y, dy),
    }
}
