//! How the time of a call is spent, by layer and pass.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A pass through a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Outputs from inputs.
    Forward,
    /// The gradient with respect to weights and biases. Includes the update where the two are fused.
    WeightGradient,
    /// The gradient with respect to the layer's input.
    InputGradient,
    /// The update of weights and biases.
    Update,
    /// The exchange of activations, or of gradients with respect to them, with other processes.
    Exchange,
}

impl Pass {
    /// The name shown in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::WeightGradient => "weight gradient",
            Self::InputGradient => "input gradient",
            Self::Update => "update",
            Self::Exchange => "exchange",
        }
    }
}

/// The duration of one pass through one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerTiming {
    /// Position of the layer in the network.
    pub layer: usize,
    /// The pass.
    pub pass: Pass,
    /// Duration in seconds, summed over micro-batches.
    pub seconds: f64,
}

/// The durations of all passes of a call.
#[derive(Clone, Debug)]
pub struct LayerTimings {
    last: Instant,
    entries: Vec<LayerTiming>,
}

impl LayerTimings {
    /// Starts the clock, with no entries.
    pub(crate) fn start() -> Self {
        Self { last: Instant::now(), entries: Vec::new() }
    }

    /// Restarts the clock: the time since the last entry is not attributed to any layer.
    pub(super) fn resume(&mut self) {
        self.last = Instant::now();
    }

    /// Attributes the time since the last entry to a pass, adding to what earlier micro-batches took.
    pub(super) fn record(&mut self, layer: usize, pass: Pass) {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        match self.entries.iter_mut().find(|entry| entry.layer == layer && entry.pass == pass) {
            Some(entry) => entry.seconds += seconds,
            None => self.entries.push(LayerTiming { layer, pass, seconds }),
        }
        self.last = now;
    }

    /// Adds the durations of an engine whose first layer is `first_layer`.
    pub(crate) fn append(&mut self, other: &Self, first_layer: usize) {
        let entries = other.entries.iter();
        self.entries.extend(entries.map(|&entry| LayerTiming { layer: first_layer + entry.layer, ..entry }));
    }

    /// The durations, in execution order.
    pub fn entries(&self) -> &[LayerTiming] {
        &self.entries
    }
}
