//! Convolution in integers.

use super::LONGEST_SUM;
use super::isa::Int8Isa;
use super::packed::{Packed, by_column};
use super::patches::Patches;
use super::product::Product;
use super::quantizer::{IDENTITY, Quantizer, Requantization};
use super::tile::{COLUMNS, Value};
use super::winograd::{Winograd, WinogradWeights};
use crate::geometry::ConvGeometry;
use crate::shared::Shared;
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
    /// Weights of one of the algorithms that [fit](super::Algorithm::fits) the geometry.
    Winograd(WinogradWeights<'a>),
}

/// A convolution with prepared weights.
#[derive(Clone, Debug)]
pub struct QuantizedConv {
    g: ConvGeometry,
    kind: Kind,
    bias: Vec<f32>,
    input: Quantizer,
    isa: Int8Isa,
}

#[derive(Clone, Debug)]
enum Kind {
    Direct { weights: Packed, scales: Vec<f32> },
    Winograd(Winograd),
}

impl QuantizedConv {
    /// Prepares a convolution of activations of `input`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry, the algorithm does not fit it, or a sum has more than
    /// [`LONGEST_SUM`] products.
    pub fn new(g: &ConvGeometry, weights: ConvWeights, bias: &[f32], input: Quantizer) -> Self {
        check_len!(bias, g.output.channels);
        let kind = match weights {
            ConvWeights::Direct { values, scales } => {
                check_len!(values, g.weights());
                check_len!(scales, g.output.channels);
                assert!(g.depth() <= LONGEST_SUM, "sums of {} products", g.depth());
                Kind::Direct { weights: pack(g, values, input.zero), scales: scales.to_vec() }
            }
            ConvWeights::Winograd(weights) => Kind::Winograd(Winograd::new(g, weights)),
        };
        Self { g: *g, kind, bias: bias.to_vec(), input, isa: Int8Isa::current() }
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
        self.compute(batch, x, output, y);
    }

    /// Computes outputs in `f32`, neither rounded nor clamped.
    ///
    /// # Shapes
    /// `x: [batch, input]`, `y: [batch, output]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward_f32(&self, batch: usize, x: &[u8], y: &mut [f32]) {
        self.compute(batch, x, IDENTITY, y);
    }

    fn compute<T: Value>(&self, batch: usize, x: &[u8], output: Quantizer, y: &mut [T]) {
        let g = &self.g;
        check_len!(x, batch, g.input.len());
        check_len!(y, batch, g.output.len());
        match &self.kind {
            Kind::Direct { weights, scales } => {
                let Requantization { multipliers, offsets } =
                    Requantization::new(self.input.scale, scales, &self.bias, output);
                let product = Product {
                    isa: self.isa,
                    count: batch * g.output.pixels(),
                    rows: &Patches::new(g, x, self.input.zero),
                    weights,
                    groups: g.groups,
                    outputs: g.group_outputs(),
                    multipliers: &by_column(g.group_outputs(), &multipliers),
                    offsets: &by_column(g.group_outputs(), &offsets),
                    y: Shared::new(y),
                };
                product.run();
            }
            Kind::Winograd(winograd) => {
                winograd.forward(self.isa, g, x, self.input, &self.bias, output, y);
            }
        }
    }
}

/// Packs the weights of a direct convolution.
fn pack(g: &ConvGeometry, values: &[i8], zero: u8) -> Packed {
    let (depth, outputs) = (g.depth(), g.group_outputs());
    let panels = outputs.div_ceil(COLUMNS);
    Packed::new(g.groups * panels, depth, zero, |panel, column, packed| {
        let (group, o) = (panel / panels, panel % panels * COLUMNS + column);
        if o < outputs {
            let values = &values[group * depth * outputs + o..];
            packed.iter_mut().zip(values.iter().step_by(outputs)).for_each(|(packed, &w)| *packed = w);
        }
    })
}
