//! Runs that are stopped, killed, or tampered with, and resume to the same bits.

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use alexnet::model::Model;
use alexnet_kernels::hash::combine;
use images::png;
use place::{Place, finished, signal, wait_for_lines};
use serde_json::{Value, json};

/// Kills a training run after some time; returns its output if it ended before.
fn kill_after(mut child: Child, time: Duration) -> Option<Output> {
    let begin = Instant::now();
    while begin.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return Some(child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Kills a training run at `kills` random moments, resumes it each time, and compares the results.
fn survives(kills: usize) {
    let place = Place::new(4);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.results("whole");
    // The duration of a whole training, so that kills are spread from its start to its end.
    let begin = Instant::now();
    place.run(&place.train("again", &[]), 0);
    let longest = begin.elapsed().as_micros() as u64;
    let (mut killed, mut finished_runs) = (0, 0);
    for attempt in 0.. {
        let name = format!("run{finished_runs}");
        // Any number of workers gives the same bits.
        let workers = (combine(7, attempt) % 4).to_string();
        let child = place.command(&[], &place.resume(&name, &["--workers", &workers])).spawn().unwrap();
        let moment = match killed < kills {
            true => Duration::from_micros(combine(5, attempt) % longest),
            false => Duration::from_secs(60),
        };
        match kill_after(child, moment) {
            None => killed += 1,
            Some(output) => {
                finished(output, 0);
                assert!(place.results(&name) == whole, "results differ after {killed} kills");
                std::fs::remove_dir_all(place.root().join(&name)).unwrap();
                finished_runs += 1;
                if killed >= kills {
                    break;
                }
            }
        }
    }
    println!("killed {killed} times; {finished_runs} training runs gave the same bits");
}

#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    survives(12);
}

/// `cargo test --release --test survival -- --ignored` runs this.
#[test]
#[ignore = "takes a minute"]
fn a_run_killed_200_times_resumes_to_the_same_bits() {
    survives(200);
}

/// Compares what TensorBoard reads with `metrics.jsonl`, if its package is installed.
fn check_tensorboard(run: &Path) {
    let there = Command::new("python3").args(["-c", "import tensorboard"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 has no tensorboard (pip install -r tests/tensorboard/requirements.txt)");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/compare.py");
    let output = Command::new("python3").arg(script).arg(run).output().unwrap();
    let (out, _) = finished(output, 0);
    println!("{out}");
}

#[test]
#[cfg(unix)]
fn signals_stop_or_save_a_run_that_then_resumes() {
    let place = Place::new(150);
    let run = place.root().join("run");
    let seldom = ["--checkpoint-steps", "100000", "--set", "schedule.plateau=none"];
    let mut child = place.command(&[], &place.train("run", &seldom)).spawn().unwrap();
    wait_for_lines(&run, 2);
    signal(&child, "HUP");
    while !std::fs::read_to_string(run.join("log.txt")).unwrap().contains("checkpoint at step") {
        assert!(child.try_wait().unwrap().is_none(), "SIGHUP stopped the training");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "TERM");
    let (_, err) = finished(child.wait_with_output().unwrap(), 143);
    assert!(err.contains("stopped after") && err.contains("alexnet train --resume"), "{err}");
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    let child = place.command(&[], &place.resume("run", &[])).spawn().unwrap();
    wait_for_lines(&run, lines + 2);
    signal(&child, "INT");
    finished(child.wait_with_output().unwrap(), 130);
    place.run(&place.resume("run", &["--workers", "3"]), 0);
    place.run(&place.train("whole", &seldom), 0);
    assert!(place.results("run") == place.results("whole"));
    check_tensorboard(&run);
    // A complete run has nothing left to do.
    let (_, err) = place.run(&place.resume("run", &[]), 0);
    assert!(err.contains("resumed after step 1,800"), "{err}");
}

#[test]
fn a_run_folder_is_locked_by_one_training() {
    let place = Place::new(400);
    let mut child = place.command(&[], &place.train("run", &[])).spawn().unwrap();
    wait_for_lines(&place.root().join("run"), 1);
    for args in [place.resume("run", &[]), place.train("run", &[])] {
        let (_, err) = place.run(&args, 1);
        assert!(
            err.contains("is in use by another training run") && err.contains(&child.id().to_string()),
            "{err}"
        );
    }
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, err) = place.run(&place.resume("run", &["--steps", "60"]), 0);
    assert!(
        err.contains("resumed after step"),
        "a lock left behind by a killed process must not hold: {err}"
    );
}

#[test]
fn changes_since_the_checkpoint_are_named_and_rejected() {
    let place = Place::new(2);
    place.run(&place.train("run", &["--steps", "5"]), 0);
    let resume = |more: &[&str], code| place.run(&place.resume("run", more), code).1;
    let err = resume(&["--set", "optimizer.rate=0.5"], 2);
    assert!(
        err.contains("`--set optimizer.rate=0.5` changes the recipe") && err.contains("--accept-changes"),
        "{err}"
    );
    let recipe = place.root().join("run/recipe.toml");
    let before = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(&recipe, before.replace("momentum = 0.9", "momentum = 0.5")).unwrap();
    let err = resume(&[], 2);
    assert!(err.contains("optimizer.momentum: 0.9 -> 0.5"), "{err}");
    std::fs::write(&recipe, before).unwrap();
    let new = place.root().join("data/train/bee/new.png");
    std::fs::write(&new, png(20, 20, 99)).unwrap();
    let err = resume(&[], 2);
    assert!(err.contains("train: 45 images -> 46 (class bee: 9 -> 10)"), "{err}");
    std::fs::remove_file(&new).unwrap();
    let renamed = |from: &str, to: &str| {
        for split in ["train", "val"] {
            let at = |name: &str| place.root().join("data").join(split).join(name);
            std::fs::rename(at(from), at(to)).unwrap();
        }
    };
    renamed("cat", "cow");
    let err = resume(&[], 2);
    assert!(err.contains("classes: 5 -> 5; first difference at 2: \"cat\" -> \"cow\""), "{err}");
    renamed("cow", "cat");
    let moved = place.path("moved");
    std::fs::rename(place.root().join("data"), &moved).unwrap();
    let err = resume(&[], 3);
    let help = format!("help: if they have moved: `alexnet train NEW/PATH --resume {}`", place.path("run"));
    assert!(err.contains("do not exist any more") && err.contains(&help), "{err}");
    let mut elsewhere = place.resume("run", &["--steps", "7"]);
    elsewhere.push(moved);
    let (_, err) = place.run(&elsewhere, 0);
    assert!(err.contains("resumed after step 5"), "moving the images must not matter: {err}");
    // The new place is remembered.
    let err = resume(&["--steps", "8"], 0);
    assert!(err.contains("resumed after step 7"), "{err}");
    elsewhere.extend(["--set", "schedule.epochs=3", "--accept-changes"].map(String::from));
    let steps = elsewhere.iter().position(|word| word == "--steps").unwrap();
    elsewhere[steps + 1] = "none".to_owned();
    let (_, err) = place.run(&elsewhere, 0);
    assert!(
        err.contains("resuming with changed settings") && err.contains("schedule.epochs: 2 -> 3"),
        "{err}"
    );
    assert!(err.contains("epoch 3: "), "{err}");
    // A different mean has a different size, and a different batch size another position in the epoch.
    elsewhere
        .iter_mut()
        .filter(|word| *word == "schedule.epochs=3")
        .for_each(|word| *word = "schedule.epochs=4".into());
    let settings = ["input.mean=image", "input.square=18", "optimizer.batch=7"];
    elsewhere.extend(settings.iter().flat_map(|setting| ["--set".to_owned(), setting.to_string()]));
    let (_, err) = place.run(&elsewhere, 0);
    assert!(err.contains("input.square: 17 -> 18") && err.contains("epoch 4: "), "{err}");
}

#[test]
fn damaged_checkpoints_are_reported() {
    let place = Place::new(1);
    place.run(&place.train("run", &["--steps", "6"]), 0);
    let folder = place.root().join("run/checkpoints");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found.len(), 2, "the last two are kept: {found:?}");
    let damage = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(path, bytes).unwrap();
    };
    damage(&found[1]);
    let (_, err) = place.run(&place.resume("run", &["--steps", "6"]), 0);
    let older =
        found[0].file_stem().unwrap().to_str().unwrap().trim_start_matches("step-").trim_start_matches('0');
    assert!(err.contains("step-000000006.safetensors: checksum mismatch"), "{err}");
    assert!(
        err.contains(&format!("resumed after step {}\n", if older.is_empty() { "0" } else { older })),
        "{err}"
    );
    for entry in std::fs::read_dir(&folder).unwrap() {
        damage(&entry.unwrap().path());
    }
    let (_, err) = place.run(&place.resume("run", &[]), 4);
    assert!(err.contains("checksum mismatch") && err.contains("help: "), "{err}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "damaged checkpoints are kept");
}

#[test]
fn run_time_options_are_remembered() {
    let place = Place::new(1);
    let resume = |more: &[&str]| {
        let mut args = vec!["train".to_owned(), "--resume".to_owned(), place.path("run")];
        args.extend(more.iter().map(ToString::to_string));
        place.run(&args, 0).1
    };
    let text = |name: &str| std::fs::read_to_string(place.root().join("run").join(name)).unwrap();
    place.run(&place.train("run", &["--steps", "5", "--workers", "0", "--on-plateau", "stop"]), 0);
    let asked: Value = serde_json::from_str(&text("run.json")).unwrap();
    assert_eq!((&asked["steps"], &asked["workers"], &asked["threads"]), (&json!(5), &json!(0), &json!(1)));
    assert_eq!((&asked["checkpoint_steps"], &asked["on_plateau"]), (&json!(2), &json!("stop")));
    let model = std::fs::read(place.root().join("run/last.safetensors")).unwrap();
    let err = resume(&[]);
    assert!(err.contains("reached the limit of 5 steps") && err.contains("--steps none"), "{err}");
    assert!(
        std::fs::read(place.root().join("run/last.safetensors")).unwrap() == model,
        "no step was expected"
    );
    let err = resume(&["--steps", "7", "--workers", "1"]);
    assert!(err.contains("changed options: --steps 5 -> 7, --workers 0 -> 1\n"), "{err}");
    assert!(err.contains("reached the limit of 7 steps"), "{err}");
    let err = resume(&["--steps", "none"]);
    assert!(err.contains("changed options: --steps 7 -> none\n") && err.contains("epoch 1: "), "{err}");
    let asked: Value = serde_json::from_str(&text("run.json")).unwrap();
    assert_eq!((asked.get("steps"), &asked["workers"]), (None, &json!(1)));
}

/// A training run killed while it creates its folder is started again by the command in the message.
#[test]
fn a_run_killed_before_run_json_is_started_again() {
    let place = Place::new(1);
    let args: Vec<String> =
        place.train("run", &["--steps", "2"]).into_iter().filter(|word| word != "--exist-ok").collect();
    place.run(&args, 0);
    for entry in std::fs::read_dir(place.root().join("run")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else if !["lock", "recipe.toml", "command.txt", "log.txt"].contains(&name) {
            std::fs::remove_file(&path).unwrap();
        }
    }
    let (_, err) = place.run(&place.train_resume("run"), 2);
    let help = err.lines().find(|line| line.contains("help: ")).unwrap();
    assert!(
        help.contains("start it again") && help.contains(&args[1]) && help.contains("--steps 2"),
        "{err}"
    );
    place.run(&args, 0);
    assert!(!place.root().join("run/earlier-1").exists());
}

/// Nothing in a model file depends on the paths of images and run.
#[test]
fn paths_do_not_change_the_files() {
    let place = Place::new(2);
    place.run(&place.train("here", &[]), 0);
    std::fs::rename(place.root().join("data"), place.root().join("images of mine")).unwrap();
    std::fs::rename(place.root().join("recipe.toml"), place.root().join("other.toml")).unwrap();
    let [data, recipe, run] = ["images of mine", "other.toml", "there"].map(|name| place.path(name));
    place.run_words(&["train", &data, "--recipe", &recipe, "--run", &run, "--threads", "2"], 0);
    assert!(place.results("here") == place.results("there"));
}

/// The best model is the best in the metrics, even if the newest checkpoint is lost and training takes another course
/// from the one before.
#[test]
fn the_best_model_is_the_best_in_the_metrics() {
    let place = Place::new(6);
    let newest = place.root().join("run/checkpoints");
    for epochs in 1..5 {
        let newest = newest.join(format!("step-{:09}.safetensors", 12 * epochs));
        // The checkpoint before the newest is one step before the last validation.
        place.run(&place.train("run", &["--epochs", &epochs.to_string(), "--checkpoint-steps", "11"]), 0);
        place.check_best("run");
        let whole = place.results("run");
        std::fs::remove_file(&newest).unwrap();
        let (_, err) = place.run(&place.train_resume("run"), 0);
        assert!(err.contains(&format!("resumed after step {}\n", 12 * epochs - 1)), "{err}");
        assert!(place.results("run") == whole, "epoch {epochs}");
        std::fs::remove_file(&newest).unwrap();
        let stop = format!("stop-after={}", epochs + 2);
        place.run_words(&["edit", &place.path("run"), "lr=1e-9", &stop], 0);
        let (_, err) = place.run(&place.train_resume("run"), 0);
        assert!(err.contains("best.safetensors is the model of epoch"), "{err}");
        place.check_best("run");
    }
}

#[test]
fn a_damaged_best_model_is_reported() {
    let place = Place::new(3);
    place.run(&place.train("run", &["--steps", "30"]), 0);
    let best = place.root().join("run/best.safetensors");
    let mut bytes = std::fs::read(&best).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&best, bytes).unwrap();
    place.run_words(&["edit", &place.path("run"), "lr=1e-9"], 0);
    let output = place.command(&[], &place.resume("run", &["--steps", "none"])).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("warning: ") && err.contains("is lost: its file was changed or removed"), "{err}");
    assert!(err.contains("moved to "), "{err}");
    // The third epoch may be better; otherwise the exit code says that the best model is missing.
    match output.status.code() {
        Some(0) => place.check_best("run"),
        code => assert!(code == Some(1) && !best.exists(), "{err}"),
    }
}

/// Packed sets leave out images that cannot be decoded; nothing else in a training run depends on those.
#[test]
fn undecodable_images_do_not_change_results_between_packed_and_source() {
    let place = Place::new(2);
    for name in ["train/ant/3.png", "train/cat/0.png", "train/eel/8.png", "val/bee/1.png"] {
        std::fs::write(place.root().join("data").join(name), b"not an image").unwrap();
    }
    let [data, packed, recipe, run] =
        ["data", "packed", "recipe.toml", "of-packed"].map(|name| place.path(name));
    place.run_words(&["data", "pack", &data, &packed, "--side", "17"], 0);
    place.run(&place.train("of-source", &[]), 0);
    let args = ["train", &packed, "--recipe", &recipe, "--run", &run];
    place.run(&place::with_checkpoints(&args, &[]), 0);
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap();
    let (source, packed) = (model("of-source"), model("of-packed"));
    assert!(source.parameters == packed.parameters, "weights differ");
    assert_eq!((source.golden, source.preprocess), (packed.golden, packed.preprocess));
    assert_eq!(place.results("of-source").1, place.results("of-packed").1);
}

#[test]
fn unusable_folders_are_reported() {
    let place = Place::new(1);
    let [data, recipe] = ["data", "recipe.toml"].map(|name| place.path(name));
    let (_, err) = place.run_words(&["train", &data, "--recipe", &recipe, "--run", "/proc/run"], 1);
    assert!(err.contains("/proc/run: cannot create the run folder") && err.contains("--run DIR"), "{err}");
    let (_, err) = place.run_words(&["train", "--resume", &data], 2);
    assert!(err.contains("is not a run folder"), "{err}");
    let (_, err) = place.run_words(&["edit", &data, "lr=1"], 2);
    assert!(err.contains("is not a run folder"), "{err}");
    let (_, err) = place.run_words(&["recipe", "from-journal", "/nowhere"], 2);
    assert!(err.contains("does not exist"), "{err}");
}
