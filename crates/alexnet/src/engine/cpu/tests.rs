//! What only the engine's own parts can show: numbers spoilt from within, layers that are frozen.

use super::*;
use crate::net::Recipe;
use crate::random::{Purpose, key};

const IMAGES: usize = 4;
const UPDATE: Update = Update { rate: 0.01, momentum: 0.9, decay: 0.0005 };

fn recipe() -> Recipe {
    let text = include_str!("../../../tests/support/every-layer.toml");
    Recipe::parse(text, "every-layer.toml").unwrap()
}

fn engine(recipe: &Recipe) -> CpuEngine {
    let network = Network::new(recipe, 5).unwrap();
    let mut engine = CpuEngine::open(network, &Options::training(IMAGES, 2)).unwrap();
    for parameters in &mut engine.parameters {
        for (i, values) in
            [&mut parameters.value.weights, &mut parameters.value.biases].into_iter().enumerate()
        {
            let scale = (values.len() as f32).powf(-0.5);
            values.iter_mut().zip(0..).for_each(|(value, j)| *value = scale * noise(i as u64, j));
        }
    }
    engine
}

/// A number between -1 and 1.
fn noise(a: u64, b: u64) -> f32 {
    (key(a, 0, b, Purpose::Weights) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn step(engine: &mut CpuEngine, update: &Update) -> StepOutcome {
    let images: Vec<f32> = (0..IMAGES * engine.network.input.len()).map(|i| noise(9, i as u64)).collect();
    let batch = Batch { images: &images, labels: &[0, 1, 2, 3], keys: &[5, 6, 7, 8] };
    engine.step(&batch, update).unwrap()
}

fn learning(engine: &CpuEngine) -> Vec<usize> {
    (0..engine.network.layers.len()).filter(|&i| engine.network.layers[i].weights().is_some()).collect()
}

#[test]
fn a_spoilt_value_of_any_layer_is_found_in_its_step() {
    let recipe = recipe();
    let layers = learning(&engine(&recipe));
    assert!(layers.len() > 3);
    for layer in layers {
        for spoilt in [f32::NAN, f32::INFINITY] {
            for biases in [false, true] {
                let mut engine = engine(&recipe);
                assert!(
                    step(&mut engine, &UPDATE).loss.is_finite() && engine.non_finite().unwrap().is_none()
                );
                let pair = &mut engine.parameters[layer].value;
                let values = if biases { &mut pair.biases } else { &mut pair.weights };
                let middle = values.len() / 2;
                values[middle] = spoilt;
                step(&mut engine, &UPDATE);
                let found = engine.non_finite().unwrap().map(|found| found.layer);
                assert_eq!(found, Some(layer), "{} in {}", spoilt, engine.network.layers[layer].name);
            }
        }
    }
}

#[test]
fn an_update_that_spoils_a_layer_is_found_in_its_step() {
    let recipe = recipe();
    for layer in learning(&engine(&recipe)) {
        for biases in [false, true] {
            for halves in [false, true] {
                let mut engine = engine(&recipe);
                let pair = &mut engine.parameters[layer].velocity;
                let values = if biases { &mut pair.biases } else { &mut pair.weights };
                *values.last_mut().unwrap() = f32::NAN;
                if halves {
                    let images = vec![0.5; engine.network.input.len()];
                    let batch = Batch { images: &images, labels: &[1], keys: &[2] };
                    engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
                    engine.apply(&UPDATE).unwrap();
                } else {
                    assert!(step(&mut engine, &UPDATE).loss.is_finite());
                }
                let place = if biases { Place::Biases } else { Place::Weights };
                assert_eq!(engine.non_finite().unwrap(), Some(NonFinite { layer, place }));
            }
        }
    }
}

/// A frozen layer keeps its numbers, and the others learn as they do when its rates are zero.
#[test]
fn frozen_layers_stay() {
    let recipe = recipe();
    for layer in learning(&engine(&recipe)) {
        let (mut frozen, mut free) = (engine(&recipe), engine(&recipe));
        let before = frozen.parameters[layer].value.weights.to_vec();
        frozen.freeze(layer, true).unwrap();
        let name = &frozen.network.layers[layer].name;
        let mut still = recipe.clone();
        let key = |what: &str| format!("layer.{name}.weights.{what}");
        still.set_all([(key("rate").as_str(), "0"), (key("bias_rate").as_str(), "0")]).unwrap();
        let mut still = engine(&still);
        assert!(still.parameters[layer].frozen);
        // Rates of zero without being frozen: every gradient is found, and none is used.
        let mut unused = engine(&recipe);
        unused.network.layers.clone_from(&still.network.layers);
        for _ in 0..3 {
            let outcome = step(&mut frozen, &UPDATE);
            assert!(step(&mut still, &UPDATE) == outcome && step(&mut unused, &UPDATE) == outcome);
            step(&mut free, &UPDATE);
        }
        assert_eq!(frozen.parameters[layer].value.weights.to_vec(), before);
        assert!(
            frozen.parameters().unwrap() == still.parameters().unwrap()
                && frozen.parameters().unwrap() == unused.parameters().unwrap()
        );
        assert!(frozen.parameters().unwrap() != free.parameters().unwrap());
        frozen.freeze(layer, false).unwrap();
        step(&mut frozen, &UPDATE);
        assert_ne!(frozen.parameters[layer].value.weights.to_vec(), before, "it learns again");
    }
}

#[test]
fn health_is_that_of_the_numbers() {
    let recipe = recipe();
    let mut engine = engine(&recipe);
    let images: Vec<f32> = (0..IMAGES * engine.network.input.len()).map(|i| noise(9, i as u64)).collect();
    let batch = Batch { images: &images, labels: &[0, 1, 2, 3], keys: &[5, 6, 7, 8] };
    engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
    engine.apply(&Update { rate: 0.5, momentum: 0.9, decay: 0.0 }).unwrap();
    let health = engine.health().unwrap();
    assert_eq!(health.len(), learning(&engine).len());
    for layer in &health {
        let spec = engine.network.layers.iter().find(|l| l.name == layer.layer).unwrap().weights().unwrap();
        // Without momentum so far, and without decay, the update is the rate times the gradient.
        assert!((layer.update / (0.5 * spec.rate * layer.gradient) - 1.0).abs() < 1e-5, "{layer:?}");
        assert!(layer.weight > 0.0 && layer.activation > 0.0 && layer.ratio() > 0.0);
    }
    assert!(health.iter().any(|layer| layer.dead_fraction.is_some()));
    // A bias so low that nothing comes through kills a layer.
    let rectified = health.iter().position(|layer| layer.dead_fraction.is_some()).unwrap();
    let layer = learning(&engine)[rectified];
    engine.parameters[layer].value.biases.fill(-1e6);
    engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
    assert_eq!(engine.health().unwrap()[rectified].dead_fraction, Some(1.0));
}
