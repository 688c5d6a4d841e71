//! Every built-in recipe learns from real images as it ships: its loss leaves chance level. The images are `cifar10.tar` and
//! `imagenette.tar` in `ALEXNET_SHARED`.

use std::path::Path;
use std::process::Command;

use alexnet::net::{Recipe, Views};
use serde_json::Value;

/// The loss of guessing one of ten classes.
const CHANCE: f64 = std::f64::consts::LN_10;

/// The packed images of an archive in `ALEXNET_SHARED`, if it exists.
fn packed(archive: &str, side: &str, folder: &Path) -> Option<String> {
    let Some(shared) = std::env::var_os("ALEXNET_SHARED") else {
        println!("skipped: ALEXNET_SHARED does not name a folder with {archive}");
        return None;
    };
    let archive = Path::new(&shared).join(archive);
    if !archive.is_file() {
        println!("skipped: no {}", archive.display());
        return None;
    }
    let images = folder.join(format!("packed-{side}")).display().to_string();
    if Path::new(&images).exists() {
        return Some(images);
    }
    run(&["data", "pack", &archive.display().to_string(), &images, "--side", side]);
    Some(images)
}

fn run(args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_alexnet")).args(args).arg("--quiet").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Trains; returns the mean loss of the last 20 steps.
fn last_loss(images: &str, recipe: &str, steps: usize, seed: u64, folder: &Path) -> f64 {
    let run_folder = folder.join(format!("{recipe}-{seed}"));
    let (steps, seed) = (steps.to_string(), seed.to_string());
    let run_name = run_folder.display().to_string();
    let train = ["train", images, "--recipe", recipe, "--steps", &steps, "--seed", &seed, "--run", &run_name];
    // Ten views would take longer than the steps.
    let is_cropped = Recipe::load(recipe).unwrap().evaluation.views == Views::Ten;
    run(&[&train[..], if is_cropped { &["--set", "evaluation.views=1"] } else { &[] }].concat());
    let metrics = std::fs::read_to_string(run_folder.join("metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    last["train/loss"].as_f64().unwrap()
}

/// Prints the losses of three seeds; returns those at chance level.
fn at_chance(images: &str, recipe: &str, steps: usize, seeds: u64, folder: &Path) -> Vec<String> {
    let losses: Vec<f64> = (0..seeds).map(|seed| last_loss(images, recipe, steps, seed, folder)).collect();
    let shown: Vec<String> = losses.iter().map(|loss| format!("{loss:.3}")).collect();
    println!("{recipe}, {steps} steps: loss {} (chance {CHANCE:.3})", shown.join(", "));
    // A tenth of a nat below chance: 11 % of probability on the right class instead of 10 %.
    let is_stuck = |loss: &&f64| **loss > CHANCE - 0.1 || loss.is_nan();
    losses.iter().filter(is_stuck).map(|loss| format!("{recipe}: {loss}")).collect()
}

/// The packed images for a recipe: CIFAR-10, or Imagenette for large images.
fn images_for(recipe: &str, folder: &Path) -> Option<String> {
    let square = Recipe::load(recipe).unwrap().input.square;
    let archive = if square > 64 { "imagenette.tar" } else { "cifar10.tar" };
    packed(archive, &square.to_string(), folder)
}

/// Both networks of the paper's Fig. 1, and one that starts slowly, with one seed.
#[test]
fn recipes_for_small_images_leave_chance_level() {
    let folder = tempfile::tempdir().unwrap();
    let mut stuck = Vec::new();
    for (recipe, steps) in [("four-layer-relu", 60), ("four-layer-tanh", 60), ("cifar-18pct", 160)] {
        let Some(images) = images_for(recipe, folder.path()) else { return };
        stuck.extend(at_chance(&images, recipe, steps, 1, folder.path()));
    }
    assert_eq!(stuck, [""; 0]);
}

/// 300 steps and three seeds of every recipe: `cargo test --release -p alexnet-cli --test learns -- --ignored --nocapture`.
/// The results are in `docs/results/recipes.md`.
#[test]
#[ignore = "trains for hours"]
fn every_recipe_leaves_chance_level_in_its_first_300_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut stuck = Vec::new();
    for recipe in Recipe::builtin_names() {
        let Some(images) = images_for(recipe, folder.path()) else { return };
        stuck.extend(at_chance(&images, recipe, 300, 3, folder.path()));
    }
    assert_eq!(stuck, [""; 0]);
}
