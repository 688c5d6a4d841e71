//! `--precision`.

use std::path::Path;

use crate::support::{Colors, path, run, run_json};

#[test]
fn a_model_is_trained_resumed_and_evaluated_with_bfloat16_products() {
    let Colors { folder, data, recipe } = Colors::new(10);
    let runs = ["whole", "parts"].map(|name| path(&folder.path().join(name)));
    let train = |run: &str, more: &[&str]| {
        let args = ["train", &data, "--recipe", &recipe, "--run", run, "--precision", "bf16", "--json"];
        run_json(&[&args, more].concat(), 0).0
    };
    train(&runs[0], &["--epochs", "3", "--threads", "1"]);
    train(&runs[1], &["--epochs", "3", "--steps", "5"]);
    run(&["train", "--resume", &runs[1], "--steps", "none"], 0);
    let model = |run: &str| std::fs::read(Path::new(run).join("last.safetensors")).unwrap();
    assert!(model(&runs[0]) == model(&runs[1]), "a resumed training has other bits");
    let recipe_of_run = std::fs::read_to_string(Path::new(&runs[0]).join("recipe.toml")).unwrap();
    assert!(recipe_of_run.contains("precision = \"bf16\""), "{recipe_of_run}");
    // The recipe's precision is the default; both give the same answers here.
    for more in [&[][..], &["--precision", "f32"], &["--precision", "bf16", "--batch", "1"]] {
        let (value, _) =
            run_json(&[&["eval", &runs[0], "--data", &data, "--split", "val", "--json"], more].concat(), 0);
        assert_eq!(value["top1"], 1.0, "{more:?}");
    }
    let (_, err) = run(&["train", "--resume", &runs[0], "--set", "precision=f32"], 2);
    assert!(err.contains("help:"), "{err}");
}

#[test]
fn other_precisions_are_rejected() {
    let Colors { folder: _folder, data, recipe } = Colors::new(3);
    let (_, err) = run(&["train", &data, "--recipe", &recipe, "--precision", "fp8"], 2);
    assert!(err.contains("fp8") && err.contains("f32") && err.contains("bf16"), "{err}");
    let (_, err) = run(&["train", &data, "--recipe", &recipe, "--set", "precision=bf17"], 2);
    assert!(err.contains("bf17") && err.contains("expected one of \"f32\", \"bf16\""), "{err}");
    let twice = ["train", &data, "--recipe", &recipe, "--precision", "bf16", "--set", "precision=f32"];
    let (_, err) = run(&twice, 2);
    assert!(err.contains("are the same setting"), "{err}");
    let (_, err) = run(&["train", &data, "--recipe", &recipe, "--dtype", "bf16"], 2);
    assert!(err.contains("--precision bf16"), "{err}");
}

#[test]
fn speed_is_measured_with_bfloat16_products() {
    let args =
        ["bench", "--recipe", "small", "--batch", "2", "--precision", "bf16", "--threads", "1", "--json"];
    let (value, _) = run_json(&args, 0);
    assert_eq!(value["precision"], "bf16");
    assert!(value["train_images_per_second"].as_f64().unwrap() > 0.0, "{value}");
}
