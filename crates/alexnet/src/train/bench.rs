//! `alexnet bench`: how fast a network trains and classifies on this machine, beside what the machine could do.

use std::time::Instant;

use alexnet_kernels::peak;
use serde::Serialize;

use super::init::initialize;
use crate::Result;
use crate::engine::{self, Batch, Device, LayerTimings, Options, Pass, StepOutcome, Update};
use crate::net::{Layer, Network, Recipe};
use crate::random::{Purpose, key};

/// Calls of which the median is taken, at least, after one that is not counted.
const CALLS: usize = 5;

/// Seconds that short calls are repeated for: what disturbs one of them disturbs its neighbors too.
const LONG: f64 = 1.0;

/// What [`fn@bench`] measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Name of the recipe.
    pub recipe: String,
    /// Images in a step.
    pub batch: usize,
    /// Threads that computed.
    pub threads: usize,
    /// Whether inference kept the weights of fully connected layers in half precision.
    pub half: bool,
    /// Forward, backward and update.
    pub train_images_per_second: f64,
    /// Forward.
    pub infer_images_per_second: f64,
    /// Multiply-adds this machine can do, in 1e9 multiplications or additions a second, measured in the same run.
    pub peak_gflops: f64,
    /// What a direct convolution would have to do to be as fast, in training.
    pub train_gflops: f64,
    /// The same, forward only.
    pub infer_gflops: f64,
    /// Memory this machine copies, in 1e9 bytes read or written a second, measured in the same run.
    pub copy_gbytes: f64,
    /// Most memory the process held, in bytes; 0 where the system does not say.
    pub resident_bytes: u64,
    /// Every pass through every layer of a training step, in the order in which they run; what a layer does for its
    /// neighbor counts as its own.
    pub train_layers: Vec<LayerSpeed>,
    /// Every layer of inference.
    pub infer_layers: Vec<LayerSpeed>,
}

/// One pass through one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSpeed {
    /// Name of the layer.
    pub layer: String,
    /// Which pass.
    pub pass: Pass,
    /// Median duration.
    pub milliseconds: f64,
    /// What a direct computation would have to do to be as fast; 0 for a pass that is bound by memory.
    pub gflops: f64,
    /// Bytes of what has to be read and written, each once, in 1e9 a second.
    pub gbytes: f64,
}

/// Measures training and inference of `recipe` on random images; inference with the weights of fully connected layers
/// in half precision, if `half`.
///
/// # Errors
/// When the recipe's layers do not fit, memory cannot be had, or the loss is not finite.
pub fn bench(recipe: &Recipe, batch: usize, threads: usize, half: bool) -> Result<Speed> {
    let network = Network::new(recipe, recipe.classes)?;
    let images: Vec<f32> = (0..batch * network.input.len()).map(|i| pixel(i as u64)).collect();
    let labels: Vec<u32> = (0..batch).map(|i| (i % network.classes) as u32).collect();
    let keys: Vec<u64> = (0..batch as u64).collect();
    let parameters = initialize(&network, 0)?;
    let (forward, training) = (2.0 * network.macs() as f64 / 1e9, training_gflop(&network));
    let (peak_gflops, copy_gbytes) = on_threads(threads, || (peak::fma_gflops(0.2), peak::copy_gbytes(0.2)))?;

    let (infer_images_per_second, infer_layers) = {
        let mut engine = engine::open(Device::Cpu, network.clone(), &Options::inference(batch, threads))?;
        engine.load(&parameters)?;
        if half {
            engine.convert_fc_to_f16()?;
        }
        let mut timings = Vec::new();
        let forward = || {
            engine.forward(&images)?;
            timings.push(engine.timings().clone());
            Ok(())
        };
        (batch as f64 / median(forward)?, layer_speeds(&network, batch, &timings))
    };
    let (train_images_per_second, train_layers) = {
        let mut engine = engine::open(Device::Cpu, network.clone(), &Options::training(batch, threads))?;
        engine.load(&parameters)?;
        drop(parameters);
        let mut timings = Vec::new();
        let batch_of = Batch::whole(&images, &labels, &keys);
        // A rate of 0 keeps the numbers of the first step, whatever they are, from growing.
        let update = Update { rate: 0.0, momentum: recipe.optimizer.momentum, decay: recipe.optimizer.decay };
        let step = || {
            let StepOutcome { loss, .. } = engine.step(&batch_of, &update)?;
            // Nothing is learned from such a loss, so there would be half a step to measure.
            if !loss.is_finite() {
                let message =
                    format!("the loss of random images is {loss}: `{}` cannot be measured", recipe.name);
                return Err(crate::Error::new(crate::error::Kind::Diverged, message)
                    .help("smaller initial weights in the recipe"));
            }
            timings.push(engine.timings().clone());
            Ok(())
        };
        (batch as f64 / median(step)?, layer_speeds(&network, batch, &timings))
    };
    Ok(Speed {
        recipe: recipe.name.clone(),
        batch,
        threads,
        half,
        train_images_per_second,
        infer_images_per_second,
        peak_gflops,
        copy_gbytes,
        train_layers,
        infer_layers,
        train_gflops: train_images_per_second * training,
        infer_gflops: infer_images_per_second * forward,
        resident_bytes: peak_resident_bytes(),
    })
}

/// GFLOP of a training step per image: forward, weight gradients, and input gradients of all layers but the first.
fn training_gflop(network: &Network) -> f64 {
    let first = network.layers.iter().find(|layer| layer.macs() > 0).map_or(0, |layer| layer.macs());
    2.0 * (3 * network.macs() - first) as f64 / 1e9
}

/// The median of every pass, where `timings` are those of each step.
fn layer_speeds(network: &Network, batch: usize, timings: &[LayerTimings]) -> Vec<LayerSpeed> {
    let Some(first) = timings.first() else { return Vec::new() };
    let passes = first.entries().iter().enumerate();
    let speeds = passes.map(|(i, timing)| {
        let mut seconds: Vec<f64> = timings.iter().map(|timings| timings.entries()[i].seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let seconds = seconds[seconds.len() / 2];
        let layer = &network.layers[timing.layer];
        let multiplies = if timing.pass == Pass::Update { 0 } else { layer.macs() };
        LayerSpeed {
            layer: layer.name.clone(),
            pass: timing.pass,
            milliseconds: 1e3 * seconds,
            gflops: 2.0 * (batch * multiplies) as f64 / seconds / 1e9,
            gbytes: traffic(layer, timing.pass, batch) as f64 / seconds / 1e9,
        }
    });
    speeds.collect()
}

/// Bytes that a pass has to read or write at least once.
fn traffic(layer: &Layer, pass: Pass, batch: usize) -> usize {
    let (inputs, outputs) = (batch * layer.input.len(), batch * layer.output.len());
    let parameters = layer.parameters();
    let values = match pass {
        Pass::Forward | Pass::WeightGradient => inputs + parameters + outputs,
        // A layer that learns nothing looks at its inputs again.
        Pass::InputGradient if parameters == 0 => 2 * inputs + outputs,
        Pass::InputGradient => inputs + parameters + outputs,
        // Weights and momentum are read and written, the gradient is read.
        Pass::Update => 5 * parameters,
    };
    values * size_of::<f32>()
}

fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| crate::Error::threads(threads, &error))?;
    Ok(pool.install(work))
}

/// A centered pixel, -128 to 127.
fn pixel(i: u64) -> f32 {
    (key(0, 0, i, Purpose::Weights) >> 56) as f32 - 128.0
}

/// Median seconds of a call.
fn median(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let mut seconds = Vec::with_capacity(CALLS);
    let first = Instant::now();
    while seconds.len() < CALLS || first.elapsed().as_secs_f64() < LONG {
        let begin = Instant::now();
        call()?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// The process's high-water mark of resident memory, as Linux tells it.
pub(super) fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}
