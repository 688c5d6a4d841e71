//! How transformed squares are laid out in memory.

use crate::simd::LINE;

/// Element `e` of square `s`, channel `c`, is at `e * element + s * row + c`. Both strides are odd numbers of cache
/// lines, so that the addresses a loop visits spread over all sets of the cache.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) row: usize,
    pub(super) element: usize,
}

impl Layout {
    pub(super) fn new(squares: usize, channels: usize) -> Self {
        let row = (channels.div_ceil(LINE) | 1) * LINE;
        Self { row, element: ((squares * row / LINE) | 1) * LINE }
    }

    /// The offsets of a square's elements.
    pub(super) fn offsets(&self, elements: usize) -> Vec<usize> {
        (0..elements).map(|e| e * self.element).collect()
    }
}
