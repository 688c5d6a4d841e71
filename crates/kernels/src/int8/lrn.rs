//! Response normalization across maps, from bytes to bytes.

use super::quantizer::Quantizer;
use super::reference;
use crate::geometry::NormGeometry;
use crate::slices::check_len;

/// A response normalization (see [`crate::lrn`]) between quantized activations.
#[derive(Clone, Debug)]
pub struct QuantizedLrn {
    g: NormGeometry,
    input: Quantizer,
    output: Quantizer,
}

impl QuantizedLrn {
    /// A normalization from activations of `input` to those of `output`.
    pub fn new(g: &NormGeometry, input: Quantizer, output: Quantizer) -> Self {
        Self { g: *g, input, output }
    }

    /// `y = x (k + alpha sum x^2)^-beta`.
    ///
    /// # Shapes
    /// `x, y: [batch, maps]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward(&self, batch: usize, x: &[u8], y: &mut [u8]) {
        check_len!(x, batch * self.g.maps.len());
        check_len!(y, batch * self.g.maps.len());
        reference::lrn(&self.g, batch, x, [self.input, self.output], y);
    }
}
