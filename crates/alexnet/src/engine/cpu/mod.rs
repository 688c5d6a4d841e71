//! The CPU engine: a chain of planned steps over buffers allocated before the first one, and a backward pass
//! written by hand. No tape, and no allocation per step.

mod available;
mod backward;
mod forward;
pub(super) mod layout;
mod plan;
#[cfg(test)]
mod tests;
mod update;

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::ops::Range;

use super::batch::{Batch, StepOutcome, Update};
use super::health::{Health, NonFinite, OutputStatistics as Seen, Place};
use super::interface::{Engine, OnGradient};
use super::memory::MemoryTable;
use super::options::{Mode, Options};
use super::tensor::{self, Tensor};
use super::timings::{LayerTimings, Pass};
use crate::net::{Activation, Layer, Network, Operation, WeightSpec};
use crate::{Error, Result};
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::{GradAccumulator, MicroBatch};
use alexnet_kernels::{conv, f16, loss, measure};
use backward::Gradients;
use plan::{Plan, Step};

/// Weights and biases of one layer, or anything of their shape, in the kernels' order.
#[derive(Clone, Debug, Default)]
struct Pair {
    weights: Buffer,
    biases: Buffer,
}

/// What one layer learns, with the gradient and the momentum of it when planned for training.
#[derive(Clone, Debug, Default)]
struct Parameters {
    value: Pair,
    gradient: Pair,
    velocity: Pair,
    /// The weights of a convolution, transformed once for all passes when planned for inference.
    transformed: Buffer,
    /// The weights of a fully connected layer in half precision, if they are kept so: then `value` holds none.
    halved: Vec<u16>,
    /// Whether they stay as they are.
    frozen: bool,
    /// What the gradient takes from micro-batch to micro-batch.
    carry: GradAccumulator,
}

/// Carries out a network on the CPU.
pub(super) struct CpuEngine {
    network: Network,
    plan: Plan,
    pool: ThreadPool,
    /// One per layer; empty for a layer that learns nothing.
    parameters: Vec<Parameters>,
    /// Activations, `[micro-batch, height, width, channels]` each; see [`Plan::slots`].
    slots: Vec<Buffer>,
    /// Logits of all micro-batches, `[batch, classes]`; see [`Plan::gathered`].
    logits: Buffer,
    /// Gradients of the loss by activations; two take turns.
    gradients: [Buffer; 2],
    timings: LayerTimings,
    /// Images of the last step, or of its last micro-batch.
    last: usize,
    /// What each layer gave for the images of the last step, where that had several micro-batches and gradients were kept.
    seen: Vec<Seen>,
    not_finite: Option<NonFinite>,
}

impl std::fmt::Debug for CpuEngine {
    /// The plan, not the millions of numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuEngine").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl CpuEngine {
    /// Opens an engine with all parameters zero.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, memory is insufficient, or the threads cannot be started.
    pub(super) fn open(network: Network, options: &Options) -> Result<Self> {
        let Options { mode, batch, micro_batch, threads } = *options;
        let micro_batch = micro_batch.unwrap_or(batch);
        if batch == 0 || threads == 0 {
            return Err(Error::usage(format!("batch {batch} and threads {threads} must be at least 1")));
        }
        let plan = Plan::new(&network, mode, batch).in_micro_batches(micro_batch)?;
        let out_of_memory = |()| {
            let needed = plan.memory(&network).total() as f64 / f64::from(1 << 30);
            let available = match available::memory() {
                Some(bytes) => format!(", {:.2} GiB available", bytes as f64 / f64::from(1 << 30)),
                None => String::new(),
            };
            let table = plan.memory(&network);
            let what = format!("not enough memory: {needed:.2} GiB needed{available}\n{table}");
            Error::new(crate::error::Kind::Runtime, what)
                .help("a smaller batch: --batch; in training --micro-batch 36, which changes no number, or --set optimizer.batch=32")
        };
        if available::memory().is_some_and(|available| plan.memory(&network).total() > available) {
            return Err(out_of_memory(()));
        }
        let mut parameters = Vec::with_capacity(network.layers.len());
        for layer in &network.layers {
            parameters.push(Parameters::zeros(layer, &plan).map_err(out_of_memory)?);
        }
        let mut slots = Vec::with_capacity(plan.slots.len());
        for values in &plan.slots {
            slots.push(zeros(values * plan.micro_batch).map_err(out_of_memory)?);
        }
        let logits = zeros(plan.gathered(&network)).map_err(out_of_memory)?;
        let gradient = || zeros(plan.gradient * plan.micro_batch).map_err(out_of_memory);
        let gradients = [gradient()?, gradient()?];
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
            Error::new(crate::error::Kind::Runtime, format!("{threads} threads cannot be started: {error}"))
        })?;
        let timings = LayerTimings::start();
        let (last, seen, not_finite) = (0, Vec::new(), None);
        Ok(Self {
            network,
            plan,
            pool,
            parameters,
            slots,
            logits,
            gradients,
            timings,
            last,
            seen,
            not_finite,
        })
    }

    /// Number of whole images in `images`.
    fn count(&self, images: &[f32]) -> Result<usize> {
        let image = self.network.input.len();
        let n = images.len() / image;
        if n == 0 || n * image != images.len() || n > self.plan.batch {
            return Err(Error::new(
                crate::error::Kind::Runtime,
                format!(
                    "{} values are not 1 to {} images of {} ({image} values each)",
                    images.len(),
                    self.plan.batch,
                    self.network.input
                ),
            ));
        }
        Ok(n)
    }

    /// Named tensors of every layer that learns, in the model file's order.
    fn tensors(&self, part: impl Fn(&Parameters) -> &Pair + Sync) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for (layer, parameters) in self.network.layers.iter().zip(&self.parameters) {
            let pair = part(parameters);
            let Some((weights, biases)) = layer.parameter_shapes() else { continue };
            if pair.biases.is_empty() {
                continue;
            }
            let file = match pair.weights.is_empty() {
                true => {
                    let widened: Vec<f32> = parameters.halved.iter().map(|&w| f16::to_f32(w)).collect();
                    layout::to_file(layer, &widened)
                }
                false => layout::to_file(layer, &pair.weights),
            };
            tensors.push(Tensor { name: layer.weight_name(), shape: weights, data: file });
            let data = pair.biases.to_vec();
            tensors.push(Tensor { name: layer.bias_name(), shape: biases, data });
        }
        tensors
    }

    /// Takes named tensors into one part of every layer that learns.
    fn take(&mut self, tensors: &[Tensor], part: impl Fn(&mut Parameters) -> &mut Pair) -> Result<()> {
        tensor::check(&self.network, tensors)?;
        let mut tensors = tensors.iter();
        let Self { network, pool, parameters, .. } = self;
        for (layer, parameters) in network.layers.iter().zip(parameters) {
            if layer.parameter_shapes().is_none() {
                continue;
            }
            if let (Some(weights), Some(biases)) = (tensors.next(), tensors.next()) {
                let pair = part(parameters);
                // On the engine's own threads: asking elsewhere would start a second set of them.
                let ordered = pool.install(|| layout::to_kernels(layer, &weights.data));
                pair.weights.copy_from_slice(&ordered);
                pair.biases.copy_from_slice(&biases.data);
            }
        }
        Ok(())
    }

    /// Forward, loss and backward; where the loss is not finite, nothing is learned from it.
    fn run(&mut self, batch: &Batch<'_>, mut then: Gradients<'_>) -> Result<StepOutcome> {
        self.for_training()?;
        let n = self.count(batch.images)?;
        let classes = self.network.classes;
        if batch.labels.len() != n || batch.keys.len() != n {
            let (labels, keys) = (batch.labels.len(), batch.keys.len());
            let message = format!("{n} images came with {labels} labels and {keys} keys");
            return Err(Error::new(crate::error::Kind::Runtime, message));
        }
        if let Some(label) = batch.labels.iter().find(|&&label| label as usize >= classes) {
            return Err(Error::data(format!(
                "label {label} is not one of {classes} classes, 0 to {}",
                classes - 1
            )));
        }
        let Self {
            network, plan, pool, parameters, slots, gradients, timings, last, seen, not_finite, ..
        } = self;
        *timings = LayerTimings::start();
        *not_finite = None;
        seen.clear();
        pool.install(|| {
            let (mut loss, mut correct) = (0.0, 0);
            for part in MicroBatch::split(n, plan.micro_batch) {
                let (batch, values) = (batch.slice(part.range()), part.images() * classes);
                *last = part.images();
                forward::run(network, plan, parameters, slots, part, batch.images, Some(batch.keys), timings);
                if !part.is_whole() && matches!(then, Gradients::Keep(_)) {
                    look(network, plan, slots, *last, seen);
                }
                let (logits, gradient) = (&slots[plan.logits()][..values], &mut gradients[0][..values]);
                correct += count_correct(logits, batch.labels, classes);
                loss::accumulate_softmax_loss(logits, batch.labels, part, classes, gradient, &mut loss);
                timings.resume();
                let goes_on = loss.is_finite() || matches!(then, Gradients::Keep(_));
                let spoilt = match goes_on {
                    true => backward::run(
                        network, plan, parameters, slots, gradients, part, &batch, &mut then, timings,
                    )?,
                    false => None,
                };
                if not_finite.is_none() && (!loss.is_finite() || spoilt.is_some()) {
                    let loss = NonFinite { layer: network.layers.len() - 1, place: Place::Loss };
                    *not_finite = spoilt_outputs(network, plan, slots, *last).or(spoilt).or(Some(loss));
                }
            }
            Ok(StepOutcome { loss: loss / n as f64, correct })
        })
    }

    fn layer_health(&self, position: usize, layer: &Layer, seen: &Seen) -> Health {
        let Parameters { value, gradient, velocity, .. } = &self.parameters[position];
        let next = self.network.layers.get(position + 1).map(|next| &next.operation);
        let rectified = matches!(next, Some(Operation::Activation(Activation::Relu)));
        let scale = |values: &[f32]| measure::rms(values) as f32;
        Health {
            layer: layer.name.clone(),
            activation: seen.activation(layer.output.len()),
            dead_fraction: rectified.then(|| seen.dead_fraction()),
            gradient: scale(&gradient.weights),
            weight: scale(&value.weights),
            update: scale(&velocity.weights),
        }
    }

    fn for_training(&self) -> Result<()> {
        match self.plan.mode {
            Mode::Training => Ok(()),
            Mode::Inference => Err(Error::new(
                crate::error::Kind::Runtime,
                "this engine was planned for inference: plan it with Mode::Training",
            )),
        }
    }
}

impl Parameters {
    fn zeros(layer: &Layer, plan: &Plan) -> std::result::Result<Self, ()> {
        let Some((weights, biases)) = layer.parameter_shapes() else { return Ok(Self::default()) };
        let pair = || {
            let weights = zeros(weights.iter().product())?;
            Ok(Pair { weights, biases: zeros(biases.iter().product())? })
        };
        match plan.mode {
            Mode::Training => {
                let frozen = layer.weights().is_some_and(WeightSpec::is_frozen);
                let (value, gradient, velocity) = (pair()?, pair()?, pair()?);
                let carry = GradAccumulator::new(zeros(plan.carried(layer))?);
                Ok(Self { value, gradient, velocity, frozen, carry, ..Self::default() })
            }
            Mode::Inference => {
                let transformed = zeros(plan.transformed(layer))?;
                Ok(Self { value: pair()?, transformed, ..Self::default() })
            }
        }
    }
}

/// Zeros, or an error instead of an abort when there is not that much memory.
fn zeros(len: usize) -> std::result::Result<Buffer, ()> {
    Buffer::zeros(len).ok_or(())
}

impl Engine for CpuEngine {
    fn network(&self) -> &Network {
        &self.network
    }

    fn batch(&self) -> usize {
        self.plan.batch
    }

    fn forward(&mut self, images: &[f32]) -> Result<&[f32]> {
        let n = self.count(images)?;
        let Self { network, plan, pool, parameters, slots, logits, timings, .. } = self;
        *timings = LayerTimings::start();
        let (image, classes) = (network.input.len(), network.classes);
        pool.install(|| {
            for part in MicroBatch::split(n, plan.micro_batch) {
                let Range { start, end } = part.range();
                let images = &images[start * image..end * image];
                forward::run(network, plan, parameters, slots, part, images, None, timings);
                if !part.is_whole() {
                    let found = &slots[plan.logits()][..part.images() * classes];
                    logits[start * classes..end * classes].copy_from_slice(found);
                }
            }
        });
        let logits = if n > plan.micro_batch { &*logits } else { &slots[plan.logits()] };
        Ok(&logits[..n * classes])
    }

    fn forward_backward(
        &mut self,
        batch: &Batch<'_>,
        on_gradient: &mut OnGradient<'_>,
    ) -> Result<StepOutcome> {
        self.run(batch, Gradients::Keep(on_gradient))
    }

    fn apply(&mut self, update: &Update) -> Result<()> {
        self.for_training()?;
        let Self { network, plan, pool, parameters, slots, timings, last, not_finite, .. } = self;
        timings.resume();
        pool.install(|| {
            let fine = not_finite.is_none();
            for (i, (layer, parameters)) in network.layers.iter().zip(parameters).enumerate().rev() {
                if layer.weights().is_some() && !parameters.frozen {
                    let spoilt = update::apply(layer, parameters, update);
                    *not_finite = not_finite.or(spoilt.map(|place| NonFinite { layer: i, place }));
                    timings.record(i, Pass::Update);
                }
            }
            if fine && not_finite.is_some() {
                *not_finite = spoilt_outputs(network, plan, slots, *last).or(*not_finite);
            }
        });
        Ok(())
    }

    fn non_finite(&self) -> Result<Option<NonFinite>> {
        Ok(self.not_finite)
    }

    fn freeze(&mut self, layer: usize, frozen: bool) -> Result<()> {
        self.for_training()?;
        if self.network.layers.get(layer).and_then(Layer::weights).is_none() {
            let what =
                format!("cannot freeze layer {layer}: there is no layer with weights at this position");
            return Err(Error::new(crate::error::Kind::Runtime, what));
        }
        let parameters = &mut self.parameters[layer];
        if parameters.frozen != frozen {
            parameters.frozen = frozen;
            for pair in [&mut parameters.gradient, &mut parameters.velocity] {
                pair.weights.fill(0.0);
                pair.biases.fill(0.0);
            }
        }
        Ok(())
    }

    fn health(&self) -> Result<Vec<Health>> {
        self.for_training()?;
        let layers = self.network.layers.iter().enumerate().filter(|(_, layer)| layer.weights().is_some());
        Ok(self.pool.install(|| {
            let mut now = Vec::new();
            let seen = match self.seen.is_empty() {
                true => {
                    look(&self.network, &self.plan, &self.slots, self.last, &mut now);
                    &now
                }
                false => &self.seen,
            };
            layers.map(|(i, layer)| self.layer_health(i, layer, &seen[i])).collect()
        }))
    }

    fn step(&mut self, batch: &Batch<'_>, update: &Update) -> Result<StepOutcome> {
        self.run(batch, Gradients::Apply(update))
    }

    fn parameters(&self) -> Result<Vec<Tensor>> {
        Ok(self.pool.install(|| self.tensors(|parameters| &parameters.value)))
    }

    fn gradients(&self) -> Result<Vec<Tensor>> {
        self.for_training()?;
        Ok(self.pool.install(|| self.tensors(|parameters| &parameters.gradient)))
    }

    fn velocities(&self) -> Result<Vec<Tensor>> {
        self.for_training()?;
        Ok(self.pool.install(|| self.tensors(|parameters| &parameters.velocity)))
    }

    fn load(&mut self, tensors: &[Tensor]) -> Result<()> {
        if self.parameters.iter().any(|parameters| !parameters.halved.is_empty()) {
            let what = "this engine keeps weights in half precision: load a new one, then halve it";
            return Err(Error::usage(what));
        }
        self.take(tensors, |parameters| &mut parameters.value)?;
        let Self { network, plan, pool, parameters, .. } = self;
        pool.install(|| {
            for (layer, parameters) in network.layers.iter().zip(parameters) {
                if let Operation::Conv(g, _) = &layer.operation
                    && !parameters.transformed.is_empty()
                {
                    let Parameters { value, transformed, .. } = parameters;
                    conv::transform_weights(g, plan.batch, &value.weights, transformed);
                }
            }
        });
        Ok(())
    }

    fn load_velocities(&mut self, tensors: &[Tensor]) -> Result<()> {
        self.for_training()?;
        self.take(tensors, |parameters| &mut parameters.velocity)
    }

    fn convert_fc_to_f16(&mut self) -> Result<()> {
        if self.plan.mode == Mode::Training {
            return Err(Error::usage("an engine that trains keeps its weights in single precision"));
        }
        let is_fc = |layer: &Layer| matches!(layer.operation, Operation::Fc { .. });
        for (layer, parameters) in self.network.layers.iter().zip(&self.parameters) {
            let large = |w: &&f32| f16::to_f32(f16::from_f32(**w)).is_infinite();
            if let (true, Some(w)) = (is_fc(layer), parameters.value.weights.iter().find(large)) {
                let message =
                    format!("layer `{}` has the weight {w}; half precision ends at 65504", layer.name);
                return Err(Error::model(message).help("the same command without --half"));
            }
        }
        for (layer, parameters) in self.network.layers.iter().zip(&mut self.parameters) {
            if is_fc(layer) {
                parameters.halved = parameters.value.weights.iter().map(|&w| f16::from_f32(w)).collect();
                parameters.value.weights = Buffer::default();
            }
        }
        Ok(())
    }

    fn timings(&self) -> &LayerTimings {
        &self.timings
    }

    fn memory(&self) -> MemoryTable {
        let mut table = self.plan.memory(&self.network);
        let saved: usize = self.parameters.iter().map(|parameters| size_of_val(&parameters.halved[..])).sum();
        if let Some((_, bytes)) = table.lines.first_mut() {
            *bytes -= saved;
        }
        table
    }
}

/// Adds the outputs for `n` images of every layer with weights to what was seen of it, one element per layer.
fn look(network: &Network, plan: &Plan, slots: &[Buffer], n: usize, seen: &mut Vec<Seen>) {
    seen.resize_with(network.layers.len(), Seen::default);
    for (seen, (layer, step)) in seen.iter_mut().zip(network.layers.iter().zip(&plan.steps)) {
        if layer.weights().is_some() {
            let values = layer.output.len();
            seen.add(&slots[step.to][..n * values], values, layer.output.channels);
        }
    }
}

/// The first layer whose outputs for `n` images are not all finite.
fn spoilt_outputs(network: &Network, plan: &Plan, slots: &[Buffer], n: usize) -> Option<NonFinite> {
    let mut layers = network.layers.iter().zip(&plan.steps);
    let spoilt = |(layer, step): (&Layer, &Step)| {
        measure::first_non_finite(&slots[step.to][..n * layer.output.len()]).is_some()
    };
    Some(NonFinite { layer: layers.position(spoilt)?, place: Place::Outputs })
}

/// Images whose own class has the largest logit; of equal logits the first counts as the largest.
fn count_correct(logits: &[f32], labels: &[u32], classes: usize) -> usize {
    let own_is_largest = |(row, &label): (&[f32], &u32)| {
        let own = row[label as usize];
        let before = &row[..label as usize];
        row.iter().all(|&other| own >= other) && before.iter().all(|&other| own > other)
    };
    logits.chunks_exact(classes).zip(labels).filter(|&pair| own_is_largest(pair)).count()
}
