//! The update of the paper, section 5, layer by layer.

use super::learn::accumulate;
use super::parameters::{Pair, Parameters, Trained};
use super::piece::Piece;
use crate::engine::batch::Update;
use crate::engine::health::Place;
use crate::net::{Algorithm, Layer, Operation, WeightSpec};
use alexnet_kernels::sgd::{SgdSettings, SquaredNorms};
use alexnet_kernels::{fc, sgd};

/// Applies the gradient of a layer that learns. Returns which of its values are non-finite afterwards.
pub(super) fn apply(
    layer: &Layer,
    parameters: &mut Parameters,
    gradient: &Pair,
    update: &Update,
) -> Option<Place> {
    let local_rate = match update.algorithm {
        Algorithm::Sgd => LocalRate::Common,
        Algorithm::Lars { trust } => LocalRate::Lars { trust, norms: squared_norms(parameters, gradient)? },
    };
    apply_at(layer, parameters, gradient, update, local_rate)
}

/// The learning rate of a layer's weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LocalRate {
    /// That of the update.
    Common,
    /// That of the update, times the factor of LARS.
    Lars {
        /// See [`Algorithm::Lars`].
        trust: f32,
        /// The norms of the whole layer: of all its parts, where it is split between processes.
        norms: SquaredNorms,
    },
}

/// The squared norms of a layer's weights and of their gradient, which must be final.
pub(super) fn squared_norms(parameters: &mut Parameters, gradient: &Pair) -> Option<SquaredNorms> {
    let Trained { weights, .. } = parameters.trained()?;
    Some(SquaredNorms::of(weights, &gradient.weights))
}

/// Applies the gradient of a layer that learns, at a learning rate of its own. Returns as [`apply`] does.
pub(super) fn apply_at(
    layer: &Layer,
    parameters: &mut Parameters,
    gradient: &Pair,
    update: &Update,
    local_rate: LocalRate,
) -> Option<Place> {
    let (spec, Trained { weights, biases, training }) = (layer.weights()?, parameters.trained()?);
    let velocity = &mut training.velocity;
    let settings = local_rate.scale(weight_settings(spec, update));
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
    match (&layer.operation, update.algorithm) {
        // The gradient goes from the product's blocks into the update, and is never stored. LARS needs its norm first.
        (Operation::Fc(g, spec), Algorithm::Sgd) if piece.is_only() && fc::supports_step(n) => {
            let velocity = &mut training.velocity;
            let settings = weight_settings(spec, update);
            let weights_finite =
                fc::step(g, layer.precision, n, x, dy, weights, &mut velocity.weights, settings);
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

impl LocalRate {
    fn scale(self, settings: SgdSettings) -> SgdSettings {
        match self {
            Self::Common => settings,
            Self::Lars { trust, norms } => {
                let factor = norms.local_rate(trust.into(), settings.weight_decay.into());
                let learning_rate = (f64::from(settings.learning_rate) * factor) as f32;
                SgdSettings { learning_rate, ..settings }
            }
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
