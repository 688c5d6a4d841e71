//! Micro-batches: the consecutive images of a batch that one call computes.
//!
//! Results have the same bits however a batch is cut, because nothing depends on which images share a call:
//! - Algorithms are chosen by the size of the whole batch.
//! - Images that share a Winograd plane belong to one [`GRANULE`], which is never cut.
//! - A sum over images is either one chain of additions, which the next micro-batch continues, or is taken granule by
//!   granule.

use crate::memory::Buffer;
use crate::precision::Precision;
use std::ops::Range;

/// Images that are always computed together: a micro-batch starts and ends at a multiple of this, or at the batch's end.
///
/// The largest Winograd plane holds 3 x 3 images.
pub const GRANULE: usize = 9;

/// Images that a micro-batch is a multiple of, unless it is a whole batch: where pairs of values are multiplied together, no
/// pair may be split.
pub const fn granule(precision: Precision) -> usize {
    match precision {
        Precision::F32 => GRANULE,
        Precision::Bf16 => 2 * GRANULE,
    }
}

/// The images of one call, and the size of the batch they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MicroBatch {
    first: usize,
    images: usize,
    batch: usize,
}

impl MicroBatch {
    /// The images in `images` of a batch of `batch`.
    ///
    /// # Panics
    /// If the range does not lie within the batch or splits a [`GRANULE`].
    pub fn new(images: Range<usize>, batch: usize) -> Self {
        let Range { start, end } = images;
        assert!(start <= end && end <= batch, "images {start}..{end} are outside a batch of {batch}");
        let is_aligned = start.is_multiple_of(GRANULE) && (end == batch || end.is_multiple_of(GRANULE));
        assert!(is_aligned, "images {start}..{end} split a granule of {GRANULE}");
        Self { first: start, images: end - start, batch }
    }

    /// Splits a batch into micro-batches of `micro_batch` images, the last of which may be smaller. An empty batch has
    /// none.
    ///
    /// # Panics
    /// If `micro_batch` is smaller than the batch and not a multiple of [`GRANULE`].
    pub fn split(batch: usize, micro_batch: usize) -> impl Iterator<Item = Self> {
        let end = move |start: usize| batch.min(start.saturating_add(micro_batch));
        (0..batch).step_by(micro_batch.max(1)).map(move |start| Self::new(start..end(start), batch))
    }

    /// These images, each computed as a batch of its own: the bits of an image do not depend on the images around it. For
    /// passes without sums over images.
    #[must_use]
    pub const fn independent(self) -> Self {
        Self { first: 0, images: self.images, batch: 1 }
    }

    /// Images in this micro-batch.
    pub const fn images(&self) -> usize {
        self.images
    }

    /// Images in the whole batch.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// The positions of these images in the batch.
    pub const fn range(&self) -> Range<usize> {
        self.first..self.first + self.images
    }

    /// Whether this micro-batch holds the first image of the batch.
    pub const fn is_first(&self) -> bool {
        self.first == 0
    }

    /// Whether this micro-batch holds the last image of the batch.
    pub const fn is_last(&self) -> bool {
        self.first + self.images == self.batch
    }

    /// Whether this micro-batch is the whole batch.
    pub const fn is_whole(&self) -> bool {
        self.images == self.batch
    }

    /// Panics if a product of operands of this precision would be cut elsewhere than in the whole batch.
    pub(crate) fn check(&self, precision: Precision) {
        let (granule, Range { start, end }) = (granule(precision), self.range());
        assert!(
            start.is_multiple_of(granule) && (self.is_last() || end.is_multiple_of(granule)),
            "images {start}..{end} split a granule of {granule}, with products in {}",
            precision.name()
        );
    }

    /// The granules of this micro-batch; the last may be smaller. Independent images are granules of one image.
    pub(crate) fn granules(self) -> impl Iterator<Item = Self> {
        let end = self.first + self.images;
        let granule = if self.batch < self.images { 1 } else { GRANULE };
        let starts = (self.first..end).step_by(granule);
        starts.map(move |start| Self { first: start, images: granule.min(end - start), batch: self.batch })
    }
}

impl From<usize> for MicroBatch {
    /// A whole batch.
    fn from(batch: usize) -> Self {
        Self { first: 0, images: batch, batch }
    }
}

/// The state of one layer's gradient sums between the micro-batches of a batch, besides the gradients themselves.
#[derive(Clone, Debug, Default)]
pub struct GradAccumulator {
    /// The weight gradient in Winograd's domain.
    pub(crate) winograd: Buffer,
    /// The bias gradients so far, in double precision.
    biases: Vec<f64>,
}

impl GradAccumulator {
    /// An accumulator with `winograd` as its buffer.
    ///
    /// A convolution whose batches are split needs [`accumulator_len`](crate::conv::accumulator_len) values. Other
    /// layers, and batches that are not split, need none: use [`GradAccumulator::default`].
    pub const fn new(winograd: Buffer) -> Self {
        Self { winograd, biases: Vec::new() }
    }

    /// The sums of `len` bias gradients, zeroed at the first micro-batch of a batch.
    pub(crate) fn biases(&mut self, micro_batch: MicroBatch, len: usize) -> &mut [f64] {
        self.parts(micro_batch, len).biases
    }

    /// Both sums; see [`Self::biases`].
    pub(crate) fn parts(&mut self, micro_batch: MicroBatch, len: usize) -> AccumulatorParts<'_> {
        if micro_batch.is_first() {
            self.biases.clear();
            self.biases.resize(len, 0.0);
        }
        assert_eq!(self.biases.len(), len, "a batch must start with its first micro-batch");
        AccumulatorParts { winograd: &mut self.winograd, biases: &mut self.biases }
    }
}

/// The sums of a [`GradAccumulator`], borrowed apart.
pub(crate) struct AccumulatorParts<'a> {
    pub(crate) winograd: &'a mut [f32],
    pub(crate) biases: &'a mut [f64],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_cover_the_batch_in_order() {
        for (batch, micro_batch) in
            [(0, 9), (1, 9), (9, 9), (100, 27), (128, 36), (128, 128), (7, usize::MAX)]
        {
            let split: Vec<MicroBatch> = MicroBatch::split(batch, micro_batch).collect();
            let images: Vec<usize> = split.iter().flat_map(MicroBatch::range).collect();
            assert_eq!(images, (0..batch).collect::<Vec<_>>());
            let granules = split.iter().flat_map(|one| one.granules()).flat_map(|granule| granule.range());
            assert!(granules.eq(0..batch));
            assert!(split.iter().enumerate().all(|(i, one)| one.is_first() == (i == 0)));
            assert!(split.iter().rev().enumerate().all(|(i, one)| one.is_last() == (i == 0)));
        }
    }

    #[test]
    #[should_panic = "split a granule"]
    fn granules_are_never_split() {
        MicroBatch::split(100, 10).for_each(drop);
    }
}
