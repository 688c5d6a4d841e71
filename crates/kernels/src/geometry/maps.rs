//! The size of a layer's input or output.

use std::fmt;

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
