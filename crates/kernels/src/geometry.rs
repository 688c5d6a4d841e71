//! Shapes: one validated struct per kind of operation. All sizes are per image; kernels take `batch` beside.

use std::fmt;

/// The activations of one image: `[height, width, channels]`, channels fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Maps {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Maps, contiguous for each pixel.
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

/// How a window that does not fit the last few pixels is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// `1 + floor((size + 2 pad - kernel) / stride)`: the last pixels may go unseen (Caffe's convolution, PyTorch).
    Down,
    /// `1 + ceil((size + 2 pad - kernel) / stride)`: the last window may reach past the edge, over zeros in a
    /// convolution and over nothing in a pooling (the 2012 program; Caffe's pooling).
    Up,
}

/// A square window sliding over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Step between windows, in pixels.
    pub stride: usize,
    /// Pixels added on every side.
    pub pad: usize,
    /// What happens to the pixels that no whole window covers.
    pub rounding: Rounding,
}

impl Window {
    /// Number of window positions along a side of `size` pixels.
    ///
    /// # Errors
    /// When no window fits, or when the last one would lie wholly outside the map.
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
                "kernel {} does not fit {size} pixels with pad {}: at least {} are needed",
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
                "the last window of kernel {}, stride {}, pad {} starts past the edge of {size} pixels: round down",
                self.kernel, self.stride, self.pad
            ));
        }
        Ok(steps + 1)
    }

    /// The pixels `start..end` of a side of `size` that the window at `position` covers, padding excluded.
    #[inline]
    pub fn covers(&self, position: usize, size: usize) -> (usize, usize) {
        let start = position * self.stride;
        (start.saturating_sub(self.pad), (start + self.kernel - self.pad).min(size))
    }
}

/// A shape that an operation cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeometryError {
    /// What is wrong, with the values.
    pub problem: String,
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for GeometryError {}

/// A convolution, or a locally connected layer (the same connections, kernels not shared between positions).
///
/// Channels are cut into `groups` that do not see each other: the columns of the 2012 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// What goes in.
    pub input: Maps,
    /// What comes out.
    pub output: Maps,
    /// The sliding window.
    pub window: Window,
    /// Number of groups; divides the channels on both sides.
    pub groups: usize,
}

impl ConvGeometry {
    /// A convolution of `input` into `maps` maps.
    ///
    /// # Errors
    /// When the window does not fit, or the groups do not divide the channels.
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

    /// Input channels seen by one group.
    pub const fn group_inputs(&self) -> usize {
        self.input.channels / self.groups
    }

    /// Output channels made by one group.
    pub const fn group_outputs(&self) -> usize {
        self.output.channels / self.groups
    }

    /// Products summed for one output: `kernel * kernel * group_inputs`.
    pub const fn depth(&self) -> usize {
        self.window.kernel * self.window.kernel * self.group_inputs()
    }

    /// Weights of a convolution, laid out `[groups][kernel][kernel][group_inputs][group_outputs]`.
    pub const fn weights(&self) -> usize {
        self.groups * self.depth() * self.group_outputs()
    }

    /// Weights of a locally connected layer: a set as above for each output pixel, output pixels slowest.
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
    /// Values per image that go in.
    pub inputs: usize,
    /// Values per image that come out: the layer's units.
    pub outputs: usize,
}

impl FcGeometry {
    /// A fully connected layer from `inputs` values to `outputs` units.
    ///
    /// # Errors
    /// If either is zero.
    pub fn new(inputs: usize, outputs: usize) -> Result<Self, GeometryError> {
        if inputs == 0 || outputs == 0 {
            return Err(GeometryError {
                problem: format!("{inputs} inputs and {outputs} outputs must be at least 1"),
            });
        }
        Ok(Self { inputs, outputs })
    }

    /// Weights, laid out `[outputs][inputs]`; also the multiply-adds per image.
    pub const fn weights(&self) -> usize {
        self.inputs * self.outputs
    }
}

/// A pooling: every map by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// What goes in.
    pub input: Maps,
    /// What comes out.
    pub output: Maps,
    /// The sliding window; it overlaps its neighbors when the stride is smaller than the kernel.
    pub window: Window,
}

impl PoolGeometry {
    /// A pooling of `input`.
    ///
    /// # Errors
    /// When the window does not fit.
    pub fn new(input: Maps, window: Window) -> Result<Self, GeometryError> {
        let output =
            Maps::new(window.positions(input.height)?, window.positions(input.width)?, input.channels);
        Ok(Self { input, output, window })
    }
}

/// The constants of a response normalization, `b = a / (k + alpha * sum a^2)^beta` (paper, section 3.3).
///
/// `alpha` is what multiplies the plain sum of squares, as in the paper's formula; the programs that divide
/// alpha by the window's size (the 2012 code, Caffe, PyTorch) are expressed by dividing beforehand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Maps (across maps) or pixels a side (within a map) that enter the sum; the window of element `i` begins
    /// at `i - size / 2` and is cut at the edges.
    pub size: usize,
    /// Factor of the sum of squares.
    pub alpha: f64,
    /// Exponent.
    pub beta: f64,
    /// Additive constant.
    pub k: f64,
}

impl Normalization {
    /// Neighbors before an element and after it that enter its sum.
    pub const fn reach(&self) -> (usize, usize) {
        (self.size / 2, self.size - 1 - self.size / 2)
    }
}

/// A response normalization over maps of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormGeometry {
    /// What goes in and comes out.
    pub maps: Maps,
    /// Columns that do not see each other; divides the channels. A within-map normalization ignores it.
    pub groups: usize,
    /// The constants.
    pub constants: Normalization,
}

impl NormGeometry {
    /// A normalization of `maps`.
    ///
    /// # Errors
    /// When the groups do not divide the channels, the window is empty, or a constant makes the result infinite.
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
                    "size {size}, alpha {alpha}, beta {beta}, k {k}: size must be at least 1, k above 0, the rest not negative"
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
    fn first_layer_is_55_wide_three_ways() {
        assert_eq!(window(11, 4, 0, Rounding::Up).positions(224), Ok(55));
        assert_eq!(window(11, 4, 0, Rounding::Down).positions(227), Ok(55));
        assert_eq!(window(11, 4, 2, Rounding::Down).positions(224), Ok(55));
        assert_eq!(window(11, 4, 0, Rounding::Down).positions(224), Ok(54));
    }

    #[test]
    fn pooling_of_cifar_needs_rounding_up() {
        let up = window(3, 2, 0, Rounding::Up);
        assert_eq!([32, 16, 8].map(|n| up.positions(n).unwrap()), [16, 8, 4]);
        assert_eq!(up.covers(15, 32), (30, 32));
    }

    #[test]
    fn impossible_windows_are_refused() {
        assert!(window(5, 1, 0, Rounding::Down).positions(4).is_err());
        assert!(window(0, 1, 0, Rounding::Down).positions(4).is_err());
        assert!(window(3, 0, 0, Rounding::Down).positions(4).is_err());
        assert!(window(3, 1, 3, Rounding::Down).positions(4).is_err());
        assert!(window(1, 4, 0, Rounding::Up).positions(4).is_err(), "the last window would see nothing");
    }

    #[test]
    fn groups_divide_channels() {
        let w = window(3, 1, 1, Rounding::Down);
        assert!(ConvGeometry::new(Maps::new(5, 5, 6), 9, w, 2).is_err());
        let g = ConvGeometry::new(Maps::new(5, 5, 6), 8, w, 2).unwrap();
        assert_eq!((g.weights(), g.macs()), (27 * 8, 25 * 27 * 8));
    }
}
