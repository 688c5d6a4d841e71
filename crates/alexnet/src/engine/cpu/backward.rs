//! The backward pass.

use super::forward::{Dropout, apply_dropout, normalized_pool, read, rows};
use super::learn::accumulate;
use super::lower::{BackwardStep, Destination};
use super::parameters::{Pair, Parameters, Training, Weights, add};
use super::piece::Piece;
use super::update;
use crate::Result;
use crate::engine::batch::Update;
use crate::engine::division::{Division, UnitSums};
use crate::engine::health::NonFinite;
use crate::engine::interface::{LayerGradient, OnGradient};
use crate::engine::timings::{LayerTimings, Pass};
use crate::net::{Activation, Layer, Network, Operation, PoolKind};
use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::geometry::{ChannelSlice, FcGeometry};
use alexnet_kernels::memory::Buffer;
use alexnet_kernels::micro_batch::MicroBatch;
use alexnet_kernels::precision::Precision;
use alexnet_kernels::{activation, conv, fc, local, lrn, lrn_pool, map_norm, pool};

/// What becomes of the gradients of weights and biases.
pub(super) enum Gradients<'f, 'a> {
    /// They are kept, and handed out when they are final.
    Keep(&'f mut OnGradient<'f, 'a>),
    /// They are applied as soon as they are final.
    Apply(&'f Update),
}

/// What a backward pass reads and writes. The first gradient slot starts with the gradient with respect to the logits.
pub(super) struct Backward<'b, 'a> {
    pub(super) network: &'b Network,
    pub(super) division: &'b Division,
    pub(super) steps: &'b [BackwardStep],
    pub(super) parameters: &'b mut [Option<Parameters>],
    /// One element per layer; `None` for a layer without weights, or whose gradient was handed out.
    pub(super) parameter_gradients: &'b mut [Option<&'a mut Pair>],
    pub(super) activations: &'b [Buffer],
    /// Position of the first image in the activation slots.
    pub(super) first: usize,
    pub(super) gradients: &'b mut [Buffer; 2],
    pub(super) timings: &'b mut LayerTimings,
}

impl<'a> Backward<'_, 'a> {
    /// Adds the images of a piece to the gradients of all layers that learn. Returns where an update left non-finite values.
    pub(super) fn train(
        &mut self,
        piece: &Piece<'_>,
        then: &mut Gradients<'_, 'a>,
        input_gradient: &mut [f32],
    ) -> Result<Option<NonFinite>> {
        let mut non_finite = None;
        let (images, dropout) = (piece.batch.images, Dropout::Training(piece.batch.keys));
        for step in self.steps {
            match *step {
                BackwardStep::WeightGradient { layer: position, input, gradient } => {
                    let (layer, n) = (&self.network.layers[position], piece.micro_batch.images());
                    let x = read(input, self.activations, images, rows(self.first, n, layer.input.len()));
                    let dy = &self.gradients[gradient][..n * layer.output.len()];
                    if let (Some(training), Some(kept)) =
                        (training(self.parameters, position), &mut self.parameter_gradients[position])
                    {
                        accumulate(layer, kept, training, piece, x, dy);
                    }
                    self.timings.record(position, Pass::WeightGradient);
                }
                BackwardStep::Exchange { layer } => {
                    if let (true, Gradients::Keep(on_gradient)) = (piece.is_last(), &mut *then)
                        && let Some(Pair { weights, biases }) = self.parameter_gradients[layer].take()
                    {
                        on_gradient(LayerGradient { layer, weights, biases })?;
                        self.timings.resume();
                    }
                }
                BackwardStep::Update { layer: position, input, gradient } => {
                    let (layer, n) = (&self.network.layers[position], piece.micro_batch.images());
                    let x = read(input, self.activations, images, rows(self.first, n, layer.input.len()));
                    let dy = &self.gradients[gradient][..n * layer.output.len()];
                    if let (Gradients::Apply(update), Some(parameters), Some(sum)) =
                        (&*then, &mut self.parameters[position], &mut self.parameter_gradients[position])
                    {
                        let place = update::step(layer, parameters, sum, piece, x, dy, update);
                        // Non-finite values spread downward: the highest layer is reported.
                        non_finite = non_finite.or(place.map(|place| NonFinite { layer: position, place }));
                    }
                    self.timings.record(position, Pass::WeightGradient);
                }
                BackwardStep::InPlace { .. }
                | BackwardStep::InputGradient { .. }
                | BackwardStep::NormalizedPool { .. }
                | BackwardStep::ScatterSums { .. }
                | BackwardStep::OwnLogits { .. }
                | BackwardStep::CopyPixels { .. } => {
                    if !piece.is_empty() {
                        self.propagate(step, piece.micro_batch, images, dropout, input_gradient)?;
                    }
                }
            }
        }
        Ok(non_finite)
    }

    /// Computes the gradient with respect to the pixels of a micro-batch's images.
    pub(super) fn pixels(
        &mut self,
        micro_batch: MicroBatch,
        images: &[f32],
        pixels: &mut [f32],
    ) -> Result<()> {
        self.steps
            .iter()
            .try_for_each(|step| self.propagate(step, micro_batch, images, Dropout::Test, pixels))
    }

    /// Executes a step that computes a gradient with respect to activations.
    fn propagate(
        &mut self,
        step: &BackwardStep,
        micro_batch: MicroBatch,
        images: &[f32],
        dropout: Dropout<'_>,
        pixels: &mut [f32],
    ) -> Result<()> {
        let n = micro_batch.images();
        match *step {
            BackwardStep::ScatterSums { at, gradient } => {
                let layers = &self.network.layers;
                let (whole, own) = slots(self.gradients, gradient);
                let whole = &mut whole[..n * layers[at].input.len()];
                let own = &mut own[..n * layers[at - 1].output.len()];
                self.division.exchange.scatter_sums(at, whole, own)?;
                self.timings.record(at, Pass::Exchange);
            }
            BackwardStep::OwnLogits { gradient } => {
                let Some(&slice) = self.division.slices.last() else { return Ok(()) };
                let (whole, own) = slots(self.gradients, gradient);
                let rows = whole[..n * slice.whole].chunks_exact(slice.whole);
                for (own, whole) in own[..n * slice.len].chunks_exact_mut(slice.len).zip(rows) {
                    own.copy_from_slice(&whole[slice.range()]);
                }
            }
            BackwardStep::InPlace { layer: position, output, gradient } => {
                let layer = &self.network.layers[position];
                let values = layer.output.len();
                let y = &self.activations[output][rows(self.first, n, values)];
                let dy = &mut self.gradients[gradient][..n * values];
                in_place(position, layer, y, dy, dropout, self.division);
                self.timings.record(position, Pass::InputGradient);
            }
            BackwardStep::InputGradient { layer: position, input, gradient, to, fused_relu } => {
                let layer = &self.network.layers[position];
                let (inputs, outputs) = (n * layer.input.len(), n * layer.output.len());
                let x = read(input, self.activations, images, rows(self.first, n, layer.input.len()));
                let (dy, other) = slots(self.gradients, gradient);
                let dx = match to {
                    Destination::Slot(_) => &mut other[..inputs],
                    Destination::Pixels => pixels,
                };
                match &self.parameters[position] {
                    Some(parameters) => {
                        let sums = (self.division.sums, self.division.slices[position]);
                        weighted(layer, parameters, micro_batch, &dy[..outputs], sums, dx);
                    }
                    None => unweighted(layer, fused_relu, n, x, &dy[..outputs], dx),
                }
                self.timings.record(position, Pass::InputGradient);
            }
            BackwardStep::NormalizedPool { norm, input, gradient, to, fused_relu } => {
                let layers = &self.network.layers;
                let (inputs, outputs) = (n * layers[norm].input.len(), n * layers[norm + 1].output.len());
                let x = read(input, self.activations, images, rows(self.first, n, layers[norm].input.len()));
                let (dy, other) = slots(self.gradients, gradient);
                let dx = match to {
                    Destination::Slot(_) => &mut other[..inputs],
                    Destination::Pixels => pixels,
                };
                let (norm_geometry, pool) = normalized_pool(layers, norm);
                lrn_pool::backward(norm_geometry, pool, n, x, &dy[..outputs], before(fused_relu), dx);
                self.timings.record(norm, Pass::InputGradient);
            }
            BackwardStep::CopyPixels { gradient } => {
                pixels.copy_from_slice(&self.gradients[gradient][..pixels.len()]);
            }
            BackwardStep::WeightGradient { .. }
            | BackwardStep::Exchange { .. }
            | BackwardStep::Update { .. } => {}
        }
        Ok(())
    }
}

/// A gradient slot, and the other one.
fn slots(gradients: &mut [Buffer; 2], gradient: usize) -> (&mut Buffer, &mut Buffer) {
    let [first, second] = gradients;
    if gradient == 0 { (first, second) } else { (second, first) }
}

/// The training state of a layer.
fn training(parameters: &mut [Option<Parameters>], layer: usize) -> Option<&mut Training> {
    parameters[layer].as_mut()?.training.as_mut()
}

fn in_place(
    position: usize,
    layer: &Layer,
    y: &[f32],
    dy: &mut [f32],
    dropout: Dropout<'_>,
    division: &Division,
) {
    match &layer.operation {
        Operation::Activation(Activation::Relu) => activation::relu_backward(y, dy),
        Operation::Activation(Activation::Tanh) => activation::tanh_backward(y, dy),
        Operation::Activation(Activation::Logistic) => activation::logistic_backward(y, dy),
        Operation::Dropout { rate, scale } => {
            apply_dropout(layer, dy, dropout, *rate, *scale, division.slices[position]);
        }
        _ => unreachable!("the plan has only activations and dropout in place"),
    }
}

/// The gradient with respect to the input of a layer with weights.
fn weighted(
    layer: &Layer,
    parameters: &Parameters,
    micro_batch: MicroBatch,
    dy: &[f32],
    (sums, units): (UnitSums, ChannelSlice),
    dx: &mut [f32],
) {
    let (n, precision) = (micro_batch.images(), layer.precision);
    let Weights::F32(weights) = &parameters.weights else {
        unreachable!("engines with a backward pass have weights in single precision")
    };
    match &layer.operation {
        Operation::Conv(g, _) => conv::backward_input(g, precision, micro_batch, dy, weights, dx),
        Operation::Local(g, _) => local::backward_input(g, n, dy, weights, dx),
        Operation::Fc(g, _) if sums == UnitSums::ONE => fc::backward_input(g, precision, n, dy, weights, dx),
        Operation::Fc(g, _) => sum_units(g, precision, n, (dy, weights), sums, units, dx),
        _ => unreachable!("a layer without weights"),
    }
}

/// The gradient with respect to the input of a fully connected layer with `units` of the whole layer's, as a sum of slices.
fn sum_units(
    g: &FcGeometry,
    precision: Precision,
    n: usize,
    (dy, weights): (&[f32], &[f32]),
    sums: UnitSums,
    units: ChannelSlice,
    dx: &mut [f32],
) {
    let UnitSums { first, count, whole } = sums;
    if count == 1 {
        let ChannelSlice { first, len, .. } = ChannelSlice::share(units.whole, first, whole);
        let start = first - units.first;
        return fc::backward_input_of_units(g, precision, n, dy, weights, start..start + len, dx);
    }
    let half = count / 2;
    sum_units(g, precision, n, (dy, weights), UnitSums { count: half, ..sums }, units, dx);
    let mut right = vec![0.0; dx.len()];
    let sums = UnitSums { first: first + half, count: half, whole };
    sum_units(g, precision, n, (dy, weights), sums, units, &mut right);
    add(&right, dx);
}

/// What the layer below applied to its outputs.
const fn before(fused_relu: bool) -> Epilogue {
    if fused_relu { Epilogue::Relu } else { Epilogue::Identity }
}

/// The gradient with respect to the input of a layer without weights.
fn unweighted(layer: &Layer, fused_relu: bool, n: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let before = before(fused_relu);
    match &layer.operation {
        Operation::Pool(PoolKind::Max, g) => pool::max_backward(g, n, x, dy, before, dx),
        Operation::Pool(PoolKind::Average, g) => pool::avg_backward(g, n, x, dy, before, dx),
        Operation::Lrn(g) => lrn::backward(g, n, x, dy, before, dx),
        Operation::MapNorm(g) => map_norm::backward(g, n, x, dy, before, dx),
        Operation::Conv(..)
        | Operation::Local(..)
        | Operation::Fc(..)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => unreachable!("handled by the caller"),
    }
}
