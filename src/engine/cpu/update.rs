//! The paper's update (section 5), layer by layer.

use super::backward::learn;
use super::{Pair, Parameters};
use crate::engine::Update;
use crate::net::{Layer, Operation, WeightSpec};
use alexnet_kernels::{fc, sgd};

/// Applies the gradients of a layer; nothing, if it learns nothing.
pub(super) fn apply(layer: &Layer, parameters: &mut Parameters, update: &Update) {
    let Some(spec) = layer.weights() else { return };
    let Parameters { value, gradient, velocity, .. } = parameters;
    let [rate, momentum, decay] = of_weights(spec, update);
    sgd::step(&mut value.weights, &mut velocity.weights, &gradient.weights, rate, momentum, decay);
    apply_to_biases(spec, value, gradient, velocity, update);
}

/// Finds the gradients of a layer that learns and applies them at once. Its input's gradient must have been found before:
/// the weights are others afterwards.
pub(super) fn step(
    layer: &Layer,
    parameters: &mut Parameters,
    n: usize,
    x: &[f32],
    dy: &[f32],
    update: &Update,
) {
    match &layer.operation {
        Operation::Fc { inputs, outputs, weights: spec } if fc::steps(n) => {
            let Parameters { value, gradient, velocity, .. } = parameters;
            let (w, v) = (&mut value.weights, &mut velocity.weights);
            fc::step(n, *inputs, *outputs, x, dy, w, v, of_weights(spec, update));
            fc::backward_biases(n, *outputs, dy, &mut gradient.biases);
            apply_to_biases(spec, value, gradient, velocity, update);
        }
        _ => {
            learn(layer, &mut parameters.gradient, n, x, dy);
            apply(layer, parameters, update);
        }
    }
}

/// Rate, momentum and decay of a layer's weights.
fn of_weights(spec: &WeightSpec, update: &Update) -> [f32; 3] {
    [update.rate * spec.rate, update.momentum, spec.decay.unwrap_or(update.decay)]
}

/// Biases have a rate of their own, and never decay.
fn apply_to_biases(
    spec: &WeightSpec,
    value: &mut Pair,
    gradient: &Pair,
    velocity: &mut Pair,
    update: &Update,
) {
    let rate = update.rate * spec.bias_rate;
    sgd::step(&mut value.biases, &mut velocity.biases, &gradient.biases, rate, update.momentum, 0.0);
}
