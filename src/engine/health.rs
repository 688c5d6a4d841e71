//! What an engine tells of its layers: whether their numbers are numbers, and how large they are.

use std::fmt;

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

/// How large the numbers of a layer with weights are, as roots of mean squares. Its outputs are those for the pictures of the
/// last step, or of its last micro-batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The layer's name.
    pub layer: String,
    /// Of its outputs, rectified if a rectifier follows.
    pub activation: f32,
    /// Share of its units that a rectifier silences for each of these pictures; `None` without a rectifier.
    pub dead: Option<f32>,
    /// Of the gradient of its weights; 0 for a frozen layer.
    pub gradient: f32,
    /// Of its weights.
    pub weight: f32,
    /// Of the last change of its weights.
    pub update: f32,
}

impl Health {
    /// The last change of the weights beside the weights: about 1e-3 where a network learns well.
    pub fn ratio(&self) -> f32 {
        if self.weight > 0.0 { self.update / self.weight } else { 0.0 }
    }
}
