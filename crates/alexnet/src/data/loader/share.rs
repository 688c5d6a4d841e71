//! The share of a process in the images of a batch or of a split.

use std::ops::Range;

/// One of several processes that divide images among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The position of the process, from 0.
    pub index: usize,
    /// The number of processes.
    pub of: usize,
}

impl Share {
    /// All images.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The share of `n` things: consecutive, and as many as the others have, or one less.
    pub const fn range(self, n: usize) -> Range<usize> {
        self.index * n / self.of..(self.index + 1) * n / self.of
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_in_order() {
        for (n, of) in [(128, 4), (15, 4), (3, 8), (0, 2), (7, 1)] {
            let shares = (0..of).flat_map(|index| Share { index, of }.range(n));
            assert!(shares.eq(0..n));
        }
    }
}
