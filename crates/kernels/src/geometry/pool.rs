//! The shape of pooling: `[height, width, channels] -> [height, width, channels]`.

use super::error::GeometryError;
use super::maps::Maps;
use super::window::Window;

/// Pooling within each map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// Input of one image.
    pub(crate) input: Maps,
    /// Output of one image.
    pub(crate) output: Maps,
    /// The sliding window; windows overlap if the stride is smaller than the kernel (paper, section 3.4).
    pub(crate) window: Window,
}

impl PoolGeometry {
    /// Pooling of `input`.
    ///
    /// # Errors
    /// Returns an error if the window does not fit.
    pub fn new(input: Maps, window: Window) -> Result<Self, GeometryError> {
        let output =
            Maps::new(window.positions(input.height)?, window.positions(input.width)?, input.channels);
        input.check()?;
        output.check()?;
        Ok(Self { input, output, window })
    }

    /// Input of one image.
    pub const fn input(&self) -> Maps {
        self.input
    }

    /// Output of one image.
    pub const fn output(&self) -> Maps {
        self.output
    }

    /// The sliding window; windows overlap if the stride is smaller than the kernel (paper, section 3.4).
    pub const fn window(&self) -> Window {
        self.window
    }
}
