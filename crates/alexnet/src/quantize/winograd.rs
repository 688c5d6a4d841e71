//! Which algorithm computes a convolution of bytes: measured on some of the calibration images.

use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::conv;
use alexnet_kernels::geometry::ConvGeometry;
use alexnet_kernels::int8::{
    Algorithm, ConvWeights, QuantizedConv, WinogradWeights as Transformed, quantize,
};

use super::form::Form;
use super::weights::relative_rms;
use crate::engine::{Quantizer, WinogradWeights};
use crate::net::Precision;

/// An algorithm is used if its relative RMS error is at most this times that of the direct convolution.
const MAX_ERROR_RATIO: f64 = 2.5;

/// Parts of the largest transformed inputs that scales are tried for: to clip a few is better than to round all coarsely.
const CLIPPINGS: [f32; 5] = [1.0, 0.85, 0.7, 0.55, 0.4];

/// A convolution and its exact results for some images.
pub(super) struct Convolution<'a> {
    pub(super) g: &'a ConvGeometry,
    /// In the kernels' layout, `[groups, kernel, kernel, inputs, outputs]`.
    pub(super) weights: &'a [f32],
    pub(super) biases: &'a [f32],
    /// The inputs, `[batch, input]`.
    pub(super) inputs: &'a [f32],
    /// What bytes of the input stand for.
    pub(super) bytes: Quantizer,
    /// Whether a ReLU follows, so that negative outputs do not matter.
    pub(super) rectified: bool,
}

/// The errors of a convolution's forms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    /// The relative RMS error of the direct convolution.
    pub(super) direct: f64,
    /// The algorithms that fit, with their weights and relative RMS errors; fewest multiplications first.
    pub(super) algorithms: Vec<(WinogradWeights, f64)>,
}

impl Comparison {
    /// The error of each algorithm.
    pub(super) fn errors(&self) -> Vec<(Form, f64)> {
        self.algorithms.iter().map(|(weights, error)| (Form::Winograd(weights.algorithm), *error)).collect()
    }

    /// The weights of the algorithm with the fewest multiplications whose error is small enough.
    pub(super) fn choice(self) -> Option<WinogradWeights> {
        let limit = MAX_ERROR_RATIO * self.direct;
        self.algorithms.into_iter().find(|(_, error)| *error <= limit).map(|(weights, _)| weights)
    }
}

impl Convolution<'_> {
    /// Compares the direct convolution, with these weights `[groups, kernel, kernel, inputs, outputs]`, with the algorithms
    /// that fit.
    pub(super) fn compare(&self, values: &[i8], scales: &[f32]) -> Comparison {
        let (g, batch) = (self.g, self.inputs.len() / self.g.input().len());
        let mut exact = vec![0.0; batch * g.output().len()];
        conv::forward(
            g,
            Precision::F32,
            batch,
            self.inputs,
            self.weights,
            self.biases,
            Epilogue::Identity,
            &mut exact,
        );
        let mut bytes = vec![0; self.inputs.len()];
        quantize(self.inputs, self.bytes, &mut bytes);
        let error = |weights: ConvWeights<'_>| {
            let mut found = vec![0.0; exact.len()];
            QuantizedConv::new(g, weights, self.biases, self.bytes).forward_f32(batch, &bytes, &mut found);
            let floor = if self.rectified { 0.0 } else { f32::NEG_INFINITY };
            let passed = |values: &[f32]| values.iter().map(|value| value.max(floor)).collect::<Vec<f32>>();
            relative_rms(passed(&found), passed(&exact))
        };
        let mut fitting: Vec<Algorithm> =
            Algorithm::ALL.into_iter().filter(|algorithm| algorithm.fits(g)).collect();
        fitting.sort_by_key(|algorithm| algorithm.macs(g));
        let algorithms = fitting.into_iter().map(|algorithm| {
            let maxima = algorithm.input_maxima(g, batch, self.inputs);
            let mut weights = transform(algorithm, g, self.weights, self.biases);
            let candidates = CLIPPINGS.map(|part| {
                weights.input_scales = maxima.iter().map(|&maximum| input_scale(part * maximum)).collect();
                let WinogradWeights { weights: values, scales, input_scales, .. } = &weights;
                let found =
                    error(ConvWeights::Winograd(Transformed { algorithm, values, scales, input_scales }));
                (weights.clone(), found)
            });
            candidates.into_iter().reduce(|best, next| if next.1 < best.1 { next } else { best })
        });
        let algorithms = algorithms.flatten().collect();
        Comparison { direct: error(ConvWeights::Direct { values, scales }), algorithms }
    }
}

/// The scale of an element of the transformed inputs with this largest magnitude.
fn input_scale(largest: f32) -> f32 {
    let scale = largest / 127.0;
    if scale.is_normal() { scale } else { 1.0 }
}

/// Transformed weights, with a scale for each element and output channel.
fn transform(algorithm: Algorithm, g: &ConvGeometry, weights: &[f32], biases: &[f32]) -> WinogradWeights {
    let mut transformed = vec![0.0; algorithm.transformed_len(g)];
    algorithm.transform_weights(g, weights, &mut transformed);
    let (elements, depth, outputs) = (algorithm.elements(), algorithm.depth(g), g.group_outputs());
    let mut maxima = vec![0.0f32; elements * g.output().channels];
    let at = |i: usize| {
        let (matrix, o) = (i / outputs / depth, i % outputs);
        let (group, element) = (matrix / elements, matrix % elements);
        element * g.output().channels + group * outputs + o
    };
    for (i, weight) in transformed.iter().enumerate() {
        maxima[at(i)] = maxima[at(i)].max(weight.abs());
    }
    let scales: Vec<f32> = maxima.into_iter().map(input_scale).collect();
    let rounded =
        |(i, weight): (usize, &f32)| (weight / scales[at(i)]).round_ties_even().clamp(-127.0, 127.0) as i8;
    let integers = transformed.iter().enumerate().map(rounded).collect();
    WinogradWeights {
        algorithm,
        weights: integers,
        scales,
        input_scales: Vec::new(),
        biases: biases.to_vec(),
    }
}
