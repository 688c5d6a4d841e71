//! The kernels that transformed 8-bit weights of Winograd's algorithms stand for.
//!
//! The taps of a kernel become more numbers than it has itself, `u = A w`, which are rounded, each to a scale of its own. The taps
//! are recovered by least squares, in which each number counts by the inverse of its scale.

use alexnet_kernels::geometry::{ConvGeometry, Maps, Rounding, Window};
use alexnet_kernels::int8::{Algorithm, quantize_weights};
use nalgebra::DMatrix;

use crate::engine::{IntegerWeights, WinogradWeights};
use crate::net::{Layer, Operation};
use crate::{Error, Result};

/// The 8-bit weights of a convolution whose transformed weights are given.
///
/// # Errors
/// Returns an error if the scales of an output channel are too far apart for its kernels to follow from them.
///
/// # Panics
/// Panics if the layer is not a convolution that the algorithm computes.
pub(super) fn spatial(layer: &Layer, transformed: &WinogradWeights) -> Result<IntegerWeights> {
    let Operation::Conv(g, _) = &layer.operation else { panic!("{} is not a convolution", layer.name) };
    let matrix = matrix(transformed.algorithm, g.window());
    let mut weights = Vec::with_capacity(g.weights());
    let mut scales = Vec::with_capacity(g.output().channels);
    for output in 0..g.output().channels {
        let kernels = kernels(g, transformed, &matrix, output);
        let kernels = kernels.ok_or_else(|| undetermined(layer, transformed, output))?;
        let largest = kernels.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        let scale = if (largest / 127.0).is_normal() { largest / 127.0 } else { 1.0 };
        let mut integers = vec![0; kernels.len()];
        quantize_weights(&kernels, scale, &mut integers);
        weights.extend(integers);
        scales.push(scale);
    }
    Ok(IntegerWeights { weights, scales, biases: transformed.biases.clone() })
}

/// The error of an output channel whose kernels do not follow from its transformed weights.
fn undetermined(layer: &Layer, transformed: &WinogradWeights, output: usize) -> Error {
    let scales = transformed.scales.iter().skip(output).step_by(transformed.biases.len());
    let least = scales.clone().fold(f32::INFINITY, |least, &scale| least.min(scale));
    let most = scales.fold(0.0_f32, |most, &scale| most.max(scale));
    Error::model(format!(
        "layer {}: the scales of output channel {output} are {least:.1e} to {most:.1e}, too far apart to compute its kernels",
        layer.name
    ))
    .help("export the model that it was quantized from, or quantize that one again: `alexnet quantize MODEL --calibrate SRC OUT`")
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

/// The kernels of an output channel, `[inputs, kernel, kernel]`. `None` if they do not follow from the transformed numbers: those
/// with larger scales no longer count beside the others.
fn kernels(
    g: &ConvGeometry,
    transformed: &WinogradWeights,
    matrix: &DMatrix<f64>,
    output: usize,
) -> Option<Vec<f32>> {
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
    let factored = normal.cholesky()?;
    let solved = factored.solve(&weighted.tr_mul(&numbers));
    let mut kernels = vec![0.0_f32; inputs * area];
    for (tap, at) in (0..taps).flat_map(|tap| (0..depth).map(move |at| (tap, at))) {
        // A column's taps are a row apart; the position in the row is the slower part of the depth.
        let (column, input) = (at / inputs, at % inputs);
        let row_length = area / taps;
        kernels[input * area + tap * row_length + column] = solved[(tap, at)] as f32;
    }
    kernels.iter().all(|weight| weight.is_finite()).then_some(kernels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::net::{Network, Recipe};

    /// A convolution with weights of F(2,3), and their scales by element.
    fn weights(scale: impl Fn(usize) -> f32) -> (Layer, WinogradWeights) {
        let algorithm = Algorithm::F2x3;
        let layers = Network::new(&Recipe::load("small").unwrap(), 10).unwrap().layers;
        let (layer, g) = layers
            .iter()
            .find_map(|layer| match &layer.operation {
                Operation::Conv(g, _) if algorithm.fits(g) => Some((layer, g)),
                _ => None,
            })
            .unwrap();
        let (elements, outputs) = (algorithm.elements(), g.output().channels);
        let transformed = WinogradWeights {
            algorithm,
            weights: vec![1; algorithm.transformed_len(g)],
            scales: (0..elements * outputs).map(|at| scale(at / outputs)).collect(),
            input_scales: vec![1.0; elements],
            biases: vec![0.0; outputs],
        };
        (layer.clone(), transformed)
    }

    #[test]
    fn scales_that_determine_no_kernel_are_refused() {
        let (layer, even) = weights(|_| 0.01);
        assert_eq!(spatial(&layer, &even).unwrap().scales.len(), even.biases.len());
        // Beside one element, to which all taps contribute alike, the others do not count.
        let far_apart = |element| if element == 5 { 2.0_f32.powi(-100) } else { 2.0_f32.powi(100) };
        let (layer, transformed) = weights(far_apart);
        let error = spatial(&layer, &transformed).unwrap_err();
        let expected = format!("layer {}: the scales of output channel 0 are 7.9e-31 to 1.3e30", layer.name);
        assert!(error.kind == Kind::Model && error.message.contains(&expected), "{error}");
        assert!(error.help.is_some());
    }
}
