//! The pieces that a training step is computed in: the micro-batches of each leaf.

use std::ops::Range;

use super::parameters::{Pair, Training};
use crate::engine::batch::Batch;
use alexnet_kernels::micro_batch::MicroBatch;

/// A micro-batch of a leaf of a batch.
pub(super) struct Piece<'a> {
    /// The images' position in the leaf, which determines algorithms and sums as a whole batch would.
    pub(super) micro_batch: MicroBatch,
    /// Its images.
    pub(super) batch: Batch<'a>,
    /// Position of the leaf's first image in the call.
    pub(super) start: usize,
    /// Position of the leaf among those of this call.
    leaf: usize,
    /// Number of leaves of this call.
    leaves: usize,
}

impl<'a> Piece<'a> {
    /// The pieces of a batch, in order, of up to `micro_batch` images each.
    pub(super) fn all(
        batch: &'a Batch<'a>,
        leaves: &'a [Range<usize>],
        micro_batch: usize,
    ) -> impl Iterator<Item = Self> {
        leaves.iter().enumerate().flat_map(move |(leaf, range)| {
            // A leaf without images is a piece too: its gradient is zero, and ends a sum as any other.
            let empty = range.is_empty().then(|| MicroBatch::from(0));
            MicroBatch::split(range.len(), micro_batch).chain(empty).map(move |part| {
                let Range { start, end } = part.range();
                let batch = batch.slice(range.start + start..range.start + end);
                Self { micro_batch: part, batch, start: range.start, leaf, leaves: leaves.len() }
            })
        })
    }

    /// A batch that is one of several rounds of a step.
    pub(super) fn round(batch: Batch<'a>, index: usize, count: usize) -> Self {
        Self { micro_batch: MicroBatch::from(batch.keys.len()), batch, start: 0, leaf: index, leaves: count }
    }

    /// Whether the piece has no images.
    pub(super) const fn is_empty(&self) -> bool {
        self.micro_batch.images() == 0
    }

    /// Whether the call has no other piece.
    pub(super) fn is_only(&self) -> bool {
        self.leaves == 1 && self.micro_batch.is_whole()
    }

    /// Whether gradients are final after this piece.
    pub(super) fn is_last(&self) -> bool {
        self.micro_batch.is_last() && self.leaf + 1 == self.leaves
    }

    /// Position of the leaf among those of this call.
    pub(super) const fn leaf(&self) -> usize {
        self.leaf
    }

    /// Ends a layer's sums over the leaf, if this is its last piece.
    pub(super) fn finish_leaf(&self, training: &mut Training, gradient: &mut Pair) {
        if self.micro_batch.is_last() && self.leaves > 1 {
            training.finish_leaf(gradient, self.leaf, self.leaf + 1 == self.leaves);
        }
    }
}
