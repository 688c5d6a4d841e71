//! Activations of single layers and gradients of pixels against the reference in f64, and images whose bits do not depend
//! on their batch.

use crate::support;

use alexnet::engine::reference::{self, Weights};
use alexnet::engine::{Device, Engine, Mode, Objective, Options, open};
use alexnet::net::{Network, Recipe};
use support::{every_layer, lively_parameters, normals, relative_rms};

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn engine(network: &Network, options: &Options) -> Box<dyn Engine> {
    let mut engine = open(Device::Cpu, network.clone(), options).unwrap();
    engine.load(&lively_parameters(network, 1)).unwrap();
    engine
}

fn options(mode: Mode, batch: usize) -> Options {
    Options { mode, batch, threads: 2, ..Options::default() }
}

fn weights(network: &Network) -> Weights<f64> {
    Weights::from_tensors(network, &lively_parameters(network, 1))
}

#[test]
fn activations_of_every_layer_agree_with_the_reference() {
    for recipe in [every_layer(), Recipe::load("small").unwrap()] {
        let network = Network::new(&recipe, 5).unwrap();
        let images = normals(7, 3 * network.input.len());
        let expected = reference::activations(&network, &weights(&network), &wide(&images));
        let names: Vec<&str> = network.layers.iter().map(|layer| layer.name.as_str()).collect();
        for mode in [Mode::Inference, Mode::Inspection, Mode::Training] {
            let mut engine = engine(&network, &options(mode, 3));
            let found = engine.activations(&images, &names).unwrap();
            for ((layer, tensor), expected) in network.layers.iter().zip(&found).zip(&expected) {
                let maps = layer.output;
                assert_eq!(
                    (&tensor.name, &tensor.shape[..]),
                    (&layer.name, &[3, maps.height, maps.width, maps.channels][..])
                );
                let difference = relative_rms(wide(&tensor.data), expected.clone());
                assert!(difference < 5e-6, "{mode:?}: {} differs by {difference:e}", layer.name);
            }
            let last = names.len() - 1;
            assert_eq!(found[last].data, engine.forward(&images).unwrap());
            // One of them, and in another order.
            let some = engine.activations(&images, &[names[last], names[1]]).unwrap();
            assert!(some[0] == found[last] && some[1] == found[1]);
        }
    }
}

#[test]
fn activations_of_micro_batches_are_those_of_the_batch() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let images = normals(7, 20 * network.input.len());
    let [whole, parts] = [None, Some(9)].map(|micro_batch| {
        let options = Options { micro_batch, ..options(Mode::Inference, 20) };
        let layers = [&*network.layers[0].name, &*network.layers[1].name];
        engine(&network, &options).activations(&images, &layers).unwrap()
    });
    assert!(whole == parts && whole[0].data != whole[1].data);
}

#[test]
fn unknown_layers_are_rejected_with_the_names_of_those_there_are() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let images = normals(7, network.input.len());
    let error = engine(&network, &options(Mode::Inference, 1)).activations(&images, &["conv9"]).unwrap_err();
    assert!(error.message.contains("conv9") && error.help.unwrap().contains("conv2"));
}

#[test]
fn pixel_gradients_agree_with_the_reference() {
    for recipe in [every_layer(), Recipe::load("small").unwrap()] {
        let network = Network::new(&recipe, 5).unwrap();
        let images = normals(7, 3 * network.input.len());
        for objective in [Objective::Logits(&[4, 0, 2]), Objective::Loss(&[1, 1, 3])] {
            let expected = reference::input_gradient(&network, &weights(&network), &wide(&images), objective);
            for mode in [Mode::Inspection, Mode::Training] {
                let found = engine(&network, &options(mode, 3)).input_gradient(&images, objective).unwrap();
                let difference = relative_rms(wide(&found), expected.clone());
                assert!(difference < 1e-5, "{}, {objective:?}, {mode:?}: {difference:e}", recipe.name);
            }
        }
    }
}

/// The reference's gradient against central differences. A pixel whose one-sided differences disagree is at a kink of a ReLU or
/// a maximum, and is skipped.
#[test]
fn pixel_gradients_agree_with_central_differences() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let weights = weights(&network);
    let mut images = wide(&normals(7, network.input.len()));
    let gradient = reference::input_gradient(&network, &weights, &images, Objective::Logits(&[2]));
    let logit = |images: &[f64]| reference::forward(&network, &weights, images)[2];
    let (here, step) = (logit(&images), 1e-5);
    let (mut checked, mut kinks) = (0, 0);
    for at in (0..images.len()).step_by(images.len() / 60) {
        images[at] += step;
        let above = logit(&images);
        images[at] -= 2.0 * step;
        let below = logit(&images);
        images[at] += step;
        let (right, left) = ((above - here) / step, (here - below) / step);
        let scale = gradient[at].abs().max(1e-3);
        if (right - left).abs() > 1e-2 * scale {
            kinks += 1;
            continue;
        }
        checked += 1;
        let error = ((above - below) / (2.0 * step) - gradient[at]).abs() / scale;
        assert!(error < 1e-6, "pixel {at}: {} by hand, error {error:e}", gradient[at]);
    }
    assert!(checked > 40 && kinks * 5 < checked, "{checked} pixels checked, {kinks} kinks");
}

#[test]
fn pixel_gradients_need_kept_activations_and_classes_that_exist() {
    let network = Network::new(&every_layer(), 5).unwrap();
    let images = normals(7, 2 * network.input.len());
    let mut inference = engine(&network, &options(Mode::Inference, 2));
    assert!(inference.input_gradient(&images, Objective::Logits(&[0, 1])).is_err());
    let mut inspection = engine(&network, &options(Mode::Inspection, 2));
    assert!(inspection.input_gradient(&images, Objective::Logits(&[0, 5])).is_err());
    assert!(inspection.input_gradient(&images, Objective::Loss(&[0])).is_err());
    assert!(inspection.gradients().is_err() && inspection.velocities().is_err());
}

/// The built-in recipes, the large one with fewer maps and units.
fn recipes() -> Vec<Recipe> {
    let mut paper = Recipe::load("paper").unwrap();
    paper
        .set_all([
            ("layer.conv1.maps", "32"),
            ("layer.conv2.maps", "64"),
            ("layer.conv3.maps", "64"),
            ("layer.conv4.maps", "64"),
            ("layer.conv5.maps", "64"),
            ("layer.fc6.units", "64"),
            ("layer.fc7.units", "64"),
        ])
        .unwrap();
    let small = ["small", "cifar-18pct", "cifar-13pct", "cifar-11pct", "four-layer-tanh"];
    let small = small.map(|name| Recipe::load(name).unwrap());
    [paper, every_layer()].into_iter().chain(small).collect()
}

/// The logits of one image: alone in an engine for one image, and in batches, at several positions, in engines for other
/// batch sizes.
fn logits(recipe: &Recipe, batch_invariant: bool) -> Vec<Vec<u32>> {
    let network = Network::with_crop(recipe, 10, recipe.input.crop.min(115)).unwrap();
    let len = network.input.len();
    let (image, others) = (normals(3, len), [4, 5, 6].map(|seed| normals(seed, len)));
    let mut found = Vec::new();
    for planned in [1, 16, 128] {
        let options = Options { batch_invariant, ..options(Mode::Inference, planned) };
        let mut engine = engine(&network, &options);
        for n in [1, 7, 16, 128].into_iter().filter(|&n| n <= planned) {
            let positions = if n > 16 { vec![77] } else { vec![0, n / 2, n - 1] };
            for at in positions {
                let images = (0..n).map(|i| if i == at { &image } else { &others[(i + at) % 3] });
                let images: Vec<f32> = images.flatten().copied().collect();
                let logits = &engine.forward(&images).unwrap()[at * 10..][..10];
                found.push(logits.iter().map(|value| value.to_bits()).collect());
            }
        }
    }
    found
}

#[test]
fn batch_invariant_images_have_the_same_bits_in_any_batch() {
    let mut variant = 0;
    for recipe in recipes() {
        let all = logits(&recipe, true);
        assert!(all.iter().all(|logits| *logits == all[0]), "{}", recipe.name);
        let all = logits(&recipe, false);
        variant += usize::from(all.iter().any(|logits| *logits != all[0]));
    }
    assert!(variant > 0, "no recipe has other bits without the option: the test shows nothing");
}
