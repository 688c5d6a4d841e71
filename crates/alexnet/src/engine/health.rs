//! What an engine tells of its layers: whether their numbers are numbers, and how large they are.

use std::fmt;

use alexnet_kernels::measure;

/// Where numbers stopped being finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// Position of the layer in the network.
    pub layer: usize,
    /// Which of its numbers.
    pub place: Place,
}

/// Which numbers of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What leaves it.
    Outputs,
    /// Its weights, after their update.
    Weights,
    /// Its biases, after their update.
    Biases,
    /// The loss of its outputs, which are the logits.
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

/// How large the numbers of a layer with weights are, as roots of mean squares. Its outputs are those for all images of the
/// last step, in however many micro-batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The layer's name.
    pub layer: String,
    /// Of its outputs, rectified if a rectifier follows.
    pub activation: f32,
    /// Share of its units that a rectifier silences for each of these images; `None` without a rectifier.
    pub dead: Option<f32>,
    /// Of the gradient of its weights; 0 for a frozen layer.
    pub gradient: f32,
    /// Of its weights.
    pub weight: f32,
    /// Of the last change of its weights.
    pub update: f32,
}

/// What was seen of a layer's outputs in some micro-batches of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    images: usize,
    /// Sum of the squares of all outputs.
    squares: f64,
    /// The largest output of each channel.
    largest: Vec<f32>,
}

impl Seen {
    /// Adds the outputs for some images, of `values` numbers each in so many channels.
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

    /// The root of the mean square of the outputs, of `values` numbers for each image.
    pub(super) fn activation(&self, values: usize) -> f32 {
        (self.squares / (self.images * values).max(1) as f64).sqrt() as f32
    }

    /// The share of channels that no image makes speak.
    pub(super) fn silent(&self) -> f32 {
        measure::dead_fraction_of_maxima(&self.largest) as f32
    }
}

impl Health {
    /// The last change of the weights beside the weights: about 1e-3 where a network learns well.
    pub fn ratio(&self) -> f32 {
        if self.weight > 0.0 { self.update / self.weight } else { 0.0 }
    }
}
