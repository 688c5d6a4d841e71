//! The shape of a fully connected layer: `[inputs] -> [outputs]`.

use super::error::GeometryError;
use super::maps::product;

/// A fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FcGeometry {
    /// Input values per image.
    pub(crate) inputs: usize,
    /// Output values per image: the layer's units.
    pub(crate) outputs: usize,
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
        product(&[inputs, outputs])?;
        Ok(Self { inputs, outputs })
    }

    /// Weights, laid out `[outputs, inputs]`; also the multiply-adds per image.
    pub const fn weights(&self) -> usize {
        self.inputs * self.outputs
    }

    /// Input values per image.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Output values per image: the layer's units.
    pub const fn outputs(&self) -> usize {
        self.outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fully_connected_layers_are_not_empty() {
        assert!(FcGeometry::new(0, 3).is_err() && FcGeometry::new(3, 0).is_err());
        assert!(FcGeometry::new(1 << 40, 1 << 40).is_err());
        assert_eq!(FcGeometry::new(9216, 4096).unwrap().weights(), 37_748_736);
    }
}
