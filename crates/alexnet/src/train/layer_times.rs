//! The time of each layer in a training step whose gradients are handed out, for
//! [`parallel::cost`](crate::parallel::cost).

use alexnet_kernels::peak;

use super::bench::{median, medians, on_threads};
use super::init::initialize;
use super::random_batch::RandomBatch;
use crate::engine::{self, Device, LayerTiming, Options, Update};
use crate::net::{Network, Recipe};
use crate::parallel::cost::layer_times::{MeasuredPass, Measurement};
use crate::{Error, Result};

/// Measures training steps of `recipe` on random images at each of the batch sizes, with `threads` threads.
///
/// # Errors
/// Returns an error if the recipe's layers do not fit, there is too little memory, or there is no batch size.
pub fn measure(recipe: &Recipe, batches: &[usize], threads: usize) -> Result<Vec<Measurement>> {
    let network = Network::new(recipe, recipe.classes)?;
    let Some(&largest) = batches.iter().max() else {
        return Err(Error::usage("no batch sizes to measure"));
    };
    let mut engine = engine::open(Device::Cpu, network.clone(), &Options::training(largest, threads))?;
    let images = RandomBatch::new(&network, largest)?;
    let copy_gbytes = on_threads(threads, || peak::copy_gbytes(0.2))?;
    engine.load(&initialize(&network, 0)?)?;
    // A learning rate of 0 keeps the values from growing.
    let update = Update::new(&recipe.optimizer, 0.0);
    let mut measurements = Vec::with_capacity(batches.len());
    for &batch in batches {
        let mut timings = Vec::new();
        median(|| {
            engine.forward_backward(&images.first(batch), &mut |_| Ok(()))?;
            engine.apply(&update)?;
            timings.push(engine.timings().clone());
            Ok(())
        })?;
        let train_layers = medians(&timings)
            .into_iter()
            .map(|LayerTiming { layer, pass, seconds }| MeasuredPass {
                layer: network.layers[layer].name.clone(),
                pass,
                milliseconds: 1e3 * seconds,
            })
            .collect();
        measurements.push(Measurement {
            recipe: recipe.name.clone(),
            batch,
            threads,
            copy_gbytes,
            train_layers,
        });
    }
    Ok(measurements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Pass;
    use crate::parallel::cost::layer_times::LayerTimes;
    use crate::train::bench::bench;

    #[test]
    fn batches_that_are_too_large_are_refused_before_their_images_are_made() {
        // Their images alone would take 10 TB.
        let (recipe, batch) = (Recipe::load("paper").unwrap(), 1 << 24);
        let refused = [
            bench(&recipe, batch, 1, false).map(drop).unwrap_err(),
            measure(&recipe, &[1, batch], 1).map(drop).unwrap_err(),
        ];
        for error in refused {
            assert!(error.message.starts_with("not enough memory: "), "{error}");
            assert!(error.message.contains("activations, batch 16777216"), "{error}");
        }
    }

    #[test]
    fn layers_are_measured_at_each_batch_size() {
        let recipe = Recipe::load("small").unwrap();
        let network = Network::new(&recipe, recipe.classes).unwrap();
        let measured = measure(&recipe, &[4, 16], 1).unwrap();
        assert_eq!(measured.iter().map(|found| found.batch).collect::<Vec<_>>(), [4, 16]);
        let times = LayerTimes::new(&recipe, &network, &measured).unwrap();
        for (position, layer) in network.layers.iter().enumerate().filter(|(_, layer)| layer.parameters() > 0)
        {
            for pass in [Pass::Forward, Pass::WeightGradient, Pass::Update] {
                assert!(times.seconds(position, pass, 8.0) > 0.0, "{} {}", layer.name, pass.name());
            }
        }
        assert!(measure(&recipe, &[], 1).is_err());
    }
}
