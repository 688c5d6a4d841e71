//! Parameters, gradients and momentum as named tensors in the layout of the model file.

use super::layout;
use super::parameters::{Parameters, Weights};
use super::state::CpuEngine;
use crate::engine::options::Mode;
use crate::engine::tensor::{self, Part, Tensor, TensorKind};
use crate::net::{Layer, Operation, Precision};
use crate::{Error, Result};
use alexnet_kernels::memory::recover;
use alexnet_kernels::{bf16, conv, f16};
use rayon::prelude::*;

impl CpuEngine {
    /// Reads a tensor.
    pub(super) fn read_tensor(&self, kind: TensorKind, name: &str) -> Result<Tensor> {
        self.require_kind(kind)?;
        let (position, part) = tensor::locate(&self.network, name)?;
        let layer = &self.network.layers[position];
        let unknown = || Error::model(format!("tensor `{name}` does not belong to the network"));
        let parameters = self.parameters[position].as_ref().ok_or_else(unknown)?;
        let (weight_shape, bias_shape) = layer.parameter_shapes().ok_or_else(unknown)?;
        let to_file = |weights: &[f32]| self.pool.install(|| layout::to_file(layer, weights));
        let pair = match kind {
            TensorKind::Parameters => None,
            TensorKind::Gradients => self.parameter_gradients[position].as_ref(),
            TensorKind::Velocities => parameters.training.as_ref().map(|training| &training.velocity),
        };
        let (shape, data) = match (part, pair) {
            (Part::Weights, Some(pair)) => (weight_shape, to_file(&pair.weights)),
            (Part::Weights, None) => (weight_shape, parameters.weights.with_f32(to_file)),
            (Part::Biases, Some(pair)) => (bias_shape, pair.biases.to_vec()),
            (Part::Biases, None) => (bias_shape, parameters.biases.to_vec()),
        };
        Ok(Tensor { name: name.to_owned(), shape, data })
    }

    /// Writes tensors that were checked.
    pub(super) fn write_tensors(&mut self, kind: TensorKind, tensors: &[Tensor]) -> Result<()> {
        self.require_kind(kind)?;
        if self.parameters.iter().flatten().any(|layer| matches!(layer.weights, Weights::F16(_))) {
            return Err(Error::usage("the weights of this engine were converted to half precision")
                .help("open a new engine, load, then convert"));
        }
        let locate = |tensor: &Tensor| tensor::locate(&self.network, &tensor.name);
        let places = tensors.iter().map(locate).collect::<Result<Vec<(usize, Part)>>>()?;
        if kind == TensorKind::Parameters && self.network.precision() == Precision::Bf16 {
            tensors.iter().try_for_each(check_bf16_range)?;
        }
        for (tensor, (position, part)) in tensors.iter().zip(places) {
            recover(|| self.write(kind, position, part, &tensor.data))?;
        }
        Ok(())
    }

    /// Writes the values of a part of a layer with weights, in the layout of the model file.
    fn write(&mut self, kind: TensorKind, position: usize, part: Part, values: &[f32]) {
        let Self { network, plan, pool, parameters, parameter_gradients, .. } = self;
        let (layer, Some(parameters)) = (&network.layers[position], &mut parameters[position]) else {
            return;
        };
        let Parameters { weights, biases, transformed, training } = parameters;
        let pair = match kind {
            TensorKind::Gradients => parameter_gradients[position].as_mut(),
            TensorKind::Velocities => training.as_mut().map(|training| &mut training.velocity),
            TensorKind::Parameters => None,
        };
        // In the engine's own thread pool: outside of it, rayon would start a second set of threads.
        let to_kernels = || pool.install(|| layout::to_kernels(layer, values));
        match (part, pair, weights) {
            (Part::Weights, Some(pair), _) => pair.weights.copy_from_slice(&to_kernels()),
            (Part::Biases, Some(pair), _) => pair.biases.copy_from_slice(values),
            (Part::Biases, None, _) => biases.copy_from_slice(values),
            (Part::Weights, None, Weights::F16(_)) => {}
            (Part::Weights, None, Weights::Bf16(halves)) => bf16::narrow(&to_kernels(), halves),
            (Part::Weights, None, Weights::F32(weights)) => {
                weights.copy_from_slice(&to_kernels());
                if let (Operation::Conv(g, _), Some(transformed)) = (&layer.operation, transformed) {
                    let batch = plan.algorithm_batch();
                    pool.install(|| conv::transform_weights(g, layer.precision, batch, weights, transformed));
                }
            }
        }
    }

    /// # Errors
    /// Returns an error if the engine has no values of this kind.
    fn require_kind(&self, kind: TensorKind) -> Result<()> {
        match kind {
            TensorKind::Parameters => Ok(()),
            TensorKind::Gradients | TensorKind::Velocities => self.require_training(),
        }
    }

    /// Converts the weights of fully connected layers to half precision.
    pub(super) fn convert_fc(&mut self) -> Result<()> {
        if self.plan.mode != Mode::Inference {
            return Err(Error::usage(
                "only an engine for inference can convert its weights to half precision",
            ));
        }
        if self.network.precision() == Precision::Bf16 {
            return Err(Error::usage("fully connected weights are already stored in 16 bits, as bfloat16")
                .help("the same command without --half, or with --precision f32"));
        }
        let is_fc = |layer: &Layer| matches!(layer.operation, Operation::Fc(..));
        let layers = self.network.layers.iter().zip(&mut self.parameters);
        let mut fully_connected: Vec<(&Layer, &mut Parameters)> = layers
            .filter(|(layer, _)| is_fc(layer))
            .filter_map(|(layer, parameters)| Some((layer, parameters.as_mut()?)))
            .collect();
        let mut converted = Vec::new();
        for (layer, parameters) in &fully_connected {
            let Weights::F32(weights) = &parameters.weights else { continue };
            let halves = self.pool.install(|| narrowed(weights));
            if let Some((w, _)) = weights.iter().zip(&halves).find(|(_, half)| *half & 0x7fff == INFINITE) {
                let message = format!(
                    "layer `{}` has a weight of {w}, expected at most 65504 for half precision",
                    layer.name
                );
                return Err(Error::model(message).help("the same command without --half"));
            }
            converted.push(halves);
        }
        // Not before all are known to fit.
        let in_f32 = fully_connected.iter_mut().filter(|(_, found)| matches!(found.weights, Weights::F32(_)));
        in_f32.zip(converted).for_each(|((_, parameters), halves)| parameters.weights = Weights::F16(halves));
        Ok(())
    }
}

/// The half that is infinite.
const INFINITE: u16 = 0x7c00;

/// Values in half precision.
fn narrowed(values: &[f32]) -> Vec<u16> {
    const CHUNK: usize = 16 * 1024;
    let mut halves = vec![0; values.len()];
    let chunks = halves.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK));
    chunks.for_each(|(halves, values)| f16::narrow(values, halves));
    halves
}

/// Checks that rounding to bfloat16 keeps values finite.
fn check_bf16_range(tensor: &Tensor) -> Result<()> {
    match tensor.data.iter().find(|value| value.is_finite() && !bf16::round(**value).is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::model(format!(
            "tensor `{}` has a value of {value:e}, expected at most 3.3895e38 for bfloat16",
            tensor.name
        ))
        .help("the same command with --precision f32")),
    }
}
