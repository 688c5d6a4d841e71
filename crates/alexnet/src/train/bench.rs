//! `alexnet bench`: training and inference throughput on this machine, compared with its peak.

use std::time::Instant;

use alexnet_kernels::peak;
use serde::Serialize;

use super::init::initialize;
use super::random_batch::RandomBatch;
use crate::Result;
use crate::engine::{self, Device, LayerTiming, LayerTimings, Options, Pass};
use crate::net::{Layer, Network, Recipe};

/// Fewest calls for a median, after a warm-up call.
const CALLS: usize = 5;

/// Seconds for which short calls are repeated: a disturbance affects several of them.
const MIN_SECONDS: f64 = 1.0;

/// The result of [`fn@bench`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Name of the recipe.
    pub recipe: String,
    /// The format of the operands of products: `f32` or `bf16`.
    pub precision: &'static str,
    /// Images per step.
    pub batch: usize,
    /// Compute threads.
    pub threads: usize,
    /// Whether inference used half-precision weights in fully connected layers.
    pub half: bool,
    /// Forward, backward and update.
    pub train_images_per_second: f64,
    /// Forward.
    pub infer_images_per_second: f64,
    /// Peak multiply-add throughput of this machine in GFLOP/s, measured in the same run.
    pub peak_gflops: f64,
    /// Training throughput in GFLOP/s, as if by direct convolution.
    pub train_gflops: f64,
    /// Inference throughput in GFLOP/s, as if by direct convolution.
    pub infer_gflops: f64,
    /// Copy bandwidth of this machine in GB/s, read plus written, measured in the same run.
    pub copy_gbytes: f64,
    /// Peak resident memory of the process in bytes; 0 if unknown.
    pub resident_bytes: u64,
    /// Every pass through every layer of a training step, in the order in which they run. Work that is fused into a layer
    /// counts as that layer's.
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
    /// GFLOP/s, as if computed directly; 0 for a pass without multiplications.
    pub gflops: f64,
    /// GB/s of what has to be read and written at least once.
    pub gbytes: f64,
}

/// Measures training and inference of `recipe` on random images; with `half`, inference uses half-precision weights in fully
/// connected layers.
///
/// # Errors
/// Returns an error if the recipe's layers do not fit, there is too little memory, or the loss is not finite.
pub fn bench(recipe: &Recipe, batch: usize, threads: usize, half: bool) -> Result<Speed> {
    let network = Network::new(recipe, recipe.classes)?;
    let (forward, training) = (2.0 * network.macs() as f64 / 1e9, training_gflop(&network));
    // First, so that a batch that is too large is refused before its images are made.
    let mut engine = engine::open(Device::Cpu, network.clone(), &Options::inference(batch, threads))?;
    let images = RandomBatch::new(&network, batch)?;
    let parameters = initialize(&network, 0)?;
    let (peak_gflops, copy_gbytes) = on_threads(threads, || (peak::fma_gflops(0.2), peak::copy_gbytes(0.2)))?;

    let (infer_images_per_second, infer_layers) = {
        engine.load(&parameters)?;
        if half {
            engine.convert_fc_to_f16()?;
        }
        let mut timings = Vec::new();
        let forward = || {
            engine.forward(&images.images)?;
            timings.push(engine.timings().clone());
            Ok(())
        };
        (batch as f64 / median(forward)?, layer_speeds(&network, batch, &timings))
    };
    drop(engine);
    let (train_images_per_second, train_layers) = {
        let mut engine = engine::open(Device::Cpu, network.clone(), &Options::training(batch, threads))?;
        engine.load(&parameters)?;
        drop(parameters);
        let mut timings = Vec::new();
        let step = || {
            images.step(&mut *engine, recipe)?;
            timings.push(engine.timings().clone());
            Ok(())
        };
        (batch as f64 / median(step)?, layer_speeds(&network, batch, &timings))
    };
    Ok(Speed {
        recipe: recipe.name.clone(),
        precision: recipe.precision.name(),
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

/// GFLOP per image of a training step: forward, weight gradients, and input gradients of all layers but the first.
fn training_gflop(network: &Network) -> f64 {
    let first = network.layers.iter().find(|layer| layer.macs() > 0).map_or(0, |layer| layer.macs());
    2.0 * (3 * network.macs() - first) as f64 / 1e9
}

/// The median duration of every pass, where `timings` are those of each step.
pub(super) fn medians(timings: &[LayerTimings]) -> Vec<LayerTiming> {
    let first = timings.first().map_or(&[][..], LayerTimings::entries);
    let of_pass = |(i, &timing): (usize, &LayerTiming)| {
        let seconds = timings.iter().map(|step| step.entries()[i].seconds).collect();
        LayerTiming { seconds: middle(seconds), ..timing }
    };
    first.iter().enumerate().map(of_pass).collect()
}

fn middle(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// The speed of every pass, where `timings` are those of each step.
pub(super) fn layer_speeds(network: &Network, batch: usize, timings: &[LayerTimings]) -> Vec<LayerSpeed> {
    let speeds = medians(timings).into_iter().map(|LayerTiming { layer, pass, seconds }| {
        let layer = &network.layers[layer];
        let multiplies = match pass {
            Pass::Forward | Pass::WeightGradient | Pass::InputGradient => layer.macs(),
            Pass::Update | Pass::Exchange => 0,
        };
        LayerSpeed {
            layer: layer.name.clone(),
            pass,
            milliseconds: 1e3 * seconds,
            gflops: 2.0 * (batch * multiplies) as f64 / seconds / 1e9,
            gbytes: traffic(layer, pass, batch) as f64 / seconds / 1e9,
        }
    });
    speeds.collect()
}

/// Bytes that a pass has to read and write at least once.
fn traffic(layer: &Layer, pass: Pass, batch: usize) -> usize {
    let (inputs, outputs) = (batch * layer.input.len(), batch * layer.output.len());
    let parameters = layer.parameters();
    let values = match pass {
        Pass::Forward | Pass::WeightGradient => inputs + parameters + outputs,
        // A layer without weights reads its inputs again.
        Pass::InputGradient if parameters == 0 => 2 * inputs + outputs,
        Pass::InputGradient => inputs + parameters + outputs,
        // Weights and momentum are read and written, the gradient is read.
        Pass::Update => 5 * parameters,
        Pass::Exchange => inputs,
    };
    values * size_of::<f32>()
}

pub(super) fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    Ok(crate::threads::pool(threads)?.install(work))
}

/// Median seconds of a call.
pub(super) fn median(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let mut seconds = Vec::with_capacity(CALLS);
    let first = Instant::now();
    while seconds.len() < CALLS || first.elapsed().as_secs_f64() < MIN_SECONDS {
        let begin = Instant::now();
        call()?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    Ok(middle(seconds))
}

/// The peak resident memory of the process, on Linux; 0 elsewhere.
pub(super) fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}
