//! Shapes: one validated struct per kind of operation. Sizes are per image; the batch is a separate argument.

use std::fmt;
use std::ops::Range;

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

/// How many windows fit a side that the stride does not divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// `1 + floor((size + 2 pad - kernel) / stride)`: the last pixels may be ignored (PyTorch, Caffe's convolution).
    Down,
    /// `1 + ceil((size + 2 pad - kernel) / stride)`: the last window may extend past the edge, where a convolution
    /// reads zeros and pooling ignores the missing pixels (cuda-convnet, Caffe's pooling).
    Up,
}

/// A square window sliding over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Side of the window in pixels.
    pub kernel: usize,
    /// Pixels between the starts of adjacent windows.
    pub stride: usize,
    /// Pixels added on every side.
    pub pad: usize,
    /// What happens to pixels that no complete window covers.
    pub rounding: Rounding,
}

impl Window {
    /// Number of window positions along a side of `size` pixels.
    ///
    /// # Errors
    /// Returns an error if no window fits, or if the last one would lie entirely outside the map.
    pub fn positions(&self, size: usize) -> Result<usize, GeometryError> {
        let fail = |problem| Err(GeometryError { problem });
        if self.kernel == 0 || self.stride == 0 {
            return fail(format!("kernel {} and stride {} must be at least 1", self.kernel, self.stride));
        }
        if self.pad >= self.kernel {
            return fail(format!("pad {} must be smaller than kernel {}", self.pad, self.kernel));
        }
        let padded = size + 2 * self.pad;
        if size == 0 || padded < self.kernel {
            return fail(format!(
                "kernel {} does not fit {size} pixels with pad {}: expected at least {} pixels",
                self.kernel,
                self.pad,
                self.kernel.saturating_sub(2 * self.pad).max(1)
            ));
        }
        let span = padded - self.kernel;
        let steps = match self.rounding {
            Rounding::Down => span / self.stride,
            Rounding::Up => span.div_ceil(self.stride),
        };
        if steps * self.stride >= size + self.pad {
            return fail(format!(
                "the last window of kernel {}, stride {}, pad {} starts past the edge of {size} pixels; round down",
                self.kernel, self.stride, self.pad
            ));
        }
        Ok(steps + 1)
    }

    /// The pixels of a side of `size` that the window at `position` covers, without padding.
    #[inline]
    pub fn covered(&self, position: usize, size: usize) -> Range<usize> {
        let start = position * self.stride;
        start.saturating_sub(self.pad)..(start + self.kernel - self.pad).min(size)
    }
}

/// An invalid shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeometryError {
    /// What is wrong, with the offending values.
    pub problem: String,
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for GeometryError {}

/// A convolution, or a locally connected layer (the same connections, but kernels not shared between positions).
///
/// Channels are split into `groups` that do not see each other: the two columns of the paper's figure 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Input of one image.
    pub input: Maps,
    /// Output of one image.
    pub output: Maps,
    /// The sliding window.
    pub window: Window,
    /// Number of groups; divides input and output channels.
    pub groups: usize,
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
}

/// A fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FcGeometry {
    /// Input values per image.
    pub inputs: usize,
    /// Output values per image: the layer's units.
    pub outputs: usize,
}

impl FcGeometry {
    /// A fully connected layer from `inputs` values to `outputs` units.
    ///
    /// # Errors
    /// Returns an error if either is zero.
    pub fn new(inputs: usize, outputs: usize) -> Result<Self, GeometryError> {
        if inputs == 0 || outputs == 0 {
            return Err(GeometryError {
                problem: format!("{inputs} inputs and {outputs} outputs, expected at least 1 of each"),
            });
        }
        Ok(Self { inputs, outputs })
    }

    /// Weights, laid out `[outputs, inputs]`; also the multiply-adds per image.
    pub const fn weights(&self) -> usize {
        self.inputs * self.outputs
    }
}

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

/// The constants of a response normalization, `b = a / (k + alpha * sum a^2)^beta` (paper, section 3.3).
///
/// `alpha` multiplies the plain sum of squares, as in the paper's formula. Programs that divide alpha by the size of the
/// window (cuda-convnet, Caffe, PyTorch) are matched by dividing it beforehand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Number of maps (across maps) or of pixels per side (within a map) in the sum; the window of element `i` starts
    /// at `i - size / 2` and is cut off at the edges.
    pub size: usize,
    /// Factor of the sum of squares.
    pub alpha: f64,
    /// Exponent.
    pub beta: f64,
    /// Additive constant.
    pub k: f64,
}

impl Normalization {
    /// How far the window of an element extends.
    pub const fn reach(&self) -> Reach {
        Reach { before: self.size / 2, after: self.size - 1 - self.size / 2 }
    }
}

/// How far a window extends on either side of its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Neighbors before the element.
    pub before: usize,
    /// Neighbors after the element.
    pub after: usize,
}

impl Reach {
    /// The reach of the elements whose window holds this one.
    pub const fn mirrored(self) -> Self {
        Self { before: self.after, after: self.before }
    }
}

/// A response normalization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormGeometry {
    /// Input and output of one image.
    pub maps: Maps,
    /// Groups of channels that do not see each other; divides the channels. Ignored within maps.
    pub groups: usize,
    /// The constants.
    pub constants: Normalization,
}

impl NormGeometry {
    /// Normalization of `maps`.
    ///
    /// # Errors
    /// Returns an error if the groups do not divide the channels, the window is empty, or a constant could make the
    /// result infinite.
    pub fn new(maps: Maps, groups: usize, constants: Normalization) -> Result<Self, GeometryError> {
        let Normalization { size, alpha, beta, k } = constants;
        if groups == 0 || !maps.channels.is_multiple_of(groups) {
            return Err(GeometryError {
                problem: format!("{groups} groups must divide {} channels", maps.channels),
            });
        }
        let finite = alpha.is_finite() && beta.is_finite() && k.is_finite();
        if size == 0 || !finite || alpha < 0.0 || beta < 0.0 || k <= 0.0 {
            return Err(GeometryError {
                problem: format!(
                    "size {size}, alpha {alpha}, beta {beta}, k {k}: expected size at least 1, k above 0, alpha and beta at least 0"
                ),
            });
        }
        Ok(Self { maps, groups, constants })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, pad: usize, rounding: Rounding) -> Window {
        Window { kernel, stride, pad, rounding }
    }

    #[test]
    fn conv1_has_55_positions_under_three_conventions() {
        assert_eq!(window(11, 4, 0, Rounding::Up).positions(224), Ok(55));
        assert_eq!(window(11, 4, 0, Rounding::Down).positions(227), Ok(55));
        assert_eq!(window(11, 4, 2, Rounding::Down).positions(224), Ok(55));
        assert_eq!(window(11, 4, 0, Rounding::Down).positions(224), Ok(54));
    }

    #[test]
    fn pooling_of_cifar_needs_rounding_up() {
        let up = window(3, 2, 0, Rounding::Up);
        assert_eq!([32, 16, 8].map(|n| up.positions(n).unwrap()), [16, 8, 4]);
        assert_eq!(up.covered(15, 32), 30..32);
    }

    #[test]
    fn invalid_windows_are_rejected() {
        assert!(window(5, 1, 0, Rounding::Down).positions(4).is_err());
        assert!(window(0, 1, 0, Rounding::Down).positions(4).is_err());
        assert!(window(3, 0, 0, Rounding::Down).positions(4).is_err());
        assert!(window(3, 1, 3, Rounding::Down).positions(4).is_err());
        assert!(window(1, 4, 0, Rounding::Up).positions(4).is_err(), "the last window would see nothing");
    }

    #[test]
    fn groups_must_divide_channels() {
        let w = window(3, 1, 1, Rounding::Down);
        assert!(ConvGeometry::new(Maps::new(5, 5, 6), 9, w, 2).is_err());
        let g = ConvGeometry::new(Maps::new(5, 5, 6), 8, w, 2).unwrap();
        assert_eq!((g.weights(), g.macs()), (27 * 8, 25 * 27 * 8));
    }

    #[test]
    fn fully_connected_layers_are_not_empty() {
        assert!(FcGeometry::new(0, 3).is_err() && FcGeometry::new(3, 0).is_err());
        assert_eq!(FcGeometry::new(9216, 4096).unwrap().weights(), 37_748_736);
    }
}
