//! Conversions between `f32` and bytes.

use crate::isa::multiversioned;
use crate::slices::{GRAIN, check_len};
use rayon::prelude::*;

/// The affine map between activations and bytes: `x = scale (q - zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    /// The difference between adjacent values: positive and finite.
    pub scale: f32,
    /// The byte that represents 0: 0 if no activation is negative.
    pub zero: u8,
}

impl Quantizer {
    /// The nearest byte: `x / scale + zero`, clamped, ties to even. NaN becomes 0.
    pub fn quantize(self, x: f32) -> u8 {
        round_to_u8(x / self.scale + f32::from(self.zero))
    }

    /// The value of a byte.
    pub fn dequantize(self, q: u8) -> f32 {
        self.scale * (f32::from(q) - f32::from(self.zero))
    }
}

/// Rounds to the nearest byte, ties to even. NaN becomes 0.
#[inline(always)]
pub(super) fn round_to_u8(value: f32) -> u8 {
    // In this range adjacent `f32` values differ by 1, so that the addition rounds.
    const INTEGERS: f32 = (1 << 23) as f32;
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    (value + INTEGERS).to_bits() as u8
}

/// Rounds to the nearest integer, ties to even, clamped to -128..=127, and adds 128. NaN becomes 255.
#[inline(always)]
pub(super) fn round_centered(value: f32) -> u8 {
    // As above, with room for negative values; the last byte is the integer's, in two's complement.
    const INTEGERS: f32 = (3 << 22) as f32;
    let value = if value < 127.0 { value } else { 127.0 };
    let value = if value > -128.0 { value } else { -128.0 };
    (value + INTEGERS).to_bits() as u8 ^ 128
}

/// Quantizes activations.
///
/// # Panics
/// If the lengths differ.
pub fn quantize(x: &[f32], quantizer: Quantizer, y: &mut [u8]) {
    check_len!(y, x.len());
    y.par_chunks_mut(GRAIN).zip(x.par_chunks(GRAIN)).for_each(|(y, x)| quantize_part(x, quantizer, y));
}

/// Converts bytes back to activations.
///
/// # Panics
/// If the lengths differ.
pub fn dequantize(x: &[u8], quantizer: Quantizer, y: &mut [f32]) {
    check_len!(y, x.len());
    y.par_chunks_mut(GRAIN).zip(x.par_chunks(GRAIN)).for_each(|(y, x)| dequantize_part(x, quantizer, y));
}

/// Quantizes weights that share a scale: `w / scale`, clamped to `-127..=127`, ties to even. If the scale is 0, all
/// become 0.
///
/// # Panics
/// If the lengths differ.
pub fn quantize_weights(w: &[f32], scale: f32, q: &mut [i8]) {
    check_len!(q, w.len());
    for (q, w) in q.iter_mut().zip(w) {
        *q = if scale == 0.0 { 0 } else { (w / scale).clamp(-127.0, 127.0).round_ties_even() as i8 };
    }
}

multiversioned! {
    fn quantize_part(x: &[f32], quantizer: Quantizer, y: &mut [u8]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = quantizer.quantize(x);
        }
    }

    fn dequantize_part(x: &[u8], quantizer: Quantizer, y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = quantizer.dequantize(x);
        }
    }
}

/// How the integer sums of a layer become its outputs: `sum multipliers[o] + offsets[o]`.
#[derive(Clone, Debug)]
pub(super) struct Requantization {
    pub(super) multipliers: Vec<f32>,
    pub(super) offsets: Vec<f32>,
}

impl Requantization {
    /// For sums of inputs of scale `input` times weights of `scales`, one per output channel.
    pub(super) fn new(input: f32, scales: &[f32], bias: &[f32], output: Quantizer) -> Self {
        Self {
            multipliers: scales.iter().map(|scale| input * scale / output.scale).collect(),
            offsets: offsets(bias, output),
        }
    }
}

/// `bias` in units of the output, relative to byte 0.
pub(super) fn offsets(bias: &[f32], output: Quantizer) -> Vec<f32> {
    bias.iter().map(|bias| bias / output.scale + f32::from(output.zero)).collect()
}

/// The quantizer that leaves values unchanged: outputs in `f32` are requantized by it, then not rounded.
pub(super) const IDENTITY: Quantizer = Quantizer { scale: 1.0, zero: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_ties_to_even_and_clamps() {
        let quantizer = Quantizer { scale: 0.5, zero: 0 };
        let x = [
            0.0,
            0.24,
            0.25,
            0.26,
            0.75,
            1.25,
            127.5,
            1e30,
            -1.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ];
        let expected = [0, 0, 0, 1, 2, 2, 255, 255, 0, 0, 255, 0];
        let mut y = [77; 12];
        quantize(&x, quantizer, &mut y);
        assert_eq!(y, expected);
        assert_eq!(x.map(|x| quantizer.quantize(x)), expected);
    }

    #[test]
    fn centered_rounding_ties_to_even_and_clamps() {
        for (value, expected) in [(0.0, 128), (0.5, 128), (1.5, 130), (-0.5, 128), (-1.5, 126), (-2.4, 126)] {
            assert_eq!(round_centered(value), expected);
        }
        for (value, expected) in [(126.6, 255), (1e30, 255), (-127.6, 0), (-1e30, 0), (f32::NAN, 255)] {
            assert_eq!(round_centered(value), expected);
        }
    }

    #[test]
    fn bytes_survive_a_round_trip() {
        for zero in [0, 3, 128, 255] {
            let quantizer = Quantizer { scale: 0.037, zero };
            let bytes: Vec<u8> = (0..=255).collect();
            let (mut values, mut back) = (vec![0.0; 256], vec![0; 256]);
            dequantize(&bytes, quantizer, &mut values);
            quantize(&values, quantizer, &mut back);
            assert_eq!(back, bytes);
            assert_eq!(values[usize::from(zero)], 0.0);
        }
    }

    #[test]
    fn weights_are_symmetric() {
        let mut q = [0; 5];
        quantize_weights(&[-1000.0, -0.5, 0.5, 1.5, 1000.0], 1.0, &mut q);
        assert_eq!(q, [-127, 0, 0, 2, 127]);
        quantize_weights(&[1.0], 0.0, &mut q[..1]);
        assert_eq!(q[0], 0);
    }
}
