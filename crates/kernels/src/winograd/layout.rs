//! How transformed squares are laid out in memory.

use crate::simd::LINE;

/// Element `e` of row `s`, word `c`, is at `e * element + s * row + c`. A row holds the channels of a square or, where words
/// pair squares, of two. Both strides are odd numbers of cache
/// lines, so that the addresses a loop visits spread over all sets of the cache.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) row: usize,
    pub(super) element: usize,
}

impl Layout {
    /// The layout of `rows` rows of `words` words.
    pub(super) fn new(rows: usize, words: usize) -> Self {
        let row = (words.div_ceil(LINE) | 1) * LINE;
        Self { row, element: ((rows * row / LINE) | 1) * LINE }
    }

    /// The offsets of a square's elements.
    pub(super) fn offsets(&self, elements: usize) -> Vec<usize> {
        (0..elements).map(|e| e * self.element).collect()
    }
}
