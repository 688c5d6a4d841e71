//! ONNX files: what is exported comes back, and files that other programs wrote have the logits that those compute. `onnx/golden.py`
//! makes the data.

use crate::support;

use std::path::{Path, PathBuf};

use alexnet::data::Preprocess;
use alexnet::engine::{self, Device, Options};
use alexnet::interop::onnx::{ChannelOrder, GraphInput, OnnxExport, OnnxImport, OnnxInput, read, write};
use alexnet::interop::{Imported, made_squares};
use alexnet::model::{AnyModel, Model};
use alexnet::net::{Mean, Network, Recipe, Spec};
use proptest::prelude::*;
use support::{chains, every_layer, lively_parameters, normals, relative_rms};

/// How closely logits must agree with those of other programs.
const TOLERANCE: f64 = 1e-5;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx").join(name)
}

fn difference(a: &[f32], b: &[f32]) -> f64 {
    relative_rms(a.iter().map(|&value| value.into()), b.iter().map(|&value| value.into()))
}

/// The numbers that `nets.values` computes.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let value = |at: u64| {
        let mixed = (at + seed * 1_000_003).wrapping_mul(2_654_435_761) % (1 << 32);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) % (1 << 32);
        ((mixed >> 16) as f64 / 32768.0 - 1.0) as f32
    };
    (0..count as u64).map(value).collect()
}

/// The logits of `images` views of made numbers, `[images, 3, crop, crop]`, in the order of the network's channels.
fn logits(imported: &Imported, images: usize, order: ChannelOrder) -> Vec<f32> {
    let network = Network::new(&imported.recipe, imported.classes.len()).unwrap();
    let pixels = network.input.pixels();
    let stored = values(images * 3 * pixels, 7);
    let channel = |channel: usize| match order {
        ChannelOrder::Rgb => channel,
        ChannelOrder::Bgr => 2 - channel,
    };
    let at = |i: usize| stored[(i / (3 * pixels) * 3 + channel(i % 3)) * pixels + i / 3 % pixels];
    let views: Vec<f32> = (0..stored.len()).map(at).collect();
    let mut engine = engine::open(Device::Cpu, network, &Options::inference(images, 1)).unwrap();
    engine.load(&imported.parameters).unwrap();
    engine.forward(&views).unwrap().to_vec()
}

/// The logits in `logits.json`.
fn golden(net: &str) -> Vec<f32> {
    let text = std::fs::read_to_string(data("logits.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = all[net].as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap()).map(|value| value.as_f64().unwrap() as f32).collect()
}

#[test]
fn logits_are_those_of_the_programs_that_wrote_the_files() {
    let rgb = Some(ChannelOrder::Rgb);
    for (file, net, order) in [
        ("paper-script.onnx", "paper", None),
        ("paper-dynamo.onnx", "paper", None),
        ("caffenet-script.onnx", "caffenet", None),
        ("caffenet-dynamo.onnx", "caffenet", None),
        ("normalized-script.onnx", "normalized", None),
        ("normalized-dynamo.onnx", "normalized", None),
        ("zoo.onnx", "zoo", None),
        ("zoo.onnx", "zoo", rgb),
    ] {
        let input = GraphInput { order, ..GraphInput::default() };
        let imported = read(&data(file), &OnnxImport { input, classes: None }).unwrap();
        // Only the model zoo's operator LRN suggests Caffe's order of channels.
        let order = match (net, order) {
            ("zoo", None) => ChannelOrder::Bgr,
            _ => ChannelOrder::Rgb,
        };
        let found = difference(&logits(&imported, 2, order), &golden(net));
        assert!(found < TOLERANCE, "{file}: {found:e}");
    }
}

#[test]
fn the_tolerance_sees_mistakes() {
    let imported = || read(&data("paper-dynamo.onnx"), &OnnxImport::default()).unwrap();
    assert!(difference(&logits(&imported(), 2, ChannelOrder::Bgr), &golden("paper")) > 1e-2);
    let mut other = imported();
    let norm = other.recipe.layers.iter_mut().find_map(|layer| match &mut layer.spec {
        Spec::Lrn { groups, .. } => Some(groups),
        _ => None,
    });
    *norm.unwrap() = 1;
    let found = difference(&logits(&other, 2, ChannelOrder::Rgb), &golden("paper"));
    assert!(found > 2.0 * TOLERANCE, "{found:e}");
}

#[test]
fn the_published_networks_are_recognized() {
    let layers = |file: &str| {
        let imported = read(&data(file), &OnnxImport::default()).unwrap();
        let names: Vec<&str> = imported.recipe.layers.iter().map(|layer| layer.name.as_str()).collect();
        (names.join(" "), imported)
    };
    let paper =
        "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 fc6 relu6";
    for file in ["paper-script.onnx", "paper-dynamo.onnx"] {
        let (names, imported) = layers(file);
        assert!(names.starts_with(paper), "{file}: {names}");
        let norm = &imported.recipe.layers[2].spec;
        assert!(matches!(norm, Spec::Lrn { size: 5, k: 2.0, groups: 2, .. }), "{file}: {norm:?}");
    }
    let (names, zoo) = layers("zoo.onnx");
    assert_eq!(names, format!("{paper} drop6 fc7 relu7 drop7 fc8"));
    let Spec::MaxPool(pool) = &zoo.recipe.layers[3].spec else { panic!("not pooling") };
    assert_eq!((pool.kernel, pool.stride, pool.pad), (3, 2, 0));
    assert_eq!(zoo.preprocess.mean, [122.679, 116.669, 104.007]);
    for part in ["BGR from 0 to 255", "the softmax at the end is left out"] {
        assert!(zoo.notes.iter().any(|note| note.contains(part)), "{part}: {:#?}", zoo.notes);
    }
}

/// A model of a recipe with made weights.
fn model(recipe: Recipe, classes: usize) -> Model {
    let network = Network::new(&recipe, classes).unwrap();
    let side = recipe.input.square;
    let mean = match recipe.input.mean {
        Mean::Image => normals(7, 3 * side * side).iter().map(|value| 120.0 + 20.0 * value).collect(),
        Mean::Channels => vec![104.5, 116.25, 123.75],
        Mean::Fixed(mean) => mean.to_vec(),
    };
    let preprocess = Preprocess::with_mean(&recipe.input, mean);
    let parameters = lively_parameters(&network, 11);
    let classes = (0..classes).map(|class| format!("class {class}")).collect();
    let imported = Imported { recipe, classes, preprocess, parameters, notes: Vec::new() };
    imported.into_model(made_squares(side), "test".into()).unwrap()
}

/// A built-in recipe with fewer maps and units, and smaller images where its layers allow that.
fn narrow(name: &str) -> Recipe {
    let mut recipe = Recipe::load(name).unwrap();
    let is_large = recipe.input.crop > 100;
    for layer in &mut recipe.layers {
        match &mut layer.spec {
            Spec::Conv(conv) if is_large => conv.maps = 8,
            Spec::Fc { units: Some(units), .. } if is_large => *units = 16,
            _ => {}
        }
    }
    if is_large {
        let border = recipe.input.square - recipe.input.crop;
        recipe.input.crop -= 128;
        recipe.input.square = recipe.input.crop + border;
    }
    recipe
}

#[test]
fn exports_come_back_to_the_same_bytes_with_the_same_logits() {
    let names = [
        "paper",
        "caffe",
        "caffenet",
        "torchvision",
        "small",
        "cifar-18pct",
        "cifar-13pct",
        "four-layer-tanh",
    ];
    let recipes = names.map(narrow).into_iter().chain([every_layer()]);
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first.onnx", "second.onnx"].map(|name| folder.path().join(name));
    for recipe in recipes {
        let name = recipe.name.clone();
        let original = model(recipe, 5);
        write(&AnyModel::F32(original.clone()), &OnnxExport::default(), &first).unwrap();
        let imported = read(&first, &OnnxImport::default()).unwrap();
        assert_eq!(
            (&imported.recipe, &imported.parameters, &imported.preprocess),
            (&original.recipe, &original.parameters, &original.preprocess),
            "{name}"
        );
        let again = imported.into_model(original.golden.images.clone(), "again".into()).unwrap();
        let found = difference(&again.golden.logits, &original.golden.logits);
        assert!(found < TOLERANCE, "{name}: {found:e}");
        write(&AnyModel::F32(again), &OnnxExport::default(), &second).unwrap();
        assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap(), "{name}: other bytes");
    }
}

/// Exports a model, and reads its graph without the metadata.
fn through_the_graph_alone(original: &Model, path: &Path) -> Imported {
    write(&AnyModel::F32(original.clone()), &OnnxExport::default(), path).unwrap();
    // Keys of the same length that mean nothing.
    let mut bytes = std::fs::read(path).unwrap();
    for at in 0..bytes.len() - 8 {
        if &bytes[at..at + 8] == b"alexnet." {
            bytes[at] = b'A';
        }
    }
    std::fs::write(path, bytes).unwrap();
    let input = GraphInput {
        square: Some(original.preprocess.square),
        order: Some(ChannelOrder::Rgb),
        ..GraphInput::default()
    };
    read(path, &OnnxImport { input, classes: None }).unwrap()
}

/// Without the metadata, the layers of the graph alone compute the same.
fn check_the_graph_alone(recipe: Recipe, classes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let original = model(recipe, classes);
    let mut imported = through_the_graph_alone(&original, &folder.path().join("model.onnx"));
    let layers = &original.recipe.layers;
    assert_eq!(imported.preprocess.crop, original.preprocess.crop, "{layers:?}");
    imported.preprocess = original.preprocess.clone();
    let again = imported.into_model(original.golden.images.clone(), "again".into()).unwrap();
    let found = difference(&again.golden.logits, &original.golden.logits);
    assert!(found < TOLERANCE, "{found:e}: {layers:?}");
}

#[test]
fn the_graph_alone_is_the_network() {
    for recipe in [narrow("paper"), narrow("caffenet"), every_layer()] {
        check_the_graph_alone(recipe, 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_graph_of_any_chain_is_the_network(recipe in chains::recipe()) {
        check_the_graph_alone(recipe, 3);
    }
}

#[test]
fn options_change_the_ends_of_the_graph_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let original = model(every_layer(), 5);
    for input in [OnnxInput::Floats, OnnxInput::Crop, OnnxInput::Square] {
        for opset in [13, 22] {
            let options = OnnxExport { input, softmax: true, opset };
            write(&AnyModel::F32(original.clone()), &options, &path).unwrap();
            let imported = read(&path, &OnnxImport::default()).unwrap();
            assert_eq!(imported.parameters, original.parameters);
            assert_eq!(imported.recipe, original.recipe);
        }
    }
}
