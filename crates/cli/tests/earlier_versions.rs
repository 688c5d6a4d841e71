//! Files written by an earlier version open, and a run of that version resumes to the same bits.

#[path = "../../alexnet/tests/support/images.rs"]
mod images;

use std::path::{Path, PathBuf};
use std::process::Command;

use alexnet::data::Dataset;
use alexnet::engine::Tensor;
use alexnet::model::Model;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

fn earlier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/earlier")
}

/// The program on the kernels that the files were written with; standard output of a command that succeeds.
fn alexnet(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(cargo_bin!("alexnet"))
        .args(args)
        .current_dir(folder)
        .env("ALEXNET_KERNELS", "portable")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A copy of the files, since a resumed run changes its folder.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in images::tree(&earlier()) {
        images::put(folder.path(), name.as_str(), &bytes);
    }
    folder
}

fn metrics(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let without_times = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        for time in ["seconds", "images_per_second", "waiting"] {
            value.as_object_mut().unwrap().remove(time);
        }
        value
    };
    text.lines().map(without_times).collect()
}

/// Checks that parameters are equal but for the last digits: the recipe has a tanh, which was that of the system's library.
fn assert_close(now: &[Tensor], then: &[Tensor], file: &str) {
    assert_eq!(now.len(), then.len(), "{file}");
    for (now, then) in now.iter().zip(then) {
        assert_eq!((&now.name, &now.shape), (&then.name, &then.shape), "{file}");
        let largest = then.data.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let difference = now.data.iter().zip(&then.data).map(|(now, then)| (now - then).abs());
        let difference = difference.fold(0.0, f32::max);
        assert!(difference <= 1e-5 * largest, "{file}: {} differs by {difference:e}", now.name);
    }
}

/// Whether all numbers are equal but for the last digits, and everything else is equal.
fn is_close(now: &Value, then: &Value) -> bool {
    match (now, then) {
        (Value::Number(now), Value::Number(then)) => match (now.as_f64(), then.as_f64()) {
            (Some(now), Some(then)) => (now - then).abs() <= 1e-4 * then.abs(),
            _ => now == then,
        },
        (Value::Array(now), Value::Array(then)) => {
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| is_close(now, then))
        }
        (Value::Object(now), Value::Object(then)) => {
            let has = |key: &String, value| then.get(key).is_some_and(|then| is_close(value, then));
            now.len() == then.len() && now.iter().all(|(key, value)| has(key, value))
        }
        _ => now == then,
    }
}

#[test]
fn a_run_resumes_to_the_same_values() {
    let folder = copy();
    alexnet(folder.path(), &["train", "packed", "--resume", "run", "--steps", "none"]);
    for name in ["last.safetensors", "best.safetensors"] {
        let now = Model::load(folder.path().join("run").join(name)).unwrap();
        let then = Model::load(earlier().join("finished").join(name)).unwrap();
        assert_close(&now.parameters, &then.parameters, name);
        assert_eq!((now.preprocess, now.classes, now.recipe), (then.preprocess, then.classes, then.recipe));
        assert_eq!((now.summary.steps, now.summary.top1), (then.summary.steps, then.summary.top1));
    }
    // Its dropout masks are keyed as in that version, and still are if it is resumed again.
    let origin: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run/run.json")).unwrap()).unwrap();
    assert_eq!(origin["format_version"], 1);
    let [now, then] =
        ["run", "finished"].map(|name| metrics(&folder.path().join(name).join("metrics.jsonl")));
    assert_eq!(now.len(), then.len());
    assert!(now.iter().zip(&then).all(|(now, then)| is_close(now, then)), "metrics.jsonl");
}

#[test]
fn a_finished_run_resumes_from_each_of_its_checkpoints() {
    // The test above starts from the newest checkpoint; the older one is what remains when that is damaged.
    let folder = copy();
    let newest = folder.path().join("run/checkpoints/step-000000020.safetensors");
    assert!(newest.is_file());
    std::fs::write(&newest, b"damaged").unwrap();
    alexnet(folder.path(), &["train", "packed", "--resume", "run", "--steps", "none"]);
    let now = Model::load(folder.path().join("run/last.safetensors")).unwrap();
    let then = Model::load(earlier().join("finished/last.safetensors")).unwrap();
    assert_close(&now.parameters, &then.parameters, "last.safetensors");
}

#[test]
fn models_and_packed_sets_open() {
    let folder = copy();
    let set = Dataset::open(&folder.path().join("packed")).unwrap();
    assert_eq!((set.train().unwrap().len(), set.split("val").unwrap().len()), (45, 15));
    assert_eq!(set.classes, ["ant", "bee", "cat", "dog", "eel"]);
    let text = alexnet(folder.path(), &["eval", "finished/best.safetensors", "--data", "packed", "--json"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&found["images"], &found["top1_correct"], &found["top5_correct"]),
        (&15.into(), &3.into(), &15.into())
    );
    let shown = alexnet(folder.path(), &["recipe", "show", "run", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["parameters"], 1075);
}
