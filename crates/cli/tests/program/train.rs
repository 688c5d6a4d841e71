//! `alexnet train`: results, bits, signals.

use std::path::Path;
use std::process::{Command, Stdio};

use alexnet::model::Model;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

use crate::support::{COLORS, Colors, RECIPE, images, path, run, run_json, save_model, write_png};

#[test]
fn a_model_is_trained_evaluated_used_and_reproduced_bit_for_bit() {
    let Colors { folder, data, recipe } = Colors::new(10);
    let runs = ["a", "b"].map(|name| path(&folder.path().join(name)));
    let train = |run: &str, more: &[&str]| {
        let args =
            ["train", &data, "--recipe", &recipe, "--run", run, "--set", "optimizer.rate=0.0001", "--json"];
        run_json(&[&args, more].concat(), 0)
    };
    let (value, _) = train(&runs[0], &["--epochs", "3", "--threads", "1", "--workers", "0"]);
    assert_eq!((&value["epochs"], &value["run"]), (&3.into(), &runs[0].clone().into()));
    assert!(value["top1"].as_f64().unwrap() > 0.9 && value["seconds"].is_number(), "{value}");
    train(&runs[1], &["--epochs", "3"]);
    let model = |run: &str| std::fs::read(Path::new(run).join("best.safetensors")).unwrap();
    assert_eq!(model(&runs[0]), model(&runs[1]), "the same training gave a different model");

    let recorded = std::fs::read_to_string(Path::new(&runs[0]).join("command.txt")).unwrap();
    assert!(recorded.contains("--set optimizer.rate=0.0001"), "{recorded}");
    let (value, _) = run_json(&["eval", &runs[0], &runs[1], "--data", &data, "--split", "val", "--json"], 0);
    assert_eq!(value["images"], 3);
    // A model records what it was trained on: of that source the held-out images are evaluated, of another all.
    let (value, err) = run_json(&["eval", &runs[0], "--data", &data, "--json"], 0);
    let evaluated =
        |value: &Value| (value["split"].clone(), value["images"].clone(), value["trained_on_data"].clone());
    assert_eq!(evaluated(&value), ("val".into(), 3.into(), true.into()));
    assert!(err.contains("evaluating the 3 images held out of training"), "{err}");
    let (out, _) = run(&["eval", &runs[0], "--data", &data], 0);
    assert!(out.contains("images    3, split val of ") && out.contains(", held out of training\n"), "{out}");
    let (value, err) = run_json(&["eval", &runs[0], "--data", &data, "--split", "all", "--json"], 0);
    assert_eq!(evaluated(&value), ("all".into(), 30.into(), true.into()));
    assert!(err.contains("--split all includes images that the model was trained on"), "{err}");
    let other = images(&folder.path().join("other"), &COLORS, 4);
    let (value, err) = run_json(&["eval", &runs[0], "--data", &other, "--json"], 0);
    assert_eq!(evaluated(&value), ("all".into(), 12.into(), false.into()));
    assert!(err.contains("the model was not trained on this set of images: evaluating all 12"), "{err}");
    write_png(&Path::new(&data).join("red/new.png"), 2, 77);
    let (value, err) = run_json(&["eval", &runs[0], "--data", &data, "--json"], 0);
    assert_eq!((&value["split"], &value["trained_on_data"]), (&"val".into(), &true.into()));
    assert!(err.contains("the images have changed since"), "{err}");
    std::fs::remove_file(Path::new(&data).join("red/new.png")).unwrap();
    let (out, _) = run(&["classify", &runs[0], &format!("{data}/red")], 0);
    assert_eq!(out.lines().filter(|line| line.contains("\tred\t")).count(), 10, "{out}");

    let args = ["train", &data, "--recipe", &recipe, "--run", &runs[0]];
    let (_, err) = run(&args, 2);
    assert!(err.contains("already holds a run") && err.contains("--exist-ok"), "{err}");
    assert_eq!(model(&runs[0]), model(&runs[1]), "a rejected run changes nothing");
    for inside in [data.clone(), format!("{data}/red")] {
        let (_, err) = run(&["train", &data, "--recipe", &recipe, "--run", &inside, "--exist-ok"], 2);
        assert!(err.contains(&format!("{inside} is the folder of the images or a folder in it")), "{err}");
        assert!(!Path::new(&inside).join("recipe.toml").exists(), "{inside}");
    }
    let (_, err) = run(&["train", &data, "--recipe", &recipe, "--set", "optimizer.rat=1"], 2);
    assert!(err.contains("optimizer.rate") || err.contains("`rate`"), "{err}");
    let (out, _) =
        run(&[&args[..], &["--exist-ok", "--epochs", "1", "--set", "optimizer.rate=0.0001"]].concat(), 0);
    assert!(out.contains("alexnet classify"), "{out}");
    // A run folder stands for its recipe, as in `alexnet recipe show`.
    let (value, _) = run_json(
        &["train", &data, "--recipe", &runs[0], "--run", &path(&folder.path().join("again")), "--json"],
        0,
    );
    assert_eq!(value["epochs"], 1);
}

#[test]
fn threads_and_workers_do_not_change_results() {
    let Colors { folder, data, recipe } = Colors::new(10);
    let model = |threads: &str, workers: &str| {
        let run_folder = folder.path().join(format!("{threads}-{workers}"));
        let run_folder = path(&run_folder);
        let args =
            ["train", &data, "--recipe", &recipe, "--run", &run_folder, "--set", "optimizer.rate=0.0001"];
        run(&[&args[..], &["--epochs", "2", "--threads", threads, "--workers", workers]].concat(), 0);
        std::fs::read(Path::new(&run_folder).join("last.safetensors")).unwrap()
    };
    let expected = model("1", "0");
    for threads in ["1", "2", "4"] {
        for workers in ["0", "1", "3"] {
            if (threads, workers) != ("1", "0") {
                assert!(model(threads, workers) == expected, "{threads} threads, {workers} workers");
            }
        }
    }
}

#[test]
fn divergence_ends_with_its_exit_code_and_a_lower_rate() {
    let Colors { folder, data, recipe } = Colors::new(5);
    let run_folder = path(&folder.path().join("run"));
    let args = ["train", &data, "--recipe", &recipe, "--run", &run_folder];
    let (_, err) = run(
        &[&args[..], &["--set", "optimizer.rate=1000", "--set", "optimizer.decay=1000", "--epochs", "50"]]
            .concat(),
        5,
    );
    assert!(err.contains("help: ") && err.contains("--set optimizer.rate="), "{err}");
}

#[cfg(unix)]
#[test]
fn a_signal_stops_training_and_saves_the_model() {
    let Colors { folder, data, recipe } = Colors::new(10);
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let run_folder = folder.path().join(format!("run{signal}"));
        let child = Command::new(cargo_bin!("alexnet"))
            .args(["train", &data, "--recipe", &recipe, "--run", &path(&run_folder)])
            .args(["--set", "optimizer.rate=0.000001", "--epochs", "100000", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !run_folder.join("last.safetensors").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["interrupted"], code - 128);
        run_json(&["eval", &path(&run_folder), "--data", &data, "--json"], 0);
    }
}

#[test]
fn broken_validation_images_are_listed_and_a_split_of_only_those_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    images(&data.join("train"), &COLORS, 4);
    images(&data.join("val"), &COLORS, 1);
    let broken = data.join("val/red/broken.png");
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\n and no more").unwrap();
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let (data, recipe, to) = (path(&data), path(&recipe), path(&folder.path().join("run")));
    let args = ["train", &data, "--recipe", &recipe, "--set", "optimizer.rate=1e-5", "--json", "--run", &to];
    let (value, _) = run_json(&args, 0);
    assert_eq!((&value["images"], value["skipped"].as_array().unwrap().len()), (&3.into(), 1), "{value}");
    assert!(value["skipped"][0]["file"].as_str().unwrap().ends_with("val/red/broken.png"), "{value}");
    for class in COLORS {
        std::fs::write(Path::new(&data).join(format!("val/{class}/00.png")), "no image").unwrap();
    }
    let other = path(&folder.path().join("other"));
    let (_, err) = run(&[&args[..8], &[&other]].concat(), 3);
    assert!(
        err.contains("none of the 4 images of split `val` can be decoded; the first, val/blue/00.png"),
        "{err}"
    );
    assert!(!Path::new(&other).exists(), "a rejected training leaves no run folder");
}

#[test]
fn packed_squares_of_another_size_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 4);
    let (packed, to) = (path(&folder.path().join("packed")), path(&folder.path().join("run")));
    run(&["data", "pack", &data, &packed, "--side", "12"], 0);
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let recipe = path(&recipe);
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    for args in [
        vec!["train", &packed, "--recipe", &recipe, "--run", &to],
        vec!["lr-find", &packed, "--recipe", &recipe],
        vec!["data", "bench", &packed, "--recipe", &recipe],
        vec!["eval", &model, "--data", &packed],
        vec!["data", "pack", &packed, &to, "--side", "8"],
    ] {
        let (_, err) = run(&args, 3);
        assert!(
            err.contains("is packed at 12 x 12 pixels, but ") && err.contains("requires 8 x 8"),
            "{args:?}: {err}"
        );
        assert!(err.contains("alexnet data pack") && err.contains("--side 8"), "{err}");
        assert!(!err.contains("--set"), "{args:?}: {err}");
    }
    let args = ["train", &packed, "--recipe", &recipe, "--run", &to, "--set", "input.square=12"];
    run(&[&args[..], &["--set", "optimizer.rate=1e-5"]].concat(), 0);
}

#[test]
fn a_removed_layer_is_recorded_in_the_model_and_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 10);
    let to = |name: &str| path(&folder.path().join(name));
    let (with, without) = (to("with"), to("without"));
    let common =
        ["train", &data, "--recipe", "small", "--epochs", "1", "--set", "evaluation.views=1", "--run"];
    run(&[&common[..], &[&with, "--set", "optimizer.batch=9"]].concat(), 0);
    run(
        &[&common[..], &[&without, "--set", "optimizer.batch=9", "--set", "layer.norm1,norm2=none"]].concat(),
        0,
    );
    let model = |run: &str| Model::load(Path::new(run).join("last.safetensors")).unwrap();
    let names =
        |model: &Model| model.recipe.layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>();
    assert!(names(&model(&with)).contains(&"norm1".to_owned()));
    assert!(!names(&model(&without)).iter().any(|name| name.starts_with("norm")));
    assert!(model(&with).parameters != model(&without).parameters);
    let (out, _) = run(&["recipe", "diff", &with, &without], 0);
    assert!(out.contains("layers removed: norm1, norm2"), "{out}");
    let (out, _) = run(&["recipe", "diff", "small", "small", "--set", "layer.relu1=none"], 0);
    assert!(out.contains("layers removed: relu1"), "{out}");
    assert!(run(&["recipe", "diff", "small", "small"], 0).0.contains("no differences in network"));
    let (out, _) = run(&["recipe", "show", "small", "--set", "layer.norm1=none", "--toml"], 0);
    assert!(out.contains("norm2") && !out.contains("norm1"), "{out}");
    run(&["recipe", "show", "small", "--set", "layer.norm9=none"], 2);
    // It resumes without them; with them it would be a different training.
    run(&["edit", &without, "stop-after=2"], 0);
    run(&["train", "--resume", &without], 0);
    assert!(model(&without).summary.epochs == 2 && !names(&model(&without)).contains(&"norm1".to_owned()));
    let args = ["train", "--resume", &without, "--recipe", "small", "--set", "optimizer.batch=9"];
    let (_, err) = run(&args, 2);
    assert!(err.contains("layers added: norm1, norm2"), "{err}");
    let (value, _) = run_json(&["eval", &without, "--data", &data, "--json"], 0);
    assert_eq!((&value["images"], &value["split"]), (&3.into(), &"val".into()));
}

#[test]
fn events_are_json_lines_with_the_result_last() {
    let place = Colors::new(10);
    let to = place.path("run");
    let train =
        ["train", &place.data, "--recipe", &place.recipe, "--set", "optimizer.rate=1e-5", "--json-events"];
    let (out, err) = run(&[&train[..], &["--run", &to]].concat(), 0);
    assert!(err.contains("epoch 1: "), "{err}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!(of("started").len(), 1);
    assert_eq!((&of("started")[0]["recipe"], &of("started")[0]["epochs"]), (&"colors".into(), &2.into()));
    let steps: Vec<u64> = of("step").iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=14).collect::<Vec<u64>>());
    assert_eq!(of("validated").len(), 2);
    assert_eq!(of("validated")[1]["epoch"], 2);
    assert!(of("metrics").iter().all(|line| line["train/loss"].is_number()), "{out}");
    let [ended] = of("ended")[..] else { panic!("{out}") };
    assert_eq!((&ended["reason"], &ended["steps"]), (&"schedule".into(), &14.into()));
    // Single-precision values in their shortest form.
    assert!(out.contains("\"lr\":0.00001,"), "{out}");
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["steps"], &last["run"]), (&"result".into(), &14.into(), &to.into()));
    // A failure is a line too.
    let (out, _) = run(&[&train[..], &["--run", &place.path("run")]].concat(), 2);
    let line: Value = serde_json::from_str(&out).unwrap();
    assert!(out.lines().count() == 1 && line["error"]["kind"] == "usage", "{out}");
}
