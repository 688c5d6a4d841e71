//! Signals before the first step of a training run and in every other command: the program stops at once with exit code
//! 128 + signal, and leaves no partial files; with `--json` it says so in an object.
#![cfg(target_os = "linux")]

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Child, Output};
use std::time::Duration;

use images::{jpeg, put, tree};
use place::{Place, finished, signal};
use serde_json::Value;

/// Images that take long to read: one large file under many names.
fn slow_set(place: &Place) -> String {
    let root = place.root().join("slow");
    let first = root.join("ant/0.jpg");
    put(&root, "ant/0.jpg", &jpeg(1600, 1600, 1));
    for i in 1..300 {
        let name = root.join(format!("{}/{i}.jpg", ["ant", "bee", "cat", "dog", "eel"][i % 5]));
        std::fs::create_dir_all(name.parent().unwrap()).unwrap();
        std::fs::hard_link(&first, name).unwrap();
    }
    place.path("slow")
}

fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(ToString::to_string).collect()
}

/// Waits until the program has installed its signal handlers.
fn wait_for_handlers(child: &mut Child) {
    let tasks = format!("/proc/{}/task", child.id());
    while child.try_wait().unwrap().is_none() {
        for task in std::fs::read_dir(&tasks).into_iter().flatten().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.trim() == "signals" {
                return;
            }
        }
    }
    panic!("the program ended before it handled signals");
}

/// Runs the program and sends it a signal shortly after `ready` returns true.
fn interrupted(place: &Place, args: &[&str], name: &str, ready: impl Fn() -> bool) -> Output {
    let mut child = place.command(&[], &words(args)).spawn().unwrap();
    wait_for_handlers(&mut child);
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "the program ended before it was ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, name);
    child.wait_with_output().unwrap()
}

/// The kind of the error in a JSON object.
fn kind_of(object: &str) -> String {
    let value: Value = serde_json::from_str(object).unwrap_or_else(|error| panic!("{error}: {object}"));
    value["error"]["kind"].as_str().unwrap_or_default().to_owned()
}

/// Names of partial files.
fn leftovers(root: &Path) -> Vec<String> {
    tree(root).into_keys().filter(|name| name.ends_with(".tmp")).collect()
}

#[test]
fn a_run_stopped_before_its_first_step_can_be_resumed() {
    let place = Place::new(1);
    let (slow, recipe, run) = (slow_set(&place), place.path("recipe.toml"), place.path("my run"));
    let begun = Path::new(&run).join("run.json");
    let args = ["train", &slow, "--recipe", &recipe, "--run", &run, "--threads", "1", "--steps", "2"];
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let output = interrupted(&place, &args, name, || begun.exists());
        let (_, err) = finished(output, code);
        assert!(err.contains(&format!("before the first step: interrupted by SIG{name}")), "{err}");
        assert!(err.contains(&format!("`alexnet train --resume '{run}'`")), "{err}");
        assert_eq!(leftovers(place.root()), Vec::<String>::new());
        if name == "INT" {
            std::fs::remove_dir_all(&run).unwrap();
        }
    }
    // Stopped again while it resumes, then run to its end.
    let resume = words(&["train", "--resume", &run, "--threads", "2", "--steps", "2"]);
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    let (_, err) = finished(interrupted(&place, &resume, "TERM", || true), 143);
    assert!(err.contains("--resume"), "{err}");
    place.run_words(&resume, 0);
    assert!(Path::new(&run).join("last.safetensors").is_file());
    // A forecast leaves nothing.
    let run = place.path("forecast");
    let begun = Path::new(&run).join("run.json");
    let args = ["train", &slow, "--recipe", &recipe, "--run", &run, "--threads", "1", "--forecast"];
    finished(interrupted(&place, &args, "INT", || begun.exists()), 130);
    assert!(!Path::new(&run).exists());
}

#[test]
fn every_other_command_stops_at_once() {
    let place = Place::new(1);
    let (slow, recipe) = (slow_set(&place), place.path("recipe.toml"));
    let model = place.path("model");
    place.run(&place.train("model", &["--steps", "1"]), 0);
    let (plan, out, packed) = (place.path("plan.json"), place.path("out"), place.path("packed"));
    let images: Vec<String> = (0..300).step_by(5).map(|i| place.path(&format!("slow/ant/{i}.jpg"))).collect();
    let mut classify = vec!["classify", &model];
    classify.extend(images.iter().map(String::as_str));
    let before = tree(&place.root().join("slow")).len();
    for args in [
        vec!["data", "check", &slow, "--plan", &plan],
        vec!["data", "pack", &slow, &packed, "--threads", "1"],
        vec!["data", "bench", &slow, "--seconds", "60"],
        vec!["eval", &model, "--data", &slow, "--threads", "1"],
        vec!["lr-find", &slow, "--recipe", &recipe, "--threads", "1"],
        classify,
    ] {
        for (name, code, json) in [("INT", 130, false), ("TERM", 143, true)] {
            let more: &[&str] = if json { &["--json"] } else { &[] };
            let args = [&args[..], more].concat();
            let (out, err) = finished(interrupted(&place, &args, name, || true), code);
            if json {
                assert_eq!(kind_of(&out), "interrupted", "{args:?}: {out}");
            }
            assert_eq!(leftovers(place.root()), Vec::<String>::new(), "{args:?}");
            if args[1] == "pack" {
                assert!(err.contains("run the same command again"), "{err}");
            }
        }
    }
    assert!(!Path::new(&plan).exists() && !Path::new(&out).exists());
    assert_eq!(tree(&place.root().join("slow")).len(), before);
    // JSON Lines end with the error, whether the reader takes them or not.
    let slow = place.path("slow/ant");
    let lines = ["classify", &model, &slow, "--views", "10", "--json-lines", "--threads", "1"];
    let (out, _) = finished(interrupted(&place, &lines, "TERM", || true), 143);
    assert_eq!(out.lines().last().map(kind_of).as_deref(), Some("interrupted"), "{out}");
    let mut lines = words(&["classify", &model, "--json-lines", "--top", "5"]);
    let image = place.path("data/val/ant/0.png");
    lines.extend(std::iter::repeat_n(image, 2000));
    let mut child = place.command(&[], &lines).spawn().unwrap();
    wait_for_handlers(&mut child);
    wait_until_asleep(&child);
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

/// Waits until the program has not computed for a while: its reader takes nothing.
fn wait_until_asleep(child: &Child) {
    let spent = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let fields: Vec<String> = stat.rsplit(')').next().unwrap().split(' ').map(str::to_owned).collect();
        // After the name come the state and, as the 12th and 13th, the time in the program and in the system.
        (fields[12].clone(), fields[13].clone())
    };
    let mut before = spent();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = spent();
        if now == before {
            return;
        }
        before = now;
    }
}
