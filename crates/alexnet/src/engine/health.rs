//! Diagnostics of layers: non-finite values and magnitudes.

use std::fmt;

use serde::{Deserialize, Serialize};

use alexnet_kernels::measure;

/// Where values became non-finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonFinite {
    /// Position of the layer in the network.
    pub layer: usize,
    /// The values concerned.
    pub place: Place,
}

/// A kind of values of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Its outputs.
    Outputs,
    /// Its weights, after the update.
    Weights,
    /// Its biases, after the update.
    Biases,
    /// The loss: the layer's outputs are the logits.
    Loss,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outputs => "outputs",
            Self::Weights => "weights",
            Self::Biases => "biases",
            Self::Loss => "loss",
        })
    }
}

/// Magnitudes of a layer with weights, as root mean squares (RMS). Activations are those of all images of the last step.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Name of the layer.
    pub layer: String,
    /// RMS of the outputs, after the ReLU if one follows.
    pub activation: f32,
    /// Fraction of units that the ReLU sets to zero for every image of the step; `None` without a ReLU.
    pub dead_fraction: Option<f32>,
    /// RMS of the gradient of the weights; 0 for a frozen layer.
    pub gradient: f32,
    /// RMS of the weights.
    pub weight: f32,
    /// RMS of the last update of the weights.
    pub update: f32,
}

/// Statistics of a layer's outputs over the micro-batches of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct OutputStatistics {
    images: usize,
    /// Sum of the squares of all outputs.
    squares: f64,
    /// The largest output of each channel.
    largest: Vec<f32>,
}

impl OutputStatistics {
    /// Adds the outputs of some images: `values` per image, in `channels` channels.
    pub(super) fn add(&mut self, outputs: &[f32], values: usize, channels: usize) {
        self.images += outputs.len() / values;
        self.squares = measure::row_sums_of_squares(outputs, values)
            .into_iter()
            .fold(self.squares, |sum, square| sum + square);
        let largest = measure::column_maxima(outputs, channels);
        match self.largest.is_empty() {
            true => self.largest = largest,
            false => self.largest.iter_mut().zip(largest).for_each(|(a, b)| *a = a.max(b)),
        }
    }

    /// The RMS of the outputs, `values` per image.
    pub(super) fn activation(&self, values: usize) -> f32 {
        (self.squares / (self.images * values).max(1) as f64).sqrt() as f32
    }

    /// The fraction of channels without a positive output for any image.
    pub(super) fn dead_fraction(&self) -> f32 {
        measure::dead_fraction_of_maxima(&self.largest) as f32
    }
}

impl Health {
    /// The ratio of the last update to the weights: about 1e-3 in a network that learns well.
    pub fn ratio(&self) -> f32 {
        if self.weight > 0.0 { self.update / self.weight } else { 0.0 }
    }
}
