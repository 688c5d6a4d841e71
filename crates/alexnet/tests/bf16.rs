//! Products of bfloat16 operands: how far results are from single precision, and what does not change their bits.

use crate::support;

use alexnet::engine::{Batch, Device, Engine, Options, Tensor, Update, open};
use alexnet::net::{Network, Precision, Recipe};
use support::{every_layer, lively_parameters, normals, relative_rms};

const IMAGES: usize = 40;
const KEYS: [u64; IMAGES] = [5; IMAGES];

fn network(recipe: &Recipe, precision: Precision) -> Network {
    Network::new(&Recipe { precision, ..recipe.clone() }, 5).unwrap()
}

fn sample(network: &Network) -> (Vec<f32>, Vec<u32>) {
    let images = normals(7, IMAGES * network.input.len());
    let labels = (0..IMAGES as u32).map(|i| (i * 3 + 1) % network.classes as u32).collect();
    (images, labels)
}

fn opened(network: &Network, options: &Options) -> Box<dyn Engine> {
    let mut engine = open(Device::Cpu, network.clone(), options).unwrap();
    engine.load(&lively_parameters(network, 3)).unwrap();
    engine
}

fn gradients(network: &Network, options: &Options) -> Vec<Tensor> {
    let (images, labels) = sample(network);
    let mut engine = opened(network, options);
    engine.forward_backward(&Batch::whole(&images, &labels, &KEYS), &mut |_| Ok(())).unwrap();
    engine.gradients().unwrap()
}

/// Parameters after three steps.
fn trained(network: &Network, options: &Options, fused: bool) -> Vec<Tensor> {
    let (images, labels) = sample(network);
    let (batch, update) = (Batch::whole(&images, &labels, &KEYS), Update::sgd(0.01, 0.9, 0.0005));
    let mut engine = opened(network, options);
    for _ in 0..3 {
        if fused {
            engine.step(&batch, &update).unwrap();
        } else {
            engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
            engine.apply(&update).unwrap();
        }
    }
    engine.parameters().unwrap()
}

fn difference(found: &[f32], expected: &[f32]) -> f64 {
    relative_rms(found.iter().map(|&value| value.into()), expected.iter().map(|&value| value.into()))
}

/// Of random images and weights: errors of 1 % to 5 % in each layer, and pooling that picks other maxima, add up downward.
#[test]
fn gradients_are_those_of_single_precision_but_for_rounding() {
    for recipe in [every_layer(), Recipe::load("small").unwrap()] {
        let [single, half] = Precision::ALL
            .map(|precision| gradients(&network(&recipe, precision), &Options::training(IMAGES, 2)));
        for (single, half) in single.iter().zip(&half) {
            let difference = difference(&half.data, &single.data);
            assert!((1e-5..0.4).contains(&difference), "{} {}: {difference:e}", recipe.name, single.name);
        }
    }
}

#[test]
fn logits_are_those_of_single_precision_but_for_rounding() {
    let recipe = Recipe::load("small").unwrap();
    let (images, _) = sample(&network(&recipe, Precision::F32));
    let image = network(&recipe, Precision::F32).input.len();
    // Many images go through the matrix product, two through the dot products.
    for n in [IMAGES, 2] {
        let [single, half] = Precision::ALL.map(|precision| {
            let mut engine = opened(&network(&recipe, precision), &Options::inference(n, 2));
            engine.forward(&images[..n * image]).unwrap().to_vec()
        });
        let difference = difference(&half, &single);
        assert!((1e-4..0.1).contains(&difference), "{n} images: {difference:e}");
    }
}

#[test]
fn bits_do_not_depend_on_threads_micro_batches_or_fusion() {
    for recipe in [every_layer(), Recipe::load("small").unwrap()] {
        let network = network(&recipe, Precision::Bf16);
        let expected = trained(&network, &Options::training(IMAGES, 1), true);
        let two = Options::training(IMAGES, 2);
        for (options, fused) in [
            (two, true),
            (two, false),
            (Options { micro_batch: Some(18), ..two }, true),
            (Options { micro_batch: Some(36), ..two }, false),
        ] {
            assert!(trained(&network, &options, fused) == expected, "{} {options:?}", recipe.name);
        }
    }
}

#[test]
fn pairs_of_images_are_not_split() {
    let network = network(&Recipe::load("small").unwrap(), Precision::Bf16);
    let options = Options { micro_batch: Some(27), ..Options::training(IMAGES, 1) };
    let error = open(Device::Cpu, network, &options).unwrap_err();
    assert!(error.message.contains("27 images, expected a multiple of 18"), "{error}");
    assert_eq!(error.help.as_deref(), Some("a micro-batch of 18 or 36"));
}

#[test]
fn weights_outside_the_range_are_rejected() {
    let network = network(&Recipe::load("small").unwrap(), Precision::Bf16);
    let mut parameters = lively_parameters(&network, 3);
    parameters[2].data[1] = f32::MAX;
    for options in [Options::inference(1, 1), Options::training(1, 1)] {
        let mut engine = open(Device::Cpu, network.clone(), &options).unwrap();
        let error = engine.load(&parameters).unwrap_err();
        assert!(error.message.contains(&parameters[2].name) && error.message.contains("e38"), "{error}");
    }
    let mut engine = open(Device::Cpu, network, &Options::inference(1, 1)).unwrap();
    let error = engine.convert_fc_to_f16().unwrap_err();
    assert!(error.message.contains("already stored in 16 bits"), "{error}");
}

/// A layer of zeros, and a non-finite input, behave as in single precision.
#[test]
fn zeros_and_non_finite_values_pass_through() {
    let network = network(&Recipe::load("small").unwrap(), Precision::Bf16);
    let mut parameters = lively_parameters(&network, 3);
    parameters[0].data.fill(0.0);
    let mut engine = open(Device::Cpu, network.clone(), &Options::inference(IMAGES, 2)).unwrap();
    engine.load(&parameters).unwrap();
    let (mut images, _) = sample(&network);
    assert!(engine.forward(&images).unwrap().iter().all(|logit| logit.is_finite()));
    engine.load(&lively_parameters(&network, 3)).unwrap();
    images[20 * network.input.len()] = f32::NAN;
    let logits = engine.forward(&images).unwrap();
    let finite: Vec<bool> = logits
        .chunks_exact(network.classes)
        .map(|logits| logits.iter().all(|logit| logit.is_finite()))
        .collect();
    assert!(!finite[20] && finite.iter().filter(|&&finite| !finite).count() == 1, "{finite:?}");
}
