//! `alexnet import` and `export`.

use std::path::{Path, PathBuf};
use std::process::Command;

use alexnet::model::Model;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{COLORS, Colors, images, path, run, save_model, text};

/// A file of the library's tests.
fn file(name: &str) -> String {
    path(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../alexnet/tests/torch").join(name))
}

/// Runs with an interpreter for comparisons, expects the exit code, and gives standard output and standard error.
fn run_with(python: &str, args: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(cargo_bin!("alexnet"));
    let output =
        command.args(args).env("ALEXNET_PYTHON", python).env_remove("RUST_BACKTRACE").output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// Runs without comparison.
fn import(args: &[&str], code: i32) -> (String, String) {
    run_with("", &[&["import"], args].concat(), code)
}

struct Place {
    folder: TempDir,
    recipe: String,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), recipe: file("narrow-torchvision.toml") }
    }

    fn path(&self, name: &str) -> String {
        path(&self.folder.path().join(name))
    }

    /// The narrow network, imported.
    fn model(&self) -> String {
        let model = self.path("model.safetensors");
        import(&[&file("narrow.pth"), &model, "--recipe", &self.recipe], 0);
        model
    }
}

#[test]
fn weights_of_pytorch_classify_ones_own_photos_after_three_commands() {
    let place = Place::new();
    let pets = images(&place.folder.path().join("pets"), &["cat", "dog", "rabbit"], 4);
    let (model, run_folder) = (place.path("imagenet.safetensors"), place.path("run"));
    let (out, err) = import(&[&file("narrow.pth"), &model, "--recipe", &place.recipe], 0);
    for expected in [
        "from     PyTorch state dict: ",
        "network  narrow-torchvision, 5,605 ",
        "parameters, 5 classes",
        "golden   4 made by this program",
        "checked  not compared with the program that wrote the files: ALEXNET_PYTHON is empty; ",
        "use it   alexnet classify ",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert!(
        err.contains("note: preprocessing is not in the file")
            && err.contains("note: class names are not in"),
        "{err}"
    );
    let settings = ["--epochs", "1", "--set", "optimizer.batch=4", "--run", &run_folder, "--threads", "1"];
    let (_, err) = run(&[&["train", &pets, "--init", &model], &settings[..]].concat(), 0);
    assert!(err.contains("loaded from the model: conv1.weight, conv1.bias"), "{err}");
    assert!(err.contains("initialized: fc8.weight"), "{err}");
    let (out, _) = run(&["classify", &run_folder, &format!("{pets}/cat/00.png")], 0);
    assert!(["cat", "dog", "rabbit"].iter().all(|class| out.contains(class)), "{out}");
}

#[test]
fn images_and_classes_can_be_given() {
    let place = Place::new();
    let (model, names) = (place.path("m.safetensors"), place.path("names.txt"));
    std::fs::write(&names, "a\nb\nc\nd\ne\n").unwrap();
    let photos = images(&place.folder.path().join("photos"), &["red"], 18) + "/red";
    let args = [
        &file("narrow-legacy.pth"),
        &model,
        "--recipe",
        &place.recipe,
        "--classes",
        &names,
        "--verify",
        &photos,
        "--json",
    ];
    let (out, err) = import(&args, 0);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&value["format"], &value["classes"], &value["golden"]["images"]),
        (&"torch".into(), &5.into(), &16.into())
    );
    assert_eq!(value["golden"]["from"], "files");
    assert!(value["comparison"]["not_compared"]["reason"].is_string(), "{value}");
    let notes = value["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note == "--verify: the first 16 of 18 images are stored"), "{value}");
    assert!(notes.iter().all(|note| err.contains(note.as_str().unwrap())));
    let model = Model::load(&model).unwrap();
    assert_eq!(model.classes, ["a", "b", "c", "d", "e"]);
    assert_eq!(model.golden.images.len(), 16);
}

#[test]
fn settings_change_what_is_assumed() {
    let place = Place::new();
    let (model, args) =
        (place.path("m.safetensors"), ["--recipe", &place.recipe, "--set", "input.mean.fixed=[1, 2, 3]"]);
    import(&[&[&file("narrow.pth")[..], &model], &args[..]].concat(), 0);
    assert_eq!(Model::load(&model).unwrap().preprocess.mean, [1.0, 2.0, 3.0]);
    let (_, err) = import(&[&file("narrow.pth"), &model, "--set", "input.crop=3"], 2);
    assert!(err.contains("missing `--recipe NAME|FILE`"), "{err}");
}

#[test]
fn unsuitable_files_are_refused_and_nothing_is_written() {
    let place = Place::new();
    let (out, page) = (place.path("out.safetensors"), place.path("page.pth"));
    std::fs::write(&page, "<!DOCTYPE html><title>404</title>").unwrap();
    let names = place.path("names.json");
    std::fs::write(&names, "[\"a\"]").unwrap();
    for (args, code, expected) in [
        (vec![file("refused-system.pth")], 4, "posix.system"),
        (vec![file("refused-module.pth")], 4, "whole pickled module"),
        (vec![page], 4, "it is a web page"),
        (vec!["/nowhere.pth".into()], 4, "/nowhere.pth: cannot read the file"),
        (vec![file("narrow.pth")], 4, "conv1.weight needs [64, 3, 11, 11]"),
        (vec![file("narrow.pth"), "--recipe".into(), "papre".into()], 2, "did you mean `paper`?"),
        (
            vec![file("narrow.pth"), "--recipe".into(), place.recipe.clone(), "--classes".into(), names],
            2,
            "1 class names, but",
        ),
        (
            vec![
                file("narrow.pth"),
                "--recipe".into(),
                place.recipe.clone(),
                "--verify".into(),
                "/none.png".into(),
            ],
            3,
            "/none.png",
        ),
    ] {
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.insert(1, &out);
        let (_, err) = import(&args, code);
        assert!(err.contains(expected) && err.contains("help: "), "{args:?}: {err}");
        assert!(!Path::new(&out).exists());
    }
    let model = place.model();
    let (_, err) = import(&[&file("narrow.pth"), &model, "--recipe", &place.recipe], 2);
    assert!(err.contains("exists already"), "{err}");
    let (_, err) = import(&[&model, &out], 2);
    assert!(err.contains("a model of this program already"), "{err}");
}

#[test]
fn exports_come_back() {
    let place = Place::new();
    let model = place.model();
    let (exported, again) = (place.path("weights.safetensors"), place.path("again.safetensors"));
    let (out, err) = run(&["export", &model, &exported], 0);
    assert!(out.contains("format   PyTorch state dict\nwritten  "), "{out}");
    assert!(
        err.contains("note: the network is not torchvision's") && err.contains("golden samples"),
        "{err}"
    );
    let (out, err) = import(&[&exported, &again], 0);
    assert!(out.contains("network  narrow-torchvision") && err.is_empty(), "{out}{err}");
    let (before, after) = (Model::load(&model).unwrap(), Model::load(&again).unwrap());
    assert_eq!(
        (before.parameters, before.golden, before.recipe),
        (after.parameters, after.golden, after.recipe)
    );
    let third = place.path("third.pth");
    let (out, _) = run(&["export", &again, &third, "--to", "torch", "--json"], 0);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&value["format"], value["notes"].as_array().unwrap().len()), (&"torch".into(), 2));
    assert_eq!(std::fs::read(&exported).unwrap(), std::fs::read(&third).unwrap());
}

#[test]
fn unsuitable_exports_are_refused() {
    let colors = Colors::new(10);
    let model = save_model(colors.folder.path(), "m.safetensors", &COLORS);
    for (out, expected) in [
        (colors.path("out.pth"), "pickles (`.pth`) are not written"),
        (colors.path("out.h5"), "the extension is that of no format"),
        (model.clone(), "exists already"),
    ] {
        let (_, err) = run(&["export", &model, &out], 2);
        assert!(err.contains(expected) && err.contains("help: "), "{err}");
    }
    let int8 = colors.path("int8.safetensors");
    run(&["quantize", &model, &int8, "--calibrate", &colors.data], 0);
    let (_, err) = run(&["export", &int8, &colors.path("out.safetensors")], 4);
    assert!(err.contains("the model is quantized"), "{err}");
}

/// A file of ONNX of the library's tests.
fn onnx_file(name: &str) -> String {
    path(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../alexnet/tests/onnx").join(name))
}

#[test]
fn graphs_of_onnx_go_and_come_back() {
    let place = Place::new();
    let model = place.model();
    let before = Model::load(&model).unwrap();
    for (options, expected) in [
        (vec![], "as floats [N, 3, 224, 224]"),
        (vec!["--input", "crop", "--softmax"], "as bytes [N, 224, 224, 3]"),
        (vec!["--input", "square", "--opset", "22"], "the input is a square, RGB, as bytes [N, 256, 256, 3]"),
    ] {
        let (graph, again) = (place.path("graph.onnx"), place.path("again.safetensors"));
        let (out, err) = run(&[&["export", &model, &graph], &options[..]].concat(), 0);
        assert!(out.contains("format   ONNX\n") && err.contains(expected), "{out}{err}");
        let (out, _) = import(&[&graph, &again], 0);
        assert!(out.contains("network  narrow-torchvision, 5,605 "), "{out}");
        let after = Model::load(&again).unwrap();
        assert_eq!((&before.parameters, &before.golden), (&after.parameters, &after.golden));
        let (_, err) = import(&[&graph, &place.path("no.safetensors"), "--mean", "1,2,3"], 2);
        assert!(err.contains("the preprocessing is described in the metadata of the file"), "{err}");
        std::fs::remove_file(&graph).unwrap();
        std::fs::remove_file(&again).unwrap();
    }
}

#[test]
fn the_input_of_a_graph_can_be_told() {
    let place = Place::new();
    let out = place.path("out.safetensors");
    let told = [
        "--square",
        "40",
        "--mean",
        "1,2,3",
        "--divisor",
        "2",
        "--deviations",
        "1,0.5,2",
        "--channels",
        "rgb",
    ];
    let (_, err) = import(&[&[&onnx_file("normalized-dynamo.onnx")[..], &out], &told[..]].concat(), 0);
    assert!(
        err.contains("squares of 40 pixels, crops of 33, RGB from 0 to 255 minus the color [1.0, 2.0, 3.0]"),
        "{err}"
    );
    let model = Model::load(&out).unwrap();
    assert_eq!((model.preprocess.square, model.preprocess.divisor), (40, 2.0));
    assert_eq!(
        (&model.preprocess.mean[..], model.preprocess.deviations),
        (&[1.0, 2.0, 3.0][..], [1.0, 0.5, 2.0])
    );
    for (option, value, expected) in [
        ("--mean", "1,2", "expected three numbers, as in 123.675,116.28,103.53"),
        ("--mean", "1,2,nan", "expected three numbers"),
        ("--deviations", "1,0,1", "expected three numbers above 0"),
        ("--divisor", "-1", "expected a number above 0"),
        ("--crop", "0", "expected a whole number from 1 to 4096"),
        ("--channels", "gbr", "expected rgb or bgr"),
    ] {
        let argument = format!("{option}={value}");
        let (_, err) = import(&[&onnx_file("normalized-dynamo.onnx"), &place.path("no"), &argument], 2);
        assert!(err.contains(expected), "{argument}: {err}");
    }
}

#[test]
fn options_of_onnx_are_refused_for_other_formats() {
    let place = Place::new();
    let (model, out) = (place.model(), place.path("out"));
    let (_, err) = import(&[&file("narrow.pth"), &out, "--recipe", &place.recipe, "--channels", "bgr"], 2);
    for expected in
        ["are options of ONNX, and the format is PyTorch state dict", "help: ", "input.mean.fixed"]
    {
        assert!(err.contains(expected), "{expected}: {err}");
    }
    let caffe = |name: &str| onnx_file(&format!("../caffe/{name}"));
    let args = [&caffe("alexnet.caffemodel"), &caffe("mean.binaryproto"), &out, "--mean", "1,2,3"];
    let (_, err) = import(&args, 2);
    assert!(err.contains("are options of ONNX, and the format is Caffe"), "{err}");
    for (option, to) in [("--input=crop", "torch"), ("--softmax", "caffe"), ("--opset=17", "torch")] {
        let (_, err) = run(&["export", &model, &out, "--to", to, option], 2);
        let name = option.split('=').next().unwrap();
        assert!(err.contains(&format!("{name} is an option of ONNX, and the format is ")), "{err}");
        assert!(err.contains("OUT.onnx`"), "{err}");
    }
    let (_, err) = run(&["export", &model, &place.path("x.onnx"), "--opset", "12"], 2);
    assert!(err.contains("expected a whole number from 13 to 22"), "{err}");
}

#[cfg(unix)]
#[test]
fn logits_of_a_graph_are_compared_with_those_of_onnxruntime() {
    let place = Place::new();
    let (first, out) = (place.path("first.safetensors"), place.path("out.safetensors"));
    import(&[&onnx_file("zoo.onnx"), &first], 0);
    let golden = Model::load(&first).unwrap().golden.logits;
    let python = |name: &str, factor: f32| {
        let bytes: Vec<u8> = golden.iter().flat_map(|logit| (factor * logit).to_le_bytes()).collect();
        let logits = place.path(&format!("{name}.f32"));
        std::fs::write(&logits, bytes).unwrap();
        // The network reads BGR, and its output is probabilities.
        let script = format!(
            "grep -q '\"reverse_channels\":true' $2/request.json && grep -q '\"softmax\":true' $2/request.json && \
             cp {logits} $2/logits.f32 && echo '{{\"program\": \"onnxruntime 9\"}}' > $2/result.json"
        );
        interpreter(&place, name, &script)
    };
    let args = ["import", &onnx_file("zoo.onnx"), &out];
    let (text, _) = run_with(&python("right", 1.0), &args, 0);
    assert!(text.contains("checked  logits of 4 images, against onnxruntime 9: relative RMS"), "{text}");
    std::fs::remove_file(&out).unwrap();
    // A graph describes its network: no recipe does.
    let (_, err) = run_with(&python("wrong", 1.01), &args, 4);
    assert!(
        err.contains("the logits differ from those of onnxruntime 9") && !err.contains("--recipe"),
        "{err}"
    );
    assert!(err.contains("the file is worth a report") && !Path::new(&out).exists(), "{err}");
}

/// A program in place of Python, which does this with the folder `$2`.
#[cfg(unix)]
fn interpreter(place: &Place, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let file: PathBuf = place.folder.path().join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    path(&file)
}

#[cfg(unix)]
#[test]
fn logits_are_compared_with_those_of_the_other_program() {
    let place = Place::new();
    let golden = Model::load(place.model()).unwrap().golden.logits;
    let bytes = |logits: Vec<f32>| logits.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    std::fs::write(place.path("right"), bytes(golden.clone())).unwrap();
    std::fs::write(place.path("wrong"), bytes(golden.iter().map(|value| value * 1.01).collect())).unwrap();
    let program = "echo '{\"program\": \"torch 9\"}' > $2/result.json";
    let copy = |from: &str| {
        format!(
            "test -f $1 && test -f $2/alexnet_torch.py && cp {} $2/logits.f32 && {program}",
            place.path(from)
        )
    };
    let out = place.path("out.safetensors");
    let args = ["import", &file("narrow.pth"), &out, "--recipe", &place.recipe];
    for (name, script, expected) in [
        (
            "missing",
            "echo '{\"missing\": \"torch\"}' > $2/result.json".to_owned(),
            "has no package `torch`; install it: `",
        ),
        (
            "failing",
            "echo first >&2; echo 'ValueError: no' >&2; exit 1".to_owned(),
            "failing failed: ValueError: no; check",
        ),
        (
            "short",
            format!("printf abcd > $2/logits.f32; {program}"),
            "torch 9 computed another number of logits",
        ),
        (
            "right-one",
            copy("right"),
            "checked  logits of 4 images, against torch 9: relative RMS of the difference 0.0e0",
        ),
    ] {
        let (text, _) = run_with(&interpreter(&place, name, &script), &args, 0);
        assert!(text.contains(expected), "{name}: {text}");
        std::fs::remove_file(&out).unwrap();
    }
    let (text, _) = run_with("/nowhere/python", &args, 0);
    assert!(text.contains("cannot run /nowhere/python"), "{text}");
    std::fs::remove_file(&out).unwrap();
    let (_, err) = run_with(&interpreter(&place, "wrong-one", &copy("wrong")), &args, 4);
    assert!(
        err.contains("the logits differ from those of torch 9: relative RMS 9.9e-3, expected below 1e-3"),
        "{err}"
    );
    assert!(!Path::new(&out).exists());
}
