//! The kernels that transformed 8-bit weights of Winograd's algorithms stand for.
//!
//! The taps of a kernel become more numbers than it has itself, `u = A w`, which are rounded, each to a scale of its own. The taps
//! are recovered by least squares, in which each number counts by the inverse of its scale.

use alexnet_kernels::geometry::{ConvGeometry, Maps, Rounding, Window};
use alexnet_kernels::int8::{Algorithm, quantize_weights};
use nalgebra::DMatrix;

use crate::engine::{IntegerWeights, WinogradWeights};
use crate::net::{Layer, Operation};

/// The 8-bit weights of a convolution whose transformed weights are given.
///
/// # Panics
/// Panics if the layer is not a convolution that the algorithm computes.
pub(super) fn spatial(layer: &Layer, transformed: &WinogradWeights) -> IntegerWeights {
    let Operation::Conv(g, _) = &layer.operation else { panic!("{} is not a convolution", layer.name) };
    let matrix = matrix(transformed.algorithm, g.window());
    let mut weights = Vec::with_capacity(g.weights());
    let mut scales = Vec::with_capacity(g.output().channels);
    for output in 0..g.output().channels {
        let kernels = kernels(g, transformed, &matrix, output);
        let largest = kernels.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        let scale = if (largest / 127.0).is_normal() { largest / 127.0 } else { 1.0 };
        let mut integers = vec![0; kernels.len()];
        quantize_weights(&kernels, scale, &mut integers);
        weights.extend(integers);
        scales.push(scale);
    }
    IntegerWeights { weights, scales, biases: transformed.biases.clone() }
}

/// `[elements, taps]`: what each tap contributes to each transformed number. The taps are all of a kernel, or those of one column.
fn matrix(algorithm: Algorithm, window: Window) -> DMatrix<f64> {
    let side = window.kernel;
    let window = Window { stride: 1, pad: 0, rounding: Rounding::Down, ..window };
    let g =
        ConvGeometry::new(Maps::new(side, side, 1), 1, window, 1).expect("a kernel of the size of the map");
    let (elements, depth) = (algorithm.elements(), algorithm.depth(&g));
    let taps = side * side / depth;
    let mut matrix = DMatrix::zeros(elements, taps);
    for tap in 0..taps {
        let (mut kernel, mut numbers) = (vec![0.0; side * side], vec![0.0; elements * depth]);
        kernel[tap * depth] = 1.0;
        algorithm.transform_weights(&g, &kernel, &mut numbers);
        for element in 0..elements {
            matrix[(element, tap)] = f64::from(numbers[element * depth]);
        }
    }
    matrix
}

/// The kernels of an output channel, `[inputs, kernel, kernel]`.
fn kernels(
    g: &ConvGeometry,
    transformed: &WinogradWeights,
    matrix: &DMatrix<f64>,
    output: usize,
) -> Vec<f32> {
    let WinogradWeights { algorithm, weights, scales, .. } = transformed;
    let (elements, depth, outputs) = (algorithm.elements(), algorithm.depth(g), g.group_outputs());
    let (taps, inputs, area) = (matrix.ncols(), g.group_inputs(), g.window().kernel * g.window().kernel);
    let scale = |element: usize| f64::from(scales[element * g.output().channels + output]);
    let (group, within) = (output / outputs, output % outputs);
    // [elements, depth], in units of each element's scale.
    let numbers = DMatrix::from_fn(elements, depth, |element, at| {
        f64::from(weights[((group * elements + element) * depth + at) * outputs + within])
    });
    let weighted = DMatrix::from_fn(elements, taps, |element, tap| matrix[(element, tap)] / scale(element));
    let normal = weighted.tr_mul(&weighted);
    let factored = normal.cholesky().expect("the taps follow from the transformed numbers");
    let solved = factored.solve(&weighted.tr_mul(&numbers));
    let mut kernels = vec![0.0; inputs * area];
    for (tap, at) in (0..taps).flat_map(|tap| (0..depth).map(move |at| (tap, at))) {
        // A column's taps are a row apart; the position in the row is the slower part of the depth.
        let (column, input) = (at / inputs, at % inputs);
        let row_length = area / taps;
        kernels[input * area + tap * row_length + column] = solved[(tap, at)] as f32;
    }
    kernels
}
