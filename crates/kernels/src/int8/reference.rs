//! The operations, written as their definitions.

use super::power::inverse_power;
use super::quantizer::{Quantizer, offsets, round_centered, round_to_u8};
use super::winograd::{Algorithm, Square, WinogradWeights};
use crate::geometry::{ConvGeometry, FcGeometry, NormGeometry, PoolGeometry};

/// `sum (x - zero) w`, `[batch, output]`: outside the map, `x` is the zero point.
pub fn conv_sums(g: &ConvGeometry, batch: usize, x: &[u8], zero: u8, w: &[i8]) -> Vec<i32> {
    let (kernel, inputs, outputs) = (g.window.kernel, g.group_inputs(), g.group_outputs());
    let mut sums = vec![0_i32; batch * g.output.len()];
    for (index, sum) in sums.iter_mut().enumerate() {
        let (pixel, o) = (index / g.output.channels, index % g.output.channels);
        let (image, oy, ox) =
            (pixel / g.output.pixels(), pixel / g.output.width % g.output.height, pixel % g.output.width);
        let group = o / outputs;
        for ky in 0..kernel {
            for kx in 0..kernel {
                let iy = (oy * g.window.stride + ky).wrapping_sub(g.window.pad);
                let ix = (ox * g.window.stride + kx).wrapping_sub(g.window.pad);
                if iy >= g.input.height || ix >= g.input.width {
                    continue;
                }
                let x = &x[((image * g.input.height + iy) * g.input.width + ix) * g.input.channels..];
                for i in 0..inputs {
                    let w = w[(((group * kernel + ky) * kernel + kx) * inputs + i) * outputs + o % outputs];
                    *sum += (i32::from(x[group * inputs + i]) - i32::from(zero)) * i32::from(w);
                }
            }
        }
    }
    sums
}

/// `sum (x - zero) w`, `[batch, outputs]`.
pub fn fc_sums(g: &FcGeometry, batch: usize, x: &[u8], zero: u8, w: &[i8]) -> Vec<i32> {
    let sum = |x: &[u8], w: &[i8]| -> i32 {
        x.iter().zip(w).map(|(&x, &w)| (i32::from(x) - i32::from(zero)) * i32::from(w)).sum()
    };
    let images = x.chunks_exact(g.inputs).take(batch);
    images.flat_map(|x| w.chunks_exact(g.inputs).map(move |w| sum(x, w))).collect()
}

/// `sum multipliers[o] + offsets[o]`, for sums `[rows, channels]`.
pub fn requantize(sums: &[i32], multipliers: &[f32], offsets: &[f32]) -> Vec<f32> {
    let at = |(i, &sum): (usize, &i32)| {
        let o = i % multipliers.len();
        sum as f32 * multipliers[o] + offsets[o]
    };
    sums.iter().enumerate().map(at).collect()
}

/// Rounds outputs to bytes: the nearest, ties to even, clamped.
pub fn round(values: &[f32]) -> Vec<u8> {
    values.iter().map(|&value| value.clamp(0.0, 255.0).round_ties_even() as u8).collect()
}

/// A convolution by Winograd's algorithm with quantized transforms; the outputs are not rounded.
///
/// For each tile, `V = B^T (x - zero) B` in `f32`, rounded as `V[e] input.scale / input_scales[e]` and clamped to
/// -128..=127; exact sums over the input channels, times `input_scales[e] scales[e, o] / output.scale`, are `M`; and the
/// outputs are `A^T M A + bias / output.scale + output.zero`. Along the columns alone, the transforms are `B^T (x - zero)`
/// and `A^T M`, and the sums run over the taps of a row as well.
pub fn winograd(
    g: &ConvGeometry,
    batch: usize,
    x: &[u8],
    input: Quantizer,
    weights: WinogradWeights,
    bias: &[f32],
    output: Quantizer,
) -> Vec<f32> {
    let pass = Pass { g, input, weights, offsets: &offsets(bias, output), output };
    let images = x.chunks_exact(g.input.len()).take(batch);
    images
        .flat_map(|x| match weights.algorithm {
            Algorithm::F2x3 | Algorithm::F4x3 => pass.squares(x),
            Algorithm::F2x5Vertical => pass.columns(x),
        })
        .collect()
}

/// The arguments of [`winograd`].
struct Pass<'a> {
    g: &'a ConvGeometry,
    input: Quantizer,
    weights: WinogradWeights<'a>,
    offsets: &'a [f32],
    output: Quantizer,
}

impl Pass<'_> {
    /// Input `pixel` of channel `c`, relative to the zero point.
    fn difference(&self, x: &[u8], pixel: usize, c: usize) -> f32 {
        f32::from(x[pixel * self.g.input.channels + c]) - f32::from(self.input.zero)
    }

    /// Rounds element `e` of a transformed input.
    fn round(&self, e: usize, v: f32) -> i32 {
        i32::from(round_centered(v * (self.input.scale / self.weights.input_scales[e]))) - 128
    }

    /// The scaled sum for element `e` and output channel `o`, of `v` at each depth.
    fn product(&self, e: usize, o: usize, v: impl Fn(usize) -> i32) -> f32 {
        let WinogradWeights { algorithm, values, scales, input_scales } = self.weights;
        let (depth, outputs) = (algorithm.depth(self.g), self.g.group_outputs());
        let values = &values[(o / outputs * algorithm.elements() + e) * depth * outputs..];
        let sum: i32 = (0..depth).map(|d| v(d) * i32::from(values[d * outputs + o % outputs])).sum();
        sum as f32 * (input_scales[e] * scales[e * self.g.output.channels + o] / self.output.scale)
    }

    /// The outputs of an image, in tiles of squares.
    fn squares(&self, x: &[u8]) -> Vec<f32> {
        let (g, algorithm) = (self.g, self.weights.algorithm);
        let (tile, side, inputs) = (algorithm.tile(), algorithm.side(), g.group_inputs());
        let mut y = vec![0.0; g.output.len()];
        for ty in 0..g.output.height.div_ceil(tile) {
            for tx in 0..g.output.width.div_ceil(tile) {
                let transformed: Vec<Vec<i32>> = (0..g.input.channels)
                    .map(|c| {
                        let square = algorithm.square(g, [ty, tx], |pixel| self.difference(x, pixel, c));
                        let v = algorithm.transform_input(square);
                        let byte = |e: usize| self.round(e, v[e / side][e % side]);
                        (0..algorithm.elements()).map(byte).collect()
                    })
                    .collect();
                for o in 0..g.output.channels {
                    let first = o / g.group_outputs() * inputs;
                    let mut m = Square::default();
                    for e in 0..algorithm.elements() {
                        m[e / side][e % side] = self.product(e, o, |i| transformed[first + i][e]);
                    }
                    let square = algorithm.transform_output(m);
                    for at in 0..tile * tile {
                        let (oy, ox) = (ty * tile + at / tile, tx * tile + at % tile);
                        if oy < g.output.height && ox < g.output.width {
                            let value = square[at / tile][at % tile] + self.offsets[o];
                            y[(oy * g.output.width + ox) * g.output.channels + o] = value;
                        }
                    }
                }
            }
        }
        y
    }

    /// The outputs of an image, in tiles of columns.
    fn columns(&self, x: &[u8]) -> Vec<f32> {
        let (g, algorithm) = (self.g, self.weights.algorithm);
        let (tile, elements, inputs) = (algorithm.tile(), algorithm.elements(), g.group_inputs());
        let mut y = vec![0.0; g.output.len()];
        for ty in 0..g.output.height.div_ceil(tile) {
            let transformed: Vec<Vec<i32>> = (0..g.input.width * g.input.channels)
                .map(|at| {
                    let (ix, c) = (at / g.input.channels, at % g.input.channels);
                    let column = algorithm.column(g, [ty, ix], |pixel| self.difference(x, pixel, c));
                    let v = algorithm.transform_input_column(column);
                    (0..elements).map(|e| self.round(e, v[e])).collect()
                })
                .collect();
            for at in 0..g.output.width * g.output.channels {
                let (ox, o) = (at / g.output.channels, at % g.output.channels);
                let value = |e: usize, d: usize| {
                    let ix = (ox + d / inputs).wrapping_sub(g.window.pad);
                    let c = o / g.group_outputs() * inputs + d % inputs;
                    if ix < g.input.width { transformed[ix * g.input.channels + c][e] } else { 0 }
                };
                let product = |e: usize| if e < elements { self.product(e, o, |d| value(e, d)) } else { 0.0 };
                let m = std::array::from_fn(product);
                let column = algorithm.transform_output_column(m);
                for (oy, value) in (ty * tile..g.output.height.min((ty + 1) * tile)).zip(column) {
                    y[(oy * g.output.width + ox) * g.output.channels + o] = value + self.offsets[o];
                }
            }
        }
        y
    }
}

/// The largest byte of each window.
pub fn max_pool(g: &PoolGeometry, batch: usize, x: &[u8], y: &mut [u8]) {
    for (index, y) in y.iter_mut().enumerate() {
        let (pixel, c) = (index / g.output.channels, index % g.output.channels);
        let (image, oy, ox) =
            (pixel / g.output.pixels(), pixel / g.output.width % g.output.height, pixel % g.output.width);
        assert!(image < batch);
        let at = |iy: usize, ix: usize| {
            x[((image * g.input.height + iy) * g.input.width + ix) * g.input.channels + c]
        };
        let rows = g.window.covered(oy, g.input.height);
        let values = rows.flat_map(|iy| g.window.covered(ox, g.input.width).map(move |ix| at(iy, ix)));
        *y = values.max().unwrap_or(0);
    }
}

/// `y = (x - zero) m s^-beta`, where `m` is the ratio of the scales and `s = k + a sum (x - zero)^2` with an exact sum
/// over neighboring maps.
pub fn lrn(g: &NormGeometry, x: &[u8], [input, output]: [Quantizer; 2], y: &mut [u8]) {
    let (channels, width) = (g.maps.channels, g.maps.channels / g.groups);
    let reach = g.constants.reach();
    let alpha = (g.constants.alpha * f64::from(input.scale) * f64::from(input.scale)) as f32;
    let k = g.constants.k as f32;
    let ratio = input.scale / output.scale;
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        let difference = |i: usize| i32::from(x[i]) - i32::from(input.zero);
        for (i, y) in y.iter_mut().enumerate() {
            let edge = i / width * width;
            let neighbors = i.saturating_sub(reach.before).max(edge)..(i + reach.after + 1).min(edge + width);
            let sum: i32 = neighbors.map(|j| difference(j) * difference(j)).sum();
            let factor = inverse_power(k + alpha * sum as f32, g.constants.beta);
            *y = round_to_u8(difference(i) as f32 * ratio * factor + f32::from(output.zero));
        }
    }
}
