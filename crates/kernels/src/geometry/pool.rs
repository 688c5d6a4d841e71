//! The shape of pooling: `[height, width, channels] -> [height, width, channels]`.

use super::error::GeometryError;
use super::maps::Maps;
use super::window::Window;

/// Pooling within each map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// Input of one image.
    pub input: Maps,
    /// Output of one image.
    pub output: Maps,
    /// The sliding window; windows overlap if the stride is smaller than the kernel (paper, section 3.4).
    pub window: Window,
}

impl PoolGeometry {
    /// Pooling of `input`.
    ///
    /// # Errors
    /// Returns an error if the window does not fit.
    pub fn new(input: Maps, window: Window) -> Result<Self, GeometryError> {
        let output =
            Maps::new(window.positions(input.height)?, window.positions(input.width)?, input.channels);
        Ok(Self { input, output, window })
    }
}
