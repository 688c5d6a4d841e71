//! Initial weights.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};

use crate::engine::Tensor;
use crate::net::{Init, Layer, Network};
use crate::random::{Purpose, generator, key};
use crate::{Error, Result};

/// Returns the initial weights and biases of every layer that has them, first layer first, as for
/// [`crate::engine::Engine::load`] (paper, section 5: weights from N(0, 0.01), biases 0 or 1).
///
/// A layer's values depend only on the seed, its name and its shape: another layer can be added or removed without changing
/// them.
///
/// # Errors
/// Returns an error if a layer's standard deviation is negative or not finite.
pub fn initialize(network: &Network, seed: u64) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for layer in &network.layers {
        let mut random = generator(key(seed, 0, layer.random_key, Purpose::Weights));
        tensors.extend(layer_parameters(layer, &mut random)?);
    }
    Ok(tensors)
}

/// `NAME.weight` and `NAME.bias` of a layer; nothing for a layer without weights.
fn layer_parameters(layer: &Layer, random: &mut ChaCha8Rng) -> Result<Vec<Tensor>> {
    let (Some((weight_shape, bias_shape)), Some(spec)) = (layer.parameter_shapes(), layer.weights()) else {
        return Ok(Vec::new());
    };
    let (weights, biases): (usize, usize) = (weight_shape.iter().product(), bias_shape.iter().product());
    let fan_in = layer.fan_in() as f64;
    let constant = |n| vec![spec.bias; n];
    let (weight, bias) = match spec.init {
        Init::Normal(std) => (normal(&layer.name, std, weights, random)?, constant(biases)),
        Init::He => (normal(&layer.name, (2.0 / fan_in).sqrt(), weights, random)?, constant(biases)),
        Init::FanIn => {
            let bound = 1.0 / fan_in.sqrt();
            (uniform(bound, weights, random), uniform(bound, biases, random))
        }
    };
    Ok(vec![
        Tensor { name: layer.weight_name(), shape: weight_shape, data: weight },
        Tensor { name: layer.bias_name(), shape: bias_shape, data: bias },
    ])
}

/// `n` values from N(0, std), sampled as f64 so that they are rounded to f32, not truncated.
fn normal(layer: &str, std: f64, n: usize, random: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    if !(std.is_finite() && std >= 0.0) {
        return Err(Error::usage(format!(
            "layer {layer}: the standard deviation of the initial weights is {std}; expected a finite number of at least 0"
        ))
        .help("the paper uses `weights = { init = { normal = 0.01 } }`"));
    }
    let distribution = Normal::new(0.0, std).expect("a finite standard deviation of at least 0 is valid");
    Ok((0..n).map(|_| distribution.sample(random) as f32).collect())
}

/// `n` values uniform over `-bound..=bound`.
fn uniform(bound: f64, n: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let distribution = Uniform::new_inclusive(-bound, bound).expect("a positive fan-in gives a finite bound");
    (0..n).map(|_| distribution.sample(random) as f32).collect()
}

#[cfg(test)]
mod tests {
    use alexnet_kernels::geometry::{FcGeometry, Maps};

    use super::*;
    use crate::net::{Operation, WeightSpec};
    use crate::random::name_key;
    use alexnet_kernels::precision::Precision;

    fn fc(name: &str, inputs: usize, outputs: usize, init: Init, bias: f32) -> Layer {
        Layer {
            name: name.into(),
            input: Maps { channels: inputs, height: 1, width: 1 },
            output: Maps { channels: outputs, height: 1, width: 1 },
            operation: Operation::Fc(
                FcGeometry::new(inputs, outputs).unwrap(),
                WeightSpec { init, bias, ..WeightSpec::default() },
            ),
            precision: Precision::F32,
            random_key: name_key(name),
        }
    }

    fn network(layers: Vec<Layer>) -> Network {
        let last = layers.last().unwrap().output;
        Network { input: layers[0].input, classes: last.channels, layers }
    }

    fn mean_and_std(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt())
    }

    #[test]
    fn each_distribution_has_its_mean_and_std() {
        // 200 x 500 = 100,000 values: the standard error of the sample's std is 0.22 %, of its mean 0.32 %.
        let fan_in: f64 = 200.0;
        let cases = [
            (Init::Normal(0.01), 0.01),
            (Init::He, (2.0 / fan_in).sqrt()),
            (Init::FanIn, 1.0 / (3.0 * fan_in).sqrt()),
        ];
        for (init, expected) in cases {
            let tensors = initialize(&network(vec![fc("fc", 200, 500, init, 1.0)]), 7).unwrap();
            let (mean, std) = mean_and_std(&tensors[0].data);
            assert!(mean.abs() < 0.013 * expected, "{init:?}: mean {mean}");
            assert!((std / expected - 1.0).abs() < 0.01, "{init:?}: {std}, expected {expected}");
        }
    }

    #[test]
    fn biases_are_the_recipes_constant_or_uniform_with_the_weights() {
        let biases = |init| {
            let tensors = initialize(&network(vec![fc("fc8", 100, 50, init, 0.1)]), 1).unwrap();
            assert_eq!((tensors[1].name.as_str(), &tensors[1].shape), ("fc8.bias", &vec![50]));
            tensors[1].data.clone()
        };
        assert!(biases(Init::Normal(0.01)).iter().all(|&b| b == 0.1));
        let uniform = biases(Init::FanIn);
        assert!(uniform.iter().all(|b| b.abs() <= 0.1));
        assert!(uniform.iter().any(|&b| b != uniform[0]));
    }

    #[test]
    fn seeds_differ_and_layers_differ() {
        let net = network(vec![fc("a", 20, 20, Init::He, 0.0), fc("b", 20, 20, Init::He, 0.0)]);
        let (one, two) = (initialize(&net, 1).unwrap(), initialize(&net, 2).unwrap());
        assert_eq!(one, initialize(&net, 1).unwrap());
        assert_ne!(one[0].data, two[0].data);
        assert_ne!(one[0].data, one[2].data);
    }

    #[test]
    fn removing_a_layer_changes_no_other() {
        let layers = ["a", "b", "c"].map(|name| fc(name, 20, 20, Init::Normal(0.01), 0.0));
        let whole = initialize(&network(layers.to_vec()), 3).unwrap();
        for removed in 0..3 {
            let mut rest = layers.to_vec();
            rest.remove(removed);
            let expected: Vec<Tensor> = whole
                .iter()
                .filter(|tensor| !tensor.name.starts_with(&layers[removed].name))
                .cloned()
                .collect();
            assert_eq!(initialize(&network(rest), 3).unwrap(), expected);
        }
    }

    #[test]
    fn a_bad_deviation_is_refused_by_name() {
        for std in [-0.01, f64::NAN, f64::INFINITY] {
            let error = initialize(&network(vec![fc("fc6", 4, 4, Init::Normal(std), 0.0)]), 0).unwrap_err();
            assert!(error.message.contains("fc6") && error.message.contains(&std.to_string()), "{error}");
        }
    }
}
