//! Quantization of a model.

use alexnet_kernels::memory::recover;
use std::sync::Arc;

use super::calibration::{Calibration, Images};
use super::decide::decide;
use super::form::Decision;
use super::range::RangeRule;
use super::report::{Accuracy, LayerError, QuantizeReport};
use super::weights::relative_rms;
use crate::Result;
use crate::data::Split;
use crate::engine::{self, Device, Engine, QuantizedNetwork};
use crate::eval::{Classifier, Evaluation, evaluate};
use crate::files::container::check_finite;
use crate::format::grouped;
use crate::model::{Golden, Model, QuantizedModel};
use crate::net::{Activation, Network, Operation, Precision, Views};
use crate::threads;

/// Fewer calibration images than this are too few for reliable ranges.
const FEW_IMAGES: usize = 50;

/// Outliers are reported from this ratio of the largest value to the 99.99th percentile on.
const OUTLIERS: f64 = 8.0;

/// The images per call of the engines.
const BATCH: usize = 16;

/// How a model is quantized.
#[derive(Clone, Copy, Debug)]
pub struct QuantizeOptions {
    /// The largest number of calibration images.
    pub images: usize,
    /// How ranges are chosen.
    pub rule: RangeRule,
    /// The number of compute threads, and of threads that load images.
    pub threads: usize,
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { images: 512, rule: RangeRule::default(), threads }
    }
}

/// Images for calibration or evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The images. For an evaluation, labels are indices of the model's outputs.
    pub split: &'a Split,
    /// The views averaged per image.
    pub views: Views,
}

/// Quantizes a model, with ranges from images of `calibration`; their labels do not matter. `on_batch` receives the number of
/// images processed so far.
///
/// # Errors
/// Returns an error if the model has non-finite parameters or its golden samples fail, if no image can be decoded, if an
/// activation is not finite, or if `on_batch` fails.
pub fn quantize(
    model: &Model,
    calibration: &Split,
    options: &QuantizeOptions,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<(QuantizedModel, QuantizeReport)> {
    for tensor in &model.parameters {
        check_finite(&tensor.name, &tensor.data)?;
    }
    let mut exact = model.engine_at(BATCH, options.threads, Precision::F32)?;
    let images = Images {
        split: calibration,
        preprocess: &Arc::new(model.preprocess.clone()),
        limit: options.images,
        workers: options.threads,
    };
    let calibration = Calibration::measure(&mut *exact, images, on_batch)?;
    let network = model.network()?;
    let decide = || decide(&network, &model.parameters, &calibration, options.rule);
    let pool = threads::pool(options.threads)?;
    let (quantized, layers) = recover(|| pool.install(decide))?;
    let mut engine = open(&quantized, options.threads)?;
    let golden = Golden::record(&mut *engine, &model.preprocess, model.golden.images.clone())?;
    let errors = errors(&mut *exact, &mut *engine, &network, &calibration.sample)?;
    let quantized = QuantizedModel {
        recipe: model.recipe.clone(),
        classes: model.classes.clone(),
        preprocess: model.preprocess.clone(),
        network: quantized,
        summary: model.summary.clone(),
        golden,
    };
    let report = QuantizeReport {
        images: calibration.count,
        rule: options.rule,
        f32_bytes: size_of::<f32>() * network.parameters(),
        int8_bytes: quantized.network.weight_bytes(),
        warnings: warnings(&calibration, &layers),
        layers,
        errors,
        skipped: calibration.skipped,
        accuracy: None,
    };
    Ok((quantized, report))
}

/// Evaluates a model before and after quantization. `on_batch` receives the number of images processed so far, of twice as
/// many as the split has.
///
/// # Errors
/// See [`evaluate`](crate::eval::evaluate()).
pub fn measure_accuracy(
    model: &Model,
    quantized: &QuantizedModel,
    source: Source<'_>,
    options: &QuantizeOptions,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Accuracy> {
    let Source { split, views } = source;
    let batch = 64;
    let preprocess = &Arc::new(model.preprocess.clone());
    let mut of = |engine: &mut dyn Engine, before: usize| -> Result<Evaluation> {
        let classifier = Classifier { engine, preprocess, weight: 1.0 };
        evaluate(classifier, split, views, options.threads, &mut |done| on_batch(before + done))
    };
    let f32 = of(&mut *model.engine_at(batch, options.threads, Precision::F32)?, 0)?;
    let int8 = of(&mut *quantized.engine(batch, options.threads)?, split.len())?;
    Ok(Accuracy { split: split.name.clone(), views, f32, int8 })
}

fn open(network: &QuantizedNetwork, threads: usize) -> Result<Box<dyn Engine>> {
    engine::open_quantized(Device::Cpu, network, &engine::Options::inference(BATCH, threads))
}

/// The error of each layer's output, where both engines have the same: a ReLU that is the clamp of a layer's bytes makes that
/// layer's output differ.
fn errors(
    exact: &mut dyn Engine,
    quantized: &mut dyn Engine,
    network: &Network,
    images: &[f32],
) -> Result<Vec<LayerError>> {
    let is_before_relu = |at: usize| {
        let following = network.layers[at + 1..].iter().map(|layer| &layer.operation);
        following
            .take_while(|next| matches!(next, Operation::Pool(..) | Operation::Activation(Activation::Relu)))
            .any(|next| matches!(next, Operation::Activation(Activation::Relu)))
    };
    let shown = (0..network.layers.len()).filter(|&at| !is_before_relu(at));
    let names: Vec<&str> = shown.map(|at| network.layers[at].name.as_str()).collect();
    let found = quantized.activations(images, &names)?.into_iter();
    let pairs = found.zip(exact.activations(images, &names)?);
    let error = pairs
        .map(|(found, exact)| LayerError { error: relative_rms(found.data, exact.data), layer: found.name });
    Ok(error.collect())
}

fn warnings(calibration: &Calibration, layers: &[Decision]) -> Vec<String> {
    let mut warnings = Vec::new();
    if calibration.count < FEW_IMAGES {
        warnings.push(format!(
            "only {} calibration images: ranges may be too narrow for others; a few hundred are enough",
            grouped(calibration.count)
        ));
    }
    warnings.extend(layers.iter().flat_map(layer_warnings));
    warnings
}

fn layer_warnings(decision: &Decision) -> Vec<String> {
    let Decision { layer, range: used, rejected_range, zero_channels, .. } = decision;
    let mut warnings = Vec::new();
    if *zero_channels > 0 {
        warnings
            .push(format!("layer `{layer}`: the weights of {zero_channels} output channels are all zero"));
    }
    let Some(range) = used.as_ref().or(rejected_range.as_ref()) else { return warnings };
    if range.high == 0.0 && range.low == 0.0 {
        warnings.push(format!("layer `{layer}`: its output is 0 for all calibration images"));
    }
    if range.outlier_ratio > OUTLIERS {
        let chosen = match used {
            Some(range) => format!("bytes end at {:.4}", range.quantizer().dequantize(255)),
            None => "the output stays in f32".to_owned(),
        };
        warnings.push(format!(
            "layer `{layer}`: the largest output, {:.4}, is {:.0} times the 99.99th percentile: {chosen}",
            range.high.max(-range.low),
            range.outlier_ratio
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::form::Form;
    use crate::quantize::range::Range;

    #[test]
    fn warnings_of_outliers_say_what_becomes_of_the_output() {
        let range = Range {
            low: 0.0,
            high: 300.0,
            outlier_ratio: 100.0,
            scale: 0.5,
            zero: 0,
            error: 0.2,
            clipped: 0.0,
            vanishing: 0.7,
        };
        let recipe = crate::net::Recipe::load("small").unwrap();
        let network = Network::new(&recipe, 10).unwrap();
        let decision = Decision::new(&network.layers[0], Form::Direct);
        let bytes = Decision { range: Some(range), ..decision.clone() };
        let floats = Decision { rejected_range: Some(range), ..decision };
        let start = "layer `conv1`: the largest output, 300.0000, is 100 times the 99.99th percentile: ";
        assert_eq!(layer_warnings(&bytes), [format!("{start}bytes end at 127.5000")]);
        assert_eq!(layer_warnings(&floats), [format!("{start}the output stays in f32")]);
    }
}
