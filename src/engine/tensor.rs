//! A named array of numbers, as it stands in a model file.

/// A named array, row-major, in the model file's layout (see [`crate::net::Layer::parameter_shapes`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `conv1.weight`, `fc8.bias`.
    pub name: String,
    /// Extents, slowest first.
    pub shape: Vec<usize>,
    /// The values, `shape.iter().product()` of them.
    pub data: Vec<f32>,
}
