//! The time of each layer in a training step whose gradients are handed out, for
//! [`parallel::cost`](crate::parallel::cost).

use alexnet_kernels::peak;

use super::bench::{median, on_threads, pixel};
use super::init::initialize;
use crate::engine::{self, Batch, Device, LayerTimings, Options, Update};
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
    let images: Vec<f32> = (0..largest * network.input.len()).map(|i| pixel(i as u64)).collect();
    let labels: Vec<u32> = (0..largest).map(|i| (i % network.classes) as u32).collect();
    let keys: Vec<u64> = (0..largest as u64).collect();
    let copy_gbytes = on_threads(threads, || peak::copy_gbytes(0.2))?;
    let mut engine = engine::open(Device::Cpu, network.clone(), &Options::training(largest, threads))?;
    engine.load(&initialize(&network, 0)?)?;
    // A learning rate of 0 keeps the values from growing.
    let update = Update::new(&recipe.optimizer, 0.0);
    let mut measurements = Vec::with_capacity(batches.len());
    for &batch in batches {
        let (images, labels, keys) =
            (&images[..batch * network.input.len()], &labels[..batch], &keys[..batch]);
        let batch_of = Batch::whole(images, labels, keys);
        let mut timings = Vec::new();
        median(|| {
            engine.forward_backward(&batch_of, &mut |_| Ok(()))?;
            engine.apply(&update)?;
            timings.push(engine.timings().clone());
            Ok(())
        })?;
        let train_layers = medians(&network, &timings);
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

/// The median of every pass.
fn medians(network: &Network, timings: &[LayerTimings]) -> Vec<MeasuredPass> {
    let first = timings.first().map_or(&[][..], LayerTimings::entries);
    let median = |i: usize| {
        let mut seconds: Vec<f64> = timings.iter().map(|step| step.entries()[i].seconds).collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    };
    let pass = |(i, timing): (usize, &engine::LayerTiming)| MeasuredPass {
        layer: network.layers[timing.layer].name.clone(),
        pass: timing.pass,
        milliseconds: 1e3 * median(i),
    };
    first.iter().enumerate().map(pass).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Pass;
    use crate::parallel::cost::layer_times::LayerTimes;

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
