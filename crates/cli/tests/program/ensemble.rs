//! `alexnet ensemble`, and ensembles in the other commands.

use std::path::Path;

use alexnet::model::{Golden, Model, ModelFile};

use crate::support::{COLORS, Colors, path, run, run_json, save_model};

/// A copy of a model with other weights, saved under another name.
fn scaled(model: &str, name: &str, scale: f32) -> String {
    let mut other = Model::load(model).unwrap();
    other.parameters[0].data.iter_mut().for_each(|weight| *weight *= scale);
    let mut engine = alexnet::engine::open(
        alexnet::engine::Device::Cpu,
        other.network().unwrap(),
        &alexnet::engine::Options::inference(1, 1),
    )
    .unwrap();
    engine.load(&other.parameters).unwrap();
    other.golden = Golden::record(&mut *engine, &other.preprocess, other.golden.images).unwrap();
    let file = Path::new(model).with_file_name(name);
    other.save(&file).unwrap();
    path(&file)
}

/// Images, a model that is right about them, one that is less sure, and one that is wrong.
struct Models {
    colors: Colors,
    right: String,
    unsure: String,
    wrong: String,
}

impl Models {
    fn new(n: usize) -> Self {
        let colors = Colors::new(n);
        let right = save_model(colors.folder.path(), "right.safetensors", &COLORS);
        let unsure = scaled(&right, "unsure.safetensors", 0.1);
        let wrong = scaled(&right, "wrong.safetensors", -2.0);
        Self { colors, right, unsure, wrong }
    }
}

/// The probability that `classify` prints for the first class.
fn probability(model: &str, image: &str) -> f64 {
    let (value, _) = run_json(&["classify", model, image, "--json", "--threads", "1"], 0);
    let predictions = value["images"][0]["predictions"].as_array().unwrap();
    let red = predictions.iter().find(|prediction| prediction["label"] == "red").unwrap();
    red["probability"].as_f64().unwrap()
}

#[test]
fn an_ensemble_is_used_like_a_model() {
    let Models { colors, right, unsure, wrong } = Models::new(10);
    let out = colors.path("all.safetensors");
    let weights = ["--weights", "0.5,0.3,0.2"];
    let args = [&["ensemble", &right, &unsure, &wrong, &out, "--json"], &weights[..]].concat();
    let (value, _) = run_json(&args, 0);
    assert_eq!((&value["weights"], &value["views"]), (&"specified".into(), &10.into()));
    assert_eq!(
        (&value["models"][1]["weight"], &value["models"][1]["recipe"]),
        (&0.3.into(), &"colors".into())
    );
    let image = format!("{}/red/00.png", colors.data);
    let expected = 0.5 * probability(&right, &image)
        + 0.3 * probability(&unsure, &image)
        + 0.2 * probability(&wrong, &image);
    assert!((probability(&out, &image) - expected).abs() < 1e-9, "{expected}");
    let (text, _) = run(&["eval", &out, "--data", &colors.data, "--split", "all"], 0);
    assert!(text.contains("an ensemble of 3 models, weights 0.50, 0.30, 0.20"), "{text}");
    let (value, _) = run_json(&["eval", &out, &right, "--data", &colors.data, "--json"], 0);
    assert_eq!(value["weights"], serde_json::json!([[0.5, 0.3, 0.2], [1.0]]));
    assert_eq!(value["precisions"].as_array().unwrap().len(), 4);
    // The same arguments write the same bytes.
    let again = colors.path("again.safetensors");
    run(&[&["ensemble", &right, &unsure, &wrong, &again, "--threads", "3"], &weights[..]].concat(), 0);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&again).unwrap());
}

#[test]
fn equal_weights_are_those_of_several_models_in_eval() {
    let Models { colors, right, unsure, wrong } = Models::new(10);
    let out = colors.path("equal.safetensors");
    let (text, _) = run(&["ensemble", &right, &unsure, &wrong, &out], 0);
    assert!(
        text.contains("model     weight 0.3333  ") && text.contains("use it    alexnet classify"),
        "{text}"
    );
    // The same command again: an ensemble is no member of another.
    let (_, err) = run(&["ensemble", &right, &unsure, &wrong, &out], 2);
    assert!(err.contains("exists already") && err.contains(&format!("`rm {out}`")), "{err}");
    let eval = |models: &[&str]| {
        let more = ["--data", &colors.data, "--split", "all", "--json"];
        run_json(&[&["eval"], models, &more].concat(), 0).0
    };
    let (one, three) = (eval(&[&out]), eval(&[&right, &unsure, &wrong]));
    assert_eq!(one["top1"], three["top1"]);
    let loss = |value: &serde_json::Value| value["loss"].as_f64().unwrap();
    assert!((loss(&one) - loss(&three)).abs() < 1e-12);
}

#[test]
fn weights_are_searched_on_images() {
    let Models { colors, right, unsure, wrong } = Models::new(20);
    let out = colors.path("searched.safetensors");
    let search = ["--search-weights", &colors.data, "--split", "all"];
    let worse = scaled(&right, "worse.safetensors", -3.0);
    let args = [&["ensemble", &wrong, &worse, &right, &out, "--json"], &search[..]].concat();
    let (value, err) = run_json(&args, 0);
    // The right model alone is right about all images, with the lowest loss.
    let weights = [0, 1, 2].map(|i| value["models"][i]["weight"].as_f64().unwrap());
    assert_eq!(weights, [0.0, 0.0, 1.0]);
    let found = &value["search"];
    assert_eq!((&found["images"], &found["split"]), (&60.into(), &"all".into()));
    assert_eq!((&found["searched"]["top1"], &found["nested"]["top1"]), (&1.0.into(), &1.0.into()));
    assert!(found["equal"]["top1"].as_f64().unwrap() < 1.0, "{found}");
    assert_eq!(found["half_weights"], serde_json::json!([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]));
    assert!(err.contains("wrong.safetensors is 0: it is left out"), "{err}");
    let ModelFile::Ensemble(ensemble) = ModelFile::load(&out).unwrap() else { panic!("no ensemble") };
    assert_eq!((ensemble.members.len(), ensemble.members[0].weight), (1, 1.0));
    let (_, err) = run(&["eval", &out, "--data", &colors.data, "--split", "all"], 0);
    assert!(err.contains("were searched on these images: the result is optimistic"), "{err}");
    let (_, err) = run(&["eval", &out, "--data", &colors.data, "--split", "val"], 0);
    assert!(!err.contains("optimistic"), "{err}");
    let text =
        run(&[&["ensemble", &right, &unsure, &colors.path("t.safetensors")], &search[..]].concat(), 0).0;
    for expected in [
        "images    60, split all",
        "equal     top-1 100.00 %",
        "optimistic",
        "nested    top-1",
        "gain      +0.00",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    // Six validation images are too few.
    let few =
        ["ensemble", &right, &unsure, &colors.path("few.safetensors"), "--search-weights", &colors.data];
    let (_, err) = run(&few, 3);
    assert!(err.contains("has 6 images that can be used, expected at least 20"), "{err}");
    assert!(!Path::new(&colors.path("few.safetensors")).exists());
}

#[test]
fn quantized_models_can_be_members() {
    let Models { colors, right, unsure, .. } = Models::new(10);
    let int8 = colors.path("int8.safetensors");
    run(&["quantize", &right, &int8, "--calibrate", &colors.data], 0);
    let out = colors.path("both.safetensors");
    run(&["ensemble", &int8, &unsure, &out], 0);
    let (value, _) = run_json(&["eval", &out, "--data", &colors.data, "--split", "all", "--json"], 0);
    assert_eq!((&value["top1"], &value["precisions"]), (&1.0.into(), &serde_json::json!(["int8", "f32"])));
    let (_, err) = run(&["eval", &out, "--data", &colors.data, "--half"], 2);
    assert!(err.contains("8 bits"), "{err}");
}

#[test]
fn arguments_that_do_not_make_an_ensemble_are_rejected() {
    let Models { colors, right, unsure, wrong } = Models::new(3);
    let out = colors.path("out.safetensors");
    let other = save_model(colors.folder.path(), "other.safetensors", &["green", "blue", "red"]);
    let two = save_model(colors.folder.path(), "two.safetensors", &["blue", "green"]);
    let copy = colors.path("copy.safetensors");
    std::fs::copy(&right, &copy).unwrap();
    let pair = colors.path("pair.safetensors");
    run(&["ensemble", &right, &unsure, &pair], 0);
    let before = std::fs::read(&wrong).unwrap();
    let cases: [(&[&str], i32, &str); 16] = [
        (&[&right, &out], 2, "one model, expected at least two"),
        (&[&right, &unsure, &wrong], 2, "the last argument is the file to write"),
        (&[&right, &right, &out], 2, "is named twice"),
        (&[&right, &copy, &out], 2, "has the same content as"),
        (&[&right, &other, &out], 4, "the names are the same, their order differs"),
        (&[&right, &two, &out], 4, "class 2 is \"red\""),
        (&[&right, &pair, &out], 4, "contains an ensemble of 2 models, expected a single model"),
        (&[&right, "/nowhere.safetensors", &out], 4, "no such file or folder"),
        (&[&right, &unsure, &out, "--weights", "0.5,0.25,0.25"], 2, "3 weights for 2 models"),
        (&[&right, &unsure, &out, "--weights", "0.5,0.6"], 2, "the weights sum to 1.1, expected 1"),
        (&[&right, &unsure, &out, "--weights", "-0.5,1.5"], 2, "the weight of model 1 is -0.5"),
        (&[&right, &unsure, &out, "--weights", "1,0"], 2, "leave out the model"),
        (&[&right, &unsure, &out, "--weights", "1,x"], 2, "expected numbers, as in 0.5,0.25,0.25"),
        (&[&right, &unsure, &out, "--weights", "1,0", "--search-weights", "x"], 2, "cannot be combined"),
        (&[&right, &unsure, &out, "--split", "all"], 2, "--search-weights"),
        (&[&right, &unsure, &out, "--search-weights", "/nowhere"], 3, "/nowhere"),
    ];
    for (args, code, expected) in cases {
        let (_, err) = run(&[&["ensemble"], args].concat(), code);
        assert!(err.contains(expected), "no {expected:?} in\n{err}");
    }
    assert!(!Path::new(&out).exists());
    assert!(std::fs::read(&wrong).unwrap() == before);
}

#[test]
fn commands_that_need_a_single_model_refuse_an_ensemble() {
    let Models { colors, right, unsure, .. } = Models::new(3);
    let out = colors.path("pair.safetensors");
    run(&["ensemble", &right, &unsure, &out], 0);
    let int8 = colors.path("int8.safetensors");
    let cases: [&[&str]; 3] = [
        &["quantize", &out, &int8, "--calibrate", &colors.data],
        &["train", &colors.data, "--init", &out],
        &["bench", "--model", &out],
    ];
    for args in cases {
        let (_, err) = run(args, 4);
        assert!(err.contains("contains an ensemble of models, expected a single model"), "{err}");
        assert!(err.contains("use one of the models that the ensemble was made from"), "{err}");
    }
    let mut bytes = std::fs::read(&out).unwrap();
    let before_digest = bytes.len() - 33;
    bytes[before_digest] ^= 1;
    let damaged = colors.path("damaged.safetensors");
    std::fs::write(&damaged, bytes).unwrap();
    let (_, err) = run(&["classify", &damaged, &colors.data], 4);
    assert!(err.contains("checksum mismatch"), "{err}");
}
