//! `alexnet quantize`, and quantized models in the other commands.

use std::path::Path;

use crate::support::{COLORS, Colors, images, path, run, run_json, save_model, write_png};

/// A model that compares colors, images for it, and a place for the quantized model.
struct Quantized {
    colors: Colors,
    model: String,
    out: String,
}

impl Quantized {
    fn new() -> Self {
        let colors = Colors::new(30);
        let model = save_model(colors.folder.path(), "m.safetensors", &COLORS);
        let out = colors.path("int8.safetensors");
        run(&["quantize", &model, &out, "--calibrate", &colors.data], 0);
        Self { colors, model, out }
    }
}

#[test]
fn the_report_has_accuracy_before_and_after() {
    let colors = Colors::new(30);
    let model = save_model(colors.folder.path(), "run/best.safetensors", &COLORS);
    let (out, run_folder) = (colors.path("int8.safetensors"), colors.path("run"));
    let (text, err) = run(&["quantize", &run_folder, "--calibrate", &colors.data, &out, "--threads", "1"], 0);
    for expected in [
        "model     ",
        "images    81 for calibration, split train",
        "ranges    least mean squared error",
        "fc1    fc    int8",
        "accuracy  9 images, split val",
        "top-1     100.00 % in f32, 100.00 % quantized: +0.00 points",
        "use it    alexnet classify",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!err.contains("warning"), "{err}");
    let again = colors.path("again.safetensors");
    let args = [
        "quantize",
        &model,
        &again,
        "--calibrate",
        &colors.data,
        "--images",
        "20",
        "--ranges",
        "max",
        "--json",
    ];
    let (value, err) = run_json(&args, 0);
    assert_eq!(value["calibration"]["images"], 20);
    assert_eq!((&value["ranges"], &value["accuracy"]["views"]), (&"max".into(), &10.into()));
    assert_eq!(
        (&value["accuracy"]["f32"]["top1"], &value["accuracy"]["int8"]["top1"]),
        (&1.0.into(), &1.0.into())
    );
    assert_eq!(value["layers"][0]["form"], "int8");
    assert!(value["errors"][0]["error"].as_f64().unwrap() < 0.02, "{value}");
    assert!(err.contains("only 20 calibration images"), "{err}");
    assert!(value["int8_bytes"].as_u64().unwrap() * 3 < value["f32_bytes"].as_u64().unwrap());
}

#[test]
fn other_commands_use_quantized_models() {
    let Quantized { colors, model, out } = Quantized::new();
    let (value, _) = run_json(&["eval", &out, "--data", &colors.data, "--split", "all", "--json"], 0);
    assert_eq!((&value["images"], &value["top1"]), (&90.into(), &1.0.into()));
    let (text, _) = run(&["eval", &out, "--data", &colors.data, "--split", "val"], 0);
    assert!(text.contains("8-bit integers"), "{text}");
    // An ensemble of both kinds.
    let (value, _) = run_json(&["eval", &out, &model, "--data", &colors.data, "--json"], 0);
    assert_eq!(value["top1"], 1.0);
    let red = format!("{}/red", colors.data);
    let (text, _) = run(&["classify", &out, &red, "--top", "1"], 0);
    assert_eq!(text.lines().count(), 30);
    assert!(text.lines().all(|line| line.contains("\tred\t")), "{text}");
    let (value, _) =
        run_json(&["bench", "--model", &out, "--batch", "4", "--threads", "1", "--layers", "--json"], 0);
    assert_eq!((&value["precision"], &value["batch"]), (&"int8".into(), &4.into()));
    assert!(value["infer_images_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(value["infer_layers"][0]["layer"], "fc1");
    let (text, _) = run(&["bench", "--model", &model, "--layers", "--threads", "1"], 0);
    assert!(text.contains(", f32\n") && text.contains("4 images per call"), "{text}");
}

#[test]
fn commands_that_need_f32_refuse_quantized_models() {
    let Quantized { colors, out, .. } = Quantized::new();
    let other = colors.path("other.safetensors");
    for args in [
        vec!["train", &colors.data, "--init", &out],
        vec!["train", &colors.data, "--recipe", &colors.recipe, "--init", &out],
        vec!["quantize", &out, &other, "--calibrate", &colors.data],
    ] {
        let (text, err) = run(&args, 4);
        assert!(
            text.is_empty() && err.contains("int8.safetensors: the model is quantized"),
            "{args:?}: {err}"
        );
        assert!(err.contains("help: use the model that it was quantized from"), "{args:?}: {err}");
    }
    for args in [
        vec!["eval", &out, "--data", &colors.data, "--half"],
        vec!["classify", &out, &colors.data, "--half"],
        vec!["bench", "--model", &out, "--half"],
    ] {
        let (_, err) = run(&args, 2);
        assert!(err.contains("8 bits") && err.contains("without --half"), "{args:?}: {err}");
    }
}

#[test]
fn unsuitable_arguments_are_refused_before_any_work() {
    let colors = Colors::new(4);
    let model = save_model(colors.folder.path(), "m.safetensors", &COLORS);
    let before = std::fs::read(&model).unwrap();
    for out in [&model, &colors.data] {
        let (_, err) = run(&["quantize", &model, out, "--calibrate", &colors.data], 2);
        assert!(err.contains("exists already") && err.contains("help: choose another name"), "{err}");
    }
    assert_eq!(std::fs::read(&model).unwrap(), before);
    let out = colors.path("q.safetensors");
    for (args, code, expected) in [
        (vec![&model[..], &out], 2, "missing `--calibrate SRC`"),
        (vec![&model, &out, "--calibrate", "/nowhere"], 3, "/nowhere"),
        (vec!["/nowhere", &out, "--calibrate", &colors.data], 4, "no such file"),
        (
            vec![&model, &out, "--calibrate", &colors.data, "--images", "0"],
            2,
            "expected a whole number, 1 or more",
        ),
        (
            vec![&model, &out, "--calibrate", &colors.data, "--ranges", "entropy"],
            2,
            "expected max or percentile or mse",
        ),
        (vec![&model, &out, "--calibrate", &colors.data, "--split", "test"], 3, "no split `test`"),
    ] {
        let (_, err) = run(&[&["quantize"], &args[..]].concat(), code);
        assert!(err.contains(expected), "{args:?}: {err}");
        assert!(!Path::new(&out).exists());
    }
}

#[test]
fn images_of_other_classes_calibrate_but_do_not_evaluate() {
    let colors = Colors::new(30);
    let model = save_model(colors.folder.path(), "m.safetensors", &COLORS);
    let pets = images(&colors.folder.path().join("pets"), &["cat", "dog"], 40);
    let out = colors.path("q.safetensors");
    let (text, err) = run(&["quantize", &model, &out, "--calibrate", &pets], 0);
    assert!(err.contains("2 of the data's 2 classes are not among the model's 3"), "{err}");
    assert!(err.contains("ranges are right if the images are like those"), "{err}");
    assert!(text.contains("accuracy  not measured: 2 of the data's 2 classes"), "{text}");
    // Measured on other images than those that calibrate.
    let out = colors.path("q2.safetensors");
    let args =
        ["quantize", &model, &out, "--calibrate", &pets, "--data", &colors.data, "--split", "all", "--json"];
    let (value, _) = run_json(&args, 0);
    assert_eq!((&value["accuracy"]["images"], &value["accuracy"]["split"]), (&90.into(), &"all".into()));
    // Requested, they must have the model's classes.
    let out = path(&colors.folder.path().join("q3.safetensors"));
    let (_, err) = run(&["quantize", &model, &out, "--calibrate", &colors.data, "--data", &pets], 3);
    assert!(err.contains("are not among the model's"), "{err}");
}

#[test]
fn images_without_classes_calibrate() {
    let colors = Colors::new(30);
    let model = save_model(colors.folder.path(), "m.safetensors", &COLORS);
    let flat = colors.folder.path().join("flat");
    std::fs::create_dir(&flat).unwrap();
    (0..60).for_each(|i| write_png(&flat.join(format!("{i:02}.png")), i % 3, i));
    let (flat, out) = (path(&flat), colors.path("q.safetensors"));
    let (text, err) = run(&["quantize", &model, &out, "--calibrate", &flat], 0);
    assert!(err.contains("labels do not matter: using the 60 images directly in it"), "{err}");
    assert!(text.contains("images    60 for calibration, split all"), "{text}");
    assert!(text.contains("accuracy  not measured: the images of --calibrate have no classes"), "{text}");
    let (value, _) = run_json(&["eval", &out, "--data", &colors.data, "--split", "all", "--json"], 0);
    assert_eq!(value["top1"], 1.0);
    let other = colors.path("q2.safetensors");
    let args = ["quantize", &model, &other, "--calibrate", &flat, "--data", &colors.data, "--json"];
    let (value, _) = run_json(&args, 0);
    assert_eq!(
        (&value["calibration"]["data"], &value["accuracy"]["images"]),
        (&flat.clone().into(), &9.into())
    );
    assert_eq!(value["not_measured"], serde_json::Value::Null);
    let other = colors.path("q3.safetensors");
    let (_, err) = run(&["quantize", &model, &other, "--calibrate", &flat, "--split", "all"], 2);
    assert!(err.contains("--split all: the images of --calibrate have no classes"), "{err}");
    let (_, err) = run(&["quantize", &model, &other, "--calibrate", &flat, "--views", "1"], 2);
    assert!(
        err.contains("--views 1 has no effect") && err.contains("because the images of --calibrate"),
        "{err}"
    );
    // A folder without images is refused for its own reason.
    let empty = colors.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let (_, err) = run(&["quantize", &model, &other, "--calibrate", &empty], 3);
    assert!(err.contains("it is empty"), "{err}");
}

#[test]
fn accuracy_is_measured_on_images_or_not_at_all() {
    let colors = Colors::new(30);
    let model = save_model(colors.folder.path(), "m.safetensors", &COLORS);
    let out = colors.path("q.safetensors");
    let source = |name: &str, n| images(&colors.folder.path().join(name), &COLORS, n);
    let (few, broken, more) = (source("few", 1), source("broken", 2), source("more", 10));
    for color in COLORS {
        for i in 0..2 {
            std::fs::write(format!("{broken}/{color}/{i:02}.png"), b"\x89PNG and no more").unwrap();
        }
    }
    let quantize = ["quantize", &model, &out, "--calibrate", &colors.data, "--data"];
    // Of one image per class, none is held out.
    for (data, expected, help) in [
        (few.as_str(), "few: split `val` has no images, expected some", "`--split all`"),
        (broken.as_str(), "none of the 3 images of split `val` can be decoded: ", "JPEG or PNG"),
    ] {
        let (_, err) = run(&[&quantize[..], &[data]].concat(), 3);
        assert!(err.contains(expected) && err.contains(help), "{err}");
        assert!(!Path::new(&out).exists());
    }
    let (text, err) = run(&[&quantize[..], &[more.as_str(), "--views", "1"]].concat(), 0);
    assert!(err.contains("3 of 30 images are held out for validation"), "{err}");
    assert!(text.contains("accuracy  3 images, split val"), "{text}");
}

#[test]
fn a_damaged_file_is_refused_by_every_command() {
    let Quantized { colors, out, .. } = Quantized::new();
    let mut bytes = std::fs::read(&out).unwrap();
    let pixel = bytes.len() - 40;
    bytes[pixel] ^= 4;
    std::fs::write(&out, bytes).unwrap();
    for args in [
        vec!["eval", &out, "--data", &colors.data],
        vec!["classify", &out, &colors.data],
        vec!["bench", "--model", &out],
        vec!["train", &colors.data, "--init", &out],
    ] {
        let (_, err) = run(&args, 4);
        assert!(err.contains("checksum mismatch"), "{args:?}: {err}");
    }
}
