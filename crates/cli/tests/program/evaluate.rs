//! `alexnet eval`.

use serde_json::Value;

use crate::support::{COLORS, images, path, run, run_json, save_model};

#[test]
fn a_model_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "run/best.safetensors", &COLORS);
    let data = images(&folder.path().join("data"), &COLORS, 10);
    std::fs::write(folder.path().join("data/red/broken.png"), b"\x89PNG and no more").unwrap();
    let run_folder = path(&folder.path().join("run"));
    let (value, err) = run_json(&["eval", &run_folder, "--data", &data, "--json"], 0);
    assert_eq!((&value["split"], &value["trained_on_data"]), (&"val".into(), &Value::Null));
    assert_eq!(value["images"].as_u64().unwrap() + value["skipped"].as_array().unwrap().len() as u64, 3);
    assert!(
        err.contains("assuming these, and evaluating the 3 held out") && err.contains("--split all"),
        "{err}"
    );
    let (value, _) = run_json(&["eval", &run_folder, "--data", &data, "--split", "all", "--json"], 0);
    assert_eq!(
        (&value["images"], &value["top1"], &value["top5"], &value["views"], &value["split"]),
        (&30.into(), &1.0.into(), &1.0.into(), &10.into(), &"all".into())
    );
    assert!(value["skipped"][0]["file"].as_str().unwrap().contains("broken.png"), "{value}");
    let (out, _) = run(&["eval", &model, "--data", &data, "--split", "val", "--views", "1"], 0);
    assert!(
        out.contains("top-1") && out.contains("100.00 % (3 images)") && out.contains("1 (center)"),
        "{out}"
    );
    let (_, err) = run(&["eval", &model, &run_folder, "--data", &data], 2);
    assert!(err.contains("is named twice"), "{err}");
    let other = save_model(folder.path(), "other.safetensors", &COLORS);
    let args = ["eval", &model, &other, "--data", &data, "--split", "all", "--json", "--threads", "1"];
    let (value, _) = run_json(&args, 0);
    assert_eq!((&value["images"], &value["top1"]), (&30.into(), &1.0.into()));
    assert_eq!(value["models"].as_array().unwrap().len(), 2);
}

#[test]
fn models_and_images_with_different_classes_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "a.safetensors", &COLORS);
    let other = save_model(folder.path(), "b.safetensors", &["blue", "red", "green"]);
    let data = images(&folder.path().join("data"), &COLORS, 2);
    let (_, err) = run(&["eval", &model, &other, "--data", &data], 4);
    assert!(err.contains("class 1 is \"green\"") && err.contains("b.safetensors"), "{err}");
    let pets = images(&folder.path().join("pets"), &["cat", "dog"], 2);
    let (_, err) = run(&["eval", &model, "--data", &pets], 3);
    assert!(err.contains("cat") && err.contains("help: "), "{err}");
    // A part of the model's classes will do.
    let some = images(&folder.path().join("some"), &["green", "red"], 5);
    assert_eq!(run_json(&["eval", &model, "--data", &some, "--json"], 0).0["top1"], 1.0);
}
