//! The shape of a convolution: `[height, width, inputs] -> [height, width, outputs]`.

use super::error::GeometryError;
use super::maps::{Maps, product};
use super::window::Window;

/// A convolution, or a locally connected layer (the same connections, but kernels not shared between positions).
///
/// Channels are split into `groups` that do not see each other: the two columns of the paper's figure 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Input of one image.
    pub(crate) input: Maps,
    /// Output of one image.
    pub(crate) output: Maps,
    /// The sliding window.
    pub(crate) window: Window,
    /// Number of groups; divides input and output channels.
    pub(crate) groups: usize,
}

impl ConvGeometry {
    /// A convolution of `input` into `maps` output channels.
    ///
    /// # Errors
    /// Returns an error if the window does not fit, or the groups do not divide the channels.
    pub fn new(input: Maps, maps: usize, window: Window, groups: usize) -> Result<Self, GeometryError> {
        let undivided = groups == 0 || maps == 0 || input.channels == 0;
        if undivided || !input.channels.is_multiple_of(groups) || !maps.is_multiple_of(groups) {
            return Err(GeometryError {
                problem: format!(
                    "{groups} groups must divide {} input and {maps} output channels",
                    input.channels
                ),
            });
        }
        let output = Maps::new(window.positions(input.height)?, window.positions(input.width)?, maps);
        input.check()?;
        // Locally connected layers have weights for each output pixel.
        let kernel = [window.kernel, window.kernel, input.channels / groups];
        product(&[&[output.height, output.width, output.channels], &kernel[..]].concat())?;
        Ok(Self { input, output, window, groups })
    }

    /// Input channels of one group.
    pub const fn group_inputs(&self) -> usize {
        self.input.channels / self.groups
    }

    /// Output channels of one group.
    pub const fn group_outputs(&self) -> usize {
        self.output.channels / self.groups
    }

    /// Products summed for one output, the fan-in: `kernel * kernel * group_inputs`.
    pub const fn depth(&self) -> usize {
        self.window.kernel * self.window.kernel * self.group_inputs()
    }

    /// Weights of a convolution, laid out `[groups, kernel, kernel, group_inputs, group_outputs]`.
    pub const fn weights(&self) -> usize {
        self.groups * self.depth() * self.group_outputs()
    }

    /// Weights of a locally connected layer: one set of [`Self::weights`] per output pixel.
    pub const fn local_weights(&self) -> usize {
        self.output.pixels() * self.weights()
    }

    /// Multiply-adds per image.
    pub const fn macs(&self) -> usize {
        self.output.pixels() * self.weights()
    }

    /// Input of one image.
    pub const fn input(&self) -> Maps {
        self.input
    }

    /// Output of one image.
    pub const fn output(&self) -> Maps {
        self.output
    }

    /// The sliding window.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Number of groups; divides input and output channels.
    pub const fn groups(&self) -> usize {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::window::Rounding;

    #[test]
    fn groups_must_divide_channels() {
        let w = Window { kernel: 3, stride: 1, pad: 1, rounding: Rounding::Down };
        assert!(ConvGeometry::new(Maps::new(5, 5, 6), 9, w, 2).is_err());
        let g = ConvGeometry::new(Maps::new(5, 5, 6), 8, w, 2).unwrap();
        assert_eq!((g.weights(), g.macs()), (27 * 8, 25 * 27 * 8));
        assert!(ConvGeometry::new(Maps::new(1, (1 << 62) + 1, 4), 8, w, 1).is_err(), "a product that wraps");
    }
}
