//! How each layer of a quantized network is computed, and why.

use serde::Serialize;

use super::histogram::Histogram;
use super::range::{Range, RangeRule};
use super::weights::Rounded;
use crate::engine::{Affine, FloatWeights, MAX_DEPTH, QuantizedLayer, QuantizedNetwork, Tensor, Values};
use crate::net::{Activation, Layer, Network, Operation, PoolKind};

/// The largest relative RMS error of activations stored as bytes; with a larger one they stay floats.
const MAX_ACTIVATION_ERROR: f64 = 0.1;

/// The largest share of non-zero activations that may become 0.
const MAX_VANISHING: f64 = 0.5;

/// The largest relative RMS error of 8-bit weights.
const MAX_WEIGHT_ERROR: f64 = 0.05;

/// What was decided for a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The name of the layer.
    pub layer: String,
    /// The kind of the layer in a recipe.
    pub kind: &'static str,
    /// How it is computed.
    pub form: Form,
    /// Why it is computed in floats; absent if it is not.
    pub reason: Option<String>,
    /// The range of its output, where the layer chooses one.
    pub range: Option<Range>,
    /// The relative RMS error of its 8-bit weights.
    pub weight_error: Option<f64>,
    /// The number of output channels whose weights are all zero.
    pub zero_channels: usize,
}

/// How a layer is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Products of bytes and 8-bit weights.
    Int8,
    /// On bytes, without weights.
    Bytes,
    /// As a part of the layer before it.
    Fused,
    /// As a table of 256 bytes.
    Table,
    /// In 32-bit floats.
    F32,
}

/// The values of a network's tensors for the calibration images.
#[derive(Clone, Debug, Default)]
pub(super) struct Calibration {
    pub(super) input: Histogram,
    /// Of each layer's output; without values where [`is_observed`] says so.
    pub(super) outputs: Vec<Histogram>,
}

/// Whether the values of a layer's output are needed.
pub(super) fn is_observed(network: &Network, layer: usize) -> bool {
    match &network.layers[layer].operation {
        Operation::Conv(..) | Operation::Fc(..) => fused_relu(network, layer).is_none(),
        Operation::Pool(PoolKind::Max, _) | Operation::Dropout { .. } => false,
        Operation::Local(..)
        | Operation::Pool(PoolKind::Average, _)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_) => true,
    }
}

/// The ReLU that clamps a layer's output: the next layer, apart from max pooling, which may come before or after a ReLU.
fn fused_relu(network: &Network, layer: usize) -> Option<usize> {
    let following = network.layers.iter().enumerate().skip(layer + 1);
    let (at, next) = following.into_iter().find(|(_, next)| !matches!(next.operation, Operation::Pool(PoolKind::Max, _)))?;
    matches!(next.operation, Operation::Activation(Activation::Relu)).then_some(at)
}

/// Decides how each layer is computed.
pub(super) fn decide(
    network: &Network,
    parameters: &[Tensor],
    calibration: &Calibration,
    rule: RangeRule,
) -> (QuantizedNetwork, Vec<Decision>) {
    let mut decisions = Decisions { network, parameters, calibration, rule, layers: Vec::new(), reports: Vec::new() };
    let input = decisions.input();
    let mut values = input;
    for layer in 0..network.layers.len() {
        values = decisions.layer(layer, values);
    }
    let Decisions { layers, reports, .. } = decisions;
    (QuantizedNetwork { network: network.clone(), input, layers }, reports)
}

struct Decisions<'a> {
    network: &'a Network,
    parameters: &'a [Tensor],
    calibration: &'a Calibration,
    rule: RangeRule,
    layers: Vec<QuantizedLayer>,
    reports: Vec<Decision>,
}

impl Decisions<'_> {
}
