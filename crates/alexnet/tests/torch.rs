//! State dicts of PyTorch: files that PyTorch wrote, against the logits that it computed, and files that it did not write. See
//! `torch/README.md`.

use std::path::{Path, PathBuf};

use alexnet::error::Kind;
use alexnet::interop::torch::{read, write};
use alexnet::interop::{Import, ImportOptions, Imported, SourceFile, classes, import, made_squares};
use alexnet::model::Model;
use alexnet::net::{Mean, Recipe};
use alexnet::{Error, Result};
use proptest::prelude::*;
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn options(recipe: &str) -> ImportOptions {
    ImportOptions { recipe: Some(Recipe::read(&file(recipe)).unwrap()), ..ImportOptions::default() }
}

fn narrow() -> ImportOptions {
    options("torch/narrow-torchvision.toml")
}

fn every_layer() -> ImportOptions {
    options("support/every-layer.toml")
}

/// Imports a file of the folder, and returns the model and the notes.
fn imported(name: &str, options: &ImportOptions) -> (Model, Vec<String>) {
    let Import { imported, source, .. } = import(&[file("torch").join(name)], options).unwrap();
    let (notes, square) = (imported.notes.clone(), imported.preprocess.square);
    (imported.into_model(made_squares(square), source).unwrap(), notes)
}

/// The logits that PyTorch computed.
fn expected(name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(file("torch/expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let rows = all[name].as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap())).collect()
}

fn assert_close(model: &Model, name: &str) {
    let expected = expected(name);
    let logits = &model.golden.logits;
    assert_eq!(logits.len(), expected.len());
    let square = |value: f64| value * value;
    let error: f64 = logits.iter().zip(&expected).map(|(&a, b)| square(f64::from(a) - b)).sum();
    let size: f64 = expected.iter().map(|&b| square(b)).sum();
    let relative = (error / size).sqrt();
    assert!(relative < 1e-5, "{name}: {relative:e}");
    // The tolerance would notice another image.
    let classes = model.classes.len();
    let between: f64 = (0..classes).map(|i| square(expected[i] - expected[classes + i])).sum();
    assert!((between / size).sqrt() > 1e-2, "{name}: the images are alike");
}

fn refusal(bytes: Vec<u8>, options: &ImportOptions) -> Error {
    let read = SourceFile::new("weights.pth".into(), bytes).and_then(|file| read(&file, options));
    let error = read.unwrap_err();
    assert_eq!(error.kind, Kind::Model, "{error}");
    error
}

#[test]
fn every_form_of_file_has_the_logits_of_pytorch() {
    let names = [
        "narrow.pth",
        "narrow-protocol-4.pth",
        "narrow-legacy.pth",
        "narrow.safetensors",
        "narrow-checkpoint.pth",
    ];
    let models = names.map(|name| imported(name, &narrow()).0);
    for model in &models {
        assert_close(model, "narrow");
        assert_eq!(model.parameters, models[0].parameters);
        assert_eq!(model.classes, ["class 0", "class 1", "class 2", "class 3", "class 4"]);
        assert_eq!(model.preprocess.mean, [123.675, 116.28, 103.53]);
    }
    assert!(
        models[2].summary.data.starts_with("imported from narrow-legacy.pth (PyTorch state dict), SHA-256 ")
    );
}

#[test]
fn every_layer_has_the_logits_of_pytorch() {
    let (model, notes) = imported("every-layer.pth", &every_layer());
    assert_close(&model, "every-layer");
    // A mean that training would measure becomes one that is known.
    assert_eq!(model.recipe.input.mean, Mean::Fixed([123.675, 116.28, 103.53]));
    assert!(
        notes.iter().any(|note| note.contains("the mean of the training images is not in the file")),
        "{notes:?}"
    );
}

#[test]
fn types_and_views_are_converted() {
    let (model, notes) = imported("narrow-views.pth", &narrow());
    assert_close(&model, "narrow-views");
    for expected in [
        "type float16, converted to float32: 1",
        "type bfloat16, converted to float32: 1",
        "type float64, converted to float32: 1",
        "criterion.weight, steps",
        "class names are not in the file",
        "preprocessing is not in the file, that of the recipe narrow-torchvision is assumed: squares of 256 pixels",
    ] {
        assert!(notes.iter().any(|note| note.contains(expected)), "{expected}: {notes:?}");
    }
}

#[test]
fn checkpoints_say_what_is_not_used() {
    let (_, notes) = imported("narrow-checkpoint.pth", &narrow());
    assert!(
        notes[0].contains("that of `state_dict`; not used: arch, best_acc1, epoch, optimizer"),
        "{notes:?}"
    );
    assert!(notes[1].contains("start with `module.`"), "{notes:?}");
}

#[test]
fn what_is_not_a_state_dict_is_refused_by_name() {
    for (name, names, help) in [
        ("refused-system.pth", vec!["posix.system"], "weights_only=False)[\"state_dict\"]"),
        ("refused-eval.pth", vec!["__builtin__.eval", "__builtin__.exec"], "if you trust the file"),
        ("refused-namespace.pth", vec!["argparse.Namespace"], "torch.save("),
        ("refused-legacy.pth", vec!["posix.system"], "torch.save("),
        ("refused-float8.pth", vec!["torch._utils._rebuild_tensor_v3", "torch.float8_e4m3fn"], "torch.save("),
        (
            "refused-module.pth",
            vec!["whole pickled module", "torch.nn.modules.linear.Linear"],
            ".state_dict(), ",
        ),
        ("refused-script.pt", vec!["TorchScript"], "torch.jit.load(\"INPUT\").state_dict()"),
        ("refused-deflate.pth", vec!["is compressed (", "PyTorch stores them as they are"], "torch.save("),
    ] {
        let error = refusal(std::fs::read(file("torch").join(name)).unwrap(), &narrow());
        assert!(names.iter().all(|expected| error.message.contains(expected)), "{name}: {error}");
        assert!(error.help.as_ref().is_some_and(|text| text.contains(help)), "{name}: {error}");
    }
    assert!(!Path::new("pwned").exists());
}

#[test]
fn errors_name_the_file() {
    let path = file("torch/refused-script.pt");
    let error = import(std::slice::from_ref(&path), &narrow()).unwrap_err();
    assert!(error.message.starts_with(path.to_str().unwrap()), "{error}");
    assert!(error.help.unwrap().contains(&format!("torch.jit.load(\"{}\")", path.display())));
}

#[test]
fn truncated_and_damaged_files_are_refused() {
    for name in ["narrow.pth", "narrow-legacy.pth", "narrow.safetensors"] {
        let whole = std::fs::read(file("torch").join(name)).unwrap();
        for len in (0..whole.len()).step_by(whole.len() / 50).chain([whole.len() - 1]) {
            let error = refusal(whole[..len].to_vec(), &narrow());
            assert!(error.help.is_some() || error.message.contains("truncated"), "{name}, {len}: {error}");
        }
    }
    // A bit of a weight: zip archives have checksums.
    let mut bytes = std::fs::read(file("torch/narrow.pth")).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    assert!(refusal(bytes, &narrow()).message.contains("checksum mismatch"));
}

#[test]
fn tensors_that_do_not_fit_are_listed_at_once() {
    let path = file("torch/narrow.pth");
    let error = import(std::slice::from_ref(&path), &ImportOptions::default()).unwrap_err();
    for expected in [
        "`features.0.weight` has shape [4, 3, 11, 11], conv1.weight needs [64, 3, 11, 11]",
        "`classifier.6.weight` has shape [5, 10], fc8.weight needs [5, 4096]",
    ] {
        assert!(error.message.contains(expected), "{error}");
    }
    assert!(error.help.unwrap().contains("--recipe FILE"));
    // Names of layers say nothing about the network between them.
    let error = import(&[file("torch/every-layer.pth")], &ImportOptions::default()).unwrap_err();
    assert!(
        error.message.contains("neither those of torchvision's AlexNet")
            && error.message.contains("conv1.bias"),
        "{error}"
    );
    // Other layers.
    let mut options = narrow();
    options.recipe.as_mut().unwrap().layers.retain(|layer| layer.name != "conv3");
    let error = import(&[path], &options).unwrap_err();
    assert!(
        error.message.contains("8 modules of the state dict have tensors (features.0, features.3, "),
        "{error}"
    );
}

#[test]
fn names_of_a_built_in_recipe_need_it() {
    let recipe = Recipe::load("small").unwrap();
    let (_, tensors) = parameters(&recipe, 3);
    let bytes = safetensors(&tensors, None);
    let error =
        read(&SourceFile::new("small.safetensors".into(), bytes.clone()).unwrap(), &ImportOptions::default())
            .unwrap_err();
    assert!(error.kind == Kind::Usage && error.help.unwrap().contains("`--recipe small`"));
    let options = ImportOptions {
        recipe: Some(recipe),
        classes: Some(vec!["a".into(), "b".into(), "c".into()]),
        ..Default::default()
    };
    let small = read(&SourceFile::new("small.safetensors".into(), bytes).unwrap(), &options).unwrap();
    assert_eq!(small.classes, ["a", "b", "c"]);
    let two = ImportOptions { classes: Some(vec!["a".into(), "b".into()]), ..options };
    let error = read(&SourceFile::new("x".into(), safetensors(&tensors, None)).unwrap(), &two).unwrap_err();
    assert!(error.message.contains("2 class names, but the network has 3 outputs"), "{error}");
}

/// The name, shape and values of a tensor.
type Named = (String, Vec<usize>, Vec<f32>);

/// Parameters of a recipe for so many classes: the name, shape and values of each.
fn parameters(recipe: &Recipe, outputs: usize) -> (Vec<String>, Vec<Named>) {
    let network = alexnet::net::Network::new(recipe, outputs).unwrap();
    let tensors = alexnet::train::init::initialize(&network, 1).unwrap();
    let names = tensors.iter().map(|tensor| tensor.name.clone()).collect();
    (names, tensors.into_iter().map(|tensor| (tensor.name, tensor.shape, tensor.data)).collect())
}

/// A safetensors file, written by the crate of that name.
fn safetensors(tensors: &[(String, Vec<usize>, Vec<f32>)], metadata: Option<(&str, &str)>) -> Vec<u8> {
    use safetensors::{Dtype, tensor::TensorView};
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let metadata = metadata.map(|(key, value)| [(key.to_owned(), value.to_owned())].into());
    safetensors::serialize(views, metadata).unwrap()
}

/// A model with random weights and the mean image of `mean` values.
fn model(recipe: &Recipe, outputs: usize, mean: Vec<f32>) -> Model {
    let network = alexnet::net::Network::new(recipe, outputs).unwrap();
    let preprocess = alexnet::data::Preprocess::with_mean(&recipe.input, mean);
    let imported = Imported {
        recipe: recipe.clone(),
        classes: (0..outputs).map(|class| format!("thing {class}")).collect(),
        parameters: alexnet::train::init::initialize(&network, 1).unwrap(),
        preprocess,
        notes: Vec::new(),
    };
    let squares = made_squares(recipe.input.square);
    imported.into_model(squares, "made up".into()).unwrap()
}

/// Exports, imports without being told anything, and exports again.
fn round_trip(model: &Model, name: &str) -> Result<Model> {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join(name), folder.path().join("again.safetensors"));
    write(model, &first)?;
    let Import { imported, source, .. } = import(std::slice::from_ref(&first), &ImportOptions::default())?;
    assert!(imported.notes.is_empty(), "{:?}", imported.notes);
    let back = imported.into_model(made_squares(model.preprocess.square), source)?;
    write(&back, &second)?;
    assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    Ok(back)
}

#[test]
fn exports_come_back_as_the_same_bytes() {
    let small = Recipe::load("small").unwrap();
    let image = (0..28 * 28 * 3).map(|i| i as f32 * 0.1).collect();
    for (recipe, mean) in [(&small, image), (&narrow().recipe.unwrap(), vec![1.5, 2.0, 0.1])] {
        let before = model(recipe, 4, mean);
        let after = round_trip(&before, "exported.safetensors").unwrap();
        let Model { recipe, classes, preprocess, parameters, summary: _, golden } = after;
        assert_eq!((recipe, classes), (before.recipe, before.classes));
        assert_eq!((preprocess, parameters, golden), (before.preprocess, before.parameters, before.golden));
    }
}

#[test]
fn other_parts_of_a_state_dict_are_refused_or_named() {
    let recipe = narrow().recipe.unwrap();
    let (_, mut tensors) = parameters(&recipe, 5);
    let read = |tensors: &[(String, Vec<usize>, Vec<f32>)]| {
        read(&SourceFile::new("x".into(), safetensors(tensors, None)).unwrap(), &narrow())
    };
    tensors.push(("ema.decay".into(), vec![1], vec![0.9]));
    let notes = read(&tensors).unwrap().notes;
    assert!(
        notes.iter().any(|note| note.contains("no layer has tensors with these names: ema.decay")),
        "{notes:?}"
    );
    // It changes what the layer computes.
    tensors.push(("conv1.weight_g".into(), vec![1], vec![0.9]));
    let error = read(&tensors).unwrap_err();
    assert!(error.message.contains("`conv1.weight_g` is left over"), "{error}");
    tensors.retain(|(name, ..)| !name.starts_with("conv1.weight") && name != "fc6.bias");
    let error = read(&tensors).unwrap_err();
    assert!(
        error.message.contains(
            "`conv1.weight` of shape [4, 3, 11, 11] is missing; `fc6.bias` of shape [10] is missing"
        ),
        "{error}"
    );
}

#[test]
fn values_and_metadata_are_checked() {
    let recipe = narrow().recipe.unwrap();
    let (_, mut tensors) = parameters(&recipe, 5);
    tensors[3].2[5] = f32::NAN;
    assert!(
        refusal(safetensors(&tensors, None), &narrow()).message.contains("has the value NaN at position 5")
    );
    let bytes = safetensors(&tensors, Some(("format_version", "2")));
    let error = read(&SourceFile::new("x".into(), bytes).unwrap(), &narrow()).unwrap_err();
    assert!(error.message.contains("a model of this program already"), "{error}");
    for (metadata, expected) in
        [(("recipe", "name = 3"), "recipe"), (("recipe", &recipe.to_toml()), "`classes` is missing")]
    {
        let error = refusal(safetensors(&tensors, Some(metadata)), &ImportOptions::default());
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn thousand_outputs_are_those_of_imagenet() {
    let recipe = narrow().recipe.unwrap();
    let (_, tensors) = parameters(&recipe, 1000);
    let imported =
        read(&SourceFile::new("x".into(), safetensors(&tensors, None)).unwrap(), &narrow()).unwrap();
    assert_eq!(imported.classes, classes::imagenet());
    assert!(imported.notes.iter().any(|note| note.contains("those of ImageNet's 1,000 classes are assumed")));
}

#[test]
fn several_files_are_refused() {
    let (one, other) = (file("torch/narrow.pth"), file("torch/narrow.safetensors"));
    let error = import(&[one.clone(), other], &narrow()).unwrap_err();
    assert!(error.message.contains("2 files, expected one (PyTorch state dict)"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let net = folder.path().join("deploy.prototxt");
    std::fs::write(&net, "layer { name: \"data\" }").unwrap();
    let error = import(&[one, net], &narrow()).unwrap_err();
    assert!(error.message.contains("deploy.prototxt of Caffe; expected the files of one network"), "{error}");
    assert!(import(&[], &narrow()).is_err());
    assert!(
        import(&[folder.path().to_owned()], &narrow()).unwrap_err().message.contains("not a regular file")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(which in 0usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let name = ["narrow.pth", "narrow-legacy.pth", "narrow-checkpoint.pth", "narrow.safetensors"][which];
        let mut bytes = std::fs::read(file("torch").join(name)).unwrap();
        // Most of a file is weights: changes go to the parts that are parsed.
        let parsed = if which % 2 == 0 { bytes.len() } else { 3000 };
        for (at, value) in changes {
            let at = at.index(parsed);
            bytes[at] = value;
        }
        if let Ok(file) = SourceFile::new("x".into(), bytes) {
            let _ = read(&file, &narrow());
        }
    }
}
