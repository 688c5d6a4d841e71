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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// Statistics of a layer's outputs over the images of a step, or a part of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OutputStatistics {
    /// The sum of the squares of each image's outputs. They are added in the order of the images, however these are divided.
    squares: Vec<f64>,
    /// The number of outputs per image.
    values: usize,
    /// The largest output of each channel; empty without images.
    largest: Vec<f32>,
}

impl OutputStatistics {
    /// Adds the outputs of some images: `values` per image, in `channels` channels.
    pub(super) fn add(&mut self, outputs: &[f32], values: usize, channels: usize) {
        if outputs.is_empty() {
            return;
        }
        let (squares, largest) =
            (measure::row_sums_of_squares(outputs, values), measure::column_maxima(outputs, channels));
        self.merge(Self { squares, values, largest });
    }

    /// Adds the statistics of the images that follow.
    pub fn merge(&mut self, next: Self) {
        self.values = self.values.max(next.values);
        self.squares.extend(next.squares);
        match (self.largest.is_empty(), next.largest.is_empty()) {
            (true, _) => self.largest = next.largest,
            (false, true) => {}
            (false, false) => self.largest.iter_mut().zip(next.largest).for_each(|(a, b)| *a = a.max(b)),
        }
    }

    /// Adds the statistics of other channels for the same images.
    pub fn join(&mut self, others: Self) {
        self.values += others.values;
        self.squares.iter_mut().zip(others.squares).for_each(|(square, other)| *square += other);
        self.largest.extend(others.largest);
    }

    /// The RMS of the outputs.
    pub(super) fn activation(&self) -> f32 {
        let sum = self.squares.iter().fold(0.0, |sum, square| sum + square);
        (sum / (self.squares.len() * self.values).max(1) as f64).sqrt() as f32
    }

    /// The fraction of channels without a positive output for any image.
    pub(super) fn dead_fraction(&self) -> f32 {
        measure::dead_fraction(&self.largest) as f32
    }
}

impl Health {
    /// The magnitudes of a layer whose weights are divided into parts, each given with its number of weights.
    pub fn joined<'a>(parts: impl Iterator<Item = (usize, &'a Self)> + Clone) -> Option<Self> {
        let whole = parts.clone().map(|(weights, _)| weights).sum::<usize>() as f64;
        let rms = |of: fn(&Self) -> f32| {
            let squares = parts.clone().map(|(weights, part)| weights as f64 * f64::from(of(part)).powi(2));
            (squares.sum::<f64>() / whole.max(1.0)).sqrt() as f32
        };
        let (_, first) = parts.clone().next()?;
        Some(Self {
            gradient: rms(|part| part.gradient),
            weight: rms(|part| part.weight),
            update: rms(|part| part.update),
            ..first.clone()
        })
    }

    /// The ratio of the last update to the weights: about 1e-3 in a network that learns well.
    pub fn ratio(&self) -> f32 {
        if self.weight > 0.0 { self.update / self.weight } else { 0.0 }
    }
}
