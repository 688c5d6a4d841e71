//! Quantized models: how close they are to the f32 model, the same bits in any batch, and inputs that make quantization hard. Their files
//! are in `quantized_files`.

use crate::images;
use crate::quantized_files;
use crate::support;

use std::path::Path;

use alexnet::data::{Dataset, Image, Preprocess};
use alexnet::engine::{
    Batch, Device, Mode, Objective, Options, QuantizedLayer, Tensor, TensorKind, Update, Values, open,
    open_quantized,
};
use alexnet::error::Kind;
use alexnet::model::{AnyModel, Golden, Model, QuantizedModel, Summary};
use alexnet::net::{Network, Recipe, Views};
use alexnet::quantize::{
    Form, QuantizeOptions, QuantizeReport, RangeRule, Source, measure_accuracy, quantize,
};
use images::{png, put};
use quantized_files::{load, saved};
use support::{every_layer, lively_parameters, relative_rms};

/// Convolutions, with and without groups, LRN, pooling, dropout and fully connected layers: all have integer kernels.
const RECIPE: &str = r#"
name = "integers"
summary = "a test"
source = "made up"
classes = 4
[input]
square = 20
crop = 18
mean = { fixed = [120, 125, 130] }
divisor = 64.0
[augment]
random_crop = false
flip = false
color_noise = 0.0
[optimizer]
batch = 4
rate = 0.01
momentum = 0.9
decay = 0.0
[schedule]
epochs = 1
divide_by = 10.0
[evaluation]
views = 1
[[layer]]
name = "conv1"
kind = "conv"
maps = 8
kernel = 5
stride = 2
pad = 1
rounding = "up"
[[layer]]
name = "relu1"
kind = "relu"
[[layer]]
name = "norm1"
kind = "lrn"
size = 5
alpha = 0.05
beta = 0.75
k = 2.0
alpha_over_size = false
[[layer]]
name = "pool1"
kind = "max-pool"
kernel = 2
stride = 1
[[layer]]
name = "conv2"
kind = "conv"
maps = 6
kernel = 3
pad = 1
groups = 2
[[layer]]
name = "pool2"
kind = "max-pool"
kernel = 3
stride = 2
rounding = "up"
[[layer]]
name = "relu2"
kind = "relu"
[[layer]]
name = "fc3"
kind = "fc"
units = 10
[[layer]]
name = "relu3"
kind = "relu"
[[layer]]
name = "drop3"
kind = "dropout"
rate = 0.5
scale = "test"
[[layer]]
name = "fc4"
kind = "fc"
"#;

pub(crate) fn recipe() -> Recipe {
    Recipe::parse(RECIPE, "test").unwrap()
}

/// A model with these weights.
fn model_of(mut recipe: Recipe, parameters: Vec<Tensor>) -> Model {
    recipe.input.divisor = 64.0;
    let preprocess = Preprocess::with_mean(&recipe.input, vec![120.0, 125.0, 130.0]);
    let side = recipe.input.square;
    let squares = (0..2).map(|salt| Image::new(side, side, images::pixels(side, side, 50 + salt))).collect();
    let classes = (0..recipe.classes).map(|i| format!("class {i}")).collect();
    let mut model = Model {
        recipe,
        classes,
        preprocess,
        parameters,
        summary: Summary::default(),
        golden: Golden { images: squares, logits: Vec::new() },
    };
    let mut engine = open(Device::Cpu, model.network().unwrap(), &Options::inference(2, 1)).unwrap();
    engine.load(&model.parameters).unwrap();
    model.golden = Golden::record(&mut *engine, &model.preprocess, model.golden.images).unwrap();
    model
}

pub(crate) fn model(recipe: Recipe) -> Model {
    let network = Network::new(&recipe, recipe.classes).unwrap();
    let parameters = lively_parameters(&network, 3);
    model_of(recipe, parameters)
}

/// A source of `n` images in two classes, which need not be the model's.
fn source(n: usize) -> (tempfile::TempDir, Dataset) {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..n {
        let class = ["ant", "bee"][i % 2];
        put(folder.path(), &format!("train/{class}/{i:03}.png"), &png(40, 36, i));
        put(folder.path(), &format!("val/{class}/{i:03}.png"), &png(40, 36, 1000 + i));
    }
    let data = Dataset::open(folder.path()).unwrap();
    (folder, data)
}

fn options() -> QuantizeOptions {
    QuantizeOptions { images: 64, threads: 2, ..QuantizeOptions::default() }
}

pub(crate) fn quantized(model: &Model, n: usize) -> (QuantizedModel, QuantizeReport) {
    let (_folder, data) = source(n);
    quantize(model, data.train().unwrap(), &options(), &mut |_| Ok(())).unwrap()
}

/// Views of images like those of [`source`].
fn views(preprocess: &Preprocess, n: usize) -> Vec<f32> {
    let (side, len) = (preprocess.square, preprocess.view_len());
    let mut out = vec![0.0; n * len];
    for (i, view) in out.chunks_exact_mut(len).enumerate() {
        let square = preprocess.square(&Image::new(40, 36, images::pixels(40, 36, 2000 + i)));
        let center = alexnet::data::View::center(side, preprocess.crop);
        preprocess.view(&square, center, [0.0; 3], view);
    }
    out
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn error_of(model: &Model, quantized: &QuantizedModel) -> f64 {
    let images = views(&model.preprocess, 8);
    let exact = model.engine(8, 2).unwrap().forward(&images).unwrap().to_vec();
    let found = quantized.engine(8, 2).unwrap().forward(&images).unwrap().to_vec();
    relative_rms(wide(&found), wide(&exact))
}

fn forms(report: &QuantizeReport) -> Vec<(&str, Form)> {
    report.layers.iter().map(|decision| (decision.layer.as_str(), decision.form)).collect()
}

#[test]
fn networks_with_integer_kernels_are_close_in_every_layer() {
    let model = model(recipe());
    let (quantized, report) = quantized(&model, 40);
    assert!(!quantized.network.has_float_layers());
    let error = error_of(&model, &quantized);
    assert!(error > 0.0 && error < 0.03, "{error}");
    assert_eq!(report.images, 40);
    for layer in &report.errors {
        assert!(layer.error < 0.03, "{layer:?}");
    }
    // Layers before a ReLU have no output of their own.
    let shown: Vec<&str> = report.errors.iter().map(|error| error.layer.as_str()).collect();
    assert_eq!(shown, ["relu1", "norm1", "pool1", "relu2", "relu3", "drop3", "fc4"]);
    assert!(report.int8_bytes * 2 < report.f32_bytes);
    assert!(forms(&report)[..5].iter().map(|form| form.1).eq([
        Form::Direct,
        Form::Fused,
        Form::Bytes,
        Form::Bytes,
        report.layers[4].form
    ]));
}

#[test]
fn every_kind_of_layer_can_be_part_of_a_quantized_network() {
    for (recipe, limit) in [
        (every_layer(), 0.08),
        (Recipe::load("cifar-18pct").unwrap(), 0.08),
        (Recipe::load("cifar-11pct").unwrap(), 0.08),
        (Recipe::load("four-layer-tanh").unwrap(), 0.08),
        (Recipe::load("small").unwrap(), 0.05),
    ] {
        let name = recipe.name.clone();
        let model = model(recipe);
        let (quantized, report) = quantized(&model, 24);
        let error = error_of(&model, &quantized);
        assert!(error > 0.0 && error < limit, "{name}: {error}\n{:#?}", report.errors);
        for decision in &report.layers {
            let float_only = ["local", "map-norm", "avg-pool"].contains(&decision.kind);
            assert!(!float_only || decision.form == Form::F32, "{name}: {decision:?}");
            assert_eq!(decision.form == Form::F32, decision.reason.is_some(), "{name}: {decision:?}");
        }
        // The file says everything.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.safetensors");
        quantized.save(&path).unwrap();
        assert_eq!(AnyModel::load(&path).unwrap(), AnyModel::Int8(quantized));
    }
}

#[test]
fn an_image_has_the_same_bits_in_any_batch_and_at_any_number_of_threads() {
    for recipe in [recipe(), every_layer()] {
        let model = model(recipe);
        let (quantized, _) = quantized(&model, 24);
        let images = views(&model.preprocess, 11);
        let alone: Vec<f32> = {
            let mut engine = quantized.engine(1, 1).unwrap();
            let len = model.preprocess.view_len();
            images.chunks(len).flat_map(|image| engine.forward(image).unwrap().to_vec()).collect()
        };
        for (batch, threads, micro_batch) in [(11, 1, None), (16, 3, None), (11, 2, Some(4))] {
            let options = Options { micro_batch, ..Options::inference(batch, threads) };
            let mut engine = open_quantized(Device::Cpu, &quantized.network, &options).unwrap();
            assert_eq!(engine.forward(&images).unwrap(), alone, "batch {batch}, {threads} threads");
        }
    }
}

#[test]
fn calls_of_a_training_are_refused() {
    let model = model(recipe());
    let (quantized, _) = quantized(&model, 12);
    let mut engine = quantized.engine(2, 1).unwrap();
    let images = views(&model.preprocess, 1);
    let (batch, update) = (Batch::whole(&images, &[0], &[0]), Update::sgd(0.1, 0.9, 0.0));
    let tensor = &model.parameters[0];
    let errors = [
        engine.step(&batch, &update).map(drop),
        engine.forward_backward(&batch, &mut |_| Ok(())).map(drop),
        engine.apply(&update),
        engine.freeze(0, true),
        engine.input_gradient(&images, Objective::Logits(&[0])).map(drop),
        engine.output_statistics().map(drop),
        engine.health().map(drop),
        engine.parameters().map(drop),
        engine.tensor(TensorKind::Velocities, &tensor.name).map(drop),
        engine.set_tensor(TensorKind::Parameters, tensor),
        engine.load(&model.parameters),
        engine.load_velocities(&model.parameters),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(error.message.contains("for inference") && error.help.is_some(), "{error}");
    }
    let error = engine.convert_fc_to_f16().unwrap_err();
    assert!(error.message.contains("8 bits") && error.help.unwrap().contains("without --half"));
    for mode in [Mode::Training, Mode::Inspection] {
        let options = Options { mode, ..Options::inference(1, 1) };
        assert!(open_quantized(Device::Cpu, &quantized.network, &options).is_err());
    }
    let len = model.preprocess.view_len();
    for images in [&images[..len - 1], &vec![0.0; 3 * len], &[]] {
        assert!(engine.forward(images).unwrap_err().message.contains("expected 1 to 2 images"));
    }
    assert!(engine.activations(&images, &["conv9"]).unwrap_err().help.unwrap().contains("conv2"));
}

#[test]
fn the_golden_samples_of_the_f32_model_are_verified_first() {
    let mut model = model(recipe());
    model.golden.logits[0] += 1.0;
    let (_folder, data) = source(4);
    let error = quantize(&model, data.train().unwrap(), &options(), &mut |_| Ok(())).unwrap_err();
    assert!(error.message.contains("golden sample 1 of 2"), "{error}");
}

fn tensor<'a>(model: &'a mut Model, name: &str) -> &'a mut Tensor {
    model.parameters.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

#[test]
fn layers_and_channels_of_zeros_have_valid_scales() {
    for bias in [0.0, -1.0] {
        let mut changed = model(recipe());
        // A channel, and a layer whose output is always 0.
        tensor(&mut changed, "conv1.weight").data[..75].fill(0.0);
        tensor(&mut changed, "fc3.weight").data.fill(0.0);
        tensor(&mut changed, "fc3.bias").data.fill(bias);
        let model = model_of(recipe(), changed.parameters);
        let (quantized, report) = quantized(&model, 60);
        let logits = quantized.engine(4, 1).unwrap().forward(&views(&model.preprocess, 4)).unwrap().to_vec();
        let exact = model.engine(4, 1).unwrap().forward(&views(&model.preprocess, 4)).unwrap().to_vec();
        assert!(relative_rms(wide(&logits), wide(&exact)) < 1e-3, "{logits:?} {exact:?}");
        let zeros: Vec<usize> = report.layers.iter().map(|decision| decision.zero_channels).collect();
        assert_eq!((zeros[0], zeros[7]), (1, 10));
        let warnings = report.warnings.join("\n");
        assert!(
            warnings.contains("layer `conv1`: the weights of 1 output channels are all zero"),
            "{warnings}"
        );
        assert!(warnings.contains("layer `fc3`: its output is 0 for all calibration images"), "{warnings}");
        assert_eq!(load(&saved(&quantized)).unwrap(), AnyModel::Int8(quantized));
    }
}

#[test]
fn non_finite_weights_and_activations_are_refused() {
    let (_folder, data) = source(4);
    for value in [f32::NAN, f32::INFINITY] {
        let mut model = model(recipe());
        tensor(&mut model, "conv2.weight").data[7] = value;
        let error = quantize(&model, data.train().unwrap(), &options(), &mut |_| Ok(())).unwrap_err();
        assert!(error.kind == Kind::Model && error.message.contains("`conv2.weight` contains"), "{error}");
    }
    // Finite weights whose activations overflow for the calibration images, but not for a gray golden sample.
    let mut changed = model(recipe());
    for name in ["conv2.weight", "fc3.weight"] {
        tensor(&mut changed, name).data.iter_mut().for_each(|weight| *weight = weight.abs() * 1e20);
    }
    changed
        .parameters
        .iter_mut()
        .filter(|tensor| tensor.name.contains("bias"))
        .for_each(|t| t.data.fill(0.0));
    changed.preprocess.mean = vec![125.0; 3];
    let gray = Image::new(20, 20, vec![125; 20 * 20 * 3]);
    changed.golden = Golden { images: vec![gray], logits: vec![0.0; 4] };
    let error = quantize(&changed, data.train().unwrap(), &options(), &mut |_| Ok(())).unwrap_err();
    assert!(error.kind == Kind::Model && error.message.contains("non-finite outputs"), "{error}");
}

#[test]
fn outliers_are_reported_and_what_they_spoil_stays_in_f32() {
    // A unit whose output is thousands of times that of the others.
    let mut changed = model(recipe());
    let weights = &mut tensor(&mut changed, "fc3.weight").data;
    let fan_in = weights.len() / 10;
    weights[..fan_in].iter_mut().for_each(|weight| *weight = weight.abs() * 3000.0);
    let model = model_of(recipe(), changed.parameters);
    for rule in [RangeRule::Max, RangeRule::Mse] {
        let (_folder, data) = source(60);
        let options = QuantizeOptions { rule, ..options() };
        let (quantized, report) = quantize(&model, data.train().unwrap(), &options, &mut |_| Ok(())).unwrap();
        let fc3 = &report.layers[7];
        assert!(fc3.reason.as_ref().unwrap().contains("would become 0"), "{fc3:?}");
        assert!(fc3.range.is_none() && fc3.rejected_range.is_some(), "{fc3:?}");
        assert!(matches!(quantized.network.layers[7], QuantizedLayer::Direct(_, Values::Floats)));
        assert_eq!(report.layers[8].form, Form::F32);
        let error = error_of(&model, &quantized);
        assert!(error < 0.02, "{rule:?}: {error}");
    }
    // Milder ones are only reported.
    let mut changed = self::model(recipe());
    let weights = &mut tensor(&mut changed, "fc3.weight").data;
    weights[..fan_in].iter_mut().for_each(|weight| *weight = weight.abs() * 4.0);
    let (_, report) = quantized(&model_of(recipe(), changed.parameters), 60);
    let fc3 = &report.layers[7];
    assert!(fc3.reason.is_none() && fc3.range.is_some() && fc3.rejected_range.is_none(), "{fc3:?}");
}

#[test]
fn weights_that_8_bits_distort_stay_in_f32() {
    // Two large weights in each channel, whose sum vanishes for smooth inputs, and many below half a step.
    let mut changed = model(recipe());
    let weights = &mut tensor(&mut changed, "fc3.weight").data;
    let fan_in = weights.len() / 10;
    for channel in weights.chunks_mut(fan_in) {
        channel.iter_mut().for_each(|weight| *weight = weight.signum() * 0.14);
        channel[0] = 40.0;
    }
    let model = model_of(recipe(), changed.parameters);
    let (quantized, report) = quantized(&model, 20);
    let fc3 = &report.layers[7];
    assert!(fc3.form == Form::Direct || fc3.reason.as_ref().unwrap().contains("8-bit weights"), "{fc3:?}");
    // The large weights have most of the energy, so that the error is that of the small ones.
    assert!(error_of(&model, &quantized) < 0.2);
    // Without them, as many weights a little above half a step are rounded up.
    let mut changed = self::model(recipe());
    let weights = &mut tensor(&mut changed, "fc3.weight").data;
    for channel in weights.chunks_mut(fan_in) {
        channel.iter_mut().for_each(|weight| *weight = weight.signum() * 0.6);
        channel[0] = 127.0;
        channel[1] = 1e-3;
    }
    let (_, report) = self::quantized(&model_of(recipe(), changed.parameters), 20);
    let fc3 = &report.layers[7];
    assert_eq!(fc3.form == Form::F32, fc3.weight_error.is_none(), "{fc3:?}");
}

#[test]
fn one_image_is_enough_and_none_is_an_error() {
    let model = model(recipe());
    let (_, report) = quantized(&model, 2);
    assert!(report.warnings[0].contains("only 2 calibration images"), "{:?}", report.warnings);
    let (_folder, data) = source(40);
    let one = QuantizeOptions { images: 1, ..options() };
    let (quantized, report) = quantize(&model, data.train().unwrap(), &one, &mut |_| Ok(())).unwrap();
    assert_eq!(report.images, 1);
    assert!(report.warnings[0].contains("only 1 calibration image"), "{:?}", report.warnings);
    assert!(error_of(&model, &quantized) < 0.3);
    let none = QuantizeOptions { images: 0, ..options() };
    let error = quantize(&model, data.train().unwrap(), &none, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind, Kind::Data);
    // None of them can be decoded.
    let folder = tempfile::tempdir().unwrap();
    for class in ["ant", "bee"] {
        put(folder.path(), &format!("train/{class}/a.png"), &png(30, 30, 1)[..90]);
        put(folder.path(), &format!("val/{class}/a.png"), &png(30, 30, 1));
    }
    let data = Dataset::open(folder.path()).unwrap();
    let error = quantize(&model, data.train().unwrap(), &options(), &mut |_| Ok(())).unwrap_err();
    assert!(error.kind == Kind::Data && error.message.contains("none of the 2 images"), "{error}");
}

#[test]
fn quantization_is_reproducible_and_images_are_spread_over_the_source() {
    let model = model(recipe());
    let (_folder, data) = source(50);
    let few = QuantizeOptions { images: 20, ..options() };
    let run = |threads| {
        let options = QuantizeOptions { threads, ..few };
        quantize(&model, data.train().unwrap(), &options, &mut |_| Ok(())).unwrap()
    };
    let (first, report) = run(1);
    assert_eq!(report.images, 20);
    let (second, _) = run(3);
    assert_eq!(saved(&first), saved(&second));
    // An interruption ends it.
    let stop = &mut |_| Err(alexnet::Error::new(Kind::Interrupted(2), "stop"));
    let error = quantize(&model, data.train().unwrap(), &few, stop).unwrap_err();
    assert_eq!(error.kind, Kind::Interrupted(2));
}

#[test]
fn accuracy_is_measured_before_and_after() {
    let mut recipe = recipe();
    recipe.classes = 2;
    let mut model = model(recipe);
    model.classes = vec!["ant".into(), "bee".into()];
    let (folder, data) = source(30);
    let (quantized, _) = quantize(&model, data.train().unwrap(), &options(), &mut |_| Ok(())).unwrap();
    let val = data.split("val").unwrap();
    let source = Source { split: val, views: Views::Center };
    let mut progress = Vec::new();
    let found = measure_accuracy(&model, &quantized, source, &options(), &mut |done| {
        progress.push(done);
        Ok(())
    });
    let found = found.unwrap();
    assert_eq!(
        (found.f32.images, found.int8.images, found.views, found.split.as_str()),
        (30, 30, Views::Center, "val")
    );
    assert!(found.f32.top1.abs_diff(found.int8.top1) <= 3, "{found:?}");
    assert_eq!(progress.last(), Some(&60));
    assert!(Path::exists(folder.path()));
}
