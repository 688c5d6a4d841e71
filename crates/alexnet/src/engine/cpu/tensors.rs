//! Parameters, gradients and momentum as named tensors in the layout of the model file.

use super::layout;
use super::parameters::{Parameters, Weights};
use super::state::CpuEngine;
use crate::engine::options::Mode;
use crate::engine::tensor::{self, Tensor};
use crate::net::{Layer, Operation};
use crate::{Error, Result};
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::{conv, f16};

/// Values of a layer with weights.
#[derive(Clone, Copy)]
pub(super) enum Values {
    Parameters,
    Gradients,
    Velocities,
}

impl CpuEngine {
    /// The named tensors of every layer with weights.
    pub(super) fn tensors(&self, values: Values) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        let layers = self.network.layers.iter().zip(&self.parameters);
        self.pool.install(|| {
            for (layer, parameters) in layers {
                let (Some(parameters), Some(shapes)) = (parameters, layer.parameter_shapes()) else {
                    continue;
                };
                let Some((weights, biases)) = layer_values(layer, parameters, values) else { continue };
                tensors.push(Tensor {
                    name: format!("{}.weight", layer.name),
                    shape: shapes.0,
                    data: weights,
                });
                tensors.push(Tensor { name: format!("{}.bias", layer.name), shape: shapes.1, data: biases });
            }
        });
        tensors
    }

    /// Loads weights and biases, and transforms the weights where the plan says so.
    pub(super) fn load_parameters(&mut self, tensors: &[Tensor]) -> Result<()> {
        if self.parameters.iter().flatten().any(|layer| matches!(layer.weights, Weights::F16(_))) {
            return Err(Error::usage("the weights of this engine were converted to half precision")
                .help("open a new engine, load, then convert"));
        }
        self.write(tensors, |parameters| match &mut parameters.weights {
            Weights::F32(weights) => Some((weights, &mut parameters.biases)),
            Weights::F16(_) => None,
        })?;
        let Self { network, plan, pool, parameters, .. } = self;
        pool.install(|| {
            for (layer, parameters) in network.layers.iter().zip(parameters) {
                if let (Operation::Conv(g, _), Some(parameters)) = (&layer.operation, parameters)
                    && let (Weights::F32(weights), Some(transformed)) =
                        (&parameters.weights, &mut parameters.transformed)
                {
                    conv::transform_weights(g, plan.algorithm_batch(), weights, transformed);
                }
            }
        });
        Ok(())
    }

    /// Loads momentum.
    pub(super) fn load_momentum(&mut self, tensors: &[Tensor]) -> Result<()> {
        self.write(tensors, |parameters| {
            let velocity = &mut parameters.training.as_mut()?.velocity;
            Some((&mut velocity.weights, &mut velocity.biases))
        })
    }

    /// Converts the weights of fully connected layers to half precision.
    pub(super) fn convert_fc(&mut self) -> Result<()> {
        if self.plan.mode != Mode::Inference {
            return Err(Error::usage(
                "only an engine for inference can convert its weights to half precision",
            ));
        }
        let is_fc = |layer: &Layer| matches!(layer.operation, Operation::Fc(..));
        let layers = self.network.layers.iter().zip(&mut self.parameters);
        let mut fully_connected: Vec<(&Layer, &mut Parameters)> = layers
            .filter(|(layer, _)| is_fc(layer))
            .filter_map(|(layer, parameters)| Some((layer, parameters.as_mut()?)))
            .collect();
        for (layer, parameters) in &fully_connected {
            if let Weights::F32(weights) = &parameters.weights
                && let Some(w) = weights.iter().find(|&&w| f16::to_f32(f16::from_f32(w)).is_infinite())
            {
                let message = format!(
                    "layer `{}` has a weight of {w}, expected at most 65504 for half precision",
                    layer.name
                );
                return Err(Error::model(message).help("the same command without --half"));
            }
        }
        for (_, parameters) in &mut fully_connected {
            if let Weights::F32(weights) = &parameters.weights {
                parameters.weights = Weights::F16(weights.iter().map(|&w| f16::from_f32(w)).collect());
            }
        }
        Ok(())
    }

    /// Checks tensors and copies them to the buffers that `target` selects of each layer with weights.
    fn write(
        &mut self,
        tensors: &[Tensor],
        target: impl Fn(&mut Parameters) -> Option<(&mut Buffer, &mut Buffer)>,
    ) -> Result<()> {
        tensor::check(&self.network, tensors)?;
        let (pairs, _) = tensors.as_chunks::<2>();
        let Self { network, pool, parameters, .. } = self;
        let layers = network.layers.iter().zip(parameters);
        let layers = layers.filter_map(|(layer, parameters)| Some((layer, parameters.as_mut()?)));
        for ((layer, parameters), [weights, biases]) in layers.zip(pairs) {
            let Some((weight_buffer, bias_buffer)) = target(parameters) else { continue };
            // In the engine's own thread pool: outside of it, rayon would start a second set of threads.
            let ordered = pool.install(|| layout::to_kernels(layer, &weights.data));
            weight_buffer.copy_from_slice(&ordered);
            bias_buffer.copy_from_slice(&biases.data);
        }
        Ok(())
    }
}

/// Weights in the model file's layout, and biases.
fn layer_values(layer: &Layer, parameters: &Parameters, values: Values) -> Option<(Vec<f32>, Vec<f32>)> {
    let pair = match values {
        Values::Parameters => {
            let weights = parameters.weights.with_f32(|weights| layout::to_file(layer, weights));
            return Some((weights, parameters.biases.to_vec()));
        }
        Values::Gradients => &parameters.training.as_ref()?.gradient,
        Values::Velocities => &parameters.training.as_ref()?.velocity,
    };
    Some((layout::to_file(layer, &pair.weights), pair.biases.to_vec()))
}
