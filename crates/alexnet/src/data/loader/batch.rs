//! A batch.

use crate::data::skip::Skip;

/// A batch of images and labels for an engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadedBatch {
    /// Preprocessed images, `[images, views, crop, crop, 3]`.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The index of each image in its split.
    pub indices: Vec<usize>,
    /// A key for the dropout masks of each image.
    pub keys: Vec<u64>,
    /// Images that could not be decoded, and why.
    pub skipped: Vec<Skip>,
    /// The position of the first image in the whole batch, of which these images may be one process's share.
    pub first: usize,
    /// The number of images in the whole batch.
    pub global: usize,
}

impl LoadedBatch {
    /// The number of positions in the order that it covers, skipped images included.
    pub(super) fn positions(&self) -> usize {
        self.labels.len() + self.skipped.len()
    }
}
