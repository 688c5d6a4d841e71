//! The fully connected layer in integers.

use super::LONGEST_SUM;
use super::bytes;
use super::isa::Int8Isa;
use super::packed::{Packed, by_column};
use super::patches::{Stored, padded_rows, row_stride};
use super::product::Product;
use super::quantizer::{IDENTITY, Quantizer, Requantization};
use super::tile::{COLUMNS, Value};
use crate::geometry::FcGeometry;
use crate::shared::Shared;
use crate::slices::check_len;
use rayon::prelude::*;

/// A fully connected layer with prepared weights.
#[derive(Clone, Debug)]
pub struct QuantizedFc {
    g: FcGeometry,
    weights: Packed,
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
        let panels = g.outputs.div_ceil(COLUMNS);
        let packed = Packed::new(panels, g.inputs, input.zero, |panel, column, packed| {
            let o = panel * COLUMNS + column;
            if o < g.outputs {
                packed.copy_from_slice(&weights[o * g.inputs..][..g.inputs]);
            }
        });
        Self {
            g: *g,
            weights: packed,
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
        self.compute(batch, x, output, y);
    }

    /// Computes outputs in `f32`, neither rounded nor clamped.
    ///
    /// # Shapes
    /// `x: [batch, inputs]`, `y: [batch, outputs]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward_f32(&self, batch: usize, x: &[u8], y: &mut [f32]) {
        self.compute(batch, x, IDENTITY, y);
    }

    fn compute<T: Value>(&self, batch: usize, x: &[u8], output: Quantizer, y: &mut [T]) {
        let FcGeometry { inputs, outputs } = self.g;
        check_len!(x, batch, inputs);
        check_len!(y, batch, outputs);
        let Requantization { multipliers, offsets } =
            Requantization::new(self.input.scale, &self.scales, &self.bias, output);
        let stride = row_stride(inputs);
        bytes::with_scratch(padded_rows(batch) * stride, |rows| {
            rows.par_chunks_exact_mut(stride)
                .zip(x.par_chunks_exact(inputs))
                .for_each(|(row, x)| row[..inputs].copy_from_slice(x));
            let product = Product {
                isa: self.isa,
                count: batch,
                rows: &Stored { values: rows, stride },
                weights: &self.weights,
                groups: 1,
                outputs,
                multipliers: &by_column(outputs, &multipliers),
                offsets: &by_column(outputs, &offsets),
                y: Shared::new(y),
            };
            product.run();
        });
    }
}
