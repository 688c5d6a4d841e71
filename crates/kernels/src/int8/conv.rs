//! Convolution in integers.

use super::LONGEST_SUM;
use super::isa::Int8Isa;
use super::quantizer::{IDENTITY, Quantizer, Requantization, round_to_u8};
use super::reference;
use super::winograd::Algorithm;
use crate::geometry::ConvGeometry;
use crate::slices::check_len;

/// Quantized weights of a convolution.
#[derive(Clone, Copy, Debug)]
pub enum ConvWeights<'a> {
    /// The weights themselves.
    Direct {
        /// `[groups][kernel][kernel][group_inputs][group_outputs]`
        values: &'a [i8],
        /// One scale per output channel.
        scales: &'a [f32],
    },
    /// Weights transformed by [`Algorithm::transform_weights`], then quantized.
    Winograd {
        /// The algorithm: one that fits the geometry.
        algorithm: Algorithm,
        /// `[groups][elements][group_inputs][group_outputs]`
        values: &'a [i8],
        /// One scale per element and output channel, `[elements][output.channels]`.
        scales: &'a [f32],
        /// One scale per element of the transformed inputs, positive: an input of 127 times the scale is the largest
        /// that is not clamped. See [`Algorithm::input_maxima`].
        input_scales: &'a [f32],
    },
}

/// Owned weights.
#[derive(Clone, Debug)]
enum Weights {
    Direct { values: Vec<i8>, scales: Vec<f32> },
    Winograd { algorithm: Algorithm, values: Vec<i8>, scales: Vec<f32>, input_scales: Vec<f32> },
}

/// A convolution with prepared weights.
#[derive(Clone, Debug)]
pub struct QuantizedConv {
    g: ConvGeometry,
    weights: Weights,
    bias: Vec<f32>,
    input: Quantizer,
    isa: Int8Isa,
}

impl QuantizedConv {
    /// Prepares a convolution of activations of `input`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry, the algorithm does not fit it, or a sum has more than
    /// [`LONGEST_SUM`] products.
    pub fn new(g: &ConvGeometry, weights: ConvWeights, bias: &[f32], input: Quantizer) -> Self {
        check_len!(bias, g.output.channels);
        let weights = match weights {
            ConvWeights::Direct { values, scales } => {
                check_len!(values, g.weights());
                check_len!(scales, g.output.channels);
                assert!(g.depth() <= LONGEST_SUM, "sums of {} products", g.depth());
                Weights::Direct { values: values.to_vec(), scales: scales.to_vec() }
            }
            ConvWeights::Winograd { algorithm, values, scales, input_scales } => {
                assert!(algorithm.fits(g), "{} does not fit {g:?}", algorithm.name());
                check_len!(values, algorithm.transformed_len(g));
                check_len!(scales, algorithm.elements() * g.output.channels);
                check_len!(input_scales, algorithm.elements());
                assert!(g.group_inputs() <= LONGEST_SUM, "sums of {} products", g.group_inputs());
                Weights::Winograd {
                    algorithm,
                    values: values.to_vec(),
                    scales: scales.to_vec(),
                    input_scales: input_scales.to_vec(),
                }
            }
        };
        Self { g: *g, weights, bias: bias.to_vec(), input, isa: Int8Isa::current() }
    }

    /// The same convolution with other instructions than [`Int8Isa::current`].
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
    /// `x: [batch, input]`, `y: [batch, output]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward(&self, batch: usize, x: &[u8], output: Quantizer, y: &mut [u8]) {
        check_len!(x, batch * self.g.input.len());
        check_len!(y, batch * self.g.output.len());
        let values = self.compute(batch, x, output);
        y.iter_mut().zip(values).for_each(|(y, value)| *y = round_to_u8(value));
    }

    /// Computes outputs in `f32`, neither rounded nor clamped.
    ///
    /// # Shapes
    /// `x: [batch, input]`, `y: [batch, output]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward_f32(&self, batch: usize, x: &[u8], y: &mut [f32]) {
        check_len!(x, batch * self.g.input.len());
        check_len!(y, batch * self.g.output.len());
        y.copy_from_slice(&self.compute(batch, x, IDENTITY));
    }

    fn compute(&self, batch: usize, x: &[u8], output: Quantizer) -> Vec<f32> {
        let _ = self.isa;
        match &self.weights {
            Weights::Direct { values, scales } => {
                let requantization = Requantization::new(self.input.scale, scales, &self.bias, output);
                let sums = reference::conv_sums(&self.g, batch, x, self.input.zero, values);
                reference::requantize(&sums, &requantization.multipliers, &requantization.offsets)
            }
            Weights::Winograd { algorithm, values, scales, input_scales } => {
                let weights =
                    reference::WinogradWeights { algorithm: *algorithm, values, scales, input_scales };
                reference::winograd(&self.g, batch, x, self.input, weights, &self.bias, output)
            }
        }
    }
}
