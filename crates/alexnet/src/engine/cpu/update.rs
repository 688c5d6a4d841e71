//! The paper's update (section 5), layer by layer.

use super::backward::learn;
use super::{Pair, Parameters};
use crate::engine::batch::Update;
use crate::engine::health::Place;
use crate::net::{Layer, Operation, WeightSpec};
use alexnet_kernels::micro_batch::MicroBatch;
use alexnet_kernels::sgd::SgdSettings;
use alexnet_kernels::{fc, sgd};

/// Applies the gradients of a layer; nothing, if it learns nothing. Tells which of its numbers are not finite afterwards.
pub(super) fn apply(layer: &Layer, parameters: &mut Parameters, update: &Update) -> Option<Place> {
    let spec = layer.weights()?;
    let Parameters { value, gradient, velocity, .. } = parameters;
    let (w, v) = (&mut value.weights, &mut velocity.weights);
    let finite = sgd::step(w, v, &gradient.weights, weight_settings(spec, update));
    spoilt(finite, apply_to_biases(spec, value, gradient, velocity, update))
}

/// Finds what a part of a batch adds to the gradients of a layer that learns, and applies them after the last. Its input's
/// gradient must have been found before: the weights are others afterwards. Tells which of its numbers are not finite afterwards.
pub(super) fn step(
    layer: &Layer,
    parameters: &mut Parameters,
    part: MicroBatch,
    x: &[f32],
    dy: &[f32],
    update: &Update,
) -> Option<Place> {
    match &layer.operation {
        Operation::Fc(g, spec) if part.is_whole() && fc::supports_step(part.images()) => {
            let Parameters { value, gradient, velocity, .. } = parameters;
            let n = part.images();
            let (w, v) = (&mut value.weights, &mut velocity.weights);
            let finite = fc::step(g, n, x, dy, w, v, weight_settings(spec, update));
            fc::backward_biases(g, n, dy, &mut gradient.biases);
            spoilt(finite, apply_to_biases(spec, value, gradient, velocity, update))
        }
        _ => {
            learn(layer, parameters, part, x, dy);
            if part.is_last() { apply(layer, parameters, update) } else { None }
        }
    }
}

/// Which numbers are not finite, given whether weights and biases are.
fn spoilt(weights: bool, biases: bool) -> Option<Place> {
    match (weights, biases) {
        (false, _) => Some(Place::Weights),
        (true, false) => Some(Place::Biases),
        (true, true) => None,
    }
}

/// The settings of a layer's weights.
fn weight_settings(spec: &WeightSpec, update: &Update) -> SgdSettings {
    SgdSettings {
        learning_rate: update.rate * spec.rate,
        momentum: update.momentum,
        weight_decay: spec.decay.unwrap_or(update.decay),
    }
}

/// Biases have a rate of their own, and never decay. Tells whether they are finite afterwards.
fn apply_to_biases(
    spec: &WeightSpec,
    value: &mut Pair,
    gradient: &Pair,
    velocity: &mut Pair,
    update: &Update,
) -> bool {
    let settings = SgdSettings {
        learning_rate: update.rate * spec.bias_rate,
        momentum: update.momentum,
        weight_decay: 0.0,
    };
    sgd::step(&mut value.biases, &mut velocity.biases, &gradient.biases, settings)
}
