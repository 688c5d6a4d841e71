//! The training images, and how they become batches.

use std::sync::Arc;

use crate::Result;
use crate::data::loader::TrainingEpoch;
use crate::data::{ColorBasis, Image, Loader, Preprocess, Share, Skip, Split};
use crate::net::Augment;

/// Number of sample images in a model file.
const GOLDEN: usize = 2;

/// The training images, and how they become batches.
pub(in crate::train) struct TrainingImages {
    pub(in crate::train) split: Split,
    /// Indices of the images that can be decoded.
    pub(in crate::train) usable: Vec<usize>,
    /// Training and validation images that were skipped.
    pub(in crate::train) skipped: Vec<Skip>,
    pub(in crate::train) preprocess: Arc<Preprocess>,
    pub(in crate::train) basis: ColorBasis,
}

/// Which batches a loader returns.
pub(in crate::train) struct Batches<'a> {
    pub(in crate::train) augment: &'a Augment,
    pub(in crate::train) seed: u64,
    /// Counted from 1.
    pub(in crate::train) epoch: usize,
    pub(in crate::train) size: usize,
    /// Batches of the epoch that have been used.
    pub(in crate::train) used: usize,
    pub(in crate::train) workers: usize,
    /// This process's share of every batch.
    pub(in crate::train) share: Share,
}

impl TrainingImages {
    /// Loads the batches of an epoch that have not been used.
    pub(in crate::train) fn load(&self, batches: &Batches<'_>) -> Loader {
        let epoch = TrainingEpoch {
            split: &self.split,
            usable: &self.usable,
            preprocess: &self.preprocess,
            augment: batches.augment,
            basis: &self.basis,
            seed: batches.seed,
            epoch: batches.epoch as u64,
            batch_size: batches.size,
            first_batch: batches.used,
            share: batches.share,
        };
        Loader::training(&epoch, batches.workers)
    }

    /// The squares of the first images, for the model file.
    pub(in crate::train) fn golden(&self) -> Result<Vec<Image>> {
        let mut squares = Vec::new();
        for &index in self.usable.iter().take(GOLDEN) {
            if let Ok(image) = self.split.image(index)? {
                squares.push(self.preprocess.square(&image));
            }
        }
        Ok(squares)
    }
}
