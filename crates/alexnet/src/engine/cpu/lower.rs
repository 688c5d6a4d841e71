//! Lowering: from a network's layers to the steps that a CPU engine executes.
//!
//! Steps are not layers: a fused layer has no step of its own, and a layer has several steps going backward.

use crate::engine::options::Mode;
use crate::net::{Activation, Network, Operation, PoolKind};
use alexnet_kernels::lrn_pool;

/// Where a step reads activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The images themselves.
    Images,
    /// An activation slot.
    Slot(usize),
}

/// A step of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForwardStep {
    /// Computes a layer's outputs, and the ReLU fused into it.
    Compute {
        /// Position of the layer.
        layer: usize,
        /// Where its inputs are.
        from: Source,
        /// The slot for its outputs; not the one it reads.
        to: usize,
        /// Position of the ReLU applied to the outputs as they are written.
        fused_relu: Option<usize>,
    },
    /// Normalizes and pools in one pass, without storing the normalized maps.
    NormalizedPool {
        /// Position of the normalization; pooling is the next layer.
        norm: usize,
        /// Where the inputs of the normalization are.
        from: Source,
        /// The slot for the outputs of pooling; not the one it reads.
        to: usize,
    },
    /// Applies an activation function or dropout to a slot.
    InPlace {
        /// Position of the layer.
        layer: usize,
        /// The slot.
        slot: usize,
    },
    /// Gathers the channels that the processes computed.
    Gather {
        /// Position of the layer whose input is gathered; the number of layers for the logits.
        at: usize,
        /// The slot with the channels of this process.
        from: usize,
        /// The slot for all channels; not the one it reads.
        to: usize,
    },
}

/// Where a gradient with respect to a layer's input goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A gradient slot.
    Slot(usize),
    /// The caller: it is the gradient with respect to the pixels.
    Pixels,
}

/// A step of the backward pass. `gradient` is the gradient slot with the gradient with respect to the layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackwardStep {
    /// Applies the derivative of an activation function, or a dropout mask, to a gradient slot.
    InPlace {
        /// Position of the layer.
        layer: usize,
        /// The activation slot with the layer's outputs.
        output: usize,
        /// The gradient slot.
        gradient: usize,
    },
    /// Adds to the gradient of a layer's weights and biases.
    WeightGradient {
        /// Position of the layer.
        layer: usize,
        /// Where its inputs are.
        input: Source,
        /// The gradient slot.
        gradient: usize,
    },
    /// The exchange point of a layer: after the last leaf, its gradient is final.
    Exchange {
        /// Position of the layer.
        layer: usize,
    },
    /// Computes the gradient with respect to a layer's input.
    InputGradient {
        /// Position of the layer.
        layer: usize,
        /// Where its inputs are.
        input: Source,
        /// The gradient slot.
        gradient: usize,
        /// Where the result goes.
        to: Destination,
        /// Whether the derivative of the ReLU below is applied to the result as it is written.
        fused_relu: bool,
    },
    /// Computes the gradient with respect to the input of a normalization that pooling follows, from that of the output of
    /// pooling.
    NormalizedPool {
        /// Position of the normalization; pooling is the next layer.
        norm: usize,
        /// Where the inputs of the normalization are.
        input: Source,
        /// The gradient slot, of the output of pooling.
        gradient: usize,
        /// Where the result goes.
        to: Destination,
        /// Whether the derivative of the ReLU below is applied to the result as it is written.
        fused_relu: bool,
    },
    /// Sums the gradients with respect to a gathered input over the processes, into the other gradient slot.
    ScatterSums {
        /// Position of the layer whose input was gathered.
        at: usize,
        /// The gradient slot.
        gradient: usize,
    },
    /// Copies the gradient with respect to the logits of this process into the other gradient slot. All processes compute the
    /// gradient with respect to all logits, so that there is nothing to sum.
    OwnLogits {
        /// The gradient slot.
        gradient: usize,
    },
    /// Hands the gradient with respect to the pixels to the caller, where it is in a gradient slot already.
    CopyPixels {
        /// The gradient slot.
        gradient: usize,
    },
    /// Adds to the gradient of a layer's weights and biases and, after the last leaf, applies it.
    Update {
        /// Position of the layer.
        layer: usize,
        /// Where its inputs are.
        input: Source,
        /// The gradient slot.
        gradient: usize,
    },
}

/// What a backward pass computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Gradients of weights and biases, which are kept. They come before the gradients of the layers' inputs, so that
    /// communication starts early.
    KeptGradients,
    /// As [`Self::KeptGradients`], and the gradient with respect to the input of the first layer, for the layers below, which
    /// are computed elsewhere.
    KeptGradientsAndInput,
    /// Updates. They come after the gradients of the layers' inputs, which depend on the weights.
    Updates,
    /// The gradient with respect to the pixels, and no others.
    Pixels,
}

/// The forward pass and its buffers.
pub(super) struct Forward {
    /// Values per image of each activation slot.
    pub(super) slots: Vec<usize>,
    /// Where each layer's inputs are; for pooling that is one step with the normalization before, the inputs of that.
    pub(super) inputs: Vec<Source>,
    /// The slot with each layer's outputs; `None` if they are not stored.
    pub(super) outputs: Vec<Option<usize>>,
    /// The slot with the logits of the whole network.
    pub(super) logits: usize,
    /// The steps, in order.
    pub(super) steps: Vec<ForwardStep>,
}

/// The slots of a forward pass as they are assigned.
struct Slots {
    mode: Mode,
    /// Values per image.
    sizes: Vec<usize>,
}

impl Slots {
    /// A slot for `values` per image, which are computed from the ones in slot `from`.
    fn next(&mut self, from: Option<usize>, values: usize) -> usize {
        let slot = match (from, self.mode) {
            (Some(slot), Mode::Inference) => 1 - slot,
            (None, Mode::Inference) => 0,
            (_, Mode::Training | Mode::Inspection) => self.sizes.len(),
        };
        self.sizes.resize(self.sizes.len().max(slot + 1), 0);
        self.sizes[slot] = self.sizes[slot].max(values);
        slot
    }
}

/// Lowers the forward pass. `gathered` is that of [`Division`](crate::engine::Division).
pub(super) fn forward(network: &Network, mode: Mode, gathered: &[bool]) -> Forward {
    let mut slots = Slots { mode, sizes: Vec::new() };
    let (mut inputs, mut outputs, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    // The slot with the values computed last.
    let mut last: Option<usize> = None;
    let gather = |at: usize, last: Option<usize>, values: usize, slots: &mut Slots, steps: &mut Vec<_>| {
        let Some(from) = last.filter(|_| gathered[at]) else { return last };
        let to = slots.next(last, values);
        steps.push(ForwardStep::Gather { at, from, to });
        Some(to)
    };
    for (layer, shape) in network.layers.iter().enumerate() {
        if layer > 0 && is_normalized_pool(network, mode, gathered, layer - 1) {
            // Done with the normalization.
            inputs.push(inputs[layer - 1]);
            outputs.push(last);
            continue;
        }
        last = gather(layer, last, shape.input.len(), &mut slots, &mut steps);
        inputs.push(last.map_or(Source::Images, Source::Slot));
        if is_normalized_pool(network, mode, gathered, layer) {
            let to = slots.next(last, network.layers[layer + 1].output.len());
            steps.push(ForwardStep::NormalizedPool { norm: layer, from: inputs[layer], to });
            outputs.push(None);
            last = Some(to);
            continue;
        }
        match last.filter(|_| works_in_place(network, mode, layer)) {
            Some(slot) => {
                let is_fused = steps.last_mut().is_some_and(|previous| fuse_relu(network, layer, previous));
                if !is_fused {
                    steps.push(ForwardStep::InPlace { layer, slot });
                }
            }
            None => {
                let from = inputs[layer];
                let to = slots.next(last, shape.output.len());
                steps.push(ForwardStep::Compute { layer, from, to, fused_relu: None });
                last = Some(to);
            }
        }
        outputs.push(last);
    }
    let logits = gather(network.layers.len(), last, network.classes, &mut slots, &mut steps).unwrap_or(0);
    Forward { slots: slots.sizes, inputs, outputs, logits, steps }
}

/// Fuses a layer into the step before it, if the layer is a ReLU and the step is a convolution, which has every value in a
/// register anyway. Returns whether it did.
fn fuse_relu(network: &Network, layer: usize, previous: &mut ForwardStep) -> bool {
    let operation = |layer: usize| &network.layers[layer].operation;
    match (operation(layer), previous) {
        (
            Operation::Activation(Activation::Relu),
            ForwardStep::Compute { layer: convolution, fused_relu: fused_relu @ None, .. },
        ) if matches!(operation(*convolution), Operation::Conv(..)) => {
            *fused_relu = Some(layer);
            true
        }
        _ => false,
    }
}

/// Whether a layer is a normalization that is one step with the max pooling after it, whose outputs nobody else needs: those
/// who inspect a network do.
fn is_normalized_pool(network: &Network, mode: Mode, gathered: &[bool], layer: usize) -> bool {
    let keeps_everything = match mode {
        Mode::Inspection => true,
        Mode::Training | Mode::Inference => false,
    };
    let next = network.layers.get(layer + 1).map(|next| &next.operation);
    if let (Operation::Lrn(norm), Some(Operation::Pool(PoolKind::Max, _))) =
        (&network.layers[layer].operation, next)
    {
        !keeps_everything && !gathered[layer + 1] && lrn_pool::supports(norm)
    } else {
        false
    }
}

/// Whether a layer may overwrite its inputs.
///
/// The backward pass of an activation function needs its output only, so it can overwrite the output of a layer whose
/// own backward pass does not need that: any but another activation function. Dropout keeps its inputs in training, as
/// the layer before it may need them.
fn works_in_place(network: &Network, mode: Mode, layer: usize) -> bool {
    let follows_activation =
        || layer > 0 && matches!(network.layers[layer - 1].operation, Operation::Activation(_));
    match (&network.layers[layer].operation, mode) {
        (Operation::Activation(_) | Operation::Dropout { .. }, Mode::Inference) => true,
        (Operation::Activation(_), Mode::Training | Mode::Inspection) => !follows_activation(),
        _ => false,
    }
}

/// Lowers the backward pass. `learns` are the layers with weights that are not frozen; `inputs` and `outputs` are those of
/// [`Forward`].
pub(super) fn backward(
    network: &Network,
    (inputs, outputs): (&[Source], &[Option<usize>]),
    gathered: &[bool],
    learns: &[bool],
    goal: Goal,
) -> Vec<BackwardStep> {
    // Below the lowest layer that learns, no gradient is needed.
    let lowest = match goal {
        Goal::KeptGradients | Goal::Updates => learns.iter().position(|&learns| learns),
        Goal::Pixels | Goal::KeptGradientsAndInput => Some(0),
    };
    let Some(lowest) = lowest else { return Vec::new() };
    let mut steps = Vec::new();
    let mut gradient = 0;
    if gathered[network.layers.len()] {
        steps.push(BackwardStep::OwnLogits { gradient });
        gradient = 1 - gradient;
    }
    for (layer, operation) in
        network.layers.iter().map(|layer| &layer.operation).enumerate().skip(lowest).rev()
    {
        let input = inputs[layer];
        if matches!(operation, Operation::Activation(_) | Operation::Dropout { .. }) {
            if let (Some(output), false) = (outputs[layer], is_fused_backward(network, outputs, layer)) {
                steps.push(BackwardStep::InPlace { layer, output, gradient });
            }
            if layer == 0 && matches!(goal, Goal::Pixels | Goal::KeptGradientsAndInput) {
                steps.push(BackwardStep::CopyPixels { gradient });
            }
            continue;
        }
        if outputs[layer].is_none() {
            // Done with the pooling above.
            continue;
        }
        let learns = learns[layer];
        if learns && matches!(goal, Goal::KeptGradients | Goal::KeptGradientsAndInput) {
            steps.push(BackwardStep::WeightGradient { layer, input, gradient });
            steps.push(BackwardStep::Exchange { layer });
        }
        // The lowest layer of the step.
        let norm = (layer > 0 && outputs[layer - 1].is_none()).then(|| layer - 1);
        let bottom = norm.unwrap_or(layer);
        let to = match (bottom > lowest, goal) {
            (true, _) => Some(Destination::Slot(1 - gradient)),
            (false, Goal::Pixels | Goal::KeptGradientsAndInput) => Some(Destination::Pixels),
            (false, Goal::KeptGradients | Goal::Updates) => None,
        };
        if let Some(to) = to {
            let fused_relu = bottom > 0 && is_fused_backward(network, outputs, bottom - 1);
            steps.push(match norm {
                Some(norm) => BackwardStep::NormalizedPool { norm, input, gradient, to, fused_relu },
                None => BackwardStep::InputGradient { layer, input, gradient, to, fused_relu },
            });
        }
        if learns && goal == Goal::Updates {
            steps.push(BackwardStep::Update { layer, input, gradient });
        }
        gradient = 1 - gradient;
        if gathered[bottom] && bottom > lowest {
            steps.push(BackwardStep::ScatterSums { at: bottom, gradient });
            gradient = 1 - gradient;
        }
    }
    steps
}

/// Values per image of the two gradient slots of a backward pass, which starts with the gradient with respect to `logits`
/// values in the first.
pub(super) fn gradient_slots(network: &Network, logits: usize, steps: &[BackwardStep]) -> [usize; 2] {
    let layers = &network.layers;
    let mut sizes = [logits, 0];
    for step in steps {
        let (slot, values) = match *step {
            BackwardStep::InputGradient { layer, to: Destination::Slot(slot), .. } => {
                (slot, layers[layer].input.len())
            }
            BackwardStep::NormalizedPool { norm, to: Destination::Slot(slot), .. } => {
                (slot, layers[norm].input.len())
            }
            BackwardStep::ScatterSums { at, gradient } => (1 - gradient, layers[at - 1].output.len()),
            BackwardStep::OwnLogits { gradient } => (1 - gradient, layers[layers.len() - 1].output.len()),
            BackwardStep::InputGradient { to: Destination::Pixels, .. }
            | BackwardStep::NormalizedPool { to: Destination::Pixels, .. }
            | BackwardStep::InPlace { .. }
            | BackwardStep::WeightGradient { .. }
            | BackwardStep::Exchange { .. }
            | BackwardStep::CopyPixels { .. }
            | BackwardStep::Update { .. } => continue,
        };
        sizes[slot] = sizes[slot].max(values);
    }
    sizes
}

/// Whether the normalization or pooling after a ReLU applies the derivative of the ReLU.
fn is_fused_backward(network: &Network, outputs: &[Option<usize>], relu: usize) -> bool {
    let is_relu = matches!(network.layers[relu].operation, Operation::Activation(Activation::Relu));
    let in_place = relu > 0 && outputs[relu] == outputs[relu - 1];
    let next = network.layers.get(relu + 1).map(|next| &next.operation);
    let can_apply =
        |next: &Operation| matches!(next, Operation::Lrn(_) | Operation::MapNorm(_) | Operation::Pool(..));
    is_relu && in_place && next.is_some_and(can_apply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Recipe;

    fn network(recipe: &str) -> Network {
        Network::new(&Recipe::load(recipe).unwrap(), 10).unwrap()
    }

    fn undivided(network: &Network) -> Vec<bool> {
        vec![false; network.layers.len() + 1]
    }

    fn name(network: &Network, layer: usize) -> &str {
        &network.layers[layer].name
    }

    #[test]
    fn relus_are_fused_into_convolutions() {
        let network = network("paper");
        for mode in [Mode::Training, Mode::Inference, Mode::Inspection] {
            let Forward { steps, .. } = forward(&network, mode, &undivided(&network));
            let fused = |step: &ForwardStep| match *step {
                ForwardStep::Compute { layer, fused_relu: Some(relu), .. } => Some((layer, relu)),
                ForwardStep::Compute { fused_relu: None, .. }
                | ForwardStep::NormalizedPool { .. }
                | ForwardStep::InPlace { .. }
                | ForwardStep::Gather { .. } => None,
            };
            let fused: Vec<(&str, &str)> = steps
                .iter()
                .filter_map(fused)
                .map(|(layer, relu)| (name(&network, layer), name(&network, relu)))
                .collect();
            let expected: Vec<(String, String)> =
                (1..=5).map(|i| (format!("conv{i}"), format!("relu{i}"))).collect();
            assert!(fused.iter().zip(&expected).all(|(a, b)| *a == (&b.0[..], &b.1[..])), "{fused:?}");
            let pooled = match mode {
                Mode::Training | Mode::Inference => 2,
                Mode::Inspection => 0,
            };
            assert_eq!((fused.len(), steps.len() + fused.len() + pooled), (5, network.layers.len()));
        }
    }

    #[test]
    fn inference_alternates_between_two_slots() {
        let network = network("paper");
        assert_eq!(forward(&network, Mode::Inference, &undivided(&network)).slots.len(), 2);
    }

    /// A gather has a slot of its own, and the gradient with respect to its result is summed before the layer below.
    #[test]
    fn gathered_inputs_are_exchanged_in_both_passes() {
        let network = network("small");
        let fc = network.layers.iter().position(|layer| layer.name == "fc5").unwrap();
        let mut gathered = undivided(&network);
        gathered[fc] = true;
        for mode in [Mode::Training, Mode::Inference] {
            let Forward { slots, inputs, outputs, steps, .. } = forward(&network, mode, &gathered);
            let at = steps.iter().position(|step| matches!(step, ForwardStep::Gather { .. })).unwrap();
            let ForwardStep::Gather { from, to, .. } = steps[at] else { unreachable!() };
            assert!(Some(from) == outputs[fc - 1] && inputs[fc] == Source::Slot(to) && from != to);
            assert!(slots[to] >= network.layers[fc].input.len());
            let next = matches!(steps[at + 1], ForwardStep::Compute { layer, .. } if layer == fc);
            assert!(
                next && steps.iter().filter(|step| matches!(step, ForwardStep::Gather { .. })).count() == 1
            );
        }
        let Forward { inputs, outputs, .. } = forward(&network, Mode::Training, &gathered);
        let learns: Vec<bool> = network.layers.iter().map(|layer| layer.weights().is_some()).collect();
        let steps = backward(&network, (&inputs, &outputs), &gathered, &learns, Goal::Updates);
        let scatter = steps.iter().position(|step| matches!(step, BackwardStep::ScatterSums { .. })).unwrap();
        let BackwardStep::ScatterSums { at, gradient } = steps[scatter] else { unreachable!() };
        assert_eq!(at, fc);
        let written = steps[..scatter].iter().rev().find_map(|step| match step {
            BackwardStep::InputGradient { layer, to, .. } => Some((*layer, *to)),
            _ => None,
        });
        assert_eq!(written, Some((fc, Destination::Slot(gradient))));
        let BackwardStep::InPlace { gradient: next, .. } = steps[scatter + 2] else {
            panic!("{:?}", steps[scatter + 2])
        };
        assert_eq!(next, 1 - gradient);
    }

    #[test]
    fn the_backward_pass_ends_at_the_lowest_layer_that_learns() {
        let network = network("small");
        let gathered = undivided(&network);
        let Forward { inputs, outputs, .. } = forward(&network, Mode::Training, &gathered);
        let learns: Vec<bool> = network.layers.iter().map(|layer| layer.weights().is_some()).collect();
        let all = backward(&network, (&inputs, &outputs), &gathered, &learns, Goal::KeptGradients);
        let first = learns.iter().position(|&learns| learns).unwrap();
        assert_eq!(all.last(), Some(&BackwardStep::Exchange { layer: first }));
        let none = vec![false; learns.len()];
        assert!(backward(&network, (&inputs, &outputs), &gathered, &none, Goal::Updates).is_empty());
        let pixels = backward(&network, (&inputs, &outputs), &gathered, &none, Goal::Pixels);
        let ends_at_pixels =
            matches!(pixels.last(), Some(BackwardStep::InputGradient { to: Destination::Pixels, .. }));
        assert!(ends_at_pixels, "{pixels:?}");
    }
}
