//! Networks in Caffe's files: logits that Caffe itself has computed, and files that it reads. `caffe/golden.py` makes the data, from
//! the official `caffe.proto`, and compares what is exported here with Caffe.

use crate::support;

use std::path::{Path, PathBuf};

use alexnet::data::{Image, Preprocess};
use alexnet::interop::Imported;
use alexnet::interop::caffe::{
    CaffeContents, CaffeExport, CaffeFiles, CaffeImages, convert, import, read, read_recipe, write,
};
use alexnet::model::Model;
use alexnet::net::{Difference, DropoutScale, Mean, Network, Recipe, Spec, diff};
use alexnet_kernels::hash::combine;
use proptest::prelude::*;
use support::{chains, every_layer, lively_parameters, normals, relative_rms};

/// How closely logits must agree with Caffe's.
const TOLERANCE: f64 = 1e-5;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/caffe").join(name)
}

/// The squares in a file of `count` squares.
fn squares(path: &Path, side: usize) -> Vec<Image> {
    let bytes = std::fs::read(path).unwrap();
    let image = |pixels: &[u8]| Image { width: side, height: side, pixels: pixels.to_vec() };
    bytes.chunks_exact(3 * side * side).map(image).collect()
}

/// The logits of `squares`.
fn logits(imported: Imported, squares: Vec<Image>) -> Vec<f32> {
    imported.into_model(squares, "test".into()).unwrap().golden.logits
}

fn difference(a: &[f32], b: &[f32]) -> f64 {
    relative_rms(a.iter().map(|&value| value.into()), b.iter().map(|&value| value.into()))
}

/// The logits of Caffe, in `logits.json`.
fn golden(net: &str) -> Vec<f32> {
    let text = std::fs::read_to_string(data("logits.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["by"], "Caffe 1.0.0");
    let rows = value[net].as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap()).map(|value| value.as_f64().unwrap() as f32).collect()
}

#[test]
fn logits_are_those_of_caffe() {
    for (net, files) in [
        ("alexnet", &["alexnet.prototxt", "alexnet.caffemodel"][..]),
        ("alexnet", &["alexnet.prototxt", "alexnet-v1.caffemodel"]),
        ("alexnet", &["alexnet.prototxt", "alexnet-double.caffemodel"]),
        ("alexnet", &["alexnet.caffemodel"]),
        ("alexnet", &["alexnet-v1.caffemodel"]),
        ("caffenet", &["caffenet.prototxt", "caffenet.caffemodel"]),
        ("caffenet", &["caffenet.prototxt", "caffenet-v1.caffemodel"]),
        ("caffenet", &["caffenet-v1.caffemodel"]),
        // Written by Caffe itself.
        ("caffenet", &["caffenet-saved.caffemodel"]),
    ] {
        let paths: Vec<PathBuf> = files.iter().chain(&["mean.binaryproto"]).map(|name| data(name)).collect();
        let imported = read(&CaffeFiles::of(&paths).unwrap(), None).unwrap();
        assert_eq!((imported.preprocess.square, imported.preprocess.crop), (40, 35));
        assert_eq!(imported.recipe.input.mean, Mean::Image);
        let found = logits(imported, squares(&data("squares.bin"), 40));
        let difference = difference(&found, &golden(net));
        assert!(difference < TOLERANCE, "{files:?}: {difference:e}");
    }
}

/// That the tolerance sees the mistakes that people make: channels in the other order, another order of layers, a mean of
/// another image.
#[test]
fn the_tolerance_sees_mistakes() {
    let imported = || {
        let paths = ["alexnet.caffemodel", "mean.binaryproto"].map(data);
        read(&CaffeFiles::of(&paths).unwrap(), None).unwrap()
    };
    let images = || squares(&data("squares.bin"), 40);
    let change = |change: &dyn Fn(&mut Imported)| {
        let mut changed = imported();
        change(&mut changed);
        difference(&logits(changed, images()), &golden("alexnet"))
    };
    let swap = |values: &mut Vec<f32>, block: usize| {
        let swapped =
            values.chunks(3 * block).flat_map(|all| all.chunks(block).rev().flatten().copied()).collect();
        *values = swapped;
    };
    assert!(change(&|imported| swap(&mut imported.parameters[0].data, 25)) > 1e-2);
    assert!(change(&|imported| swap(&mut imported.preprocess.mean, 1)) > 1e-3);
    assert!(change(&|imported| imported.recipe.layers.swap(2, 3)) > 1e-3);
    assert!(
        change(&|imported| {
            let Spec::Lrn { k, .. } = &mut imported.recipe.layers[2].spec else { panic!("not an LRN layer") };
            *k = 2.0;
        }) > 1e-2
    );
}

/// A model of a recipe with reproducible weights, whose mean is an image or a color.
fn model(mut recipe: Recipe, classes: usize, deviations: [f32; 3]) -> Model {
    recipe.input.std = (deviations != [1.0; 3]).then_some(deviations);
    let network = Network::new(&recipe, classes).unwrap();
    let side = recipe.input.square;
    let mean = match recipe.input.mean {
        Mean::Image => normals(7, 3 * side * side).iter().map(|value| 120.0 + 20.0 * value).collect(),
        Mean::Channels | Mean::Fixed(_) => vec![104.5, 116.25, 123.75],
    };
    let preprocess = Preprocess {
        square: side,
        crop: recipe.input.crop,
        orientation: recipe.input.orientation,
        resize: alexnet::data::square::RESIZE.into(),
        channels: "RGB".into(),
        divisor: recipe.input.divisor,
        deviations,
        mean,
    };
    let parameters = lively_parameters(&network, 11);
    let classes = (0..classes).map(|class| format!("class {class}")).collect();
    let imported = Imported { recipe, classes, preprocess, parameters, notes: Vec::new() };
    imported.into_model(noise(side), "test".into()).unwrap()
}

/// Two squares of noise.
fn noise(side: usize) -> Vec<Image> {
    let values = normals(5, 6 * side * side);
    let pixels: Vec<u8> = values.iter().map(|value| (128.0 + 50.0 * value).clamp(0.0, 255.0) as u8).collect();
    let image = |pixels: &[u8]| Image { width: side, height: side, pixels: pixels.to_vec() };
    pixels.chunks_exact(3 * side * side).map(image).collect()
}

/// Exports, imports and exports again. The logits must be the same, and the files too.
fn round_trip(model: &Model) -> (Imported, CaffeExport) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [folders[0].path().join("caffe"), folders[1].path().join("caffe")];
    let exported = write(model, &first).unwrap();
    let imported = read(&CaffeFiles::of(std::slice::from_ref(&first)).unwrap(), None).unwrap();
    let again = imported.clone().into_model(model.golden.images.clone(), "again".into()).unwrap();
    let difference = difference(&again.golden.logits, &model.golden.logits);
    assert!(difference < 2e-6, "{difference:e}");
    write(&again, &second).unwrap();
    for file in &exported.files {
        let name = file.file_name().unwrap();
        let same = std::fs::read(first.join(name)).unwrap() == std::fs::read(second.join(name)).unwrap();
        assert!(same, "{}", name.display());
    }
    (imported, exported)
}

/// Every kind of layer that Caffe has.
fn every_layer_of_caffe() -> Recipe {
    let mut recipe = every_layer();
    recipe.set("layer.local3", "none").unwrap();
    // One pixel more, so that the first convolution has partial windows.
    recipe.set("input.crop", "16").unwrap();
    recipe.set("layer.pool1.pad", "1").unwrap();
    recipe
}

#[test]
fn exports_read_back_to_the_same_bytes() {
    let mut recipe = every_layer_of_caffe();
    let (imported, exported) = round_trip(&model(recipe.clone(), 5, [1.0; 3]));
    assert_eq!(imported.classes[4], "class 4");
    for part in ["Layer conv1 rounds", "Layer norm1 normalizes 2 groups", "Layer drop4 rescales in inference"]
    {
        assert!(exported.notes.iter().any(|note| note.contains(part)), "{part}: {:#?}", exported.notes);
    }
    let layers: Vec<&str> = imported.recipe.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(layers, recipe.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>());
    assert!(imported.recipe.layers.iter().any(|layer| {
        layer.name == "drop4" && layer.spec == Spec::Dropout { rate: 0.5, scale: DropoutScale::Test }
    }));
    // A color instead of an image, and pixels that are scaled, all alike and each color by itself.
    assert!(matches!(imported.recipe.input.mean, Mean::Fixed(_)));
    recipe.set("input.mean", "image").unwrap();
    recipe.set("input.divisor", "255").unwrap();
    let (imported, _) = round_trip(&model(recipe.clone(), 5, [0.5; 3]));
    // The divisor of the factor in single precision.
    assert!((imported.preprocess.divisor - 127.5).abs() < 1e-4);
    let (imported, exported) = round_trip(&model(recipe, 5, [0.229, 0.224, 0.225]));
    assert!((imported.preprocess.divisor - 255.0).abs() < 1e-4 && imported.recipe.input.std.is_none());
    assert!(exported.notes.iter().any(|note| note.contains("0.229")), "{:#?}", exported.notes);
}

#[test]
fn the_papers_network_keeps_its_function() {
    // The geometry of conv1, pool1 and conv2 with fewer maps: rounding up, columns, response normalization of the paper.
    let mut recipe = Recipe::load("paper").unwrap();
    for (key, value) in [
        ("input.crop", "64"),
        ("input.square", "72"),
        ("layer.conv1.maps", "8"),
        ("layer.conv2.maps", "8"),
        ("layer.conv3.maps", "8"),
        ("layer.conv4.maps", "8"),
        ("layer.conv5.maps", "8"),
        ("layer.fc6.units", "16"),
        ("layer.fc7.units", "16"),
    ] {
        recipe.set(key, value).unwrap();
    }
    let (imported, _) = round_trip(&model(recipe, 10, [1.0; 3]));
    let Spec::Conv(conv) = &imported.recipe.layers[0].spec else { panic!("not a convolution") };
    // 64 pixels have windows of 11 at 0, 4, ..., 52 and a partial one at 56, which 3 pixels are missing from.
    assert_eq!((conv.kernel, conv.pad, conv.stride), (14, 3, 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_chain_reads_back_to_the_same_bytes(recipe in chains::recipe()) {
        round_trip(&model(recipe, 3, [1.0; 3]));
    }
}

/// The files of a network in a folder, and how many of them there are.
fn copy(names: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &&str| {
        let to = folder.path().join(name);
        std::fs::copy(data(name), &to).unwrap();
        to
    };
    let paths = names.iter().map(copy).collect();
    (folder, paths)
}

fn refused(paths: &[PathBuf]) -> alexnet::Error {
    let error = CaffeFiles::of(paths).and_then(|files| read(&files, None)).unwrap_err();
    assert!(error.help.is_some(), "{error}");
    error
}

#[test]
fn files_that_do_not_fit_each_other_are_refused() {
    let (folder, paths) = copy(&["alexnet.prototxt", "caffenet.caffemodel", "mean.binaryproto"]);
    let [net, weights, mean] = &paths[..] else { panic!("three files") };
    let text = std::fs::read_to_string(net).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(net, text.replace(from, to)).unwrap();
        refused(&paths)
    };
    // All layers with other shapes at once.
    let error = changed("num_output: 12", "num_output: 14");
    for part in [
        "caffenet.caffemodel: 7 of the weights do not fit the definition of the network",
        "layer conv2 of line 15: weights: shape [12, 4, 5, 5], expected [14, 4, 5, 5]",
        "layer conv2 of line 15: biases: shape [12], expected [14]",
        "layer conv5 of line 47: weights: shape [8, 6, 3, 3], expected [8, 7, 3, 3]",
    ] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    let error = changed("\"fc7\"", "\"fc7new\"");
    assert!(error.message.contains("layer fc7new of line 69: no weights in the file"), "{error}");
    let error = changed("kernel_size: 5 group: 2 }", "kernel_size: 5 group: 2 bias_term: false }");
    assert!(error.message.contains("layer conv2 of line 15: 2 arrays, expected 1"), "{error}");
    let renamed = (1..=8).fold(text.clone(), |text, i| {
        text.replace(&format!("\"conv{i}\""), &format!("\"c{i}\""))
            .replace(&format!("\"fc{i}\""), &format!("\"f{i}\""))
    });
    std::fs::write(net, renamed).unwrap();
    let error = refused(&paths);
    let expected = "the weights are those of another network: layers conv1, conv2, conv3, conv4, conv5, fc6, fc7, fc8, expected c1, c2";
    assert!(error.message.contains(expected), "{error}");
    std::fs::write(net, &text).unwrap();
    // Missing files, files twice, and files of another kind.
    let error = refused(&paths[..2]);
    assert!(error.message.contains("nothing says what is subtracted from the pixels"), "{error}");
    assert!(refused(&paths[..1]).message.contains("no file of weights"));
    let other = data("alexnet.prototxt");
    let error = refused(&[&paths[..], &[other]].concat());
    assert!(error.message.contains("two network definitions, expected one"), "{error}");
    // A solver with an error is a solver, and its error is named.
    let solver = folder.path().join("solver.prototxt");
    for (text, part) in [
        ("base_lr: abc\nmax_iter: 5\n", "solver.prototxt:1: `base_lr` is abc, expected a number"),
        ("net: \"a\"\nbase_lr: 0.1\nmax_iter: 5 }\n", "solver.prototxt:3: `}` closes nothing"),
        ("net: \"a\nbase_lr: 0.1\n", "solver.prototxt:1: a string has no closing"),
    ] {
        std::fs::write(&solver, text).unwrap();
        let error = refused(&[&paths[..], std::slice::from_ref(&solver)].concat());
        assert!(error.message.contains(part), "{part}: {error}");
    }
    for (name, part) in [
        ("mean.npy", "an array of NumPy"),
        ("a.caffemodel.h5", "an HDF5 file"),
        ("a.jpg", "expected Caffe's files"),
    ] {
        let error = refused(&[folder.path().join(name)]);
        assert!(error.message.contains(part), "{error}");
    }
    let error = refused(&[folder.path().join("none.caffemodel")]);
    assert!(error.message.contains("none.caffemodel"), "{error}");
    // A mean image that is smaller than the crop.
    let side = 30u8;
    let values: Vec<u8> = (0..3 * 30 * 30).flat_map(|value| (value as f32 / 12.0).to_le_bytes()).collect();
    let data = [&[8, 1, 16, 3, 24, side, 32, side, 0x2a][..], &[0xb0, 0x54], &values].concat();
    std::fs::write(mean, data).unwrap();
    let error = refused(&paths);
    assert!(
        error.message.contains("mean.binaryproto: a mean image of 30 x 30 pixels, expected 35, the crop of"),
        "{error}"
    );
    let names = folder.path().join("labels.txt");
    std::fs::write(&names, "cat\ndog\n").unwrap();
    std::fs::copy(self::data("mean.binaryproto"), mean).unwrap();
    let error = refused(&[&paths[..], &[names]].concat());
    assert!(error.message.contains("labels.txt: 2 class names, but the network has 5 outputs"), "{error}");
    // Weights that are not numbers.
    let mut bytes = std::fs::read(weights).unwrap();
    let at = bytes.len() - 100;
    bytes[at..at + 40].copy_from_slice(&f32::NAN.to_le_bytes().repeat(10));
    std::fs::write(weights, bytes).unwrap();
    let error = refused(&paths);
    assert!(error.message.contains("the value NaN at position") || error.message.contains("byte"), "{error}");
}

#[test]
fn given_class_names_replace_those_in_the_files() {
    let (folder, mut paths) = copy(&["alexnet.prototxt", "alexnet.caffemodel", "mean.binaryproto"]);
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "1\n2\n3\n4\n5\n").unwrap();
    paths.push(labels);
    let files = CaffeFiles::of(&paths).unwrap();
    assert_eq!(read(&files, None).unwrap().classes, ["1", "2", "3", "4", "5"]);
    let given = ["a", "b", "c", "d", "e"].map(str::to_owned);
    let Imported { classes, notes, .. } = read(&files, Some(&given)).unwrap();
    assert_eq!(classes, given);
    assert!(notes.iter().any(|note| note.contains("Ignored: the class names in")), "{notes:#?}");
    let error = read(&files, Some(&given[..2])).unwrap_err();
    assert!(error.message.contains("--classes: 2 class names, but the network has 5 outputs"), "{error}");
}

#[test]
fn what_is_not_used_is_noted() {
    let (_folder, paths) = copy(&["alexnet.prototxt", "alexnet-double.caffemodel", "mean.binaryproto"]);
    let text = std::fs::read_to_string(&paths[0]).unwrap();
    // Without fc7, and with a field that Caffe does not have.
    let start = text.find("layer {\n  name: \"fc7\"").unwrap();
    let end = text.find("layer {\n  name: \"fc8\"").unwrap();
    let text =
        format!("{}{}", &text[..start], text[end..].replace("bottom: \"fc7\"", "bottom: \"fc6\" wavelet: 1"));
    std::fs::write(&paths[0], text).unwrap();
    let notes = read(&CaffeFiles::of(&paths).unwrap(), None).unwrap().notes;
    for part in [
        "Ignored: the weights of fc7",
        "Ignored: `layer.wavelet` (line 72)",
        "Caffe's scripts squash images to squares instead",
        "the classes are named by their numbers (`--classes FILE` changes them)",
        "assumptions about training",
    ] {
        assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:#?}");
    }
}

#[test]
fn what_caffe_lacks_is_listed_at_once() {
    let mut recipe = every_layer();
    recipe.set("layer.norm3.size", "4").unwrap();
    recipe.set("layer.rnorm2.size", "2").unwrap();
    recipe.set("layer.pool2.pad", "1").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = write(&model(recipe, 5, [1.0; 3]), folder.path()).unwrap_err();
    for part in [
        "the model has 4 parts that Caffe lacks",
        "layer local3: locally connected layers",
        "layer norm3: a normalization over 4 channels or pixels",
        "layer rnorm2: a normalization over 2",
        "layer pool2: average pooling with padding",
    ] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

/// How often files are damaged: `ALEXNET_DAMAGED` is for a longer search than a test can take.
fn rounds() -> u64 {
    std::env::var("ALEXNET_DAMAGED").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(400)
}

/// Files with damaged bytes are read or refused, whatever the damage.
#[test]
fn damaged_files_do_not_panic() {
    let net = std::fs::read_to_string(data("alexnet.prototxt")).unwrap();
    let mean = std::fs::read(data("mean.binaryproto")).unwrap();
    let mut read = 0;
    for name in ["alexnet.caffemodel", "alexnet-v1.caffemodel", "alexnet-double.caffemodel"] {
        let whole = std::fs::read(data(name)).unwrap();
        // Most positions are numbers of blobs; texts and lengths are mostly in ASCII.
        let heads: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] < 0x80 || at % 97 == 0).collect();
        for i in 0..rounds() {
            let mut bytes = whole.clone();
            for change in 0..1 + i % 3 {
                let random = combine(i, change);
                bytes[heads[random as usize % heads.len()]] = (random >> 32) as u8;
            }
            bytes.truncate(if i % 4 == 0 {
                heads[combine(i, 9) as usize % heads.len()]
            } else {
                bytes.len()
            });
            let net = (i % 2 == 0).then_some((net.as_str(), "net"));
            let mean = Some((mean.as_slice(), "mean"));
            let contents =
                CaffeContents { net, solver: None, weights: (&bytes, "weights"), mean, classes: None };
            match import(&contents) {
                Ok(_) => read += 1,
                Err(error) => assert!(!error.message.is_empty()),
            }
        }
    }
    println!("{} files, {read} read", 3 * rounds());
    assert!(read > 0);
}

/// Definitions with words removed, repeated and exchanged are converted or refused.
#[test]
fn damaged_definitions_do_not_panic() {
    let text = std::fs::read_to_string(data("alexnet.prototxt")).unwrap();
    let solver = "base_lr: 0.01 lr_policy: \"step\" gamma: 0.1 stepsize: 100000 max_iter: 450000 momentum: 0.9 iter_size: 2";
    let words = |text: &str| text.split_inclusive([' ', '\n']).map(str::to_owned).collect::<Vec<String>>();
    let odd = [
        "{",
        "}",
        "0",
        "-1",
        "4096",
        "99999999999",
        "1e30",
        "\"",
        "[",
        "true",
        "MAX",
        "LRN",
        "layers",
        "#",
        ": ",
        "Slice",
    ];
    let mut converted = 0;
    for i in 0..rounds() {
        let mut parts = [words(&text), words(solver)];
        for change in 0..1 + i % 4 {
            let random = combine(i, change) as usize;
            let words = &mut parts[usize::from(random.is_multiple_of(8))];
            let (at, other) = ((random >> 8) % words.len(), (random >> 24) % words.len());
            match (random >> 4) % 4 {
                0 => drop(words.remove(at)),
                1 => words.swap(at, other),
                2 => words[at] = format!("{} ", odd[(random >> 40) % odd.len()]),
                _ => words.insert(at, words[other].clone()),
            }
        }
        let [net, solver] = parts.map(|words| words.concat());
        if let Ok(found) = convert((&net, "net"), Some((&solver, "solver")), CaffeImages::default()) {
            assert_eq!(Recipe::parse(&found.recipe.to_toml(), "back").unwrap(), found.recipe);
            converted += 1;
        }
    }
    println!("{} definitions, {converted} converted", rounds());
    assert!(converted > 0);
}

/// Caffe's own definitions, from its source, are the built-in recipes.
#[test]
fn caffes_definitions_are_the_built_in_recipes() {
    let Some(folder) = std::env::var_os("ALEXNET_CAFFE_SOURCE").map(PathBuf::from) else {
        println!("skipped: ALEXNET_CAFFE_SOURCE does not name a folder with the source of Caffe");
        return;
    };
    for (name, builtin) in [("bvlc_alexnet", "caffe"), ("bvlc_reference_caffenet", "caffenet")] {
        let models = folder.join("models").join(name);
        let [net, solver] = ["train_val.prototxt", "solver.prototxt"].map(|file| models.join(file));
        let converted = read_recipe(&net, Some(&solver), CaffeImages::default()).unwrap();
        let text = diff(&converted.recipe, &Recipe::load(builtin).unwrap());
        assert!(text.contains("no differences in network, preprocessing or training"), "{name}: {text}");
        for Difference { what, why } in converted.gaps {
            println!("{name}: {what}. {why}");
        }
    }
}

/// Networks of full size, from the folder that `golden.py full` writes: logits are those of Caffe. Writes exports of recipes next to
/// them for `golden.py check`.
#[test]
#[ignore = "needs the files of `golden.py full`"]
fn full_networks() {
    let Some(folder) = std::env::var_os("ALEXNET_CAFFE").map(PathBuf::from) else {
        panic!("ALEXNET_CAFFE does not name a folder that `golden.py full` wrote");
    };
    for net in ["bvlc_alexnet", "bvlc_reference_caffenet"] {
        let source = folder.join(net);
        let bytes = std::fs::read(source.join("logits.bin")).unwrap();
        let expected: Vec<f32> =
            bytes.as_chunks::<4>().0.iter().map(|bits| f32::from_le_bytes(*bits)).collect();
        for weights in ["weights-v1.caffemodel", "weights.caffemodel"] {
            let paths = ["deploy.prototxt", weights, "mean.binaryproto"].map(|name| source.join(name));
            let imported = read(&CaffeFiles::of(&paths).unwrap(), None).unwrap();
            let found = logits(imported, squares(&source.join("squares.bin"), 256));
            let difference = difference(&found, &expected);
            println!("{net}, {weights}: relative difference of {} logits {difference:.1e}", found.len());
            assert!(difference < TOLERANCE, "{net}: {difference:e}");
        }
        let imported = read(&CaffeFiles::of(std::slice::from_ref(&source)).unwrap(), None).unwrap();
        let model = imported.into_model(squares(&source.join("squares.bin"), 256), net.into()).unwrap();
        export_for_check(&model, &folder.join(format!("export-{net}")));
    }
    for name in ["paper", "caffe", "torchvision"] {
        let recipe = Recipe::load(name).unwrap();
        let deviations = recipe.input.std.unwrap_or([1.0; 3]);
        export_for_check(&model(recipe, 1000, deviations), &folder.join(format!("export-{name}")));
    }
    export_for_check(&model(every_layer_of_caffe(), 5, [1.0; 3]), &folder.join("export-every-layer"));
}

fn export_for_check(model: &Model, folder: &Path) {
    write(model, folder).unwrap();
    let pixels: Vec<u8> = model.golden.images.iter().flat_map(|image| image.pixels.clone()).collect();
    std::fs::write(folder.join("squares.bin"), pixels).unwrap();
    let logits: Vec<u8> = model.golden.logits.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.join("exported-logits.bin"), logits).unwrap();
}
