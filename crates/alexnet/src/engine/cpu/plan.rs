//! The plan of a CPU engine: its buffers, and the forward pass lowered to steps that read and write them.

use super::lower::{self, ForwardStep, Goal, Source};
use crate::engine::leaves;
use crate::engine::memory::MemoryTable;
use crate::engine::options::{Mode, Options, images_at_once};
use crate::net::{Layer, Network, Operation, Precision};
use crate::{Error, Result};
use alexnet_kernels::conv;
use alexnet_kernels::micro_batch::{GRANULE, MicroBatch, granule};

/// Buffers and forward steps for a network and the options it was opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The calls to plan for.
    pub(super) mode: Mode,
    /// Maximum number of images per call.
    pub(super) batch: usize,
    /// Maximum number of images computed at a time.
    pub(super) micro_batch: usize,
    /// Number of leaves that gradients are summed in.
    pub(super) leaves: usize,
    /// Whether [`forward`](crate::engine::Engine::forward) computes each image as if it were alone.
    pub(super) batch_invariant: bool,
    /// Values per image of each activation slot.
    pub(super) slots: Vec<usize>,
    /// Where each layer's input is; see [`lower::Forward`].
    pub(super) inputs: Vec<Source>,
    /// The slot with the logits after a forward pass.
    pub(super) logits: usize,
    /// The slot with each layer's output, unless a later layer overwrote it; `None` if it is not stored.
    pub(super) outputs: Vec<Option<usize>>,
    /// The forward pass.
    pub(super) forward: Vec<ForwardStep>,
    /// Values per image of the two slots that hold gradients of activations alternately; 0 without a backward pass.
    pub(super) gradients: [usize; 2],
}

impl Plan {
    /// Plans `network` for the calls and sizes in `options`.
    ///
    /// # Errors
    /// Returns an error if a size is invalid.
    pub(super) fn new(network: &Network, gathered: &[bool], options: &Options) -> Result<Self> {
        let Options { mode, batch, threads, leaves, batch_invariant, .. } = *options;
        if batch == 0 || threads == 0 {
            return Err(Error::usage(format!("batch {batch} and threads {threads} must be at least 1")));
        }
        leaves::check(leaves)?;
        let granule = network.layers.iter().map(|layer| granule(layer.precision)).max().unwrap_or(GRANULE);
        let micro_batch = images_at_once(options.micro_batch.unwrap_or(batch), batch, granule)?;
        let lower::Forward { slots, inputs, outputs, logits, steps: forward } =
            lower::forward(network, mode, gathered);
        let gradients = match mode {
            Mode::Training | Mode::Inspection => {
                let everything = vec![true; network.layers.len()];
                let goal = Goal::KeptGradientsAndInput;
                let steps = lower::backward(network, (&inputs, &outputs), gathered, &everything, goal);
                lower::gradient_slots(network, slots[logits], &steps)
            }
            Mode::Inference => [0, 0],
        };
        Ok(Self {
            mode,
            batch,
            micro_batch,
            leaves,
            batch_invariant,
            slots,
            inputs,
            logits,
            outputs,
            forward,
            gradients,
        })
    }

    /// Number of values a layer's gradient accumulator needs between micro-batches.
    pub(super) fn accumulator_len(&self, layer: &Layer) -> usize {
        match (&layer.operation, self.mode) {
            (Operation::Conv(g, _), Mode::Training) if self.micro_batch < self.batch => {
                conv::accumulator_len(g, layer.precision, self.batch)
            }
            _ => 0,
        }
    }

    /// Number of logits gathered from micro-batches; `None` if they fit their slot.
    pub(super) fn gathered_logits(&self, network: &Network) -> Option<usize> {
        (self.micro_batch < self.batch).then_some(self.batch * network.classes)
    }

    /// The batch size that determines the algorithms of a forward pass with transformed weights.
    pub(super) fn algorithm_batch(&self) -> usize {
        if self.batch_invariant { 1 } else { self.batch }
    }

    /// Number of values of a layer's transformed weights. They are kept while weights are constant, and recomputed in each
    /// step of training. `None` if the layer uses its weights untransformed.
    pub(super) fn transformed_len(&self, layer: &Layer) -> Option<usize> {
        let len = match (&layer.operation, self.mode) {
            (Operation::Conv(g, _), Mode::Inference | Mode::Inspection) => {
                conv::transformed_len(g, layer.precision, self.algorithm_batch())
            }
            _ => 0,
        };
        (len > 0).then_some(len)
    }

    /// The micro-batches of a forward pass at test time over `n` images.
    pub(super) fn inference_batches(&self, n: usize) -> impl Iterator<Item = MicroBatch> {
        let independent = self.batch_invariant;
        MicroBatch::split(n, self.micro_batch)
            .map(move |part| if independent { part.independent() } else { part })
    }

    /// Whether a layer's weights are stored as bfloat16 values: in inference, fully connected layers that multiply such values.
    pub(super) fn stores_bf16(&self, layer: &Layer) -> bool {
        matches!(
            (self.mode, &layer.operation, layer.precision),
            (Mode::Inference, Operation::Fc(..), Precision::Bf16)
        )
    }

    /// Bytes of a layer's weights and biases.
    fn parameter_bytes(&self, layer: &Layer) -> usize {
        let biases = layer.parameter_shapes().map_or(0, |(_, biases)| biases.iter().product::<usize>());
        let weight = if self.stores_bf16(layer) { size_of::<u16>() } else { size_of::<f32>() };
        (layer.parameters() - biases) * weight + biases * size_of::<f32>()
    }

    /// The memory of the plan, including the network's parameters.
    pub(super) fn memory(&self, network: &Network) -> MemoryTable {
        const FLOAT: usize = size_of::<f32>();
        let parameters = network.parameters() * FLOAT;
        let stored = network.layers.iter().map(|layer| self.parameter_bytes(layer)).sum();
        let values: usize = self.slots.iter().sum();
        let activations = match self.micro_batch < self.batch {
            true => format!("activations, micro-batch {}", self.micro_batch),
            false => format!("activations, batch {}", self.batch),
        };
        let logits = self.gathered_logits(network).unwrap_or(0);
        let mut lines = vec![
            ("weights and biases".to_owned(), stored),
            (activations, (values * self.micro_batch + logits) * FLOAT),
        ];
        let transformed: usize = network.layers.iter().filter_map(|layer| self.transformed_len(layer)).sum();
        if transformed > 0 {
            lines.push(("transformed weights".to_owned(), transformed * FLOAT));
        }
        let gradients = self.gradients.iter().sum::<usize>() * self.micro_batch * FLOAT;
        match self.mode {
            Mode::Inference => {}
            Mode::Inspection => lines.push(("gradients of activations".to_owned(), gradients)),
            Mode::Training => {
                lines.push(("gradients of weights and biases".to_owned(), parameters));
                lines.push(("momentum".to_owned(), parameters));
                lines.push(("gradients of activations".to_owned(), gradients));
                let sums: usize = network.layers.iter().map(|layer| self.accumulator_len(layer)).sum();
                if sums > 0 {
                    lines.push(("sums between micro-batches".to_owned(), sums * FLOAT));
                }
                if self.leaves > 1 {
                    let sums = leaves::depth(self.leaves) * parameters;
                    lines.push((format!("gradients of {} leaves", self.leaves), sums));
                }
            }
        }
        MemoryTable { lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Recipe;

    #[test]
    fn weights_of_bf16_inference_are_planned_as_they_are_stored() {
        let mut recipe = Recipe::load("paper").unwrap();
        let weights = |recipe: &Recipe, options: Options| {
            let network = Network::new(recipe, 1000).unwrap();
            let plan = Plan::new(&network, &vec![false; network.layers.len() + 1], &options).unwrap();
            plan.memory(&network).lines[0].clone()
        };
        let single = 4 * Network::new(&recipe, 1000).unwrap().parameters();
        let line = |bytes| ("weights and biases".to_owned(), bytes);
        assert_eq!(weights(&recipe, Options::inference(1, 1)), line(single));
        recipe.set("precision", "bf16").unwrap();
        // Two bytes less for each weight of the fully connected layers.
        let saved = 2 * (9216 * 4096 + 4096 * 4096 + 4096 * 1000);
        assert_eq!(weights(&recipe, Options::inference(1, 1)), line(single - saved));
        assert_eq!(weights(&recipe, Options::training(1, 1)), line(single));
    }

    #[test]
    fn micro_batches_need_less_memory() {
        let network = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
        let plan = |micro_batch| {
            let options = Options { micro_batch: Some(micro_batch), ..Options::training(128, 1) };
            Plan::new(&network, &vec![false; network.layers.len() + 1], &options)
        };
        let memory = |micro_batch| plan(micro_batch).unwrap().memory(&network).total() >> 20;
        assert!(memory(9) + 400 < memory(128), "{} MiB, {} MiB", memory(9), memory(128));
        assert!(memory(9) < memory(36) && memory(36) < memory(128));
        assert_eq!(memory(500), memory(128));
        for (micro_batch, valid) in [(32, "27 or 36"), (0, "of 9"), (1, "of 9"), (127, "126 or 128")] {
            let error = plan(micro_batch).unwrap_err();
            assert!(error.message.contains(&micro_batch.to_string()), "{error}");
            assert!(error.help.as_ref().unwrap().contains(valid), "{error}");
        }
    }
}
