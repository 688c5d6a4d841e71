//! Tests that need access to the engine's state: values corrupted from within, frozen layers, health.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::parameters::{Parameters, Training, Weights};
use super::state::CpuEngine;
use crate::Result;
use crate::engine::{Batch, Division, Engine, Exchange, NonFinite, Options, Place, StepOutcome, Update};
use crate::net::{Network, Recipe};
use crate::random::{Purpose, key};
use alexnet_kernels::memory::{Buffer, OutOfMemory};

const IMAGES: usize = 4;
const UPDATE: Update = Update::sgd(0.01, 0.9, 0.0005);

fn recipe() -> Recipe {
    let text = include_str!("../../../tests/support/every-layer.toml");
    Recipe::parse(text, "every-layer.toml").unwrap()
}

fn engine(recipe: &Recipe) -> CpuEngine {
    let network = Network::new(recipe, 5).unwrap();
    let mut engine =
        CpuEngine::open(network.clone(), Division::none(&network), &Options::training(IMAGES, 2)).unwrap();
    for parameters in engine.parameters.iter_mut().flatten() {
        for (i, values) in values(parameters).into_iter().enumerate() {
            let scale = (values.len() as f32).powf(-0.5);
            values.iter_mut().zip(0..).for_each(|(value, j)| *value = scale * noise(i as u64, j));
        }
    }
    engine
}

/// Weights and biases of a layer.
fn values(parameters: &mut Parameters) -> [&mut Buffer; 2] {
    match &mut parameters.weights {
        Weights::F32(weights) => [weights, &mut parameters.biases],
        Weights::F16(_) | Weights::Bf16(_) => panic!("weights are not in single precision"),
    }
}

fn weights(engine: &mut CpuEngine, layer: usize) -> Vec<f32> {
    values(engine.parameters[layer].as_mut().unwrap())[0].to_vec()
}

fn training(engine: &mut CpuEngine, layer: usize) -> &mut Training {
    engine.parameters[layer].as_mut().unwrap().training.as_mut().unwrap()
}

/// A number between -1 and 1.
fn noise(a: u64, b: u64) -> f32 {
    (key(a, 0, b, Purpose::Weights) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn step(engine: &mut CpuEngine, update: &Update) -> StepOutcome {
    let images: Vec<f32> = (0..IMAGES * engine.network.input.len()).map(|i| noise(9, i as u64)).collect();
    let batch = Batch::whole(&images, &[0, 1, 2, 3], &[5, 6, 7, 8]);
    engine.step(&batch, update).unwrap()
}

fn learning(engine: &CpuEngine) -> Vec<usize> {
    (0..engine.network.layers.len()).filter(|&i| engine.network.layers[i].weights().is_some()).collect()
}

#[test]
fn a_non_finite_parameter_of_any_layer_is_located_in_its_step() {
    let recipe = recipe();
    let layers = learning(&engine(&recipe));
    assert!(layers.len() > 3);
    for layer in layers {
        for value in [f32::NAN, f32::INFINITY] {
            for biases in [false, true] {
                let mut engine = engine(&recipe);
                assert!(
                    step(&mut engine, &UPDATE).loss.is_finite() && engine.non_finite().unwrap().is_none()
                );
                let values = &mut values(engine.parameters[layer].as_mut().unwrap())[usize::from(biases)];
                let middle = values.len() / 2;
                values[middle] = value;
                step(&mut engine, &UPDATE);
                let found = engine.non_finite().unwrap().map(|found| found.layer);
                assert_eq!(found, Some(layer), "{value} in {}", engine.network.layers[layer].name);
            }
        }
    }
}

#[test]
fn a_non_finite_update_of_any_layer_is_located_in_its_step() {
    let recipe = recipe();
    for layer in learning(&engine(&recipe)) {
        for biases in [false, true] {
            for two_calls in [false, true] {
                let mut engine = engine(&recipe);
                let pair = &mut training(&mut engine, layer).velocity;
                let values = if biases { &mut pair.biases } else { &mut pair.weights };
                *values.last_mut().unwrap() = f32::NAN;
                if two_calls {
                    let images = vec![0.5; engine.network.input.len()];
                    let batch = Batch::whole(&images, &[1], &[2]);
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

/// A frozen layer keeps its values, and the others learn as they do when its learning rates are zero.
#[test]
fn frozen_layers_keep_their_values() {
    let recipe = recipe();
    for layer in learning(&engine(&recipe)) {
        let (mut frozen, mut free) = (engine(&recipe), engine(&recipe));
        let before = weights(&mut frozen, layer);
        frozen.freeze(layer, true).unwrap();
        let name = &frozen.network.layers[layer].name;
        let mut still = recipe.clone();
        let key = |what: &str| format!("layer.{name}.weights.{what}");
        still.set_all([(key("rate").as_str(), "0"), (key("bias_rate").as_str(), "0")]).unwrap();
        let mut still = engine(&still);
        assert!(training(&mut still, layer).frozen);
        // Learning rates of zero without being frozen: every gradient is computed, and none is used.
        let mut unused = engine(&recipe);
        unused.network.layers.clone_from(&still.network.layers);
        for _ in 0..3 {
            let outcome = step(&mut frozen, &UPDATE);
            assert!(step(&mut still, &UPDATE) == outcome && step(&mut unused, &UPDATE) == outcome);
            step(&mut free, &UPDATE);
        }
        assert_eq!(weights(&mut frozen, layer), before);
        assert!(
            frozen.parameters().unwrap() == still.parameters().unwrap()
                && frozen.parameters().unwrap() == unused.parameters().unwrap()
        );
        assert!(frozen.parameters().unwrap() != free.parameters().unwrap());
        frozen.freeze(layer, false).unwrap();
        step(&mut frozen, &UPDATE);
        assert_ne!(weights(&mut frozen, layer), before, "it does not learn again");
    }
}

#[test]
fn health_has_the_magnitudes_of_the_values() {
    let recipe = recipe();
    let mut engine = engine(&recipe);
    let images: Vec<f32> = (0..IMAGES * engine.network.input.len()).map(|i| noise(9, i as u64)).collect();
    let batch = Batch::whole(&images, &[0, 1, 2, 3], &[5, 6, 7, 8]);
    engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
    engine.apply(&Update::sgd(0.5, 0.9, 0.0)).unwrap();
    let health = engine.health().unwrap();
    assert_eq!(health.len(), learning(&engine).len());
    for layer in &health {
        let spec = engine.network.layers.iter().find(|l| l.name == layer.layer).unwrap().weights().unwrap();
        // With zero momentum so far and no weight decay, the update is the learning rate times the gradient.
        assert!((layer.update / (0.5 * spec.rate * layer.gradient) - 1.0).abs() < 1e-5, "{layer:?}");
        assert!(layer.weight > 0.0 && layer.activation > 0.0 && layer.ratio() > 0.0);
    }
    assert!(health.iter().any(|layer| layer.dead_fraction.is_some()));
    // Very low biases make every unit of a layer inactive.
    let rectified = health.iter().position(|layer| layer.dead_fraction.is_some()).unwrap();
    let layer = learning(&engine)[rectified];
    engine.parameters[layer].as_mut().unwrap().biases.fill(-1e6);
    engine.forward_backward(&batch, &mut |_| Ok(())).unwrap();
    assert_eq!(engine.health().unwrap()[rectified].dead_fraction, Some(1.0));
}

/// Copies, except in the first call, which runs out of memory.
#[derive(Debug, Default)]
struct FailsOnce(AtomicBool);

impl Exchange for FailsOnce {
    fn gather(&self, _: usize, own: &[f32], whole: &mut [f32]) -> Result<()> {
        if !self.0.swap(true, Ordering::Relaxed) {
            resume_unwind(Box::new(OutOfMemory { bytes: 1 }));
        }
        whole.copy_from_slice(own);
        Ok(())
    }

    fn scatter_sums(&self, _: usize, whole: &mut [f32], own: &mut [f32]) -> Result<()> {
        own.copy_from_slice(whole);
        Ok(())
    }
}

#[test]
fn an_engine_computes_again_after_it_ran_out_of_memory() {
    let network = Network::new(&recipe(), 5).unwrap();
    let mut division = Division::none(&network);
    *division.gathered.last_mut().unwrap() = true;
    division.exchange = Arc::new(FailsOnce::default());
    let mut engine = CpuEngine::open(network, division, &Options::inference(2, 1)).unwrap();
    let images = vec![0.5; 2 * engine.network.input.len()];
    let error = engine.forward(&images).unwrap_err();
    assert!(error.message.contains("not enough memory"), "{error}");
    assert_eq!(engine.forward(&images).unwrap().len(), 2 * 5);
}
