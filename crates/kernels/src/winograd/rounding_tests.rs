//! Passes with bfloat16 operands agree with the same algorithm in `f64`, whose transformed squares are rounded.

use super::algorithm::Algorithm;
use super::matrices::{BALANCED, Matrix, SIMPLE};
use super::plan::Winograd;
use super::transform::NOWHERE;
use crate::activation::Epilogue;
use crate::bf16;
use crate::gemm::uses_tiles;
use crate::geometry::{ConvGeometry, Maps, Rounding, Window};
use crate::precision::Precision;

/// Values in both signs.
fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.0 - 1.0).collect()
}

/// `m x m^T` for a square `x`, rounded.
fn sandwich(m: &Matrix, x: &[f64], round: bool) -> Vec<f64> {
    let at = |i: usize, j: usize| f64::from(m.at[i][j]);
    let sum = |i: usize, j: usize| -> f64 {
        let terms = (0..m.columns).flat_map(|p| (0..m.columns).map(move |q| (p, q)));
        terms.map(|(p, q)| at(i, p) * x[p * m.columns + q] * at(j, q)).sum()
    };
    let finish = |value: f64| if round { f64::from(bf16::round(value as f32)) } else { value };
    (0..m.rows).flat_map(|i| (0..m.rows).map(move |j| (i, j))).map(|(i, j)| finish(sum(i, j))).collect()
}

fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    let square = |value: f64| value * value;
    let distance: f64 = found.iter().zip(expected).map(|(&a, b)| square(f64::from(a) - b)).sum();
    (distance / expected.iter().map(|&b| square(b)).sum::<f64>()).sqrt()
}

/// The squares of a channel that a tile reads.
fn square(x: &[f32], offsets: &[usize], channel: usize) -> Vec<f64> {
    let value = |&offset: &usize| if offset == NOWHERE { 0.0 } else { f64::from(x[offset + channel]) };
    offsets.iter().map(value).collect()
}

struct Layer {
    winograd: Winograd,
    g: ConvGeometry,
    set: usize,
    images: usize,
}

impl Layer {
    fn new(kernel: usize) -> Self {
        let window = Window { kernel, stride: 1, pad: kernel / 2, rounding: Rounding::Down };
        let (g, images) = (ConvGeometry::new(Maps::new(13, 13, 24), 40, window, 1).unwrap(), 3);
        let winograd = Winograd::select(&g, Precision::Bf16, images.into()).unwrap();
        let set = if winograd.algorithm.side <= 6 { BALANCED } else { SIMPLE };
        Self { winograd, g, set, images }
    }

    fn algorithm(&self) -> &'static Algorithm {
        self.winograd.algorithm
    }

    /// The kernel of a pair of channels.
    fn weights(&self, w: &[f32], i: usize, o: usize) -> Vec<f64> {
        let (inputs, outputs) = (self.g.group_inputs(), self.g.group_outputs());
        (0..self.algorithm().taps()).map(|tap| f64::from(w[(tap * inputs + i) * outputs + o])).collect()
    }

    fn forward(&self, x: &[f32], w: &[f32]) -> Vec<f64> {
        let Algorithm { tile, kernel, side, .. } = *self.algorithm();
        let (input, weights) = (Matrix::input(side, self.set), Matrix::kernel(side, kernel, self.set));
        let output = Matrix::output(side, tile, self.set);
        let (inputs, outputs) = (self.g.group_inputs(), self.g.group_outputs());
        let mut y = vec![0.0; self.images * self.g.output.len()];
        let (mut from, mut to) = (Vec::new(), Vec::new());
        let u: Vec<Vec<f64>> = (0..inputs * outputs)
            .map(|at| sandwich(&weights, &self.weights(w, at / outputs, at % outputs), true))
            .collect();
        for t in 0..self.winograd.tiling.tiles() {
            self.winograd.tiling.inputs(t, &mut from);
            self.winograd.tiling.outputs(t, &mut to);
            let v: Vec<Vec<f64>> =
                (0..inputs).map(|i| sandwich(&input, &square(x, &from, i), true)).collect();
            for o in 0..outputs {
                let products = |e: usize| (0..inputs).map(|i| v[i][e] * u[i * outputs + o][e]).sum();
                let m: Vec<f64> = (0..side * side).map(products).collect();
                for (value, &to) in sandwich(&output, &m, false).into_iter().zip(&to) {
                    if to != NOWHERE {
                        y[to + o] = value;
                    }
                }
            }
        }
        y
    }

    fn weight_gradient(&self, x: &[f32], dy: &[f32]) -> Vec<f64> {
        let Algorithm { tile, kernel, side, .. } = *self.algorithm();
        let (input, gradient) = (Matrix::input(side, self.set), Matrix::kernel(side, tile, self.set));
        let output = Matrix::output(side, kernel, self.set);
        let (inputs, outputs) = (self.g.group_inputs(), self.g.group_outputs());
        let mut sums = vec![vec![0.0; side * side]; inputs * outputs];
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for t in 0..self.winograd.tiling.tiles() {
            self.winograd.tiling.inputs(t, &mut from);
            self.winograd.tiling.outputs(t, &mut to);
            let z: Vec<Vec<f64>> =
                (0..outputs).map(|o| sandwich(&gradient, &square(dy, &to, o), true)).collect();
            for i in 0..inputs {
                let v = sandwich(&input, &square(x, &from, i), true);
                for (o, z) in z.iter().enumerate() {
                    let sums = sums[i * outputs + o].iter_mut().zip(v.iter().zip(z));
                    sums.for_each(|(sum, (v, z))| *sum += v * z);
                }
            }
        }
        let mut dw = vec![0.0; self.g.weights()];
        for (at, sums) in sums.iter().enumerate() {
            for (tap, value) in sandwich(&output, sums, false).into_iter().enumerate() {
                dw[tap * inputs * outputs + at] = value;
            }
        }
        dw
    }
}

/// Where a transformed value lies halfway between two bfloat16 values, single and double precision may round it apart. The
/// rounding itself changes results by 1 % and 4 %.
#[test]
fn passes_agree_with_rounded_references() {
    if uses_tiles(Precision::Bf16) {
        println!("skipped: with AMX, convolutions of bfloat16 values are direct");
        return;
    }
    for (kernel, bound) in [(3, 1e-3), (5, 5e-3)] {
        let layer = Layer::new(kernel);
        let x = values(layer.images * layer.g.input.len(), 1);
        let (w, dy) = (values(layer.g.weights(), 2), values(layer.images * layer.g.output.len(), 3));
        let mut y = vec![f32::NAN; dy.len()];
        let bias = vec![0.0; layer.g.output.channels];
        assert!(layer.winograd.forward(&x, &w, &bias, Epilogue::Identity, &mut y));
        let mut u = vec![0.0; layer.winograd.gradient_sums()];
        let (mut dw, mut biases) = (vec![f32::NAN; w.len()], vec![0.0; bias.len()]);
        layer.winograd.add_gradient(&x, &dy, &mut u, &mut biases);
        assert!(layer.winograd.finish_gradient(&u, &mut dw));
        let errors = [
            relative_error(&y, &layer.forward(&x, &w)),
            relative_error(&dw, &layer.weight_gradient(&x, &dy)),
        ];
        assert!(errors.iter().all(|&error| error < bound), "kernel {kernel}: {errors:?}");
        let channels = layer.g.output.channels;
        for (o, sum) in biases.iter().enumerate() {
            let expected: f64 = dy[o..].iter().step_by(channels).map(|&dy| f64::from(dy)).sum();
            assert!((sum - expected).abs() < 1e-5, "bias {o}: {sum}, expected {expected}");
        }
    }
}
