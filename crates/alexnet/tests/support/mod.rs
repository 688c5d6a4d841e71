//! What several tests share.
#![allow(dead_code)]

pub(crate) mod chains;
pub(crate) mod ranks;

use alexnet::engine::Tensor;
use alexnet::net::{Network, Recipe};
use alexnet_kernels::hash::combine;

/// The recipe with every kind of layer.
pub(crate) fn every_layer() -> Recipe {
    Recipe::parse(include_str!("every-layer.toml"), "every-layer.toml").expect("the test's own recipe")
}

/// Reproducible numbers, roughly normal with deviation 1: the sum of twelve uniforms, minus six.
pub(crate) fn normals(seed: u64, count: usize) -> Vec<f32> {
    let uniform = |i: usize, j: u64| (combine(seed, (i as u64) << 8 | j) >> 40) as f32 / (1u64 << 24) as f32;
    (0..count).map(|i| (0..12).map(|j| uniform(i, j)).sum::<f32>() - 6.0).collect()
}

/// Weights of a size that keeps signals alive through any network: deviation `sqrt(2 / fan-in)`, biases 0.1.
pub(crate) fn lively_parameters(network: &Network, seed: u64) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    for (i, layer) in network.layers.iter().enumerate() {
        let Some((weights, biases)) = layer.parameter_shapes() else { continue };
        let deviation = (2.0 / layer.fan_in() as f32).sqrt();
        let values = normals(combine(seed, i as u64), weights.iter().product());
        let data = values.into_iter().map(|value| value * deviation).collect();
        tensors.push(Tensor { name: layer.weight_name(), shape: weights, data });
        let data = normals(combine(seed, 1000 + i as u64), biases.iter().product());
        let data = data.into_iter().map(|value| 0.1 * value + 0.1).collect();
        tensors.push(Tensor { name: layer.bias_name(), shape: biases, data });
    }
    tensors
}

/// `sqrt(sum (a - b)^2 / sum b^2)`.
pub(crate) fn relative_rms(a: impl IntoIterator<Item = f64>, b: impl IntoIterator<Item = f64>) -> f64 {
    let (mut difference, mut scale) = (0.0, 0.0);
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) => {
                difference += (a - b) * (a - b);
                scale += b * b;
            }
            (None, None) => return (difference / scale).sqrt(),
            _ => panic!("lengths differ"),
        }
    }
}
