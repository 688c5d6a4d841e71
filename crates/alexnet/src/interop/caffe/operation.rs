//! What a layer computes, with its settings.

use crate::net::{Activation, PoolKind};

/// What a layer computes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operation {
    /// Makes the images and the labels.
    Source,
    Conv(ConvOperation),
    InnerProduct(InnerProductOperation),
    Pool(PoolOperation),
    /// Normalization across channels.
    Lrn {
        size: usize,
        alpha: f64,
        beta: f64,
        k: f64,
    },
    /// Normalization within each channel.
    MapNorm {
        size: usize,
        alpha: f64,
        beta: f64,
    },
    Activation(Activation),
    Dropout {
        ratio: f64,
    },
    /// Multiplies by a number: `Power`.
    Factor {
        factor: f64,
    },
    /// Another name for its input: `Split`, `Flatten`.
    Alias,
    Slice,
    Concat,
    /// Measures or compares: losses, accuracy, softmax.
    Sink,
}

/// The settings of `Convolution`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ConvOperation {
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) pad: usize,
    pub(super) groups: usize,
    pub(super) has_biases: bool,
}

/// The settings of `InnerProduct`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InnerProductOperation {
    pub(super) outputs: usize,
    pub(super) has_biases: bool,
    /// Whether the weights are stored as `[inputs, outputs]`.
    pub(super) is_transposed: bool,
}

/// The settings of `Pooling`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PoolOperation {
    pub(super) kind: PoolKind,
    /// `None` if it pools over the whole map.
    pub(super) kernel: Option<usize>,
    pub(super) stride: usize,
    /// Whether the number of windows is rounded up.
    pub(super) rounds_up: bool,
}
