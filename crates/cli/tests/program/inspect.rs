//! `alexnet inspect`: figures of a small model with planted kernels.

use std::path::Path;

use alexnet::data::{Image, Preprocess};
use alexnet::engine::{Device, Options, Tensor, open};
use alexnet::inspect::grid::{KernelGrid, Levels, draw};
use alexnet::inspect::{Colors, Kernels};
use alexnet::model::{Golden, Model, Summary};
use alexnet::net::{Orientation, Recipe};
use roxmltree::Document;
use serde_json::Value;

use crate::support::{COLORS, Colors as Place, images, path, pixels, run, run_json, save_model, write_png};

/// Two columns of two maps, then the classes.
const RECIPE: &str = r#"
name = "columns"
summary = "a test"
source = "made up"
classes = 3
layer = [
    { name = "conv1", kind = "conv", maps = 4, kernel = 4, stride = 2 },
    { name = "conv2", kind = "conv", maps = 6, kernel = 3, groups = 2 },
    { name = "relu2", kind = "relu" },
    { name = "fc3", kind = "fc" },
]
input = { square = 8, crop = 8, mean = { fixed = [128, 128, 128] } }
augment = { random_crop = false, flip = false, color_noise = 0.0 }
optimizer = { batch = 4, rate = 0.001, momentum = 0.9, decay = 0.0 }
schedule = { epochs = 2, divide_by = 10.0 }
evaluation = { views = 1 }
"#;

/// Gray kernels in column 1, a red-green and a blue-yellow one in column 2.
fn kernels() -> Vec<f32> {
    let pattern = |map: usize, at: usize| if (at % 4 < 2) == (map.is_multiple_of(2)) { 0.01 } else { -0.01 };
    let color = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [-0.5, -0.5, 1.0]];
    let weight = |i: usize| color[i / 48][i / 16 % 3] * pattern(i / 48, i % 16);
    (0..4 * 48).map(weight).collect()
}

/// A model with these kernels, saved as `name` in `folder`.
fn planted(folder: &Path, name: &str) -> String {
    let recipe = Recipe::parse(RECIPE, "test").unwrap();
    let preprocess = Preprocess {
        square: 8,
        crop: 8,
        orientation: Orientation::Stored,
        resize: alexnet::data::square::RESIZE.into(),
        channels: "RGB".into(),
        divisor: 1.0,
        deviations: [1.0; 3],
        mean: vec![128.0; 3],
    };
    let tensor = |name: &str, shape: &[usize], data: Vec<f32>| Tensor {
        name: name.into(),
        shape: shape.to_vec(),
        data,
    };
    let noise = |n: usize| (0..n).map(|i| ((i * 7919) % 101) as f32 / 505.0 - 0.1).collect::<Vec<f32>>();
    let parameters = vec![
        tensor("conv1.weight", &[4, 3, 4, 4], kernels()),
        tensor("conv1.bias", &[4], vec![0.0; 4]),
        tensor("conv2.weight", &[6, 2, 3, 3], noise(108)),
        tensor("conv2.bias", &[6], vec![0.0; 6]),
        tensor("fc3.weight", &[3, 6], noise(18)),
        tensor("fc3.bias", &[3], vec![0.0; 3]),
    ];
    let mut model = Model {
        recipe,
        classes: COLORS.map(str::to_owned).to_vec(),
        preprocess,
        parameters,
        summary: Summary::default(),
        golden: Golden { images: vec![], logits: vec![] },
    };
    let mut engine = open(Device::Cpu, model.network().unwrap(), &Options::inference(1, 1)).unwrap();
    engine.load(&model.parameters).unwrap();
    let squares = (0..2).map(|class| Image::new(8, 8, pixels(class, 8, 5))).collect();
    model.golden = Golden::record(&mut *engine, &model.preprocess, squares).unwrap();
    let file = folder.join(name);
    model.save(&file).unwrap();
    path(&file)
}

fn svg(file: &str) -> String {
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn the_columns_of_planted_kernels_differ_in_color() {
    let place = Place::new(1);
    let model = planted(place.folder.path(), "m.safetensors");
    let out = place.path("filters.svg");
    let (value, err) = run_json(&["inspect", &model, "filters", "--out", &out, "--json"], 0);
    assert!(err.is_empty(), "{err}");
    assert_eq!((&value["layer"], &value["maps"], &value["kernel"]), (&"conv1".into(), &4.into(), &4.into()));
    assert_eq!(
        (&value["columns"], &value["columns_of"], &value["images"]),
        (&2.into(), &"conv2".into(), &"rgb".into())
    );
    assert_eq!(value["levels"], "shared");
    let color = value["color"].as_array().unwrap();
    assert_eq!((&color[0]["column"], &color[0]["color_share"]), (&1.into(), &0.0.into()), "{value}");
    assert_eq!((&color[1]["first_map"], &color[1]["color_share"]), (&2.into(), &1.0.into()), "{value}");
    assert_eq!(color[1]["color_shares"].as_array().unwrap().len(), 2);
    assert_eq!(value["color_difference"]["difference"], 1.0);
    let document = svg(&out);
    let document = Document::parse(&document).unwrap();
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("image")).count(), 2);
    let (text, _) = run(&["inspect", &model, "filters", "--out", &out], 0);
    for expected in
        ["columns  2, the groups of conv2", "1       0 to 1        0.0 %", "2       2 to 3       100.0 %"]
    {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(text.contains("the columns differ by 100.0 points"), "{text}");
}

#[test]
fn a_png_has_the_pixels_of_the_kernels_twice_as_large() {
    let place = Place::new(1);
    let model = planted(place.folder.path(), "m.safetensors");
    let out = place.path("filters.PNG");
    run(&["inspect", &model, "filters", "--out", &out], 0);
    let image = image::open(&out).unwrap().into_rgb8();
    let recipe = Recipe::parse(RECIPE, "test").unwrap();
    let network = alexnet::net::Network::new(&recipe, 3).unwrap();
    let kernels = Kernels::new(&network, &kernels(), Colors::Rgb).unwrap();
    let grid = KernelGrid::of(&kernels);
    for column in 0..2 {
        let expected = draw(&kernels, column, Levels::Shared);
        let found = (0..image.height() - 2 * expected.height as u32).find(|top| {
            let same = |x: usize, y: usize| {
                let pixel = image.get_pixel(48 + x as u32, top + y as u32).0;
                pixel == expected.pixels[3 * (y / 2 * expected.width + x / 2)..][..3]
            };
            (0..2 * grid.height()).all(|y| (0..2 * grid.width()).all(|x| same(x, y)))
        });
        assert!(found.is_some(), "column {}", column + 1);
    }
    // The text is there, whatever fonts the system has.
    let dark = image.rows().take(80).flatten().filter(|pixel| pixel.0[0] < 100).count();
    assert!(dark > 200, "{dark} dark pixels in the title");
}

#[test]
fn a_quantized_model_has_the_colors_of_its_original() {
    let place = Place::new(30);
    let model = planted(place.folder.path(), "m.safetensors");
    let (int8, out) = (place.path("int8.safetensors"), place.path("f.svg"));
    run(&["quantize", &model, &int8, "--calibrate", &place.data], 0);
    let (value, _) = run_json(&["inspect", &int8, "filters", "--out", &out, "--json"], 0);
    let share = |column: usize| value["color"][column]["color_share"].as_f64().unwrap();
    assert!(share(0) < 1e-4 && share(1) > 0.999, "{value}");
    let (value, _) =
        run_json(&["inspect", &int8, "predictions", "--data", &place.data, "--out", &out, "--json"], 0);
    assert_eq!(value["images"].as_array().unwrap().len(), 8);
}

#[test]
fn predictions_are_those_of_classify_and_the_same_images_each_time() {
    let place = Place::new(10);
    let model = save_model(place.folder.path(), "m.safetensors", &COLORS);
    let out = place.path("p.svg");
    let args =
        ["inspect", &model, "predictions", "--data", &place.data, "--split", "all", "--out", &out, "--json"];
    let (value, _) = run_json(&args, 0);
    let first = svg(&out);
    assert_eq!(run_json(&args, 0).0, value);
    assert_eq!(svg(&out), first);
    let (other, _) = run_json(&[&args[..], &["--seed", "1"]].concat(), 0);
    assert_ne!(other["images"], value["images"]);
    assert_eq!((&value["source"]["images"], &value["source"]["split"]), (&30.into(), &"all".into()));
    let shown = value["images"].as_array().unwrap();
    assert_eq!(shown.len(), 8);
    for image in shown {
        let file = format!("{}/{}", place.data, image["file"].as_str().unwrap());
        let (classified, _) = run_json(&["classify", &model, &file, "--json"], 0);
        assert_eq!(classified["images"][0]["predictions"], image["predictions"]);
        assert_eq!(image["predictions"][0]["label"], image["label"]);
    }
    let document = Document::parse(&first).unwrap();
    let bars: Vec<f64> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("correct"))
        .map(|node| node.attribute("width").unwrap().parse().unwrap())
        .collect();
    assert_eq!(bars.len(), 8);
    let probability = shown[0]["predictions"][0]["probability"].as_f64().unwrap();
    assert!((bars[0] - 184.0 * probability).abs() < 0.01, "{bars:?}, {probability}");
    let (text, _) = run(&args[..9], 0);
    assert!(
        text.contains("images   8 of 30 images, split all of") && text.contains("correct  8 of 8"),
        "{text}"
    );
}

#[test]
fn files_have_no_label_and_unreadable_ones_are_reported() {
    let place = Place::new(2);
    let model = save_model(place.folder.path(), "m.safetensors", &COLORS);
    let (out, broken) = (place.path("p.png"), place.path("broken.png"));
    std::fs::write(&broken, "not an image").unwrap();
    let red = format!("{}/red", place.data);
    let (value, err) =
        run_json(&["inspect", &model, "predictions", &broken, &red, "--out", &out, "--json"], 3);
    assert!(err.contains("error: ") && err.contains("broken.png: "), "{err}");
    assert_eq!(
        (value["images"].as_array().unwrap().len(), value["skipped"].as_array().unwrap().len()),
        (2, 1)
    );
    assert!(value["images"][0]["label"].is_null() && value["source"].is_null());
    assert!(image::open(&out).is_ok());
    let (_, err) = run(&["inspect", &model, "predictions", &broken, "--out", &out], 3);
    assert!(err.contains("none of the images can be read"), "{err}");
    // In a source, others take the place of those that do not decode.
    std::fs::write(format!("{}/red/00.png", place.data), "not an image").unwrap();
    let args =
        ["inspect", &model, "predictions", "--data", &place.data, "--split", "all", "--out", &out, "--json"];
    let (value, err) = run_json(&args, 0);
    assert_eq!(
        (value["images"].as_array().unwrap().len(), value["skipped"].as_array().unwrap().len()),
        (5, 1)
    );
    assert!(err.contains("--images 8 shows 5 images") && err.contains("is skipped"), "{err}");
}

#[test]
fn a_training_image_is_not_its_own_neighbor() {
    let place = Place::new(10);
    let model = planted(place.folder.path(), "m.safetensors");
    let out = place.path("n.svg");
    let args =
        ["inspect", &model, "neighbors", "--data", &place.data, "--split", "train", "--out", &out, "--json"];
    let (value, _) = run_json(&[&args[..], &["--images", "3", "--neighbors", "2"]].concat(), 0);
    assert_eq!(value["layer"], "relu2");
    let shown = value["images"].as_array().unwrap();
    assert_eq!(shown.len(), 3);
    for row in shown {
        let near = row["neighbors"].as_array().unwrap();
        assert!(near.len() == 2 && near.iter().all(|other| other["file"] != row["file"]), "{row}");
        assert!(near[0]["distance"].as_f64().unwrap() <= near[1]["distance"].as_f64().unwrap(), "{row}");
    }
    // Nor is it if it is named; a copy of it is another image.
    let (own, copy) = (&shown[0]["file"], place.path("copy.png"));
    let file = format!("{}/{}", place.data, own.as_str().unwrap());
    std::fs::copy(&file, &copy).unwrap();
    let args = ["inspect", &model, "neighbors", &file, &copy, "--data", &place.data, "--out", &out];
    let (value, _) = run_json(&[&args[..], &["--neighbors", "20", "--json"]].concat(), 0);
    let near = |row: usize| value["images"][row]["neighbors"].as_array().unwrap();
    assert!(near(0).len() == 20 && near(0).iter().all(|other| other["file"] != *own), "{value}");
    assert_eq!(near(1)[0]["distance"], 0.0, "{value}");
    let green = format!("{}/green/01.png", place.data);
    let args =
        ["inspect", &model, "neighbors", &green, "--data", &place.data, "--layer", "conv1", "--out", &out];
    let (text, _) = run(&args, 0);
    assert!(text.contains("layer    conv1") && text.contains("green/01.png: "), "{text}");
    let (_, err) = run(&[&args[..6], &["--layer", "conv9", "--out", &out]].concat(), 2);
    assert!(err.contains("unknown layer `conv9`") && err.contains("conv1, conv2"), "{err}");
}

#[test]
fn what_cannot_be_drawn_is_refused_before_any_work() {
    let place = Place::new(2);
    let model = planted(place.folder.path(), "m.safetensors");
    let flat = save_model(place.folder.path(), "flat.safetensors", &COLORS);
    let out = place.path("f.svg");
    let photo = place.path("photo.png");
    write_png(Path::new(&photo), 1, 1);
    let before = std::fs::read(&photo).unwrap();
    let pets = images(&place.folder.path().join("pets"), &["cat"], 2);
    for (args, code, expected) in [
        (
            vec![&flat[..], "filters", "--out", &out],
            4,
            "flat.safetensors: the first layer with weights, `fc1`, is fully connected",
        ),
        (
            vec![&model, "filters", "--out", "f.jpg"],
            2,
            "invalid value `f.jpg` for `--out`: expected a file name that ends in .svg or .png",
        ),
        (vec![&model, "filters", "--out", "svg"], 2, "ends in .svg or .png"),
        (vec![&model, "filters", "--out", "/nowhere/f.svg"], 2, "help: create it: `mkdir -p /nowhere`"),
        (vec![&model, "filters"], 2, "missing `--out FILE`"),
        (vec![&model, "predictions", "--out", &out], 2, "missing `IMAGE`"),
        (vec![&model, "predictions", &photo, "--out", &photo], 2, "is one of the images"),
        (vec![&model, "predictions", &photo, "--images", "3", "--out", &out], 2, "cannot be combined"),
        (vec![&model, "predictions", "--data", &pets, "--out", &out], 3, "not among the model's"),
        (vec!["/nowhere", "filters", "--out", &out], 4, "no such file or folder"),
        (vec![&model], 2, "no command given"),
        (vec![&model, "filtres"], 2, "did you mean `filters`?"),
    ] {
        let (text, err) = run(&[&["inspect"], &args[..]].concat(), code);
        assert!(text.is_empty() && err.contains(expected), "{args:?}: {err}");
        assert!(!Path::new(&out).exists(), "{args:?}");
    }
    assert_eq!(std::fs::read(&photo).unwrap(), before);
    let (help, _) = run(&["inspect", &model, "filters", "--help"], 0);
    assert!(
        help.contains("--per-kernel") && help.contains("\n  alexnet inspect runs/pets filters"),
        "{help}"
    );
}

#[test]
fn one_class_can_be_shown() {
    let place = Place::new(2);
    let model = save_model(place.folder.path(), "m.safetensors", &COLORS[2..]);
    let out = place.path("p.svg");
    let data = images(&place.folder.path().join("one"), &COLORS[2..], 3);
    let (value, _) = run_json(
        &["inspect", &model, "predictions", "--data", &data, "--split", "all", "--out", &out, "--json"],
        0,
    );
    for image in value["images"].as_array().unwrap() {
        assert_eq!(image["predictions"].as_array().unwrap().len(), 1);
        let probability = image["predictions"][0]["probability"].as_f64().unwrap();
        assert!((probability - 1.0).abs() < 1e-12, "{probability}");
    }
}

#[test]
fn of_an_ensemble_only_predictions_are_shown() {
    let place = Place::new(4);
    let members = [
        planted(place.folder.path(), "a.safetensors"),
        save_model(place.folder.path(), "b.safetensors", &COLORS),
    ];
    let (ensemble, out) = (place.path("both.safetensors"), place.path("f.svg"));
    run(&["ensemble", &members[0], &members[1], &ensemble], 0);
    let args =
        ["predictions", "--data", &place.data, "--split", "all", "--views", "1", "--out", &out, "--json"];
    let of = |model: &str| run_json(&[&["inspect", model], &args[..]].concat(), 0).0["images"].clone();
    let probability = |images: &Value, label: &str| -> f64 {
        let predictions = images[3]["predictions"].as_array().unwrap();
        predictions.iter().find(|p| p["label"] == label).unwrap()["probability"].as_f64().unwrap()
    };
    let [both, a, b] = [&ensemble, &members[0], &members[1]].map(|model| of(model));
    for label in COLORS {
        let mean = (probability(&a, label) + probability(&b, label)) / 2.0;
        assert!((probability(&both, label) - mean).abs() < 1e-9, "{label}");
    }
    let (_, err) = run(&["inspect", &ensemble, "filters", "--out", &out], 4);
    assert!(err.contains("both.safetensors: the file contains an ensemble"), "{err}");
    let (_, err) = run(&["inspect", &ensemble, "neighbors", "--data", &place.data, "--out", &out], 2);
    assert!(err.contains("both.safetensors: an ensemble of 2 models"), "{err}");
}
