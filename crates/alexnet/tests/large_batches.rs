//! LARS: the engine against the formula of the publication in f64, and against itself with other numbers of threads, other
//! micro-batches and leaves.

use crate::support;

use alexnet::engine::reference::{self, Pair, Weights};
use alexnet::engine::{Batch, Device, Options, Tensor, Update, open};
use alexnet::net::{Algorithm, Network, Recipe};
use support::{every_layer, lively_parameters, normals, relative_rms};

const KEYS: [u64; 23] = [5; 23];
const STEPS: usize = 4;

fn lars(rate: f32) -> Update {
    Update { algorithm: Algorithm::Lars { trust: 0.001 }, ..Update::sgd(rate, 0.9, 0.0005) }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn sample(network: &Network, n: usize) -> (Vec<f32>, Vec<u32>) {
    let images = normals(7, n * network.input.len());
    let labels = (0..n as u32).map(|i| (i * 3 + 1) % network.classes as u32).collect();
    (images, labels)
}

/// Parameters and momentum after [`STEPS`] steps of the engine.
fn train(
    network: &Network,
    start: &[Tensor],
    update: &Update,
    n: usize,
    options: &Options,
) -> [Vec<Tensor>; 2] {
    let (images, labels) = sample(network, n);
    let mut engine = open(Device::Cpu, network.clone(), options).unwrap();
    engine.load(start).unwrap();
    for _ in 0..STEPS {
        engine.step(&Batch::whole(&images, &labels, &KEYS[..n]), update).unwrap();
    }
    [engine.parameters().unwrap(), engine.velocities().unwrap()]
}

/// The steps of the publication: `v <- momentum v + rate local (gradient + decay w)`, `w <- w - v`, where `local` is that of
/// a layer's weights, and 1 for biases.
fn formula(network: &Network, start: &[Tensor], update: &Update, n: usize) -> Vec<(String, Vec<f64>)> {
    let (images, labels) = sample(network, n);
    let images = wide(&images);
    let mut weights = Weights::<f64>::from_tensors(network, start);
    let zeros = |pair: &Pair<f64>| Pair {
        weights: vec![0.0; pair.weights.len()],
        biases: vec![0.0; pair.biases.len()],
    };
    let mut velocities: Vec<Option<Pair<f64>>> =
        weights.layers.iter().map(|pair| pair.as_ref().map(zeros)).collect();
    let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let (rate, momentum) = (f64::from(update.rate), f64::from(update.momentum));
    for _ in 0..STEPS {
        let batch = Batch::whole(&[], &labels, &KEYS[..n]);
        let found = reference::loss_and_gradients(network, &weights, &images, &batch);
        for (i, layer) in network.layers.iter().enumerate() {
            let Some(spec) = layer.weights() else { continue };
            let pair = weights.layers[i].as_mut().unwrap();
            let (velocity, gradient) =
                (velocities[i].as_mut().unwrap(), found.weights.layers[i].as_ref().unwrap());
            let decay = f64::from(spec.decay.unwrap_or(update.decay));
            let (w, g) = (norm(&pair.weights), norm(&gradient.weights));
            let local = if w == 0.0 || g == 0.0 { 1.0 } else { f64::from(0.001_f32) * w / (g + decay * w) };
            let step = |w: &mut [f64], v: &mut [f64], g: &[f64], rate: f64, decay: f64| {
                for i in 0..w.len() {
                    v[i] = momentum * v[i] + rate * (g[i] + decay * w[i]);
                    w[i] -= v[i];
                }
            };
            let own = rate * f64::from(spec.rate) * local;
            step(&mut pair.weights, &mut velocity.weights, &gradient.weights, own, decay);
            let own = rate * f64::from(spec.bias_rate);
            step(&mut pair.biases, &mut velocity.biases, &gradient.biases, own, 0.0);
        }
    }
    weights.named(network)
}

/// The largest relative difference of a tensor from the formula.
fn worst_difference(found: &[Tensor], expected: &[(String, Vec<f64>)]) -> (String, f64) {
    let differences = found.iter().zip(expected).map(|(tensor, (name, values))| {
        assert_eq!(tensor.name, *name);
        (name.clone(), relative_rms(wide(&tensor.data), values.iter().copied()))
    });
    differences.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

/// A recipe with factors of the learning rate and decays of its own.
fn recipe() -> Recipe {
    let mut recipe = every_layer();
    let settings = [
        ("layer.conv1.weights.rate", "0.5"),
        ("layer.conv1.weights.bias_rate", "2"),
        ("layer.conv2.weights.decay", "0.1"),
    ];
    recipe.set_all(settings).unwrap();
    recipe
}

#[test]
fn steps_are_those_of_the_formula() {
    let network = Network::new(&recipe(), 5).unwrap();
    let start = lively_parameters(&network, 1);
    // Biases have the common rate, so it is low for them; the second is high enough for weights.
    for rate in [0.05, 1.0] {
        let update = lars(rate);
        let expected = formula(&network, &start, &update, 3);
        let options = Options::training(3, 2);
        let [found, _] = train(&network, &start, &update, 3, &options);
        let (name, difference) = worst_difference(&found, &expected);
        assert!(difference < 1e-5, "rate {rate}: {name} differs by {difference:e}");
        // The comparison distinguishes LARS from SGD, and its trust and decay from others.
        for other in [
            Update { algorithm: Algorithm::Sgd, ..update },
            Update { algorithm: Algorithm::Lars { trust: 0.002 }, ..update },
            Update { decay: 0.5, ..update },
        ] {
            let [found, _] = train(&network, &start, &other, 3, &options);
            let (_, difference) = worst_difference(&found, &expected);
            assert!(difference > 3e-5, "rate {rate}: {other:?} makes no difference: {difference:e}");
        }
    }
}

/// Zero weights of the last layer: the gradients of all layers below are zero in the first step. Both have the common rate.
#[test]
fn layers_of_zeros_learn_at_the_common_rate() {
    let network = Network::new(&recipe(), 5).unwrap();
    let mut start = lively_parameters(&network, 1);
    let last = network.layers.last().unwrap().weight_name();
    let zeros = |tensor: &mut Tensor| tensor.data.fill(0.0);
    start.iter_mut().filter(|tensor| tensor.name == last).for_each(zeros);
    let update = lars(0.05);
    let expected = formula(&network, &start, &update, 3);
    let [found, _] = train(&network, &start, &update, 3, &Options::training(3, 2));
    let (name, difference) = worst_difference(&found, &expected);
    assert!(difference < 1e-5, "{name} differs by {difference:e}");
    let moved = found.iter().find(|tensor| tensor.name == last).unwrap();
    assert!(moved.data.iter().any(|&value| value.abs() > 1e-4), "the zeros stayed");
}

/// Norms are sums in a fixed order, of gradients that do not depend on micro-batches.
#[test]
fn bits_depend_on_neither_threads_nor_micro_batches() {
    for recipe in [recipe(), Recipe::load("small").unwrap()] {
        let network = Network::new(&recipe, 5).unwrap();
        let start = lively_parameters(&network, 1);
        let run = |options: &Options| train(&network, &start, &lars(1.0), 23, options);
        let one = run(&Options::training(23, 1));
        for threads in [2, 4] {
            assert!(run(&Options::training(23, threads)) == one, "{}: {threads} threads", recipe.name);
        }
        let parts = Options { micro_batch: Some(9), ..Options::training(23, 2) };
        assert!(run(&parts) == one, "{}: micro-batches", recipe.name);
    }
}

#[test]
fn a_step_in_one_call_has_the_bits_of_two_calls() {
    let network = Network::new(&recipe(), 5).unwrap();
    let start = lively_parameters(&network, 1);
    let (images, labels) = sample(&network, 23);
    let batch = Batch::whole(&images, &labels, &KEYS);
    for leaves in [1, 4] {
        let options = Options { leaves, ..Options::training(23, 2) };
        let one = train(&network, &start, &lars(1.0), 23, &options);
        let mut engine = open(Device::Cpu, network.clone(), &options).unwrap();
        engine.load(&start).unwrap();
        for _ in 0..STEPS {
            engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
            engine.apply(&lars(1.0)).unwrap();
        }
        assert!([engine.parameters().unwrap(), engine.velocities().unwrap()] == one, "{leaves} leaves");
    }
}

#[test]
fn non_finite_gradients_are_reported() {
    let network = Network::new(&recipe(), 5).unwrap();
    let (images, labels) = sample(&network, 3);
    let batch = Batch::whole(&images, &labels, &KEYS[..3]);
    let mut engine = open(Device::Cpu, network.clone(), &Options::training(3, 2)).unwrap();
    engine.load(&lively_parameters(&network, 1)).unwrap();
    let last = network.layers.len() - 1;
    let mut spoil = |gradient: alexnet::engine::LayerGradient<'_>| {
        if gradient.layer == last {
            gradient.weights[1] = f32::INFINITY;
        }
        Ok(())
    };
    engine.forward_backward(&batch, &mut spoil).unwrap();
    engine.apply(&lars(1.0)).unwrap();
    assert!(engine.non_finite().unwrap().is_some_and(|found| found.layer == last));
}
