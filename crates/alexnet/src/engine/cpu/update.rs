//! The update of the paper, section 5, layer by layer.

use super::learn::accumulate;
use super::parameters::{Pair, Parameters, Trained};
use super::piece::Piece;
use crate::engine::batch::Update;
use crate::engine::health::Place;
use crate::net::{Layer, Operation, WeightSpec};
use alexnet_kernels::sgd::SgdSettings;
use alexnet_kernels::{fc, sgd};

/// Applies the gradient of a layer that learns. Returns which of its values are non-finite afterwards.
pub(super) fn apply(
    layer: &Layer,
    parameters: &mut Parameters,
    gradient: &Pair,
    update: &Update,
) -> Option<Place> {
    let (spec, Trained { weights, biases, training }) = (layer.weights()?, parameters.trained()?);
    let velocity = &mut training.velocity;
    let settings = weight_settings(spec, update);
    let weights_finite = sgd::step(weights, &mut velocity.weights, &gradient.weights, settings);
    let settings = bias_settings(spec, update);
    let biases_finite = sgd::step(biases, &mut velocity.biases, &gradient.biases, settings);
    non_finite(weights_finite, biases_finite)
}

/// Adds the images of a piece to the gradient of a layer that learns and, after the last piece, applies it. The gradient with
/// respect to the layer's input must be complete: it depends on the weights. Returns which of the layer's values are
/// non-finite afterwards.
pub(super) fn step(
    layer: &Layer,
    parameters: &mut Parameters,
    gradient: &mut Pair,
    piece: &Piece<'_>,
    x: &[f32],
    dy: &[f32],
    update: &Update,
) -> Option<Place> {
    let Trained { weights, biases, training } = parameters.trained()?;
    let n = piece.micro_batch.images();
    match &layer.operation {
        // The gradient goes from the product's blocks into the update, and is never stored.
        Operation::Fc(g, spec) if piece.is_only() && fc::supports_step(n) => {
            let velocity = &mut training.velocity;
            let settings = weight_settings(spec, update);
            let weights_finite = fc::step(g, n, x, dy, weights, &mut velocity.weights, settings);
            fc::backward_biases(g, n, dy, &mut gradient.biases);
            let settings = bias_settings(spec, update);
            let biases_finite = sgd::step(biases, &mut velocity.biases, &gradient.biases, settings);
            non_finite(weights_finite, biases_finite)
        }
        _ => {
            accumulate(layer, gradient, training, piece, x, dy);
            if piece.is_last() { apply(layer, parameters, gradient, update) } else { None }
        }
    }
}

/// Which values are non-finite.
fn non_finite(weights_finite: bool, biases_finite: bool) -> Option<Place> {
    match (weights_finite, biases_finite) {
        (false, _) => Some(Place::Weights),
        (true, false) => Some(Place::Biases),
        (true, true) => None,
    }
}

fn weight_settings(spec: &WeightSpec, update: &Update) -> SgdSettings {
    SgdSettings {
        learning_rate: update.rate * spec.rate,
        momentum: update.momentum,
        weight_decay: spec.decay.unwrap_or(update.decay),
    }
}

fn bias_settings(spec: &WeightSpec, update: &Update) -> SgdSettings {
    SgdSettings { learning_rate: update.rate * spec.bias_rate, momentum: update.momentum, weight_decay: 0.0 }
}
