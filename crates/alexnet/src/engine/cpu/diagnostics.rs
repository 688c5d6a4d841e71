//! Magnitudes and non-finite values of layers.

use super::parameters::{Pair, Parameters};
use super::plan::Plan;
use super::state::CpuEngine;
use crate::engine::health::{Health, NonFinite, OutputStatistics, Place};
use crate::net::{Activation, Layer, Network, Operation};
use alexnet_kernels::measure;
use alexnet_kernels::memory::Buffer;

impl CpuEngine {
    /// The statistics of each layer's outputs for the images of the last step.
    pub(super) fn last_outputs(&self) -> Vec<OutputStatistics> {
        let now = || {
            let (plan, activations, images) = (&self.plan, &self.activations, self.last.images);
            let mut statistics = Vec::new();
            self.pool.install(|| {
                add_statistics(&self.network, plan, activations, images, &mut statistics);
            });
            statistics
        };
        self.last.statistics.clone().unwrap_or_else(now)
    }

    /// The magnitudes of each layer with weights.
    pub(super) fn measure_health(&self, outputs: &[OutputStatistics]) -> Vec<Health> {
        self.pool.install(|| {
            let layers = self.network.layers.iter().zip(&self.parameters).zip(&self.parameter_gradients);
            let health = layers.enumerate().filter_map(|(i, ((layer, parameters), gradient))| {
                let velocity = &parameters.as_ref()?.training.as_ref()?.velocity;
                let values = [gradient.as_ref()?, velocity];
                let next = self.network.layers.get(i + 1).map(|next| &next.operation);
                let has_relu = matches!(next, Some(Operation::Activation(Activation::Relu)));
                Some(layer_health(layer, has_relu, parameters.as_ref()?, values, outputs.get(i)?))
            });
            health.collect()
        })
    }
}

fn layer_health(
    layer: &Layer,
    has_relu: bool,
    parameters: &Parameters,
    [gradient, velocity]: [&Pair; 2],
    statistics: &OutputStatistics,
) -> Health {
    let rms = |values: &[f32]| measure::rms(values) as f32;
    Health {
        layer: layer.name.clone(),
        activation: statistics.activation(),
        dead_fraction: has_relu.then(|| statistics.dead_fraction()),
        gradient: rms(&gradient.weights),
        weight: parameters.weights.with_f32(rms),
        update: rms(&velocity.weights),
    }
}

/// Adds the outputs for `n` images of every layer with weights to its statistics, one element per layer.
pub(super) fn add_statistics(
    network: &Network,
    plan: &Plan,
    activations: &[Buffer],
    n: usize,
    statistics: &mut Vec<OutputStatistics>,
) {
    statistics.resize_with(network.layers.len(), OutputStatistics::default);
    for (statistics, (layer, &slot)) in statistics.iter_mut().zip(network.layers.iter().zip(&plan.outputs)) {
        if let (Some(slot), Some(_)) = (slot, layer.weights()) {
            let values = layer.output.len();
            statistics.add(&activations[slot][..n * values], values, layer.output.channels);
        }
    }
}

/// The first layer whose stored outputs for `n` images are not all finite.
pub(super) fn first_non_finite_layer(
    network: &Network,
    plan: &Plan,
    activations: &[Buffer],
    n: usize,
) -> Option<NonFinite> {
    let mut layers = network.layers.iter().zip(&plan.outputs);
    let is_non_finite = |(layer, slot): (&Layer, &Option<usize>)| {
        let outputs = slot.map(|slot| &activations[slot][..n * layer.output.len()]);
        outputs.is_some_and(|outputs| measure::first_non_finite(outputs).is_some())
    };
    Some(NonFinite { layer: layers.position(is_non_finite)?, place: Place::Outputs })
}
