//! Too little memory: a message with sizes and exit code 1, never an abort.
#![cfg(target_os = "linux")]

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use place::Place;

/// Runs the program with a limit on its address space; returns its exit code and standard error.
fn limited(kibibytes: usize, args: &[&str]) -> (Option<i32>, String) {
    let script = format!("ulimit -v {kibibytes} && exec \"$0\" \"$@\"");
    let output =
        Command::new("sh").args(["-c", &script]).arg(cargo_bin!("alexnet")).args(args).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The least limit, in KiB, at which the program can be loaded.
fn least() -> usize {
    (1..).map(|n| 4096 * n).find(|&limit| limited(limit, &["--version"]).0 == Some(0)).unwrap()
}

/// Each limit lets the program get a little further: arguments, images, threads, plan, statistics, steps, checkpoints.
#[test]
fn too_little_memory_is_an_error_at_every_stage() {
    let place = Place::new(1);
    let [data, recipe, run] = ["data", "recipe.toml", "run"].map(|name| place.path(name));
    let least = least();
    let (mut rejected, mut done) = (0, 0);
    for step in 0..60 {
        let limit = least + 5 * 1024 * step;
        let _ = std::fs::remove_dir_all(&run);
        let args = ["train", &data, "--recipe", &recipe, "--run", &run, "--threads", "2", "--steps", "5"];
        match limited(limit, &args) {
            (Some(0), _) => done += 1,
            (code, err) => {
                rejected += 1;
                assert_eq!(code, Some(1), "{limit} KiB: {err}");
                let expected =
                    ["not enough memory", "cannot start a thread", "cannot start", "cannot allocate memory"];
                let lower = err.to_lowercase();
                assert!(expected.iter().any(|text| lower.contains(text)), "{limit} KiB: {err}");
                assert!(!err.contains("panicked"), "{limit} KiB: {err}");
            }
        }
    }
    println!("{rejected} limits were too low, {done} were enough");
    assert!(rejected > 5 && done > 0, "{rejected} {done}");
}

/// The plan's memory is compared with the limit first.
#[test]
fn a_plan_that_does_not_fit_names_both_sizes() {
    let place = Place::new(1);
    let [data, run] = ["data", "run"].map(|name| place.path(name));
    let args = ["train", &data, "--recipe", "paper", "--run", &run, "--threads", "1"];
    let (code, err) = limited(1 << 20, &args);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("not enough memory: 1.2") && err.contains(" GiB needed, "), "{err}");
    assert!(err.contains("--micro-batch 36") && err.contains("momentum"), "{err}");
    assert!(!std::path::Path::new(&run).exists());
}
