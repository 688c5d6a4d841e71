//! The size of a layer's input or output.

use super::error::GeometryError;
use std::fmt;

/// The most of anything: values of an image, weights, pixels along a side. Offsets in bytes and their sums then do not wrap.
pub(super) const MOST: usize = isize::MAX as usize / 16;

/// The product of some sizes.
///
/// # Errors
/// Returns an error if it is above [`MOST`].
pub(super) fn product(sizes: &[usize]) -> Result<usize, GeometryError> {
    let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product.filter(|&product| product <= MOST).ok_or_else(|| {
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        GeometryError { problem: format!("{} values are too many", sizes.join(" x ")) }
    })
}

/// The activations of one image: `[height, width, channels]`, channels fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Maps {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Number of maps; the channels of a pixel are contiguous.
    pub channels: usize,
}

impl Maps {
    /// Maps of the given size.
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// Values per image.
    pub const fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether any side is zero.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks the number of values.
    ///
    /// # Errors
    /// Returns an error if it is above [`MOST`].
    pub(super) fn check(&self) -> Result<(), GeometryError> {
        product(&[self.height, self.width, self.channels]).map(drop)
    }

    /// Pixels per map.
    pub const fn pixels(&self) -> usize {
        self.height * self.width
    }
}

impl fmt::Display for Maps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}
