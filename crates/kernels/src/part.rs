//! Parts of a batch: the images of a step, computed a few at a time.
//!
//! An image's own values and the sums over images have the same bits however a batch is cut into parts, because
//! nothing depends on the images of a call alone:
//! - Algorithms are chosen by the whole batch.
//! - Images that are computed together, in a plane of [`PORTION`], lie in one part.
//! - Sums over images are single chains of additions, which the next part continues, or are cut behind every
//!   [`PORTION`] images.

use crate::memory::Buffer;
use std::ops::Range;

/// Images that are never parted: a part begins and ends at a multiple of them, or at the batch's end.
///
/// They are the images of Winograd's largest plane, three to a side.
pub const PORTION: usize = 9;

/// The images of one call, and the batch that they are a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    first: usize,
    images: usize,
    batch: usize,
}

impl Part {
    /// The images of a range of a batch.
    ///
    /// # Panics
    /// When the range is not inside the batch, or cuts a [`PORTION`].
    pub fn new(images: Range<usize>, batch: usize) -> Self {
        let Range { start, end } = images;
        assert!(start <= end && end <= batch, "images {start} to {end} of {batch}");
        let whole = start.is_multiple_of(PORTION) && (end == batch || end.is_multiple_of(PORTION));
        assert!(whole, "images {start} to {end} cut a portion of {PORTION}");
        Self { first: start, images: end - start, batch }
    }

    /// The parts of a batch, first to last, of `micro_batch` images each but the last. An empty batch has none.
    ///
    /// # Panics
    /// When `micro_batch` is not a multiple of [`PORTION`], unless it is the whole batch or more.
    pub fn all(batch: usize, micro_batch: usize) -> impl Iterator<Item = Self> {
        let end = move |start: usize| batch.min(start.saturating_add(micro_batch));
        (0..batch).step_by(micro_batch.max(1)).map(move |start| Self::new(start..end(start), batch))
    }

    /// Images of this part.
    pub const fn images(&self) -> usize {
        self.images
    }

    /// Images of the whole batch.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// This part's images, counted from the batch's first.
    pub const fn range(&self) -> Range<usize> {
        self.first..self.first + self.images
    }

    /// Whether it begins the batch.
    pub const fn is_first(&self) -> bool {
        self.first == 0
    }

    /// Whether it ends the batch.
    pub const fn is_last(&self) -> bool {
        self.first + self.images == self.batch
    }

    /// Whether it is all of the batch.
    pub const fn is_whole(&self) -> bool {
        self.images == self.batch
    }

    /// Its portions, the last of which may be smaller.
    pub(crate) fn portions(self) -> impl Iterator<Item = Self> {
        let end = self.first + self.images;
        let portions = (self.first..end).step_by(PORTION);
        portions.map(move |start| Self::new(start..end.min(start + PORTION), self.batch))
    }
}

impl From<usize> for Part {
    /// All images of a batch.
    fn from(batch: usize) -> Self {
        Self { first: 0, images: batch, batch }
    }
}

/// What the sums of one layer's gradients carry from part to part, besides the gradients themselves.
#[derive(Clone, Debug, Default)]
pub struct Carry {
    /// The gradient of weights in the form in which Winograd's algorithms sum it.
    pub(crate) transformed: Buffer,
    /// The gradients of biases so far, in double precision.
    pub(crate) biases: Vec<f64>,
}

impl Carry {
    /// What a convolution carries needs a buffer of [`carried_len`](crate::conv::carried_len) values; other layers, and
    /// batches that are not cut, need an empty one.
    pub const fn new(transformed: Buffer) -> Self {
        Self { transformed, biases: Vec::new() }
    }

    /// The biases' sums, which begin with the batch's first part.
    pub(crate) fn biases(&mut self, part: Part, len: usize) -> &mut [f64] {
        if part.is_first() {
            self.biases.clear();
            self.biases.resize(len, 0.0);
        }
        assert_eq!(self.biases.len(), len, "the first part comes first");
        &mut self.biases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_batch() {
        for (batch, micro_batch) in
            [(0, 9), (1, 9), (9, 9), (100, 27), (128, 36), (128, 128), (7, usize::MAX)]
        {
            let parts: Vec<Part> = Part::all(batch, micro_batch).collect();
            let images: Vec<usize> = parts.iter().flat_map(Part::range).collect();
            assert_eq!(images, (0..batch).collect::<Vec<_>>());
            let portions = parts.iter().flat_map(|part| part.portions()).flat_map(|part| part.range());
            assert!(portions.eq(0..batch));
            assert!(parts.iter().enumerate().all(|(i, part)| part.is_first() == (i == 0)));
            assert!(parts.iter().rev().enumerate().all(|(i, part)| part.is_last() == (i == 0)));
        }
    }

    #[test]
    #[should_panic = "cut a portion"]
    fn portions_are_not_cut() {
        Part::all(100, 10).for_each(drop);
    }
}
