//! The forward pass.

use std::ops::Range;

use super::lower::{ForwardStep, Source};
use super::parameters::{Parameters, Weights};
use super::plan::Plan;
use crate::Result;
use crate::engine::division::Division;
use crate::engine::timings::{LayerTimings, Pass};
use crate::net::{Activation, DropoutScale, Layer, Network, Operation, PoolKind};
use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::conv::ConvWeights;
use alexnet_kernels::geometry::{ChannelSlice, NormGeometry, PoolGeometry};
use alexnet_kernels::hash::combine;
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::MicroBatch;
use alexnet_kernels::{activation, conv, dropout, fc, local, lrn, lrn_pool, map_norm, pool};

/// How dropout layers compute.
#[derive(Clone, Copy)]
pub(super) enum Dropout<'a> {
    /// With masks that follow from these keys, one per image.
    Training(&'a [u64]),
    /// Without masks, scaled where the recipe scales at test time.
    Test,
}

/// What a forward pass reads and writes.
pub(super) struct Forward<'a> {
    pub(super) network: &'a Network,
    pub(super) plan: &'a Plan,
    pub(super) division: &'a Division,
    pub(super) parameters: &'a [Option<Parameters>],
    pub(super) activations: &'a mut [Buffer],
    /// Position of the first image in the slots.
    pub(super) first: usize,
    pub(super) timings: &'a mut LayerTimings,
}

impl Forward<'_> {
    /// Computes all layers for the images of a micro-batch.
    pub(super) fn run(
        &mut self,
        micro_batch: MicroBatch,
        images: &[f32],
        dropout: Dropout<'_>,
    ) -> Result<()> {
        self.plan.forward.iter().try_for_each(|step| self.execute(step, micro_batch, images, dropout))
    }

    /// [`Self::run`], with a look at the outputs of every layer: fused layers are computed as steps of their own, which have
    /// the same bits.
    pub(super) fn run_observed(
        &mut self,
        micro_batch: MicroBatch,
        images: &[f32],
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let layers = &self.network.layers;
        for step in &self.plan.forward {
            let unfused = match *step {
                ForwardStep::Compute { layer, from, to, fused_relu: Some(relu) } => vec![
                    ForwardStep::Compute { layer, from, to, fused_relu: None },
                    ForwardStep::InPlace { layer: relu, slot: to },
                ],
                ForwardStep::NormalizedPool { norm, from, .. } => {
                    let layer = &layers[norm];
                    let x = read(
                        from,
                        self.activations,
                        images,
                        rows(self.first, micro_batch.images(), layer.input.len()),
                    );
                    let mut normalized = vec![0.0; x.len()];
                    unweighted(layer, micro_batch.images(), x, &mut normalized);
                    observe(norm, &normalized);
                    vec![*step]
                }
                ForwardStep::Compute { fused_relu: None, .. }
                | ForwardStep::InPlace { .. }
                | ForwardStep::Gather { .. } => vec![*step],
            };
            for step in unfused {
                self.execute(&step, micro_batch, images, Dropout::Test)?;
                let (layer, slot) = match step {
                    ForwardStep::Compute { layer, to, .. } => (layer, to),
                    ForwardStep::NormalizedPool { norm, to, .. } => (norm + 1, to),
                    ForwardStep::InPlace { layer, slot } => (layer, slot),
                    ForwardStep::Gather { .. } => continue,
                };
                let range = rows(self.first, micro_batch.images(), layers[layer].output.len());
                observe(layer, &self.activations[slot][range]);
            }
        }
        Ok(())
    }

    fn execute(
        &mut self,
        step: &ForwardStep,
        micro_batch: MicroBatch,
        images: &[f32],
        dropout: Dropout<'_>,
    ) -> Result<()> {
        let n = micro_batch.images();
        match *step {
            ForwardStep::Gather { at, from, to } => {
                let layers = &self.network.layers;
                let whole = layers.get(at).map_or(self.network.classes, |layer| layer.input.len());
                let ranges = [layers[at - 1].output.len(), whole].map(|len| rows(self.first, n, len));
                let (own, gathered) = operands(Source::Slot(from), to, self.activations, images, ranges);
                let result = self.division.exchange.gather(at, own, gathered);
                self.timings.record(at.min(layers.len() - 1), Pass::Exchange);
                result?;
            }
            ForwardStep::InPlace { layer: position, slot } => {
                let layer = &self.network.layers[position];
                let values = &mut self.activations[slot][rows(self.first, n, layer.output.len())];
                in_place(position, layer, values, dropout, self.division);
                self.timings.record(position, Pass::Forward);
            }
            ForwardStep::NormalizedPool { norm, from, to } => {
                let layers = &self.network.layers;
                let lens = [layers[norm].input.len(), layers[norm + 1].output.len()];
                let ranges = lens.map(|len| rows(self.first, n, len));
                let (x, y) = operands(from, to, self.activations, images, ranges);
                let (norm_geometry, pool) = normalized_pool(layers, norm);
                lrn_pool::forward(norm_geometry, pool, n, x, y);
                self.timings.record(norm, Pass::Forward);
            }
            ForwardStep::Compute { layer: position, from, to, fused_relu } => {
                let layer = &self.network.layers[position];
                let ranges = [layer.input.len(), layer.output.len()].map(|len| rows(self.first, n, len));
                let (x, y) = operands(from, to, self.activations, images, ranges);
                let epilogue = if fused_relu.is_some() { Epilogue::Relu } else { Epilogue::Identity };
                match (&self.parameters[position], &layer.operation) {
                    (Some(parameters), _) => weighted(layer, epilogue, parameters, micro_batch, x, y),
                    (None, Operation::Activation(_) | Operation::Dropout { .. }) => {
                        y.copy_from_slice(x);
                        in_place(position, layer, y, dropout, self.division);
                    }
                    (None, _) => unweighted(layer, n, x, y),
                }
                self.timings.record(position, Pass::Forward);
            }
        }
        Ok(())
    }
}

/// The geometries of a normalization and of the pooling after it.
pub(super) fn normalized_pool(layers: &[Layer], norm: usize) -> (&NormGeometry, &PoolGeometry) {
    match (&layers[norm].operation, &layers[norm + 1].operation) {
        (Operation::Lrn(norm), Operation::Pool(PoolKind::Max, pool)) => (norm, pool),
        _ => unreachable!("the plan pools normalized maps by their maximum"),
    }
}

/// The values that a step reads.
pub(super) fn read<'a>(
    from: Source,
    slots: &'a [Buffer],
    images: &'a [f32],
    range: Range<usize>,
) -> &'a [f32] {
    match from {
        Source::Images => images,
        Source::Slot(slot) => &slots[slot][range],
    }
}

/// The values that a step reads and those that it writes, in another slot. Both slots stay where they are: a step that runs out of
/// memory leaves them as large as they were.
fn operands<'a>(
    from: Source,
    to: usize,
    slots: &'a mut [Buffer],
    images: &'a [f32],
    [read, written]: [Range<usize>; 2],
) -> (&'a [f32], &'a mut [f32]) {
    match from {
        Source::Images => (images, &mut slots[to][written]),
        Source::Slot(from) => {
            let [from, to] = slots.get_disjoint_mut([from, to]).expect("a step writes another slot");
            (&from[read], &mut to[written])
        }
    }
}

/// The values of `n` images from image `first` on, `values` each.
pub(super) const fn rows(first: usize, n: usize, values: usize) -> Range<usize> {
    first * values..(first + n) * values
}

/// The keys of a dropout layer, one per image.
fn mask_keys(keys: &[u64], layer: &Layer) -> Vec<u64> {
    keys.iter().map(|&key| combine(key, layer.random_key)).collect()
}

/// The factor of units that dropout keeps in training.
pub(super) fn training_scale(rate: f32, scale: DropoutScale) -> f32 {
    match scale {
        DropoutScale::Test => 1.0,
        DropoutScale::Train => 1.0 / (1.0 - rate),
    }
}

/// Multiplies values of a slice of the channels, or their gradients, by a dropout layer's masks in training and its factor at
/// test time.
pub(super) fn apply_dropout(
    layer: &Layer,
    values: &mut [f32],
    dropout: Dropout<'_>,
    rate: f32,
    scale: DropoutScale,
    slice: ChannelSlice,
) {
    match (dropout, scale) {
        (Dropout::Training(keys), _) => {
            let keys = mask_keys(keys, layer);
            dropout::apply_slice(values, keys.len(), &keys, rate, training_scale(rate, scale), slice);
        }
        (Dropout::Test, DropoutScale::Test) => dropout::scale(values, 1.0 - rate),
        (Dropout::Test, DropoutScale::Train) => {}
    }
}

fn in_place(position: usize, layer: &Layer, values: &mut [f32], dropout: Dropout<'_>, division: &Division) {
    match &layer.operation {
        Operation::Activation(Activation::Relu) => activation::relu(values),
        Operation::Activation(Activation::Tanh) => activation::tanh(values),
        Operation::Activation(Activation::Logistic) => activation::logistic(values),
        Operation::Dropout { rate, scale } => {
            apply_dropout(layer, values, dropout, *rate, *scale, division.slices[position]);
        }
        _ => unreachable!("the plan has only activations and dropout in place"),
    }
}

/// Computes a layer with weights.
fn weighted(
    layer: &Layer,
    epilogue: Epilogue,
    parameters: &Parameters,
    micro_batch: MicroBatch,
    x: &[f32],
    y: &mut [f32],
) {
    let Parameters { weights, biases, transformed, .. } = parameters;
    let precision = layer.precision;
    match (&layer.operation, weights) {
        (Operation::Conv(g, _), Weights::F32(weights)) => match transformed {
            Some(transformed) => {
                let weights = ConvWeights { direct: weights, transformed };
                conv::forward_transformed(g, precision, micro_batch, x, weights, biases, epilogue, y);
            }
            None => conv::forward(g, precision, micro_batch, x, weights, biases, epilogue, y),
        },
        (Operation::Local(g, _), Weights::F32(weights)) => {
            local::forward(g, micro_batch.images(), x, weights, biases, y);
        }
        (Operation::Fc(g, _), Weights::F32(weights)) => {
            fc::forward(g, precision, micro_batch, x, weights, biases, y);
        }
        (Operation::Fc(g, _), Weights::F16(weights)) => {
            fc::forward_f16(g, micro_batch, x, weights, biases, y);
        }
        (Operation::Fc(g, _), Weights::Bf16(weights)) => {
            fc::forward_bf16(g, micro_batch, x, weights, biases, y);
        }
        _ => unreachable!("only fully connected layers have weights in half precision"),
    }
}

/// Computes a layer without weights for `n` images.
fn unweighted(layer: &Layer, n: usize, x: &[f32], y: &mut [f32]) {
    match &layer.operation {
        Operation::Pool(PoolKind::Max, g) => pool::max_forward(g, n, x, y),
        Operation::Pool(PoolKind::Average, g) => pool::avg_forward(g, n, x, y),
        Operation::Lrn(g) => lrn::forward(g, n, x, y),
        Operation::MapNorm(g) => map_norm::forward(g, n, x, y),
        Operation::Conv(..)
        | Operation::Local(..)
        | Operation::Fc(..)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => unreachable!("handled by the caller"),
    }
}
