//! The interface of all engines.

use std::fmt;

use super::batch::{Batch, StepOutcome, Update};
use super::health::{Health, NonFinite, OutputStatistics};
use super::memory::MemoryTable;
use super::tensor::{self, Tensor, TensorKind};
use super::timings::LayerTimings;
use crate::Result;
use crate::net::Network;

/// The final gradient of one layer, in the engine's own memory and layout.
///
/// The receiver may reduce it in place across processes; the engine then applies the reduced values. The memory outlives the
/// call that hands it out, so that another thread can reduce it while the backward pass continues.
#[derive(Debug)]
pub struct LayerGradient<'a> {
    /// Position of the layer in the network.
    pub layer: usize,
    /// The gradient with respect to the weights. The order of elements is the engine's, and the same in every engine of
    /// its kind.
    pub weights: &'a mut [f32],
    /// The gradient with respect to the biases.
    pub biases: &'a mut [f32],
}

/// The function of an image whose gradient [`Engine::input_gradient`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective<'a> {
    /// The logit of a class, given for each image.
    Logits(&'a [u32]),
    /// The multinomial logistic loss of a label, given for each image.
    Loss(&'a [u32]),
}

/// Receives the gradient of each layer as soon as it is final, last layer first. `'a` is the borrow of the engine.
pub type OnGradient<'f, 'a> = dyn FnMut(LayerGradient<'a>) -> Result<()> + Send + 'f;

/// Executes a network on a device.
///
/// Engines are opened with [`open`](super::open()). Any call can fail: an engine may run on a device that is lost, or wait
/// for other processes.
pub trait Engine: Send + fmt::Debug {
    /// The network.
    fn network(&self) -> &Network;

    /// Maximum number of images per call.
    fn batch(&self) -> usize;

    /// Returns the logits `[n, classes]` of `n` images `[n, height, width, channels]`, computed as at test time: without
    /// dropout.
    ///
    /// # Errors
    /// Returns an error if `images` is not a whole number of images, or more than [`Engine::batch`].
    fn forward(&mut self, images: &[f32]) -> Result<&[f32]>;

    /// Returns the outputs of the named layers for `n` images, in the order of the names: tensors
    /// `[n, height, width, channels]`, computed as by [`Engine::forward`]. A layer's output is its own, also where the engine
    /// fuses a ReLU into it.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Engine::forward`], or if there is no layer of a name.
    fn activations(&mut self, images: &[f32], layers: &[&str]) -> Result<Vec<Tensor>>;

    /// Returns the gradient of each image's objective with respect to its pixels, `[n, height, width, channels]`, for the
    /// network of test time: without dropout.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Engine::forward`], if a class does not exist, or if the engine was opened
    /// for inference, which keeps no activations.
    fn input_gradient(&mut self, images: &[f32], objective: Objective<'_>) -> Result<Vec<f32>>;

    /// Computes loss and gradients of one batch. Calls `on_gradient` with each layer's gradient as soon as it is final,
    /// last layer first, so that communication overlaps with the rest of the backward pass. A shard without images has
    /// gradients of zero.
    ///
    /// # Errors
    /// Returns an error if the batch does not fit the engine, the engine was not opened for training, or `on_gradient`
    /// fails.
    fn forward_backward<'a>(
        &'a mut self,
        batch: &Batch<'_>,
        on_gradient: &mut OnGradient<'_, 'a>,
    ) -> Result<StepOutcome>;

    /// Applies the gradients of the last [`Engine::forward_backward`].
    ///
    /// # Errors
    /// Returns an error if the engine was not opened for training.
    fn apply(&mut self, update: &Update) -> Result<()>;

    /// Trains on one batch: [`Engine::forward_backward`] and [`Engine::apply`] in one call, so that an engine can apply
    /// gradients without storing them. A non-finite loss changes nothing.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Engine::forward_backward`].
    fn step(&mut self, batch: &Batch<'_>, update: &Update) -> Result<StepOutcome> {
        let outcome = self.forward_backward(batch, &mut |_| Ok(()))?;
        if outcome.loss.is_finite() {
            self.apply(update)?;
        }
        Ok(outcome)
    }

    /// Freezes a layer's weights and biases, or lets them learn again, with zero momentum. No gradients are computed for a
    /// frozen layer, nor below the lowest layer that learns. Layers whose recipe sets learning rates of zero start
    /// frozen.
    ///
    /// # Errors
    /// Returns an error if there is no layer with weights at this position, or the engine was not opened for training.
    fn freeze(&mut self, layer: usize, frozen: bool) -> Result<()>;

    /// Returns where the numbers of the last step became non-finite: the first layer with a non-finite output, else the
    /// last layer whose weights or biases are non-finite after the update, else the loss. `None` if all are finite.
    ///
    /// # Errors
    /// Returns an error if the device fails.
    fn non_finite(&self) -> Result<Option<NonFinite>>;

    /// Returns the statistics of each layer's outputs for the images of the last step, one element per layer.
    ///
    /// # Errors
    /// Returns an error if the engine was not opened for training.
    fn output_statistics(&self) -> Result<Vec<OutputStatistics>>;

    /// Returns the magnitudes of each layer with weights, with these statistics of outputs: those of the last step, or of all
    /// processes that shared it.
    ///
    /// # Errors
    /// Returns an error if the engine was not opened for training.
    fn health_of(&self, outputs: &[OutputStatistics]) -> Result<Vec<Health>>;

    /// Returns the magnitudes of each layer with weights, after [`Engine::forward_backward`] and [`Engine::apply`].
    ///
    /// # Errors
    /// Returns an error if the engine was not opened for training.
    fn health(&self) -> Result<Vec<Health>> {
        self.health_of(&self.output_statistics()?)
    }

    /// The time each layer took in the last forward pass or training step.
    fn timings(&self) -> &LayerTimings;

    /// Returns a tensor by its name in the model file (`conv1.weight`), in the layout of the model file.
    ///
    /// # Errors
    /// Returns an error if there is no such tensor, or it is a gradient or momentum and the engine was not opened for
    /// training.
    fn tensor(&self, kind: TensorKind, name: &str) -> Result<Tensor>;

    /// Writes a tensor.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, under the conditions of [`Engine::tensor`], if the tensor has the wrong shape
    /// or a non-finite value, or if weights were converted to half precision.
    fn set_tensor(&mut self, kind: TensorKind, tensor: &Tensor) -> Result<()>;

    /// Returns all tensors of a kind, first layer first.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Engine::tensor`].
    fn tensors(&self, kind: TensorKind) -> Result<Vec<Tensor>> {
        tensor::names(self.network()).iter().map(|(name, _)| self.tensor(kind, name)).collect()
    }

    /// Returns weights and biases, first layer first.
    ///
    /// # Errors
    /// Returns an error if the device fails.
    fn parameters(&self) -> Result<Vec<Tensor>> {
        self.tensors(TensorKind::Parameters)
    }

    /// Returns the gradients of the last [`Engine::forward_backward`], first layer first.
    ///
    /// # Errors
    /// Returns an error if the engine was not opened for training.
    fn gradients(&self) -> Result<Vec<Tensor>> {
        self.tensors(TensorKind::Gradients)
    }

    /// Returns the momentum buffers, first layer first.
    ///
    /// # Errors
    /// Returns an error if the engine was not opened for training.
    fn velocities(&self) -> Result<Vec<Tensor>> {
        self.tensors(TensorKind::Velocities)
    }

    /// Loads weights and biases.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if a tensor is missing, unknown, has the wrong shape or a non-finite value,
    /// or if weights were converted to half precision.
    fn load(&mut self, parameters: &[Tensor]) -> Result<()>;

    /// Loads momentum buffers, as returned by [`Engine::velocities`].
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Engine::load`], or if the engine was not opened for training.
    fn load_velocities(&mut self, velocities: &[Tensor]) -> Result<()>;

    /// Converts the weights of fully connected layers to half precision: at small batches their speed is that of reading
    /// the weights, and half as many bytes are read. Logits change by about 1e-4 of their magnitude.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if the engine was not opened for inference, or a weight exceeds the range of
    /// half precision.
    fn convert_fc_to_f16(&mut self) -> Result<()>;

    /// The planned memory.
    fn memory(&self) -> MemoryTable;
}
