//! The forward pass: one step per layer.

use super::Parameters;
use super::plan::{Plan, Step};
use crate::engine::timings::{LayerTimings, Pass};
use crate::net::{Activation, DropoutScale, Layer, Network, Operation, PoolKind};
use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::conv::ConvWeights;
use alexnet_kernels::hash::combine;
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::MicroBatch;
use alexnet_kernels::{activation, conv, dropout, fc, local, lrn, map_norm, pool};

/// Runs every layer on a part of a batch, whose `images` these are. With `keys`, units are silenced as in training;
/// without, the network is the one of test time.
pub(super) fn run(
    network: &Network,
    plan: &Plan,
    parameters: &[Parameters],
    slots: &mut [Buffer],
    part: MicroBatch,
    images: &[f32],
    keys: Option<&[u64]>,
    timings: &mut LayerTimings,
) {
    let n = part.images();
    for (i, (layer, step)) in network.layers.iter().zip(&plan.steps).enumerate() {
        if plan.is_done_before(i) {
            continue;
        }
        // A slot is taken out while it is written, so that another can be read; this moves no values.
        let mut to = std::mem::take(&mut slots[step.to]);
        let y = &mut to[..n * layer.output.len()];
        let x = source(step, slots, images, n * layer.input.len());
        match &layer.operation {
            Operation::Activation(function) => activate(*function, x, y),
            Operation::Dropout { rate, scale } => match keys {
                Some(keys) => silence(x, y, &mask_keys(keys, i), *rate, *scale),
                None => at_test_time(x, y, *rate, *scale),
            },
            _ => transform(layer, step.epilogue, &parameters[i], part, x.unwrap_or_default(), y),
        }
        slots[step.to] = to;
        timings.record(i, Pass::Forward);
    }
}

/// What a step reads; `None` when it works in place.
pub(super) fn source<'a>(
    step: &Step,
    slots: &'a [Buffer],
    images: &'a [f32],
    len: usize,
) -> Option<&'a [f32]> {
    match step.from {
        None => Some(images),
        Some(_) if step.in_place() => None,
        Some(slot) => Some(&slots[slot][..len]),
    }
}

/// Each dropout layer's own keys: one per image.
pub(super) fn mask_keys(keys: &[u64], layer: usize) -> Vec<u64> {
    keys.iter().map(|&key| combine(key, layer as u64)).collect()
}

/// What kept units are multiplied by in training.
pub(super) fn training_scale(rate: f32, scale: DropoutScale) -> f32 {
    match scale {
        DropoutScale::Test => 1.0,
        DropoutScale::Train => 1.0 / (1.0 - rate),
    }
}

fn transform(
    layer: &Layer,
    epilogue: Epilogue,
    parameters: &Parameters,
    part: MicroBatch,
    x: &[f32],
    y: &mut [f32],
) {
    let n = part.images();
    let (weights, biases) = (&parameters.value.weights, &parameters.value.biases);
    match &layer.operation {
        Operation::Conv(g, _) => {
            if parameters.transformed.is_empty() {
                conv::forward(g, part, x, weights, biases, epilogue, y);
            } else {
                let weights = ConvWeights { direct: weights, transformed: &parameters.transformed };
                conv::forward_transformed(g, part, x, weights, biases, epilogue, y);
            }
        }
        Operation::Local(g, _) => local::forward(g, n, x, weights, biases, y),
        Operation::Fc(g, _) if parameters.halved.is_empty() => fc::forward(g, part, x, weights, biases, y),
        Operation::Fc(g, _) => fc::forward_f16(g, part, x, &parameters.halved, biases, y),
        Operation::Pool(PoolKind::Max, g) => pool::max_forward(g, n, x, y),
        Operation::Pool(PoolKind::Average, g) => pool::avg_forward(g, n, x, y),
        Operation::Lrn(g) => lrn::forward(g, n, x, y),
        Operation::MapNorm(g) => map_norm::forward(g, n, x, y),
        Operation::Activation(_) | Operation::Dropout { .. } => unreachable!("handled by the caller"),
    }
}

fn activate(function: Activation, x: Option<&[f32]>, y: &mut [f32]) {
    copy(x, y);
    match function {
        Activation::Relu => activation::relu(y),
        Activation::Tanh => activation::tanh(y),
        Activation::Logistic => activation::logistic(y),
    }
}

fn silence(x: Option<&[f32]>, y: &mut [f32], keys: &[u64], rate: f32, scale: DropoutScale) {
    copy(x, y);
    dropout::apply(y, keys.len(), keys, rate, training_scale(rate, scale));
}

fn at_test_time(x: Option<&[f32]>, y: &mut [f32], rate: f32, scale: DropoutScale) {
    copy(x, y);
    if scale == DropoutScale::Test {
        dropout::scale(y, 1.0 - rate);
    }
}

fn copy(x: Option<&[f32]>, y: &mut [f32]) {
    if let Some(x) = x {
        y.copy_from_slice(x);
    }
}
