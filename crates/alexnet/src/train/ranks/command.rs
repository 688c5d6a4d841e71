//! What the root tells the other ranks.

use serde::{Deserialize, Serialize};

use crate::data::{ColorBasis, Preprocess};
use crate::engine::{TensorKind, Update};
use crate::net::Views;

/// What the root tells the other ranks to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Command {
    /// Prepare: how images become inputs.
    Prepare(Box<Prepared>),
    /// Load the batches of an epoch that have not been used.
    Load(Load),
    /// Train on the next batch.
    Step(Update),
    /// Freeze a layer, or let it learn again.
    Freeze {
        /// The position of the layer.
        layer: usize,
        /// Whether it keeps its values.
        frozen: bool,
    },
    /// Share the statistics of the last step's outputs.
    Health,
    /// Take the root's values, which follow.
    TakeValues(TensorKind),
    /// Send the values of the own parts of layers to the root.
    SendValues(TensorKind),
    /// Compute, with the root, the logits of these images.
    Forward(Vec<f32>),
    /// Evaluate the validation images.
    Evaluate {
        /// The views averaged per image.
        views: Views,
    },
    /// Start again with another recipe, in TOML.
    Restart(String),
    /// The training is over.
    End,
}

/// What the root has measured of the images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// Indices of the training images that can be decoded.
    pub(super) usable: Vec<usize>,
    pub(super) preprocess: Preprocess,
    /// The mean of the preprocessing, which is not part of its encoding.
    pub(super) mean: Vec<f32>,
    pub(super) basis: ColorBasis,
}

/// Which batches to load.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Load {
    /// Counted from 1.
    pub(super) epoch: usize,
    /// Batches of the epoch that have been used.
    pub(super) used: usize,
    /// The strength of the color noise, which edits change.
    pub(super) color_noise: f64,
}
