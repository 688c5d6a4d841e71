//! `alexnet reproduce`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

use crate::support::{Colors, images, run, run_json};

/// Every ingredient at 8 pixels.
const RECIPE: &str = r#"
name = "tiny"
summary = "a test"
source = "made up"
classes = 3
input = { square = 10, crop = 8, mean = "image", divisor = 64.0 }
augment = { random_crop = true, flip = true, color_noise = 0.1 }
optimizer = { batch = 4, rate = 0.01, momentum = 0.9, decay = 0.0005 }
schedule = { epochs = 2, divide_by = 10.0 }
evaluation = { views = 1 }
layer = [
  { name = "conv1", kind = "conv", maps = 8, kernel = 3, pad = 1, weights = { init = "he" } },
  { name = "relu1", kind = "relu" },
  { name = "norm1", kind = "lrn", size = 3, alpha = 1e-3, beta = 0.75, k = 2.0, alpha_over_size = false, groups = 2 },
  { name = "pool1", kind = "max-pool", kernel = 3, stride = 2, rounding = "up" },
  { name = "conv2", kind = "conv", maps = 8, kernel = 3, pad = 1, groups = 2, weights = { init = "he" } },
  { name = "relu2", kind = "relu" },
  { name = "fc3", kind = "fc", units = 8, weights = { init = "he" } },
  { name = "relu3", kind = "relu" },
  { name = "drop3", kind = "dropout", rate = 0.2, scale = "test" },
  { name = "fc4", kind = "fc" },
]
"#;

/// A folder with images of three colors and the recipe.
fn place() -> Colors {
    let place = Colors::new(12);
    std::fs::write(place.path("tiny.toml"), RECIPE).unwrap();
    place
}

/// The command for some experiments, with results in `out`.
fn command<'a>(experiments: &[&'a str], data: &'a str, recipe: &'a str, out: &'a str) -> Vec<&'a str> {
    [&["reproduce"], experiments, &[data, "--recipe", recipe, "--out", out, "--threads", "1"]].concat()
}

/// Results without times.
fn results(folder: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(folder).join("results.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    for arm in value["arms"].as_array_mut().unwrap() {
        for run in arm["runs"].as_array_mut().unwrap() {
            run.as_object_mut().unwrap().remove("seconds");
        }
    }
    value
}

#[test]
fn every_ablation_of_a_recipe_runs_and_the_control_is_shared() {
    let place = place();
    let (recipe, out) = (place.path("tiny.toml"), place.path("out"));
    let all = [&command(&["all"], &place.data, &recipe, &out)[..], &["--seeds", "2"]].concat();
    let (value, err) = run_json(&[&all[..], &["--json"]].concat(), 0);
    assert!(err.contains("2/2^2 = 0.5") && err.contains("6 seeds are the fewest"), "{err}");
    assert!(err.contains("20 training runs"), "ten arms, two seeds: {err}");
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        names(&value["experiments"]),
        ["lrn", "overlap", "columns", "dropout", "augment", "views", "ensemble"]
    );
    assert_eq!(
        names(&value["arms"]),
        [
            "control",
            "no-lrn",
            "no-overlap",
            "one-column",
            "no-exchange",
            "no-dropout",
            "no-crops",
            "no-flips",
            "no-color-noise",
            "no-augmentation"
        ]
    );
    let lrn = &value["experiments"][0]["comparisons"][0];
    assert_eq!(
        (&lrn["with"], &lrn["without"], &lrn["unit"]),
        (&"control".into(), &"no-lrn".into(), &"points".into())
    );
    // The difference is that of the accuracies of the runs.
    let top1 = |arm: usize, seed: usize| value["arms"][arm]["runs"][seed]["top1"].as_f64().unwrap();
    for seed in 0..2 {
        let difference = lrn["pairs"][seed]["difference"].as_f64().unwrap();
        assert!((difference - 100.0 * (top1(0, seed) - top1(1, seed))).abs() < 1e-9, "{lrn}");
    }
    let p = lrn["sign_flip"]["p"].as_f64().unwrap();
    assert!(p == 0.5 || p == 1.0, "two pairs cannot show less: {p}");
    assert!(value["experiments"][0]["published"][0]["source"].as_str().unwrap().contains("section 3.3"));
    assert_eq!(value["experiments"][6]["comparisons"][0]["pairs_of"], "images");
    for file in [
        "results.json",
        "table.md",
        "plots/lrn.svg",
        "plots/augment.svg",
        "arms/control/seed-1/last.safetensors",
    ] {
        assert!(Path::new(&out).join(file).is_file(), "{file}");
    }
    // Nothing is trained again, for fewer experiments and seeds either.
    let before = results(&out);
    let (text, err) = run(&all, 0);
    assert!(err.contains("all complete") && !err.contains("training run 1 of"), "{err}");
    assert!(text.contains("## What does dropout gain?") && text.contains("the paper, section 4.2"), "{text}");
    assert_eq!(results(&out), before);
    let (text, _) = run(&[&all[..], &["--plan"]].concat(), 0);
    assert!(text.contains("20 training runs, all complete"), "{text}");
    let (_, err) = run(&[&all[..], &["--plan", "--epochs", "3"]].concat(), 2);
    assert!(err.contains("schedule.epochs: 2 -> 3"), "a plan is refused as its trainings are: {err}");
    let one = [&command(&["dropout"], &place.data, &recipe, &out)[..], &["--seeds", "1", "--json"]].concat();
    let (value, _) = run_json(&one, 0);
    let found = &value["experiments"][0]["comparisons"][0];
    assert!(found["interval"].is_null() && found["sign_flip"].is_null(), "{found}");
    assert!(value["power"].as_str().unwrap().contains("nothing can be concluded"), "{value}");
}

#[test]
fn a_killed_reproduction_continues_to_the_same_results() {
    let place = place();
    let (recipe, whole, killed) = (place.path("tiny.toml"), place.path("whole"), place.path("killed"));
    let more = ["--seeds", "2", "--epochs", "6"];
    let of = |out| [&command(&["lrn", "views", "ensemble"], &place.data, &recipe, out)[..], &more].concat();
    run(&of(&whole), 0);
    let mut kills = 0;
    for attempt in 1.. {
        let mut child = Command::new(cargo_bin!("alexnet"))
            .args(of(&killed))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Longer each time, so that it ends.
        std::thread::sleep(Duration::from_millis(60 * attempt));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "it ended before it was killed");
    assert_eq!(results(&killed), results(&whole));
}

#[test]
fn relu_and_tanh_are_compared_at_their_own_learning_rates() {
    let place = place();
    let (recipe, out) = (place.path("tiny.toml"), place.path("out"));
    let more = ["--seeds", "1", "--epochs", "40", "--rates", "0.001,0.01", "--rate-epochs", "3", "--json"];
    let of = [&command(&["relu"], &place.data, &recipe, &out)[..], &more].concat();
    let (value, err) = run_json(&of, 0);
    assert!(err.contains("relu at learning rate 0.001") && err.contains("tanh, seed 0"), "{err}");
    let rates = value["rates"].as_array().unwrap();
    assert_eq!((rates.len(), rates[1]["trials"].as_array().unwrap().len()), (2, 2));
    let found = &value["experiments"][0]["comparisons"][0];
    assert_eq!((&found["unit"], &found["with"]), (&"epochs".into(), &"relu".into()));
    let epochs = |side: &str| found["pairs"][0][side].as_f64().unwrap();
    assert!((found["ratio"].as_f64().unwrap() - epochs("without") / epochs("with")).abs() < 1e-9, "{found}");
    assert_eq!(value["arms"][0]["runs"][0]["epochs_to_target"], epochs("with"));
    assert!(Path::new(&out).join("plots/relu.svg").is_file());
    let (again, err) = run_json(&of, 0);
    assert!(again == value && err.contains("all complete"), "{err}");
}

/// Where an epoch has fewer steps than a line of metrics, the error is that of the lines of validations.
#[test]
fn the_last_epoch_of_a_trial_counts() {
    let place = place();
    let (recipe, out) = (place.path("tiny.toml"), place.path("out"));
    let more =
        ["--seeds", "1", "--epochs", "3", "--rates", "0.000001", "--rate-epochs", "2", "--rate-error", "0"];
    run(&[&command(&["relu"], &place.data, &recipe, &out)[..], &more].concat(), 0);
    let metrics = std::fs::read_to_string(Path::new(&out).join("rates/relu/0.000001/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert!(last["epoch"] == 2 && last["val/loss"].is_number(), "{last}");
}

#[test]
fn other_settings_in_the_same_folder_are_refused_with_the_difference() {
    let place = place();
    let (recipe, out) = (place.path("tiny.toml"), place.path("out"));
    let of = [&command(&["lrn"], &place.data, &recipe, &out)[..], &["--seeds", "1"]].concat();
    run(&of, 0);
    let (_, err) = run(&[&of[..], &["--set", "optimizer.rate=0.5"]].concat(), 2);
    assert!(err.contains("optimizer.rate: 0.01 -> 0.5") && err.contains("--out"), "{err}");
    let other = images(Path::new(&place.path("other")), &["blue", "green"], 12);
    let (_, err) = run(&command(&["lrn"], &other, &recipe, &out), 2);
    assert!(err.contains("the images: classes: 3 -> 2"), "{err}");
    let (_, err) = run(&command(&["lrn"], &place.data, &recipe, &place.path("data")), 2);
    assert!(err.contains("already holds other files"), "{err}");
}

#[test]
fn two_reproductions_do_not_share_a_folder() {
    let place = place();
    let (recipe, out) = (place.path("tiny.toml"), place.path("out"));
    let long = [&command(&["lrn"], &place.data, &recipe, &out)[..], &["--seeds", "1", "--epochs", "100000"]]
        .concat();
    let mut child = Command::new(cargo_bin!("alexnet"))
        .args(&long)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !Path::new(&out).join("arms/control/seed-0/metrics.jsonl").is_file() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let (_, err) = run(&long, 1);
    assert!(err.contains("is in use by another training run") && err.contains("--out"), "{err}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_cannot_be_reproduced_is_refused() {
    let place = place();
    let out = place.path("out");
    let recipe = place.path("tiny.toml");
    let refused = |args: &[&str], code, part: &str| {
        let (_, err) = run(args, code);
        assert!(err.contains(part), "{args:?}: {err}");
    };
    let tiny = |experiments| command(experiments, &place.data, &recipe, &out);
    refused(
        &command(&["dropout"], &place.data, "cifar-18pct", &out),
        2,
        "recipe `cifar-18pct` has no dropout",
    );
    refused(&tiny(&["gelu"]), 2, "gelu");
    refused(&tiny(&["lrn", "lrn"]), 2, "named twice");
    refused(&tiny(&["all", "lrn"]), 2, "`all` includes");
    refused(&[&tiny(&["ensemble"])[..], &["--seeds", "1"]].concat(), 2, "at least 2");
    refused(&[&tiny(&["lrn"])[..], &["--rates", "0.1"]].concat(), 2, "`--rates` has no effect");
    refused(&[&tiny(&["relu"])[..], &["--rates", "0.1,0.01,0.1"]].concat(), 2, "0.1 is named twice");
    refused(&["reproduce", "lrn"], 2, "usage: alexnet reproduce");
    assert!(!Path::new(&out).exists(), "nothing is written before the plan is checked");
    let (value, _) = run_json(&[&tiny(&["lrn"])[..], &["--plan", "--json"]].concat(), 0);
    assert_eq!(
        (&value["trainings"], &value["arms"][1]["edits"][0]),
        (&12.into(), &"layer.norm1=none".into())
    );
    assert_eq!(value["complete"], 0);
    assert!(value["seconds"].as_f64().unwrap() > 0.0, "{value}");
    assert!(!Path::new(&out).exists(), "a plan writes nothing");
}

/// A class without validation images is part of the training, and of the notes.
#[test]
fn classes_without_validation_images_are_named() {
    let place = place();
    let (recipe, out) = (place.path("tiny.toml"), place.path("out"));
    let root = place.path("splits");
    images(&Path::new(&root).join("train"), &["blue", "green", "red"], 8);
    images(&Path::new(&root).join("val"), &["blue", "green"], 4);
    let of = [&command(&["dropout"], &root, &recipe, &out)[..], &["--seeds", "1", "--epochs", "1", "--json"]]
        .concat();
    let (value, _) = run_json(&of, 0);
    assert!(value["notes"][0].as_str().unwrap().contains("class `red` has no validation images"), "{value}");
}
