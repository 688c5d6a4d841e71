//! `alexnet bench --model`: inference throughput of a model.

use std::path::{Path, PathBuf};

use alexnet_kernels::peak;
use serde::{Serialize, Serializer};

use super::bench::{LayerSpeed, layer_speeds, median, on_threads, peak_resident_bytes};
use super::random_batch::RandomBatch;
use crate::Result;
use crate::eval::{PredictorOptions, model_path};
use crate::model::{AnyModel, WeightPrecision};

/// The result of [`bench_model`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSpeed {
    /// The model file.
    #[serde(serialize_with = "displayed")]
    pub model: PathBuf,
    /// The precision of its weights.
    pub precision: WeightPrecision,
    /// Images per call.
    pub batch: usize,
    /// Compute threads.
    pub threads: usize,
    /// Whether weights of fully connected layers were converted to half precision.
    pub half: bool,
    /// Forward.
    pub infer_images_per_second: f64,
    /// Median duration of a call.
    pub infer_milliseconds: f64,
    /// Peak f32 multiply-add throughput of this machine in GFLOP/s, measured in the same run.
    pub peak_gflops: f64,
    /// Inference throughput in GFLOP/s, as if by direct convolution in f32.
    pub infer_gflops: f64,
    /// Copy bandwidth of this machine in GB/s, read plus written, measured in the same run.
    pub copy_gbytes: f64,
    /// Peak resident memory of the process in bytes; 0 if unknown.
    pub resident_bytes: u64,
    /// Every layer.
    pub infer_layers: Vec<LayerSpeed>,
}

/// A path as text, whatever its bytes are.
fn displayed<S: Serializer>(path: &Path, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// Measures inference of the f32 or quantized model at `path` on `batch` random images, by default as many as the recipe has in
/// a batch.
///
/// # Errors
/// Returns an error if the model cannot be used, or there is too little memory.
pub fn bench_model(path: &Path, batch: Option<usize>, options: &PredictorOptions) -> Result<ModelSpeed> {
    let PredictorOptions { batch: _, threads, precision, half } = *options;
    let path = model_path(path)?;
    let model = AnyModel::load(&path)?;
    let batch = batch.unwrap_or(model.recipe().optimizer.batch);
    let mut engine =
        model.engine_at(batch, threads, precision).map_err(|error| error.context(path.display()))?;
    if half {
        engine.convert_fc_to_f16()?;
    }
    let network = engine.network().clone();
    let scale = 1.0 / model.preprocess().divisor;
    let mut images = RandomBatch::new(&network, batch)?.images;
    images.iter_mut().for_each(|pixel| *pixel *= scale);
    let (peak_gflops, copy_gbytes) = on_threads(threads, || (peak::fma_gflops(0.2), peak::copy_gbytes(0.2)))?;
    let mut timings = Vec::new();
    let seconds = median(|| {
        engine.forward(&images)?;
        timings.push(engine.timings().clone());
        Ok(())
    })?;
    let infer_images_per_second = batch as f64 / seconds;
    Ok(ModelSpeed {
        model: path,
        precision: model.precision(),
        batch,
        threads,
        half,
        infer_images_per_second,
        infer_milliseconds: 1e3 * seconds,
        peak_gflops,
        infer_gflops: infer_images_per_second * 2.0 * network.macs() as f64 / 1e9,
        copy_gbytes,
        resident_bytes: peak_resident_bytes(),
        infer_layers: layer_speeds(&network, batch, &timings),
    })
}
