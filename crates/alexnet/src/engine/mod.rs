//! How a network runs. An [`Engine`] carries out a whole network, not single operations, so that each kind of
//! machine can plan its memory and fuse its steps as it likes.

mod available;
mod cpu;
mod health;
mod laps;
mod layout;
mod plan;
pub mod reference;
mod tensor;

pub use cpu::CpuEngine;
pub use health::{Health, NotFinite, Place};
pub use laps::{Lap, Laps, Pass};
pub use plan::{Mode, Plan, Step};
pub use tensor::Tensor;

use crate::Result;
use crate::net::Network;
use std::ops::Range;

/// Images and labels of one training step.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Centered images, `[n, height, width, channels]`.
    pub images: &'a [f32],
    /// Class of each image, `[n]`.
    pub labels: &'a [u32],
    /// One key per image, `[n]`, from which its dropout masks follow.
    pub keys: &'a [u64],
}

impl<'a> Batch<'a> {
    /// Some of the images.
    fn part(&self, range: Range<usize>) -> Self {
        let image = self.images.len() / self.labels.len();
        let images = &self.images[range.start * image..range.end * image];
        Self { images, labels: &self.labels[range.clone()], keys: &self.keys[range] }
    }
}

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Multinomial logistic loss, mean over the batch.
    pub loss: f64,
    /// Images whose largest logit was their own class.
    pub correct: usize,
}

/// The settings of one update, `v <- momentum v - decay rate w - rate gradient; w <- w + v` (paper, section 5).
/// Each layer's own factors and decay come from its recipe; biases never decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Learning rate.
    pub rate: f32,
    /// Share of the last step's change that goes on.
    pub momentum: f32,
    /// Weight decay of the layers that have none of their own.
    pub decay: f32,
}

/// Carries out a network on some machine.
pub trait Engine {
    /// The network it carries out.
    fn network(&self) -> &Network;

    /// Most images in one call.
    fn batch(&self) -> usize;

    /// Logits `[n, classes]` of `n` images `[n, height, width, channels]`, as at test time: no unit silenced.
    ///
    /// # Errors
    /// When `images` is not a whole number of images, or more than [`Engine::batch`].
    fn forward(&mut self, images: &[f32]) -> Result<&[f32]>;

    /// Loss and gradients of one batch. `final_gradient` is called with a layer's position as soon as its
    /// gradients will not change any more, last layer first, so that they can travel meanwhile.
    ///
    /// # Errors
    /// When the batch does not fit the engine, or the engine was planned for inference only.
    fn forward_backward(
        &mut self,
        batch: &Batch<'_>,
        final_gradient: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Outcome>;

    /// Applies the gradients of the last [`Engine::forward_backward`].
    fn apply(&mut self, update: &Update);

    /// Where the numbers of the last step stopped being finite: the first layer with such outputs, else the last one with
    /// such weights or biases after its update, else the loss. `None`: all is well.
    fn not_finite(&self) -> Option<NotFinite>;

    /// Keeps a layer's weights and biases as they are from now on, or lets them learn again, from a momentum of zero. No
    /// gradients are found for a frozen layer, nor for the values below the lowest layer that learns. Layers whose
    /// recipe has rates of zero are frozen from the start.
    ///
    /// # Panics
    /// When there is no layer at this position.
    fn freeze(&mut self, layer: usize, frozen: bool);

    /// How large the numbers of each layer with weights are after [`Engine::forward_backward`] and [`Engine::apply`].
    fn health(&self) -> Vec<Health>;

    /// Learns from one batch: [`Engine::forward_backward`] and [`Engine::apply`] in one, so that an engine may apply a
    /// gradient where it finds it and never keep it. Where the loss is not finite, nothing is changed.
    ///
    /// # Errors
    /// As [`Engine::forward_backward`].
    fn step(&mut self, batch: &Batch<'_>, update: &Update) -> Result<Outcome> {
        let outcome = self.forward_backward(batch, &mut |_| {})?;
        if outcome.loss.is_finite() {
            self.apply(update);
        }
        Ok(outcome)
    }

    /// Weights and biases, first layer first, named and shaped as in the model file.
    fn parameters(&self) -> Vec<Tensor>;

    /// The last gradients, named and shaped as the parameters; empty when planned for inference only.
    fn gradients(&self) -> Vec<Tensor>;

    /// The momentum buffers, named and shaped as the parameters; empty when planned for inference only.
    fn velocities(&self) -> Vec<Tensor>;

    /// Takes weights and biases.
    ///
    /// # Errors
    /// When a tensor is missing, unknown, of another shape, or holds a value that is not finite.
    fn load(&mut self, parameters: &[Tensor]) -> Result<()>;

    /// Takes momentum buffers, as [`Engine::velocities`] gave them.
    ///
    /// # Errors
    /// As [`Engine::load`].
    fn load_velocities(&mut self, velocities: &[Tensor]) -> Result<()>;

    /// The memory it has planned, in bytes, line by line.
    fn memory(&self) -> MemoryTable;
}

/// Planned memory, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTable {
    /// What the memory is for, and bytes.
    pub lines: Vec<(String, usize)>,
}

impl MemoryTable {
    /// Bytes in all.
    pub fn total(&self) -> usize {
        self.lines.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl std::fmt::Display for MemoryTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        for (what, bytes) in &self.lines {
            writeln!(f, "{what:<34} {:>10.1} MiB", mib(*bytes))?;
        }
        write!(f, "{:<34} {:>10.1} MiB", "memory, in all", mib(self.total()))
    }
}
