//! The fully connected layer in integers.

use super::LONGEST_SUM;
use super::isa::Int8Isa;
use super::quantizer::{IDENTITY, Quantizer, Requantization, round_to_u8};
use super::reference;
use crate::geometry::FcGeometry;
use crate::slices::check_len;

/// A fully connected layer with prepared weights.
#[derive(Clone, Debug)]
pub struct QuantizedFc {
    g: FcGeometry,
    weights: Vec<i8>,
    scales: Vec<f32>,
    bias: Vec<f32>,
    input: Quantizer,
    isa: Int8Isa,
}

impl QuantizedFc {
    /// Prepares a layer for activations of `input`.
    ///
    /// # Shapes
    /// `weights: [outputs, inputs]`; `scales, bias: [outputs]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry, or there are more than [`LONGEST_SUM`] inputs.
    pub fn new(g: &FcGeometry, weights: &[i8], scales: &[f32], bias: &[f32], input: Quantizer) -> Self {
        check_len!(weights, g.weights());
        check_len!(scales, g.outputs);
        check_len!(bias, g.outputs);
        assert!(g.inputs <= LONGEST_SUM, "sums of {} products", g.inputs);
        Self {
            g: *g,
            weights: weights.to_vec(),
            scales: scales.to_vec(),
            bias: bias.to_vec(),
            input,
            isa: Int8Isa::current(),
        }
    }

    /// The same layer with other instructions than [`Int8Isa::current`].
    ///
    /// # Panics
    /// If the machine does not support them.
    pub fn with_isa(self, isa: Int8Isa) -> Self {
        assert!(isa.is_available(), "this machine does not support {}", isa.name());
        Self { isa, ..self }
    }

    /// Computes quantized outputs.
    ///
    /// # Shapes
    /// `x: [batch, inputs]`, `y: [batch, outputs]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward(&self, batch: usize, x: &[u8], output: Quantizer, y: &mut [u8]) {
        check_len!(x, batch * self.g.inputs);
        check_len!(y, batch * self.g.outputs);
        let values = self.compute(batch, x, output);
        y.iter_mut().zip(values).for_each(|(y, value)| *y = round_to_u8(value));
    }

    /// Computes outputs in `f32`, neither rounded nor clamped.
    ///
    /// # Shapes
    /// `x: [batch, inputs]`, `y: [batch, outputs]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward_f32(&self, batch: usize, x: &[u8], y: &mut [f32]) {
        check_len!(x, batch * self.g.inputs);
        check_len!(y, batch * self.g.outputs);
        y.copy_from_slice(&self.compute(batch, x, IDENTITY));
    }

    fn compute(&self, batch: usize, x: &[u8], output: Quantizer) -> Vec<f32> {
        let _ = self.isa;
        let requantization = Requantization::new(self.input.scale, &self.scales, &self.bias, output);
        let sums = reference::fc_sums(&self.g, batch, x, self.input.zero, &self.weights);
        reference::requantize(&sums, &requantization.multipliers, &requantization.offsets)
    }
}
