//! The engine of quantized networks.

use alexnet_kernels::memory::recover;
use std::fmt;

use rayon::ThreadPool;

use super::buffers::Buffers;
use super::contents::{QuantizedNetwork, Values};
use super::steps::{Lowered, Step, lower};
use crate::engine::batch::{Batch, StepOutcome, Update};
use crate::engine::health::{Health, NonFinite, OutputStatistics};
use crate::engine::interface::{Engine, Objective, OnGradient};
use crate::engine::memory::MemoryTable;
use crate::engine::options::{Mode, Options};
use crate::engine::tensor::{Tensor, TensorKind};
use crate::engine::timings::{LayerTimings, Pass};
use crate::error::Kind;
use crate::net::Network;
use crate::{Error, Result, threads};

/// Computes a quantized network on the CPU. An image has the same bits in any batch and at any number of threads, and on
/// every processor unless some layers are computed in floats.
pub(in crate::engine) struct QuantizedEngine {
    network: Network,
    /// Maximum number of images per call.
    batch: usize,
    /// Maximum number of images computed at a time.
    micro_batch: usize,
    pool: ThreadPool,
    steps: Vec<Vec<Step>>,
    /// The values of each layer's output.
    outputs: Vec<Values>,
    buffers: Buffers,
    /// `[batch, classes]`.
    logits: Vec<f32>,
    memory: MemoryTable,
    timings: LayerTimings,
}

impl QuantizedEngine {
    /// Prepares the weights of a network.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, a layer cannot be computed as the network says, memory is insufficient, or
    /// the threads cannot be started.
    pub(in crate::engine) fn open(quantized: &QuantizedNetwork, options: &Options) -> Result<Self> {
        let Options { mode, batch, micro_batch, threads, leaves: _, batch_invariant: _ } = *options;
        match mode {
            Mode::Inference => {}
            Mode::Training | Mode::Inspection => return Err(inference_only()),
        }
        let micro_batch = micro_batch.unwrap_or(batch).min(batch);
        if micro_batch == 0 || threads == 0 {
            return Err(Error::usage(format!(
                "batch {batch}, micro-batch {micro_batch} and threads {threads} must be at least 1"
            )));
        }
        // Before the weights are prepared, which the plan includes.
        let available = alexnet_kernels::memory::available();
        let pool = threads::pool(threads)?;
        let Lowered { steps, outputs } = recover(|| pool.install(|| lower(quantized)))??;
        let network = &quantized.network;
        let sizes = Sizes::of(network, &steps).times(micro_batch);
        let logits = batch * network.classes;
        let memory = MemoryTable {
            lines: vec![
                ("weights and biases".to_owned(), quantized.weight_bytes()),
                (
                    format!("activations, {micro_batch} images"),
                    2 * (sizes.bytes + 4 * sizes.floats) + 4 * logits,
                ),
            ],
        };
        if let Some(available) = available.filter(|available| memory.total() > *available) {
            let error = Error::out_of_memory(memory.total(), Some(available)).detail(&memory);
            return Err(error.help("end other programs, or raise the limit of memory"));
        }
        Ok(Self {
            network: network.clone(),
            batch,
            micro_batch,
            pool,
            steps,
            outputs,
            buffers: Buffers::new(sizes.bytes, sizes.floats),
            logits: vec![0.0; logits],
            memory,
            timings: LayerTimings::start(),
        })
    }

    /// Computes all layers, and calls `observe` after each with its position and the buffers, for the images of each
    /// micro-batch.
    fn run(
        &mut self,
        images: &[f32],
        observe: &mut (dyn FnMut(usize, usize, &Buffers) + Send),
    ) -> Result<usize> {
        let n = self.count(images)?;
        let Self { network, micro_batch, pool, steps, buffers, logits, timings, .. } = self;
        *timings = LayerTimings::start();
        let (image, classes) = (network.input.len(), network.classes);
        let work = || {
            let parts = images.chunks(*micro_batch * image).zip(logits.chunks_mut(*micro_batch * classes));
            for (images, logits) in parts {
                let n = images.len() / image;
                let mut input = Some(images);
                for (position, (layer, steps)) in network.layers.iter().zip(&*steps).enumerate() {
                    steps.iter().for_each(|step| buffers.execute(step, layer, n, &mut input));
                    timings.record(position, Pass::Forward);
                    observe(position, n, buffers);
                    timings.resume();
                }
                logits[..n * classes].copy_from_slice(buffers.floats(n * classes));
            }
        };
        recover(|| pool.install(work))?;
        Ok(n)
    }

    /// Returns the number of images in `images`.
    fn count(&self, images: &[f32]) -> Result<usize> {
        let (batch, input) = (self.batch, self.network.input);
        let (n, rest) = (images.len() / input.len(), images.len() % input.len());
        match rest == 0 && (1..=batch).contains(&n) {
            true => Ok(n),
            false => {
                let expected = format!("1 to {batch} images of {input} ({} values each)", input.len());
                Err(Error::shape("images", format!("{} values", images.len()), expected))
            }
        }
    }
}

/// The largest numbers of current values, per image.
#[derive(Clone, Copy)]
struct Sizes {
    bytes: usize,
    floats: usize,
}

impl Sizes {
    fn of(network: &Network, steps: &[Vec<Step>]) -> Self {
        let mut sizes = Self { bytes: 0, floats: network.classes };
        for (layer, steps) in network.layers.iter().zip(steps) {
            let len = layer.input.len().max(layer.output.len());
            for step in steps {
                let [bytes, floats] = match step {
                    Step::Quantize(..) | Step::Dequantize(..) => [true, true],
                    Step::Conv(_, Values::Floats) | Step::Fc(_, Values::Floats) => [true, true],
                    Step::Conv(_, Values::Bytes(_)) | Step::Fc(_, Values::Bytes(_)) => [true, false],
                    Step::Lrn(_) | Step::MaxPool(_) | Step::Table(_) => [true, false],
                    Step::Floats(_) => [false, true],
                };
                sizes.bytes = sizes.bytes.max(if bytes { len } else { 0 });
                sizes.floats = sizes.floats.max(if floats { len } else { 0 });
            }
        }
        sizes
    }

    fn times(self, images: usize) -> Self {
        Self { bytes: self.bytes * images, floats: self.floats * images }
    }
}

fn inference_only() -> Error {
    Error::new(
        Kind::Runtime,
        "a quantized model is for inference: it has no gradients, and no parameters in f32",
    )
    .help("use the model that it was quantized from")
}

impl Engine for QuantizedEngine {
    fn network(&self) -> &Network {
        &self.network
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn forward(&mut self, images: &[f32]) -> Result<&[f32]> {
        let n = self.run(images, &mut |_, _, _| {})?;
        Ok(&self.logits[..n * self.network.classes])
    }

    /// The output of a layer whose ReLU is the clamp of its bytes is that after the ReLU.
    fn activations(&mut self, images: &[f32], layers: &[&str]) -> Result<Vec<Tensor>> {
        let n = self.count(images)?;
        let positions =
            layers.iter().map(|name| self.network.layer_position(name)).collect::<Result<Vec<usize>>>()?;
        let tensor = |&position: &usize| {
            let (maps, name) =
                (self.network.layers[position].output, self.network.layers[position].name.clone());
            let shape = vec![n, maps.height, maps.width, maps.channels];
            Tensor { name, shape, data: Vec::with_capacity(n * maps.len()) }
        };
        let mut tensors: Vec<Tensor> = positions.iter().map(tensor).collect();
        let outputs = self.outputs.clone();
        let lens: Vec<usize> = self.network.layers.iter().map(|layer| layer.output.len()).collect();
        self.run(images, &mut |layer, n, buffers| {
            for (_, tensor) in positions.iter().zip(&mut tensors).filter(|(at, _)| **at == layer) {
                buffers.read(outputs[layer], n * lens[layer], &mut tensor.data);
            }
        })?;
        Ok(tensors)
    }

    fn input_gradient(&mut self, _: &[f32], _: Objective<'_>) -> Result<Vec<f32>> {
        Err(inference_only())
    }

    fn forward_backward<'a>(&'a mut self, _: &Batch<'_>, _: &mut OnGradient<'_, 'a>) -> Result<StepOutcome> {
        Err(inference_only())
    }

    fn apply(&mut self, _: &Update) -> Result<()> {
        Err(inference_only())
    }

    fn freeze(&mut self, _: usize, _: bool) -> Result<()> {
        Err(inference_only())
    }

    fn non_finite(&self) -> Result<Option<NonFinite>> {
        Ok(None)
    }

    fn output_statistics(&self) -> Result<Vec<OutputStatistics>> {
        Err(inference_only())
    }

    fn health_of(&self, _: &[OutputStatistics]) -> Result<Vec<Health>> {
        Err(inference_only())
    }

    fn timings(&self) -> &LayerTimings {
        &self.timings
    }

    fn tensor(&self, _: TensorKind, _: &str) -> Result<Tensor> {
        Err(inference_only())
    }

    fn set_tensor(&mut self, _: TensorKind, _: &Tensor) -> Result<()> {
        Err(inference_only())
    }

    fn load(&mut self, _: &[Tensor]) -> Result<()> {
        Err(inference_only())
    }

    fn load_velocities(&mut self, _: &[Tensor]) -> Result<()> {
        Err(inference_only())
    }

    fn convert_fc_to_f16(&mut self) -> Result<()> {
        Err(Error::usage("the model is quantized: its weights have 8 bits, half precision has 16")
            .help("the same command without --half"))
    }

    fn memory(&self) -> MemoryTable {
        self.memory.clone()
    }
}

impl fmt::Debug for QuantizedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, micro_batch, outputs, .. } = self;
        f.debug_struct("QuantizedEngine")
            .field("batch", batch)
            .field("micro_batch", micro_batch)
            .field("outputs", outputs)
            .finish_non_exhaustive()
    }
}
