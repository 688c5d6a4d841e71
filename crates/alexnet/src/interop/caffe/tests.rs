//! Definitions to recipes, and what is refused.

use super::lexer::{integer, number};
use super::mean::MeanImage;
use super::origin::Origin;
use super::{CaffeContents, CaffeImages, CaffeRecipe, convert, import};
use crate::net::{Init, LrCurve, LrSchedule, Mean, Recipe, RoundingSpec, Spec, Views};
use crate::{Error, Result};

/// A small network in the order of training, with everything that a definition of AlexNet has.
const NET: &str = r#"name: "Small"
layer {
  name: "data" type: "Data" top: "data" top: "label"
  include { phase: TRAIN }
  transform_param { mirror: true crop_size: 27 mean_file: "mean.binaryproto" }
  data_param { source: "train_lmdb" batch_size: 64 backend: LMDB }
}
layer {
  name: "data" type: "Data" top: "data" top: "label"
  include { phase: TEST }
  transform_param { crop_size: 27 mean_file: "mean.binaryproto" }
  data_param { source: "val_lmdb" batch_size: 50 backend: LMDB }
}
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 8 kernel_size: 5 stride: 2
    weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0.1 } }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer {
  name: "fc2" type: "InnerProduct" bottom: "pool1" top: "fc2"
  param { lr_mult: 1 decay_mult: 2 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 16 weight_filler { type: "msra" } }
}
layer { name: "relu2" type: "ReLU" bottom: "fc2" top: "fc2" }
layer { name: "drop2" type: "Dropout" bottom: "fc2" top: "fc2" dropout_param { dropout_ratio: 0.4 } }
layer {
  name: "fc3" type: "InnerProduct" bottom: "fc2" top: "fc3"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "accuracy" type: "Accuracy" bottom: "fc3" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc3" bottom: "label" top: "loss" }
"#;

const SOLVER: &str = "net: \"train_val.prototxt\"\nbase_lr: 0.02\nlr_policy: \"step\"\ngamma: 0.1\nstepsize: 10000\n\
                      max_iter: 40000\nmomentum: 0.9\nweight_decay: 0.0005\nsolver_mode: GPU\n";

fn convert_with(net: &str, solver: &str, images: CaffeImages) -> Result<CaffeRecipe> {
    convert((net, "net.prototxt"), Some((solver, "solver.prototxt")), images)
}

fn converted(net: &str) -> Result<CaffeRecipe> {
    convert_with(net, SOLVER, CaffeImages { square: None, count: Some(64_000) })
}

fn spec<'r>(recipe: &'r Recipe, name: &str) -> &'r Spec {
    &recipe.layers.iter().find(|layer| layer.name == name).unwrap().spec
}

#[track_caller]
fn has_gap(converted: &CaffeRecipe, part: &str) {
    let gaps: Vec<String> = converted.gaps.iter().map(|gap| format!("{}. {}", gap.what, gap.why)).collect();
    assert!(gaps.iter().any(|gap| gap.contains(part)), "{part}: {gaps:#?}");
}

#[test]
fn a_definition_becomes_a_recipe() {
    let converted = converted(NET).unwrap();
    let recipe = &converted.recipe;
    let names: Vec<&str> = recipe.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["conv1", "relu1", "norm1", "pool1", "fc2", "relu2", "drop2", "fc3"]);
    assert_eq!((recipe.name.as_str(), recipe.classes), ("Small", 10));
    assert_eq!((recipe.input.square, recipe.input.crop, recipe.input.mean), (256, 27, Mean::Image));
    assert_eq!((recipe.augment.random_crop, recipe.augment.flip), (true, true));
    assert_eq!(
        (recipe.optimizer.batch, recipe.optimizer.rate, recipe.evaluation.views),
        (64, 0.02, Views::Center)
    );
    // 64,000 images are 1,000 steps.
    let at_epochs = vec![10, 20, 30];
    assert_eq!(
        (recipe.schedule.epochs, &recipe.schedule.lr),
        (40, &LrSchedule::AtEpochs { divide_by: 10.0, at_epochs })
    );
    let weights = spec(recipe, "conv1").weights().unwrap();
    assert_eq!(
        (weights.init, weights.bias, weights.rate, weights.bias_rate),
        (Init::Normal(0.01), 0.1, 1.0, 2.0)
    );
    assert_eq!(spec(recipe, "fc2").weights().unwrap().decay, Some(0.001));
    assert_eq!(spec(recipe, "fc2").weights().unwrap().init, Init::He);
    // Uniform with this deviation: 16 inputs.
    assert_eq!(spec(recipe, "fc3").weights().unwrap().init, Init::Normal(0.25));
    has_gap(&converted, "Normal initial weights in fc3");
    has_gap(&converted, "No weight decay of biases in fc3");
    has_gap(&converted, "40 epochs for 40,000 steps of 64 images");
    has_gap(&converted, "Caffe's scripts squash images");
    assert_eq!(Recipe::parse(&recipe.to_toml(), "back").unwrap(), *recipe);
}

#[test]
fn a_definition_for_testing_only_has_assumptions() {
    let start = NET.find("layer {\n  name: \"conv1\"").unwrap();
    for input in [
        "input: \"data\" input_dim: 10 input_dim: 3 input_dim: 27 input_dim: 27\n",
        "input: \"data\" input_shape { dim: [10, 3, 27, 27] }\n",
        "layer { name: \"in\" type: \"Input\" top: \"data\" input_param { shape: { dim: 1 dim: 3 dim: 27 dim: 27 } } }\n",
    ] {
        let net = format!("{input}{}", &NET[start..]).replace(" bottom: \"label\"", "");
        let converted = convert((&net, "dir/deploy.prototxt"), None, CaffeImages::default()).unwrap();
        assert_eq!((converted.recipe.input.crop, converted.recipe.name.as_str()), (27, "deploy"));
        for part in [
            "Assumed: 90 epochs of batches of 256 images, learning rate 0.01",
            "Assumed: random crops of 27 pixels and flips in training",
            "Assumed: the mean image is subtracted",
            "Assumed: squares of 256 pixels",
        ] {
            has_gap(&converted, part);
        }
    }
}

#[test]
fn the_format_before_2015_is_the_same() {
    let v1 = NET
        .replace("layer {", "layers {")
        .replace("\"Data\"", "DATA")
        .replace("\"Convolution\"", "CONVOLUTION")
        .replace("\"ReLU\"", "RELU")
        .replace("\"LRN\"", "LRN")
        .replace("\"Pooling\"", "POOLING")
        .replace("\"InnerProduct\"", "INNER_PRODUCT")
        .replace("\"Dropout\"", "6")
        .replace("\"Accuracy\"", "ACCURACY")
        .replace("\"SoftmaxWithLoss\"", "SOFTMAX_LOSS")
        .replace(
            "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }",
            "blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0",
        )
        .replace(
            "param { lr_mult: 1 decay_mult: 2 } param { lr_mult: 2 decay_mult: 0 }",
            "blobs_lr: [1, 2] weight_decay: [2, 0]",
        );
    assert_eq!(converted(&v1).unwrap(), converted(NET).unwrap());
    // Image settings among those of the data.
    let old = v1
        .replace("transform_param { mirror: true crop_size: 27 mean_file: \"mean.binaryproto\" }", "")
        .replace(
            "batch_size: 64",
            "batch_size: 64 mirror: true crop_size: 27 mean_file: \"mean.binaryproto\"",
        );
    assert_eq!(converted(&old).unwrap(), converted(NET).unwrap());
}

#[test]
fn means_and_scales_of_definitions() {
    let with = |transform: &str| {
        let net = NET.replace("mean_file: \"mean.binaryproto\"", transform);
        converted(&net).map(|converted| converted.recipe.input)
    };
    // Blue, green, red.
    let input = with("mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.00390625").unwrap();
    assert_eq!((input.mean, input.divisor), (Mean::Fixed([123.0, 117.0, 104.0]), 256.0));
    assert_eq!(with("mean_value: 128").unwrap().mean, Mean::Fixed([128.0; 3]));
    assert_eq!(with("").unwrap().mean, Mean::Fixed([0.0; 3]));
    for (transform, message) in [
        ("mean_value: 104 mean_value: 117", "`mean_value` is [104.0, 117.0], expected 1 or 3 numbers"),
        ("mean_value: 300", "expected 1 or 3 numbers from 0 to 255"),
        ("mean_value: 1 mean_file: \"a\"", "`mean_file` as well as `mean_value`"),
        ("scale: 0", "`scale` is 0, expected 1e-6 to 1e6"),
        ("force_gray: true", "gray images"),
    ] {
        let error = with(transform).unwrap_err();
        assert!(error.message.contains(message) && error.help.is_some(), "{error}");
    }
}

fn schedule(solver: &str) -> (LrSchedule, CaffeRecipe) {
    let converted = convert_with(NET, solver, CaffeImages { square: None, count: Some(64_000) }).unwrap();
    (converted.recipe.schedule.lr.clone(), converted)
}

#[test]
fn policies_of_the_learning_rate() {
    let policy = |policy: &str| {
        let lines = SOLVER.replace("lr_policy: \"step\"\ngamma: 0.1\nstepsize: 10000\n", policy);
        assert_ne!(lines, SOLVER);
        schedule(&lines)
    };
    assert_eq!(policy("lr_policy: \"fixed\"\n").0, LrSchedule::Constant { divide_by: None });
    let (lr, _) =
        policy("lr_policy: \"multistep\" gamma: 0.5 stepvalue: 12000 stepvalue: 31000 stepvalue: 50000\n");
    assert_eq!(lr, LrSchedule::AtEpochs { divide_by: 2.0, at_epochs: vec![12, 31] });
    let (lr, _) = policy("lr_policy: \"exp\" gamma: 0.9999\n");
    let LrSchedule::Curve(LrCurve::Exponential { to }) = lr else { panic!("{lr:?}") };
    assert!((to - 0.9999f64.powi(40_000)).abs() < 1e-6);
    assert_eq!(policy("lr_policy: \"poly\" power: 1\n").0, LrSchedule::Curve(LrCurve::Linear { to: 0.0 }));
    // Several divisions in an epoch: equal parts of the training.
    let (lr, _) = policy("lr_policy: \"step\" gamma: 0.9 stepsize: 400\n");
    let LrSchedule::Curve(LrCurve::Staircase { to, levels: 100 }) = lr else { panic!("{lr:?}") };
    assert!((to - 0.9f64.powi(99)).abs() < 1e-6);
    for text in [
        "lr_policy: \"poly\" power: 2\n",
        "lr_policy: \"inv\" gamma: 0.0001 power: 0.75\n",
        "lr_policy: \"sigmoid\" gamma: -0.001 stepsize: 20000\n",
        "lr_policy: \"step\" gamma: 2 stepsize: 10000\n",
        "lr_policy: \"exp\" gamma: 0.5\n",
    ] {
        let (lr, converted) = policy(text);
        assert_eq!(lr, LrSchedule::Constant { divide_by: None });
        has_gap(&converted, "A constant learning rate. `lr_policy`");
    }
    let (_, converted) = schedule(&format!(
        "{SOLVER}type: \"Adam\" regularization_type: \"L1\" clip_gradients: 35 iter_size: 2\n"
    ));
    assert_eq!(converted.recipe.optimizer.batch, 128);
    for part in ["The solver \"Adam\"", "\"L1\" has no counterpart", "`clip_gradients` 35"] {
        has_gap(&converted, part);
    }
}

#[test]
fn invalid_solvers_are_refused_with_their_lines() {
    for (from, to, message) in [
        ("\"step\"", "\"stp\"", "solver.prototxt:3: `lr_policy` is \"stp\", expected fixed, step"),
        ("stepsize: 10000\n", "", "solver.prototxt:3: `stepsize` is missing"),
        ("stepsize: 10000", "stepsize: 0", "solver.prototxt:5: `stepsize` is 0, expected 1 to"),
        ("base_lr: 0.02", "base_lr: -1", "solver.prototxt:2: `base_lr` is -1, expected"),
        ("base_lr: 0.02", "base_lr: x", "solver.prototxt:2: `base_lr` is x, expected a number"),
        ("momentum: 0.9", "momentum: 1", "solver.prototxt:7: `momentum` is 1, expected 0 to 0.999999"),
        ("max_iter: 40000", "max_iter: 0", "solver.prototxt:6: `max_iter` is 0, expected 1 to"),
    ] {
        let error = convert_with(NET, &SOLVER.replace(from, to), CaffeImages::default()).unwrap_err();
        assert!(error.message.contains(message) && error.help.is_some(), "{error}");
    }
    let error = convert_with(NET, NET, CaffeImages::default()).unwrap_err();
    assert!(error.message.contains("expected a solver definition"), "{error}");
}

#[test]
fn unknown_fields_are_named() {
    let net = NET
        .replace("stride: 2\n", "stride: 2 wavelet: { kind: < a: 1 b: [1, { c: 'x}' }] > } # a comment }\n")
        + "debug_level: 3\n[my.extension] { a: 1 }\n";
    let net = net.replace("momentum", "");
    let converted = converted(&net).unwrap();
    has_gap(&converted, "`debug_level` (line 36)");
    has_gap(&converted, "`layer.convolution_param.wavelet` (line 17)");
    has_gap(&converted, "`[my.extension]` (line 37)");
}

/// Replaces a part of the network; the message and the help of the error must contain the parts.
#[track_caller]
fn refused(from: &str, to: &str, message: &str) -> Error {
    assert!(NET.contains(from), "{from}");
    let error = converted(&NET.replacen(from, to, 1)).unwrap_err();
    assert!(error.message.contains(message), "{error}");
    assert!(error.help.is_some(), "{error}");
    error
}

#[test]
fn all_that_has_no_counterpart_is_listed_at_once() {
    let net = NET
        .replace("\"relu1\" type: \"ReLU\"", "\"bn1\" type: \"BatchNorm\"")
        .replace("pool: MAX kernel_size: 3 stride: 2", "pool: STOCHASTIC kernel_h: 3 kernel_w: 2 pad: 1")
        .replace("kernel_size: 5 stride: 2\n", "kernel_size: 5 stride: 2 dilation: 2 axis: 2\n")
        .replace("local_size: 5", "local_size: 4")
        .replace("dropout_ratio: 0.4", "dropout_ratio: 1")
        .replace("\"relu2\" type: \"ReLU\"", "\"relu2\" type: \"ReLU\" relu_param { negative_slope: 0.1 }");
    let error = converted(&net).unwrap_err();
    for part in [
        "net.prototxt: 8 settings or layers have no counterpart in recipes",
        "line 14, layer conv1: `axis` 2, expected 1",
        "line 14, layer conv1: `dilation` 2, expected 1",
        "line 20, layer bn1: type `BatchNorm`",
        "line 21, layer norm1: `local_size` 4, expected an odd number",
        "line 22, layer pool1: `pool` STOCHASTIC",
        "line 22, layer pool1: `kernel_size` differs between rows and columns",
        "line 28, layer relu2: `negative_slope` 0.1, expected 0",
        "line 29, layer drop2: `dropout_ratio` 1",
    ] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    assert!(error.help.unwrap().contains("Convolution, InnerProduct"));
    // Weights that two layers share.
    let shared = NET.replace("param { lr_mult: 1", "param { name: \"w\" lr_mult: 1");
    let error = converted(&shared).unwrap_err();
    assert!(error.message.contains("layer fc2: shares the blob `w` with layer conv1"), "{error}");
}

#[test]
fn malformed_texts_are_refused_with_their_lines() {
    refused("stride: 2\n", "stride: 2 {\n", "net.prototxt:17: `{`, expected the name of a field");
    refused(
        "stride: 2\n",
        "stride: x\n",
        "net.prototxt:17: `layer.convolution_param.stride` is x, expected an integer",
    );
    refused("stride: 2\n", "stride: \"2\"\n", "net.prototxt:17: `\"2\"`, expected a value");
    refused("stride: 2\n", "stride 2\n", "net.prototxt:17: `2` after a name, expected `:` or `{`");
    refused("stride: 2\n", "group: [1, 2]\n", "is a list, expected one value");
    refused("stride: 2\n", "stride: [1, 2\n", "in a list, expected `,` or `]`");
    refused(
        "stride: 2\n",
        "group: 1 group: 2\n",
        "net.prototxt:17: `layer.convolution_param.group` is repeated; the first one is in line 17",
    );
    refused("stride: 2\n", "stride { }\n", "is a value, not a message in brackets");
    refused("convolution_param {", "convolution_param: 3 lrn_param {", "expected a message in brackets");
    refused(
        "pool: MAX",
        "pool: MAXIMUM",
        "net.prototxt:22: `layer.pooling_param.pool` is MAXIMUM, expected one of MAX, AVE",
    );
    refused("mirror: true", "mirror: yes", "is yes, expected true or false");
    refused("std: 0.01", "std: 1e99", "is 1e99, expected a number in single precision");
    refused("std: 0.01", "std: nan", "expected a number in single precision");
    refused("name: \"Small\"", "name: \"Small", "net.prototxt:1: a string has no closing \"");
    refused("name: \"Small\"", "name: Small", "`name` is `Small`, expected a string in quotes");
    refused("name: \"Small\"", "name: \"\\q\"", "unknown escape");
    refused("name: \"Small\"", "name: \"\\377\"", "`name` is not UTF-8");
    refused("name: \"Small\"", "}", "net.prototxt:1: `}` closes nothing");
    refused("name: \"Small\"", "other { a: 1 >", "`>`, expected `}` for the message of line 1");
    refused("name: \"Small\"", &format!("other {}", "{".repeat(200)), "more than 100 levels");
    for end in [100, 1000, NET.len() - 3] {
        let error = converted(&NET[..end]).unwrap_err();
        assert!(error.message.contains("expected") && error.help.is_some(), "{error}");
    }
    for text in ["", "# nothing\n", "name: \"a\"\n"] {
        let error = converted(text).unwrap_err();
        assert!(error.message.contains("no layers, expected a network definition"), "{error}");
    }
    let error = converted(&" ".repeat(5 << 20)).unwrap_err();
    assert!(error.message.contains("expected a text of at most"), "{error}");
    let many = "input_dim: 1 ".repeat(310_000);
    assert!(converted(&many).is_err());
}

#[test]
fn numbers_and_strings_of_the_text_format() {
    assert_eq!(
        ["7", "-7", "0x1f", "017", "1.5", "--1", "9223372036854775808"].map(integer),
        [Some(7), Some(-7), Some(31), Some(15), None, None, None]
    );
    assert_eq!(
        ["0.5f", "1.", "1e-4", "5F", "inf", "f"].map(number).map(|n| n.filter(|n| n.is_finite())),
        [Some(0.5), Some(1.0), Some(1e-4), Some(5.0), None, None]
    );
    let net = NET.replace("\"Small\"", "'Sm' \"all\\x21\\41\\n\"");
    assert_eq!(converted(&net).unwrap().recipe.name, "Small!!\\n");
}

#[test]
fn layers_that_are_no_chain_are_refused() {
    refused(
        "bottom: \"pool1\"",
        "bottom: \"pool2\"",
        "net.prototxt:23: layer fc2: the bottom `pool2` is unknown",
    );
    refused(
        "bottom: \"pool1\"",
        "bottom: \"conv1\"",
        "net.prototxt:23: the blob `conv1` goes to norm1 and fc2",
    );
    refused("bottom: \"pool1\"", "bottom: \"pool1\" bottom: \"norm1\"", "goes to pool1 and fc2");
    refused("top: \"pool1\"", "top: \"pool1\" top: \"mask\"", "layer pool1: 1 inputs and 2 outputs");
    refused(
        "type: \"InnerProduct\" bottom: \"fc2\"",
        "type: \"Convolution\" convolution_param { num_output: 1 kernel_size: 1 } bottom: \"fc2\"",
        "the last layer has the type Convolution, expected InnerProduct",
    );
    refused(
        "top: \"data\" top: \"label\"",
        "top: \"images\" top: \"label\"",
        "layer conv1: the bottom `data` is unknown",
    );
    refused("name: \"Small\"", "layers { name: \"a\" type: RELU }", "as well as `layer`");
    refused("name: \"Small\"", "layers { layer { name: \"a\" type: \"conv\" } }", "the format of 2013");
    refused(
        "bottom: \"fc3\" bottom: \"label\" top: \"loss\" }",
        "bottom: \"fc3\" top: \"loss\" }\nlayer { name: \"fc4\" type: \"InnerProduct\" bottom: \"loss\" top: \"fc4\" inner_product_param { num_output: 3 } }",
        "layer fc4: its input is that of layer loss",
    );
    refused(
        "{ name: \"relu2\"",
        "{ include { phase: TRAIN } name: \"relu2\"",
        "layer relu2: part of the network in one phase only",
    );
    refused(
        "num_output: 8 kernel_size: 5",
        "num_output: 8 kernel_size: 50",
        "layer conv1: input 3 x 27 x 27: kernel 50 does not fit",
    );
    refused("num_output: 8", "num_output: 8 group: 2", "`group` 2 must divide 3 inputs and 8 outputs");
    refused(
        "transform_param { mirror: true crop_size: 27 mean_file: \"mean.binaryproto\" }",
        "",
        "does not state the size of the input",
    );
    let error = convert_with(&NET.replace("crop_size: 27", ""), SOLVER, CaffeImages::default()).unwrap_err();
    assert!(error.message.contains("does not state the size of the input"), "{error}");
    let error = convert_with(NET, SOLVER, CaffeImages { square: Some(20), count: None }).unwrap_err();
    assert!(
        error.message.contains("squares of 20 pixels, expected 27, the crop of net.prototxt, to 4096"),
        "{error}"
    );
}

#[test]
fn pooling_may_be_padded() {
    let pool = |settings: &str| {
        let net = NET.replace("pool: MAX kernel_size: 3 stride: 2", settings);
        converted(&net).map(|converted| spec(&converted.recipe, "pool1").clone())
    };
    // Of 12 pixels: a last window would start in the padding, which Caffe leaves out.
    for (settings, kernel, pad, rounding) in [
        ("kernel_size: 3 stride: 2 pad: 1", 3, 1, RoundingSpec::Up),
        ("kernel_size: 3 stride: 7 pad: 1", 3, 1, RoundingSpec::Down),
        ("kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR", 3, 1, RoundingSpec::Down),
        ("kernel_h: 3 kernel_w: 3 stride: 2 pad_h: 0 pad_w: 0", 3, 0, RoundingSpec::Up),
    ] {
        let Spec::MaxPool(found) = pool(settings).unwrap() else { panic!("no pooling") };
        assert_eq!((found.kernel, found.pad, found.rounding), (kernel, pad, rounding), "{settings}");
    }
    let Spec::AvgPool(found) = pool("pool: AVE global_pooling: true").unwrap() else { panic!("no pooling") };
    assert_eq!((found.kernel, found.stride), (12, 1));
    let error = pool("pool: AVE kernel_size: 3 pad: 1").unwrap_err();
    assert!(error.message.contains("line 22, layer pool1: `pad` 1 with `pool` AVE, expected 0"), "{error}");
}

#[test]
fn dropout_may_be_for_training_only() {
    let net = NET.replace("{ name: \"drop2\"", "{ include { phase: TRAIN } name: \"drop2\"");
    assert_eq!(converted(&net).unwrap().recipe.layers, converted(NET).unwrap().recipe.layers);
    // Rules of stages and levels, of which a network has none unless asked.
    let net = NET.replace(
        "{ name: \"relu2\"",
        "{ exclude { stage: \"deploy\" } include { min_level: 0 } name: \"relu2\"",
    );
    assert_eq!(converted(&net).unwrap().recipe.layers, converted(NET).unwrap().recipe.layers);
}

#[test]
fn columns_of_a_normalization() {
    let slice = |points: &str, second: &str, order: &str| {
        NET.replace(
            "layer { name: \"norm1\" type: \"LRN\" bottom: \"conv1\" top: \"norm1\" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }",
            &format!(
                "layer {{ name: \"s\" type: \"Slice\" bottom: \"conv1\" top: \"a\" top: \"b\" slice_param {{ {points} }} }}\n\
                 layer {{ name: \"na\" type: \"LRN\" bottom: \"a\" top: \"na\" lrn_param {{ alpha: 0.0001 }} }}\n\
                 layer {{ name: \"nb\" type: \"LRN\" bottom: \"b\" top: \"nb\" lrn_param {{ {second} }} }}\n\
                 layer {{ name: \"norm1\" type: \"Concat\" {order} top: \"norm1\" }}"
            ),
        )
    };
    let order = "bottom: \"na\" bottom: \"nb\"";
    for points in ["", "slice_point: 4"] {
        let recipe = converted(&slice(points, "alpha: 0.0001", order)).unwrap().recipe;
        assert!(
            matches!(spec(&recipe, "norm1"), Spec::Lrn { groups: 2, size: 5, .. }),
            "{:?}",
            recipe.layers
        );
    }
    for (net, message) in [
        (slice("slice_point: 3", "alpha: 0.0001", order), "8 channels in 2 parts, expected equal ones"),
        (slice("", "alpha: 0.1", order), "its parts do not go to LRN layers with the same settings"),
        (slice("", "alpha: 0.0001", "bottom: \"nb\" bottom: \"na\""), "not joined in the same order"),
        (slice("axis: 2", "alpha: 0.0001", order), "`axis` 2, expected 1"),
    ] {
        let error = converted(&net).unwrap_err();
        assert!(error.message.contains(message) && error.help.is_some(), "{error}");
    }
}

#[test]
fn normalization_within_channels_is_map_normalization() {
    let net = NET.replace(
        "local_size: 5 alpha: 0.0001 beta: 0.75",
        "local_size: 3 alpha: 0.002 k: 7 norm_region: WITHIN_CHANNEL",
    );
    let recipe = converted(&net).unwrap().recipe;
    // Caffe ignores `k` here.
    assert_eq!(*spec(&recipe, "norm1"), Spec::MapNorm { size: 3, alpha: 0.002, beta: 0.75 });
}

#[test]
fn factors_are_scales_of_pixels_or_dropout() {
    let power = |bottom: &str, scale: &str| {
        format!(
            "layer {{ name: \"factor\" type: \"Power\" bottom: \"{bottom}\" top: \"{bottom}\" power_param {{ scale: {scale} }} }}\nlayer {{"
        )
    };
    let before = NET.replacen(
        "layer {\n  name: \"conv1\"",
        &format!("{}\n  name: \"conv1\"", power("data", "0.5")),
        1,
    );
    assert_eq!(converted(&before).unwrap().recipe.input.divisor, 2.0);
    let after = |scale| {
        NET.replacen("layer {\n  name: \"fc3\"", &format!("{}\n  name: \"fc3\"", power("fc2", scale)), 1)
    };
    let Spec::Dropout { scale, .. } = spec(&converted(&after("0.6")).unwrap().recipe, "drop2").clone() else {
        panic!("no dropout")
    };
    assert_eq!(scale, crate::net::DropoutScale::Test);
    let error = converted(&after("0.5")).unwrap_err();
    assert!(error.message.contains("layer factor: `scale` 0.5, which has no counterpart"), "{error}");
    assert_eq!(converted(&after("1")).unwrap().recipe.layers, converted(NET).unwrap().recipe.layers);
}

#[test]
fn mean_images_of_other_shapes_are_refused() {
    let origin = Origin::binary("mean.binaryproto");
    let header = |dims: [u8; 4]| [8, dims[0], 16, dims[1], 24, dims[2], 32, dims[3]];
    let blob = |dims: [u8; 4], values: &[f32]| {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        [&header(dims)[..], &[0x2a, data.len() as u8], &data].concat()
    };
    let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
    let (mean, _) = MeanImage::decode(&blob([1, 3, 2, 2], &values), &origin).unwrap();
    // Planes of blue, green and red become red, green and blue of each pixel.
    assert_eq!((mean.side, &mean.pixels[..6], mean.color()), (2, &[8.0, 4.0, 0.0, 9.0, 5.0, 1.0][..], None));
    let nan = [f32::NAN; 12];
    for (bytes, message) in [
        (blob([1, 1, 2, 2], &values), "shape [1, 1, 2, 2], expected [1, 3, S, S]"),
        (blob([1, 3, 2, 1], &values), "shape [1, 3, 2, 1]"),
        (blob([1, 3, 2, 2], &values[..9]), "9 values for the shape [3, 2, 2], expected 12"),
        (blob([1, 3, 2, 2], &nan), "the value NaN at position 0"),
        (Vec::new(), "shape [0, 0, 0, 0]"),
    ] {
        let error = MeanImage::decode(&bytes, &origin).unwrap_err();
        assert!(error.message.contains(message) && error.help.is_some(), "{error}");
    }
}

#[test]
fn weights_without_layers_are_refused() {
    let contents = |weights: &'static [u8]| CaffeContents {
        net: Some((NET, "net.prototxt")),
        solver: None,
        weights: (weights, "net.caffemodel"),
        mean: None,
        classes: None,
    };
    for (bytes, message) in [
        (&b"\x89HDF\r\n\x1a\n"[..], "an HDF5 file"),
        (b"\x0a\x01a", "net.prototxt: the mean image mean.binaryproto is missing"),
        (b"version https://git-lfs.github.com/spec/v1\n", "byte 0"),
    ] {
        let error = import(&contents(bytes)).unwrap_err();
        assert!(error.message.contains(message) && error.help.is_some(), "{error}");
    }
}
