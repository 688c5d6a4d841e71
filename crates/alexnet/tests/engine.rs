//! The CPU engine against the naive reference in f64, the reference against central differences, and the engine against
//! itself with other numbers of threads and other micro-batches.

use crate::support;

use alexnet::engine::reference::{self, Gradients, Weights};
use alexnet::engine::{
    Batch, Device, Engine, LayerGradient, Mode, Options, Tensor, TensorKind, Update, open,
};
use alexnet::net::{LayerSpec, Network, Recipe, Spec};
use support::{every_layer, lively_parameters, normals, relative_rms};

const KEYS: [u64; 4] = [11, 22, 33, 44];

/// Images, labels and keys for `n` images.
fn sample(network: &Network, n: usize) -> (Vec<f32>, Vec<u32>) {
    let images = normals(7, n * network.input.len());
    let labels = (0..n as u32).map(|i| (i * 3 + 1) % network.classes as u32).collect();
    (images, labels)
}

fn batch<'a>(images: &'a [f32], labels: &'a [u32]) -> Batch<'a> {
    Batch::whole(images, labels, &KEYS[..labels.len()])
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn reference_gradients(network: &Network, n: usize) -> Gradients<f64> {
    let (images, labels) = sample(network, n);
    let weights = Weights::<f64>::from_tensors(network, &lively_parameters(network, 1));
    reference::loss_and_gradients(network, &weights, &wide(&images), &batch(&images, &labels))
}

/// The largest relative RMS difference between the engine and the f64 reference, over logits and all gradients.
fn worst_difference(network: &Network, expected: &Gradients<f64>, n: usize, threads: usize) -> (String, f64) {
    let (images, labels) = sample(network, n);
    let mut engine = open(Device::Cpu, network.clone(), &Options::training(n, threads)).unwrap();
    engine.load(&lively_parameters(network, 1)).unwrap();
    let outcome = engine.forward_backward(&batch(&images, &labels), &mut |_| Ok(())).unwrap();
    let mut worst = ("loss".to_owned(), (outcome.loss - expected.loss).abs() / expected.loss);
    for (tensor, (name, values)) in engine.gradients().unwrap().iter().zip(expected.weights.named(network)) {
        assert_eq!(tensor.name, name);
        let difference = relative_rms(wide(&tensor.data), values);
        if difference > worst.1 || difference.is_nan() {
            worst = (name, difference);
        }
    }
    worst
}

/// Central differences of the loss by some coordinates of every parameter, against the reference's gradient.
///
/// A coordinate whose one-sided differences disagree sits on a kink (of a ReLU or a maximum) and is skipped.
#[test]
fn reference_gradients_agree_with_central_differences() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let n = 3;
    let (images, labels) = sample(&network, n);
    let wide_images = wide(&images);
    let mut weights = Weights::<f64>::from_tensors(&network, &lively_parameters(&network, 1));
    let batch = batch(&images, &labels);
    let loss =
        |weights: &Weights<f64>| reference::loss_and_gradients(&network, weights, &wide_images, &batch).loss;
    let here = reference::loss_and_gradients(&network, &weights, &wide_images, &batch);
    let step = 1e-5;
    let (mut checked, mut kinks) = (0, 0);
    for layer in 0..network.layers.len() {
        for biases in [false, true] {
            let values = |weights: &Weights<f64>| {
                let pair = weights.layers[layer].clone()?;
                Some(if biases { pair.biases } else { pair.weights })
            };
            let Some(gradients) = values(&here.weights) else { continue };
            let count = gradients.len();
            let stride = (count / 12).max(1);
            for at in (0..count).step_by(stride) {
                let value = |weights: &mut Weights<f64>, change: f64| {
                    let pair = weights.layers[layer].as_mut().unwrap();
                    let values = if biases { &mut pair.biases } else { &mut pair.weights };
                    values[at] += change;
                };
                value(&mut weights, step);
                let above = loss(&weights);
                value(&mut weights, -2.0 * step);
                let below = loss(&weights);
                value(&mut weights, step);
                let gradient = gradients[at];
                let numeric = (above - below) / (2.0 * step);
                let (right, left) = ((above - here.loss) / step, (here.loss - below) / step);
                let scale = gradient.abs().max(1e-3);
                if (right - left).abs() > 1e-2 * scale {
                    kinks += 1;
                    continue;
                }
                checked += 1;
                let error = (numeric - gradient).abs() / scale;
                let name = &network.layers[layer].name;
                assert!(error < 1e-6, "{name}[{at}]: {gradient} by hand, {numeric} by differences");
            }
        }
    }
    assert!(checked > 100 && kinks * 10 < checked, "{checked} coordinates checked, {kinks} kinks");
}

#[test]
fn engine_agrees_with_the_reference_on_every_layer() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let expected = reference_gradients(&network, 3);
    let (name, difference) = worst_difference(&network, &expected, 3, 2);
    assert!(difference < 5e-6, "{name} differs by {difference:e}");
}

#[test]
fn engine_agrees_with_the_reference_on_recipes_for_small_images() {
    for name in ["small", "cifar-18pct", "cifar-13pct", "cifar-11pct", "four-layer-tanh"] {
        let network = Network::new(&Recipe::load(name).unwrap(), 10).unwrap();
        let expected = reference_gradients(&network, 2);
        let (tensor, difference) = worst_difference(&network, &expected, 2, 2);
        assert!(difference < 1e-5, "{name}: {tensor} differs by {difference:e}");
    }
}

/// The tolerance above must distinguish networks that are almost the same.
#[test]
fn padded_pooling_agrees_with_the_reference() {
    let mut recipe = every_layer();
    let is_pool = |layer: &&mut LayerSpec| matches!(layer.spec, Spec::MaxPool(_) | Spec::AvgPool(_));
    let mut padded = 0;
    for layer in recipe.layers.iter_mut().filter(is_pool) {
        let (Spec::MaxPool(pool) | Spec::AvgPool(pool)) = &mut layer.spec else { continue };
        (pool.pad, padded) = (1, padded + 1);
    }
    assert!(padded > 1, "{padded} pooling layers");
    let network = Network::new(&recipe, 5).unwrap();
    let expected = reference_gradients(&network, 3);
    let (name, difference) = worst_difference(&network, &expected, 3, 2);
    assert!(difference < 1e-5, "{name}: {difference:e}");
    let unpadded = reference_gradients(&Network::new(&every_layer(), 5).unwrap(), 3);
    assert_ne!(expected.logits, unpadded.logits);
}

#[test]
fn similar_networks_are_distinguished() {
    let recipe = every_layer();
    let network = Network::new(&recipe, 5).unwrap();
    let expected = reference_gradients(&network, 3);
    let neighbors = [
        ("layer.norm1.alpha_over_size", "true"),
        ("layer.norm1.k", "1.999"),
        ("layer.norm1.groups", "1"),
        ("layer.rnorm2.alpha", "0.101"),
        ("layer.drop4.scale", "train"),
        ("layer.drop5.scale", "test"),
        ("layer.relu4.kind", "tanh"),
    ];
    for (key, value) in neighbors {
        let mut other = recipe.clone();
        other.set(key, value).unwrap();
        let (_, difference) = worst_difference(&Network::new(&other, 5).unwrap(), &expected, 3, 2);
        assert!(difference > 1e-4, "{key} = {value} makes no difference: {difference:e}");
    }
}

/// Gradients that are applied at once lead to the same weights as gradients that are kept and applied afterwards.
#[test]
fn a_step_in_one_call_has_the_bits_of_two_calls() {
    for recipe in [every_layer(), Recipe::load("small").unwrap()] {
        let network = Network::new(&recipe, 5).unwrap();
        let (images, labels) = sample(&network, 4);
        let update = Update::sgd(0.01, 0.9, 0.0005);
        let run = |in_one: bool| {
            let mut engine = open(Device::Cpu, network.clone(), &Options::training(4, 2)).unwrap();
            engine.load(&lively_parameters(&network, 1)).unwrap();
            for _ in 0..3 {
                let batch = batch(&images, &labels);
                if in_one {
                    engine.step(&batch, &update).unwrap();
                } else {
                    engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
                    engine.apply(&update).unwrap();
                }
            }
            (engine.parameters().unwrap(), engine.velocities().unwrap())
        };
        assert!(run(true) == run(false), "{}", recipe.name);
    }
}

#[test]
fn a_non_finite_loss_changes_nothing() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let (mut images, labels) = sample(&network, 3);
    images[7] = f32::NAN;
    let mut engine = open(Device::Cpu, network.clone(), &Options::training(3, 2)).unwrap();
    let parameters = lively_parameters(&network, 1);
    engine.load(&parameters).unwrap();
    let update = Update::sgd(0.01, 0.9, 0.0005);
    let outcome = engine.step(&batch(&images, &labels), &update).unwrap();
    assert!(!outcome.loss.is_finite() && engine.parameters().unwrap() == parameters);
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    for recipe in [every_layer(), Recipe::load("small").unwrap()] {
        let network = Network::new(&recipe, 5).unwrap();
        let n = 4;
        let (images, labels) = sample(&network, n);
        let run = |threads| {
            let mut engine = open(Device::Cpu, network.clone(), &Options::training(n, threads)).unwrap();
            engine.load(&lively_parameters(&network, 1)).unwrap();
            for _ in 0..3 {
                engine.forward_backward(&batch(&images, &labels), &mut |_| Ok(())).unwrap();
                engine.apply(&Update::sgd(0.01, 0.9, 0.0005)).unwrap();
            }
            let logits = engine.forward(&images).unwrap().to_vec();
            (logits, engine.parameters().unwrap(), engine.velocities().unwrap())
        };
        let one = run(1);
        assert!(one == run(2) && one == run(4), "{}: bits depend on the number of threads", recipe.name);
    }
}

#[test]
fn an_image_has_the_same_logits_alone_and_in_a_batch() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let (images, _) = sample(&network, 4);
    let parameters = lively_parameters(&network, 1);
    let mut engine = open(Device::Cpu, network.clone(), &Options::inference(4, 2)).unwrap();
    engine.load(&parameters).unwrap();
    let together = engine.forward(&images).unwrap().to_vec();
    for (i, image) in images.chunks(network.input.len()).enumerate() {
        let alone = engine.forward(image).unwrap();
        let expected = wide(&together[i * 5..][..5]);
        assert!(relative_rms(wide(alone), expected) < 1e-6);
    }
}

#[test]
fn training_and_inference_have_the_same_logits() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let (images, _) = sample(&network, 3);
    let logits = |mode| {
        let mut engine = open(Device::Cpu, network.clone(), &in_micro_batches(mode, 3, 3, 2)).unwrap();
        engine.load(&lively_parameters(&network, 1)).unwrap();
        engine.forward(&images).unwrap().to_vec()
    };
    assert_eq!(logits(Mode::Training), logits(Mode::Inference));
}

#[test]
fn gradients_become_final_last_layer_first() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let (images, labels) = sample(&network, 2);
    let mut engine = open(Device::Cpu, network.clone(), &Options::training(2, 1)).unwrap();
    engine.load(&lively_parameters(&network, 1)).unwrap();
    let mut announced = Vec::new();
    let mut on_gradient = |gradient: LayerGradient<'_>| {
        announced.push(gradient.layer);
        Ok(())
    };
    engine.forward_backward(&batch(&images, &labels), &mut on_gradient).unwrap();
    let learning: Vec<usize> =
        (0..network.layers.len()).rev().filter(|&i| network.layers[i].weights().is_some()).collect();
    assert_eq!(announced, learning);
}

#[test]
fn loaded_parameters_are_read_back_unchanged() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let parameters = lively_parameters(&network, 3);
    let mut engine = open(Device::Cpu, network, &Options::training(1, 1)).unwrap();
    engine.load(&parameters).unwrap();
    assert_eq!(engine.parameters().unwrap(), parameters);
    engine.load_velocities(&parameters).unwrap();
    assert_eq!(engine.velocities().unwrap(), parameters);
}

#[test]
fn single_tensors_are_read_and_written() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let (old, new) = (lively_parameters(&network, 3), lively_parameters(&network, 4));
    for options in [Options::inference(2, 1), Options::training(2, 1)] {
        let mut engine = open(Device::Cpu, network.clone(), &options).unwrap();
        engine.load(&old).unwrap();
        for tensor in &new {
            engine.set_tensor(TensorKind::Parameters, tensor).unwrap();
            assert_eq!(engine.tensor(TensorKind::Parameters, &tensor.name).unwrap(), *tensor);
        }
        let images = sample(&network, 2).0;
        let logits = engine.forward(&images).unwrap().to_vec();
        let mut other = open(Device::Cpu, network.clone(), &options).unwrap();
        other.load(&new).unwrap();
        assert_eq!(other.forward(&images).unwrap(), logits, "a weight is not used as it was written");
    }
    let mut inference = open(Device::Cpu, network.clone(), &Options::inference(2, 1)).unwrap();
    assert!(inference.tensor(TensorKind::Velocities, &new[0].name).is_err());
    assert!(inference.tensor(TensorKind::Parameters, "conv1.weights").is_err());
    assert!(inference.tensor(TensorKind::Parameters, "pool1.weight").is_err());
    let wrong = Tensor { shape: vec![1], data: vec![0.0], ..new[0].clone() };
    assert!(inference.set_tensor(TensorKind::Parameters, &wrong).is_err());
}

#[test]
fn parameters_that_do_not_fit_are_rejected() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let parameters = lively_parameters(&network, 3);
    let mut engine = open(Device::Cpu, network, &Options::inference(1, 1)).unwrap();
    let rejects =
        |engine: &mut dyn Engine, change: &dyn Fn(&mut Vec<alexnet::engine::Tensor>), says: &str| {
            let mut changed = parameters.clone();
            change(&mut changed);
            let error = engine.load(&changed).unwrap_err();
            assert!(error.message.contains(says), "{error} does not say {says}");
        };
    rejects(&mut *engine, &|t| drop(t.remove(2)), "conv2.weight");
    rejects(&mut *engine, &|t| t[0].shape.swap(0, 1), "conv1.weight");
    rejects(&mut *engine, &|t| t[3].data[1] = f32::NAN, "conv2.bias");
    rejects(&mut *engine, &|t| t.push(t[0].clone()), "does not belong");
}

#[test]
fn invalid_batches_are_rejected() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let (images, labels) = sample(&network, 3);
    let mut engine = open(Device::Cpu, network.clone(), &Options::training(2, 1)).unwrap();
    let mut inference = open(Device::Cpu, network.clone(), &Options::inference(2, 1)).unwrap();
    assert!(engine.forward(&images).is_err(), "more images than planned");
    assert!(engine.forward(&images[1..network.input.len()]).is_err(), "not a whole image");
    assert!(engine.forward(&[]).is_err(), "no image");
    let two = &images[..2 * network.input.len()];
    assert!(engine.forward_backward(&batch(two, &labels), &mut |_| Ok(())).is_err(), "three labels for two");
    assert!(engine.forward_backward(&batch(two, &[0, 5]), &mut |_| Ok(())).is_err(), "label 5 of 5 classes");
    assert!(inference.forward_backward(&batch(two, &labels[..2]), &mut |_| Ok(())).is_err());
    assert!(open(Device::Cpu, network.clone(), &Options::training(0, 1)).is_err());
    assert!(open(Device::Cpu, network, &Options::training(1, 0)).is_err());
}

#[test]
fn half_precision_weights_change_logits_in_the_fourth_digit() {
    let network = Network::new(&Recipe::load("small").unwrap(), 10).unwrap();
    let (images, _) = sample(&network, 12);
    let mut engine = open(Device::Cpu, network.clone(), &Options::inference(12, 2)).unwrap();
    let parameters = lively_parameters(&network, 3);
    engine.load(&parameters).unwrap();
    let (exact, memory) = (engine.forward(&images).unwrap().to_vec(), engine.memory().total());
    engine.convert_fc_to_f16().unwrap();
    assert!(engine.memory().total() < memory && engine.load(&parameters).is_err());
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    // Twelve images go through the matrix product, two through the dot products.
    for n in [12, 2] {
        let halved = engine.forward(&images[..n * network.input.len()]).unwrap();
        let difference = relative_rms(wide(halved), wide(&exact[..n * 10]));
        assert!(difference > 0.0 && difference < 1e-3, "{n} images: {difference:e}");
    }
    let shapes =
        |tensors: &[Tensor]| tensors.iter().map(|t| (t.name.clone(), t.shape.clone())).collect::<Vec<_>>();
    assert_eq!(shapes(&engine.parameters().unwrap()), shapes(&parameters));
    let mut large = parameters.clone();
    large.iter_mut().find(|tensor| tensor.name == "fc5.weight").unwrap().data[3] = 70_000.0;
    let mut engine = open(Device::Cpu, network.clone(), &Options::inference(2, 1)).unwrap();
    engine.load(&large).unwrap();
    let message = engine.convert_fc_to_f16().unwrap_err().to_string();
    assert!(message.contains("fc5") && message.contains("70000"), "{message}");
    assert!(engine.parameters().unwrap() == large, "an error must change nothing");
    let mut training = open(Device::Cpu, network, &Options::training(2, 1)).unwrap();
    assert!(training.convert_fc_to_f16().is_err());
}

#[test]
fn insufficient_memory_is_an_error_with_the_memory_table() {
    let network = Network::new(&every_layer(), 5).unwrap();
    // The system would grant the second, and kill the program in its first step.
    for batch in [1 << 46, 1 << 30] {
        let error =
            open(Device::Cpu, network.clone(), &Options::training(batch, 1)).expect_err("too many images");
        assert!(error.message.contains("total memory"), "{error}");
    }
}

/// The gradient of a large batch is the mean of those of its parts: sums over many images run through paths of
/// the kernels that a few images do not reach.
#[test]
fn the_gradient_of_a_large_batch_is_the_mean_of_those_of_its_parts() {
    let mut recipe = Recipe::load("small").unwrap();
    recipe.set_all([("layer.drop4.rate", "0"), ("layer.drop5.rate", "0")]).unwrap();
    let network = Network::new(&recipe, 10).unwrap();
    let (n, part) = (64, 2);
    let (images, labels) = sample(&network, n);
    let keys = vec![0; n];
    let gradients = |range: std::ops::Range<usize>| {
        let mut engine = open(Device::Cpu, network.clone(), &Options::training(n, 2)).unwrap();
        engine.load(&lively_parameters(&network, 1)).unwrap();
        let len = network.input.len();
        let images = &images[range.start * len..range.end * len];
        let batch = Batch::whole(images, &labels[range.clone()], &keys[range]);
        engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
        engine.gradients().unwrap()
    };
    let whole = gradients(0..n);
    let mut sums: Vec<Vec<f64>> = whole.iter().map(|tensor| vec![0.0; tensor.data.len()]).collect();
    for start in (0..n).step_by(part) {
        for (sum, tensor) in sums.iter_mut().zip(gradients(start..start + part)) {
            let share = part as f64 / n as f64;
            sum.iter_mut().zip(tensor.data).for_each(|(sum, value)| *sum += share * f64::from(value));
        }
    }
    for (tensor, sum) in whole.iter().zip(sums) {
        let difference = relative_rms(wide(&tensor.data), sum);
        assert!(difference < 1e-5, "{} differs by {difference:e}", tensor.name);
    }
}

fn in_micro_batches(mode: Mode, batch: usize, micro_batch: usize, threads: usize) -> Options {
    Options { mode, batch, micro_batch: Some(micro_batch), threads, ..Options::default() }
}

/// The results of a training run: losses and correct images, the last gradients, weights and momentum.
type Trace = (Vec<(u64, usize)>, Vec<Tensor>, Vec<Tensor>, Vec<Tensor>);

/// Three steps of 40 images and one of 23, computed `micro_batch` at a time.
fn train(network: &Network, micro_batch: usize, threads: usize, in_one: bool) -> Trace {
    let (images, labels) = sample(network, 40);
    let keys: Vec<u64> = (0..40).collect();
    let mut engine =
        open(Device::Cpu, network.clone(), &in_micro_batches(Mode::Training, 40, micro_batch, threads))
            .unwrap();
    engine.load(&lively_parameters(network, 1)).unwrap();
    let update = Update::sgd(0.01, 0.9, 0.0005);
    let mut outcomes = Vec::new();
    for n in [40, 40, 23] {
        let images = &images[..n * network.input.len()];
        let batch = Batch::whole(images, &labels[..n], &keys[..n]);
        let outcome = if in_one {
            engine.step(&batch, &update).unwrap()
        } else {
            let mut announced = Vec::new();
            let mut on_gradient = |gradient: LayerGradient<'_>| {
                announced.push(gradient.layer);
                Ok(())
            };
            let outcome = engine.forward_backward(&batch, &mut on_gradient).unwrap();
            let learning = network.layers.iter().filter(|layer| layer.weights().is_some()).count();
            assert!(announced.len() == learning && announced.is_sorted_by(|a, b| a > b), "{announced:?}");
            engine.apply(&update).unwrap();
            outcome
        };
        outcomes.push((outcome.loss.to_bits(), outcome.correct));
    }
    // A step in one call does not have to keep gradients.
    let gradients = if in_one { Vec::new() } else { engine.gradients().unwrap() };
    (outcomes, gradients, engine.parameters().unwrap(), engine.velocities().unwrap())
}

#[test]
fn micro_batches_change_no_bit() {
    let mut wide = every_layer();
    // Wide enough for the convolutions' short algorithms.
    wide.set_all([("layer.conv1.maps", "32"), ("layer.conv2.maps", "64")]).unwrap();
    for recipe in [every_layer(), wide, Recipe::load("small").unwrap()] {
        let network = Network::new(&recipe, 5).unwrap();
        for in_one in [true, false] {
            let whole = train(&network, 40, 2, in_one);
            assert!(whole.0.iter().all(|&(loss, _)| f64::from_bits(loss).is_finite()));
            for (micro_batch, threads) in [(9, 1), (9, 2), (18, 2), (27, 1), (36, 2), (45, 1)] {
                let parts = train(&network, micro_batch, threads, in_one);
                assert!(parts == whole, "{}: {micro_batch} images, {threads} threads", recipe.name);
            }
        }
    }
}

/// Shows that the test above can fail: averaged gradients of micro-batches have other bits.
#[test]
fn averaged_gradients_have_other_bits() {
    let mut recipe = Recipe::load("small").unwrap();
    recipe.set_all([("layer.drop4.rate", "0"), ("layer.drop5.rate", "0")]).unwrap();
    let network = Network::new(&recipe, 5).unwrap();
    let (images, labels) = sample(&network, 36);
    let gradients = |range: std::ops::Range<usize>| {
        let mut engine = open(Device::Cpu, network.clone(), &Options::training(36, 2)).unwrap();
        engine.load(&lively_parameters(&network, 1)).unwrap();
        let images = &images[range.start * network.input.len()..range.end * network.input.len()];
        let keys = vec![0; range.len()];
        let batch = Batch::whole(images, &labels[range], &keys);
        engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
        engine.gradients().unwrap()
    };
    let [whole, one, other] = [0..36, 0..18, 18..36].map(gradients);
    for ((whole, one), other) in whole.iter().zip(one).zip(other) {
        let average: Vec<f32> = one.data.iter().zip(&other.data).map(|(a, b)| (a + b) / 2.0).collect();
        assert!(average != whole.data, "{}: the order of the sum makes no difference", whole.name);
        assert!(relative_rms(wide(&average), wide(&whole.data)) < 1e-5);
    }
}

#[test]
fn logits_of_micro_batches_are_gathered() {
    let network = Network::new(&Recipe::load("small").unwrap(), 10).unwrap();
    let (images, _) = sample(&network, 31);
    for mode in [Mode::Training, Mode::Inference] {
        let logits = |micro_batch, n: usize| {
            let mut engine =
                open(Device::Cpu, network.clone(), &in_micro_batches(mode, 31, micro_batch, 2)).unwrap();
            engine.load(&lively_parameters(&network, 1)).unwrap();
            engine.forward(&images[..n * network.input.len()]).unwrap().to_vec()
        };
        for n in [31, 20, 9, 4] {
            let whole = logits(31, n);
            assert!(whole.len() == n * 10 && whole == logits(9, n) && whole == logits(18, n), "{n} images");
        }
    }
}

/// A step applies nothing if the loss of any micro-batch is non-finite.
#[test]
fn a_non_finite_loss_in_one_micro_batch_changes_nothing() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let parameters = lively_parameters(&network, 1);
    for spoilt in [2, 14, 29] {
        let (mut images, labels) = sample(&network, 30);
        images[spoilt * network.input.len() + 7] = f32::NAN;
        let mut engine =
            open(Device::Cpu, network.clone(), &in_micro_batches(Mode::Training, 30, 9, 2)).unwrap();
        engine.load(&parameters).unwrap();
        let update = Update::sgd(0.01, 0.9, 0.0005);
        let batch = Batch::whole(&images, &labels, &[7; 30]);
        let outcome = engine.step(&batch, &update).unwrap();
        assert!(!outcome.loss.is_finite() && engine.parameters().unwrap() == parameters);
        assert!(
            engine.non_finite().unwrap().is_some_and(|found| found.layer == 0),
            "{:?}",
            engine.non_finite().unwrap()
        );
        images[spoilt * network.input.len() + 7] = 0.0;
        let batch = Batch::whole(&images, &labels, &[7; 30]);
        assert!(
            engine.step(&batch, &update).unwrap().loss.is_finite()
                && engine.parameters().unwrap() != parameters
        );
    }
}
