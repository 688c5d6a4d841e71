//! Sliding windows and their positions.

use super::error::GeometryError;
use super::maps::MOST;
use std::ops::Range;

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
        if [size, self.kernel, self.stride, self.pad].into_iter().any(|size| size > MOST) {
            return fail(format!(
                "{size} pixels, kernel {}, stride {}, pad {}: expected at most {MOST}",
                self.kernel, self.stride, self.pad
            ));
        }
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
        assert!(window(2, 1 << 62, 1, Rounding::Down).positions(1 << 62).is_err());
    }
}
