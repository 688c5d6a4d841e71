//! The shape and constants of a response normalization.

use super::error::GeometryError;
use super::maps::Maps;

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
    pub(crate) maps: Maps,
    /// Groups of channels that do not see each other; divides the channels. Ignored within maps.
    pub(crate) groups: usize,
    /// The constants.
    pub(crate) constants: Normalization,
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
        let largest = (k as f32).powf(-beta as f32);
        if !(k as f32).is_normal() || !(alpha as f32).is_finite() || !largest.is_finite() {
            return Err(GeometryError {
                problem: format!(
                    "alpha {alpha}, beta {beta}, k {k}: expected constants and k^-beta in the range of f32"
                ),
            });
        }
        maps.check()?;
        Ok(Self { maps, groups, constants })
    }

    /// Input and output of one image.
    pub const fn maps(&self) -> Maps {
        self.maps
    }

    /// Groups of channels that do not see each other; divides the channels. Ignored within maps.
    pub const fn groups(&self) -> usize {
        self.groups
    }

    /// The constants.
    pub const fn constants(&self) -> Normalization {
        self.constants
    }
}
