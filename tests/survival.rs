//! Trainings that are stopped, killed and tampered with, and go on to the same bits.

#[path = "support/pictures.rs"]
mod pictures;
#[path = "support/place.rs"]
mod place;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use alexnet_kernels::hash::combine;
use pictures::png;
use place::{Place, finished, signal, wait_for_lines};

/// Kills a training after some time; what it came to, if it was over before.
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

/// Kills a training at `kills` moments by chance, each time going on where it stopped, and compares what it comes to.
fn survives(kills: usize) {
    let place = Place::new(4);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.numbers("whole");
    // As long as a training takes, so that it is killed anywhere between its beginning and its end.
    let begin = Instant::now();
    place.run(&place.train("again", &[]), 0);
    let longest = begin.elapsed().as_micros() as u64;
    let (mut killed, mut finished_runs) = (0, 0);
    for attempt in 0.. {
        let name = format!("run{finished_runs}");
        // Any number of workers gives the same bits.
        let workers = (combine(7, attempt) % 4).to_string();
        let child = place.command(&[], &place.go_on(&name, &["--workers", &workers])).spawn().unwrap();
        let moment = match killed < kills {
            true => Duration::from_micros(combine(5, attempt) % longest),
            false => Duration::from_secs(60),
        };
        match kill_after(child, moment) {
            None => killed += 1,
            Some(output) => {
                finished(output, 0);
                assert!(place.numbers(&name) == whole, "other numbers after {killed} kills");
                std::fs::remove_dir_all(place.root().join(&name)).unwrap();
                finished_runs += 1;
                if killed >= kills {
                    break;
                }
            }
        }
    }
    println!("killed {killed} times; {finished_runs} trainings came to the same bits");
}

#[test]
fn a_training_that_is_killed_goes_on_to_the_same_bits() {
    survives(12);
}

/// `cargo test --release --test survival -- --ignored` runs this.
#[test]
#[ignore = "takes a minute"]
fn a_training_that_is_killed_200_times_goes_on_to_the_same_bits() {
    survives(200);
}

/// What TensorBoard reads of a run is what stands in `metrics.jsonl`, where its package is there to say.
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
fn signals_stop_or_save_and_the_training_goes_on() {
    let place = Place::new(150);
    let run = place.root().join("run");
    let seldom = ["--checkpoint-steps", "100000", "--set", "schedule.plateau=none"];
    let mut child = place.command(&[], &place.train("run", &seldom)).spawn().unwrap();
    wait_for_lines(&run, 2);
    signal(&child, "HUP");
    while !std::fs::read_to_string(run.join("log.txt")).unwrap().contains("a checkpoint of step") {
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "TERM");
    let (_, err) = finished(child.wait_with_output().unwrap(), 143);
    assert!(err.contains("stopped after") && err.contains("alexnet train --resume"), "{err}");
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    let child = place.command(&[], &place.go_on("run", &[])).spawn().unwrap();
    wait_for_lines(&run, lines + 2);
    signal(&child, "INT");
    finished(child.wait_with_output().unwrap(), 130);
    place.run(&place.go_on("run", &["--workers", "3"]), 0);
    place.run(&place.train("whole", &seldom), 0);
    assert!(place.numbers("run") == place.numbers("whole"));
    check_tensorboard(&run);
    // Over is over, and says so.
    let (_, err) = place.run(&place.go_on("run", &[]), 0);
    assert!(err.contains("goes on after step 1,800"), "{err}");
}

#[test]
fn a_folder_is_trained_in_by_one() {
    let place = Place::new(400);
    let mut child = place.command(&[], &place.train("run", &[])).spawn().unwrap();
    wait_for_lines(&place.root().join("run"), 1);
    for args in [place.go_on("run", &[]), place.train("run", &[])] {
        let (_, err) = place.run(&args, 1);
        assert!(err.contains("another training uses") && err.contains(&child.id().to_string()), "{err}");
    }
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, err) = place.run(&place.go_on("run", &["--steps", "60"]), 0);
    assert!(err.contains("goes on after step"), "a lock that is left behind is none: {err}");
}

#[test]
fn what_was_changed_since_is_told_and_refused() {
    let place = Place::new(2);
    place.run(&place.train("run", &["--steps", "5"]), 0);
    let resume = |more: &[&str], code| place.run(&place.go_on("run", more), code).1;
    let err = resume(&["--set", "optimiser.rate=0.5"], 2);
    assert!(err.contains("optimiser.rate: 0.002 -> 0.5") && err.contains("--accept-changes"), "{err}");
    let recipe = place.root().join("run/recipe.toml");
    let before = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(&recipe, before.replace("momentum = 0.9", "momentum = 0.5")).unwrap();
    let err = resume(&[], 2);
    assert!(err.contains("optimiser.momentum: 0.9 -> 0.5"), "{err}");
    std::fs::write(&recipe, before).unwrap();
    let new = place.root().join("data/train/bee/new.png");
    std::fs::write(&new, png(20, 20, 99)).unwrap();
    let err = resume(&[], 2);
    assert!(err.contains("train: 45 pictures -> 46 (class bee: 9 -> 10)"), "{err}");
    std::fs::remove_file(&new).unwrap();
    let renamed = |from: &str, to: &str| {
        for split in ["train", "val"] {
            let at = |name: &str| place.root().join("data").join(split).join(name);
            std::fs::rename(at(from), at(to)).unwrap();
        }
    };
    renamed("cat", "cow");
    let err = resume(&[], 2);
    assert!(err.contains("classes: 5 -> 5; number 2: \"cat\" -> \"cow\""), "{err}");
    renamed("cow", "cat");
    let moved = place.path("moved");
    std::fs::rename(place.root().join("data"), &moved).unwrap();
    let err = resume(&[], 3);
    assert!(err.contains("cannot be opened"), "{err}");
    let mut elsewhere = place.go_on("run", &["--steps", "7"]);
    elsewhere.push(moved);
    let (_, err) = place.run(&elsewhere, 0);
    assert!(err.contains("goes on after step 5"), "the same pictures elsewhere are the same: {err}");
    elsewhere.extend(["--set", "schedule.epochs=3", "--accept-changes"].map(String::from));
    let steps = elsewhere.iter().position(|word| word == "--steps").unwrap();
    elsewhere.drain(steps..steps + 2);
    let (_, err) = place.run(&elsewhere, 0);
    assert!(
        err.contains("goes on with what was changed") && err.contains("schedule.epochs: 2 -> 3"),
        "{err}"
    );
    assert!(err.contains("epoch 3: "), "{err}");
    // Another mean has another size, and another batch another place in the epoch.
    let settings = ["input.mean=image", "input.square=18", "optimiser.batch=7", "schedule.epochs=4"];
    elsewhere.extend(settings.iter().flat_map(|setting| ["--set".to_owned(), setting.to_string()]));
    let (_, err) = place.run(&elsewhere, 0);
    assert!(err.contains("input.square: 17 -> 18") && err.contains("epoch 4: "), "{err}");
}

#[test]
fn damaged_checkpoints_are_told() {
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
    let (_, err) = place.run(&place.go_on("run", &["--steps", "6"]), 0);
    let older =
        found[0].file_stem().unwrap().to_str().unwrap().trim_start_matches("step-").trim_start_matches('0');
    assert!(err.contains("step-000000006.safetensors: its checksum"), "{err}");
    assert!(
        err.contains(&format!("goes on after step {}\n", if older.is_empty() { "0" } else { older })),
        "{err}"
    );
    for entry in std::fs::read_dir(&folder).unwrap() {
        damage(&entry.unwrap().path());
    }
    let (_, err) = place.run(&place.go_on("run", &[]), 4);
    assert!(err.contains("its checksum is not that of its bytes") && err.contains("help: "), "{err}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "what is damaged is not removed");
}

#[test]
fn folders_that_cannot_be_written_are_told() {
    let place = Place::new(1);
    let [data, recipe] = ["data", "recipe.toml"].map(|name| place.path(name));
    let (_, err) = place.words(&["train", &data, "--recipe", &recipe, "--run", "/proc/run"], 1);
    assert!(err.contains("/proc/run: cannot make the run folder") && err.contains("--run DIR"), "{err}");
    let (_, err) = place.words(&["train", "--resume", &data], 2);
    assert!(err.contains("holds no run that can go on"), "{err}");
    let (_, err) = place.words(&["edit", &data, "lr=1"], 2);
    assert!(err.contains("holds no run"), "{err}");
    let (_, err) = place.words(&["recipe", "from-journal", "/nowhere"], 2);
    assert!(err.contains("is no folder"), "{err}");
}
