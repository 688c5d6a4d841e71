//! The plan: which buffer each layer reads and writes, settled before the first step.

use crate::engine::memory::MemoryTable;
use crate::engine::options::Mode;
use crate::net::{Activation, Layer, Network, Operation};
use crate::{Error, Result};
use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::conv;
use alexnet_kernels::micro_batch::GRANULE;

/// Where one layer's values come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Slot the layer reads; `None`: the images themselves.
    pub(super) from: Option<usize>,
    /// Slot the layer writes; the same as `from` when it works in place.
    pub(super) to: usize,
    /// What the layer does to its outputs on behalf of the next one, which then has nothing to do.
    pub(super) epilogue: Epilogue,
    /// What the layer does, going backward, on behalf of the one before it.
    pub(super) prologue: Epilogue,
}

impl Step {
    /// Whether the layer overwrites what it reads.
    pub(super) fn in_place(&self) -> bool {
        self.from == Some(self.to)
    }
}

/// Buffers and steps of a network at a batch size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// What the plan is for.
    pub(super) mode: Mode,
    /// Most images in one call.
    pub(super) batch: usize,
    /// Images that are computed at a time: those of a larger call one micro-batch after another, which changes no bit
    /// of what comes out.
    pub(super) micro_batch: usize,
    /// Values per image of each activation slot.
    pub(super) slots: Vec<usize>,
    /// One step per layer.
    pub(super) steps: Vec<Step>,
    /// Values per image of each of the two slots that the gradients of activations take turns in; 0 when
    /// planned for inference.
    pub(super) gradient: usize,
}

impl Plan {
    /// Whether the layer before does this one's work, going forward.
    pub(super) fn is_done_before(&self, layer: usize) -> bool {
        layer > 0 && self.steps[layer - 1].epilogue != Epilogue::Identity
    }

    /// Whether the layer after does this one's work, going backward.
    pub(super) fn is_done_after(&self, layer: usize) -> bool {
        self.steps.get(layer + 1).is_some_and(|next| next.prologue != Epilogue::Identity)
    }

    /// Plans `network` for batches of up to `batch` images.
    pub(super) fn new(network: &Network, mode: Mode, batch: usize) -> Self {
        let mut slots: Vec<usize> = Vec::new();
        let mut steps: Vec<Step> = Vec::with_capacity(network.layers.len());
        for (i, layer) in network.layers.iter().enumerate() {
            let from = steps.last().map(|step| step.to);
            let to = match from {
                Some(slot) if works_in_place(network, mode, i) => slot,
                Some(slot) if mode == Mode::Inference => 1 - slot,
                _ if mode == Mode::Inference => 0,
                _ => slots.len(),
            };
            slots.resize(slots.len().max(to + 1), 0);
            slots[to] = slots[to].max(layer.output.len());
            let (epilogue, prologue) = (Epilogue::Identity, Epilogue::Identity);
            steps.push(Step { from, to, epilogue, prologue });
        }
        take_in_rectifiers(network, &mut steps);
        let gradient = match mode {
            Mode::Training => slots.iter().copied().max().unwrap_or(0),
            Mode::Inference => 0,
        };
        Self { mode, batch, micro_batch: batch, slots, steps, gradient }
    }

    /// The same plan, with `micro_batch` images computed at a time.
    ///
    /// # Errors
    /// When that is neither a multiple of [`GRANULE`] images nor the whole batch.
    pub(super) fn in_micro_batches(self, micro_batch: usize) -> Result<Self> {
        if micro_batch < self.batch && (micro_batch == 0 || !micro_batch.is_multiple_of(GRANULE)) {
            let (below, above) = (micro_batch / GRANULE * GRANULE, micro_batch.next_multiple_of(GRANULE));
            let works = [below, above.max(GRANULE).min(self.batch)];
            let works: Vec<String> = works.iter().filter(|&&n| n > 0).map(usize::to_string).collect();
            let message = format!(
                "a micro-batch of {micro_batch} images, expected a multiple of {GRANULE} or the whole batch, {}",
                self.batch
            );
            return Err(Error::usage(message).help(format!("a micro-batch of {}", works.join(" or "))));
        }
        Ok(Self { micro_batch: micro_batch.min(self.batch), ..self })
    }

    /// Values that the gradients of a layer's weights take between micro-batches, besides the gradients themselves.
    pub(super) fn carried(&self, layer: &Layer) -> usize {
        match (&layer.operation, self.mode) {
            (Operation::Conv(g, _), Mode::Training) if self.micro_batch < self.batch => {
                conv::accumulator_len(g, self.batch)
            }
            _ => 0,
        }
    }

    /// Values of the logits of all micro-batches; 0 where they stay in their slot.
    pub(super) fn gathered(&self, network: &Network) -> usize {
        if self.micro_batch < self.batch { self.batch * network.classes } else { 0 }
    }

    /// Values of a layer's transformed weights, which are kept for inference and made anew in each step of training.
    pub(super) fn transformed(&self, layer: &Layer) -> usize {
        match (&layer.operation, self.mode) {
            (Operation::Conv(g, _), Mode::Inference) => conv::transformed_len(g, self.batch),
            _ => 0,
        }
    }

    /// The slot that holds the logits after a forward pass.
    pub(super) fn logits(&self) -> usize {
        self.steps.last().map_or(0, |step| step.to)
    }

    /// The memory that the plan and the network's parameters take.
    pub(super) fn memory(&self, network: &Network) -> MemoryTable {
        const FLOAT: usize = size_of::<f32>();
        let parameters = network.parameters() * FLOAT;
        let values: usize = self.slots.iter().sum();
        let activations = match self.micro_batch < self.batch {
            true => format!("activations, micro-batch {}", self.micro_batch),
            false => format!("activations, batch {}", self.batch),
        };
        let mut lines = vec![
            ("weights and biases".to_owned(), parameters),
            (activations, (values * self.micro_batch + self.gathered(network)) * FLOAT),
        ];
        let transformed: usize = network.layers.iter().map(|layer| self.transformed(layer)).sum();
        if transformed > 0 {
            lines.push(("transformed weights".to_owned(), transformed * FLOAT));
        }
        if self.mode == Mode::Training {
            lines.push(("gradients of weights and biases".to_owned(), parameters));
            lines.push(("momentum".to_owned(), parameters));
            lines.push(("gradients of activations".to_owned(), 2 * self.gradient * self.micro_batch * FLOAT));
        }
        let carried: usize = network.layers.iter().map(|layer| self.carried(layer)).sum();
        if carried > 0 {
            lines.push(("sums between micro-batches".to_owned(), carried * FLOAT));
        }
        MemoryTable { lines }
    }
}

/// A rectifier in place touches memory once for each value, and its neighbors have every value at hand: the convolution
/// before it forward, the normalization after it backward.
fn take_in_rectifiers(network: &Network, steps: &mut [Step]) {
    for (i, layer) in network.layers.iter().enumerate() {
        if !steps[i].in_place() || !matches!(layer.operation, Operation::Activation(Activation::Relu)) {
            continue;
        }
        if matches!(network.layers[i - 1].operation, Operation::Conv(..)) {
            steps[i - 1].epilogue = Epilogue::Relu;
        }
        if matches!(network.layers.get(i + 1).map(|next| &next.operation), Some(Operation::Lrn(_))) {
            steps[i + 1].prologue = Epilogue::Relu;
        }
    }
}

/// Whether a layer may overwrite what it reads.
///
/// A non-linearity's backward pass needs only its output, so it works in place on the output of a layer whose
/// own backward pass does not need it: any but another non-linearity. Dropout keeps its input in training,
/// because the layer before it may need it.
fn works_in_place(network: &Network, mode: Mode, layer: usize) -> bool {
    match network.layers[layer].operation {
        Operation::Activation(_) => {
            mode == Mode::Inference
                || !matches!(network.layers[layer - 1].operation, Operation::Activation(_))
        }
        Operation::Dropout { .. } => mode == Mode::Inference,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Recipe;

    #[test]
    fn micro_batches_need_less_memory() {
        let network = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
        let plan = |micro_batch| Plan::new(&network, Mode::Training, 128).in_micro_batches(micro_batch);
        let memory = |micro_batch| plan(micro_batch).unwrap().memory(&network).total() >> 20;
        assert!(memory(9) + 400 < memory(128), "{} MiB, {} MiB", memory(9), memory(128));
        assert!(memory(9) < memory(36) && memory(36) < memory(128));
        assert_eq!(memory(500), memory(128));
        for (micro_batch, works) in [(32, "27 or 36"), (0, "of 9"), (1, "of 9"), (127, "126 or 128")] {
            let error = plan(micro_batch).unwrap_err();
            assert!(error.message.contains(&micro_batch.to_string()), "{error}");
            assert!(error.help.as_ref().unwrap().contains(works), "{error}");
        }
    }
}
