//! Files written by an earlier version open, and a run of that version resumes to the same bits.

#[path = "../../alexnet/tests/support/images.rs"]
mod images;

use std::path::{Path, PathBuf};
use std::process::Command;

use alexnet::data::Dataset;
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

#[test]
fn a_run_resumes_to_the_same_bits() {
    let folder = copy();
    alexnet(folder.path(), &["train", "packed", "--resume", "run", "--steps", "none"]);
    for name in ["last.safetensors", "best.safetensors"] {
        let now = Model::load(folder.path().join("run").join(name)).unwrap();
        let then = Model::load(earlier().join("finished").join(name)).unwrap();
        assert_eq!(now.parameters, then.parameters, "{name}");
        assert_eq!((now.preprocess, now.classes, now.recipe), (then.preprocess, then.classes, then.recipe));
        assert_eq!((now.summary.steps, now.summary.top1), (then.summary.steps, then.summary.top1));
    }
    let [now, then] =
        ["run", "finished"].map(|name| metrics(&folder.path().join(name).join("metrics.jsonl")));
    assert_eq!(now, then);
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
    assert_eq!(now.parameters, then.parameters);
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
