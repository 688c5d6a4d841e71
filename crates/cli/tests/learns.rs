//! Every built-in recipe learns from real images as it ships: its loss leaves chance level. The images are `cifar10.tar` and
//! `imagenette.tar` in `ALEXNET_SHARED`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A recipe and how many steps it takes at least to leave chance level, with a margin of a half or more.
struct Case {
    recipe: &'static str,
    steps: usize,
}

/// Recipes whose steps take a fraction of a second.
const FAST: [Case; 7] = [
    Case { recipe: "small", steps: 60 },
    Case { recipe: "fashion-mnist", steps: 60 },
    Case { recipe: "four-layer-relu", steps: 60 },
    Case { recipe: "four-layer-tanh", steps: 60 },
    Case { recipe: "cifar-18pct", steps: 160 },
    Case { recipe: "cifar-13pct", steps: 300 },
    Case { recipe: "cifar-11pct", steps: 300 },
];

/// Networks for images of 224 pixels.
const SLOW: [&str; 5] = ["paper", "original-2012", "caffe", "caffenet", "torchvision"];

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
    let images = folder.join("packed").display().to_string();
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
    run(&["train", images, "--recipe", recipe, "--steps", &steps, "--seed", &seed, "--run", &run_name]);
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

#[test]
fn fast_recipes_learn_from_their_first_steps() {
    let folder = tempfile::tempdir().unwrap();
    let Some(images) = packed("cifar10.tar", "32", folder.path()) else { return };
    let stuck: Vec<String> = FAST
        .iter()
        .filter(|case| case.steps <= 60)
        .flat_map(|case| at_chance(&images, case.recipe, case.steps, 1, folder.path()))
        .collect();
    assert_eq!(stuck, [""; 0]);
}

/// 300 steps and three seeds of every recipe: `cargo test --release -p alexnet-cli --test learns -- --ignored --nocapture`.
/// Results are in `docs/results/recipes.md`.
#[test]
#[ignore = "trains for hours"]
fn every_recipe_learns_in_its_first_300_steps() {
    let folder = tempfile::tempdir().unwrap();
    let Some(images) = packed("cifar10.tar", "32", folder.path()) else { return };
    let mut stuck = Vec::new();
    for Case { recipe, .. } in FAST {
        stuck.extend(at_chance(&images, recipe, 300, 3, folder.path()));
    }
    let large = folder.path().join("large");
    std::fs::create_dir(&large).unwrap();
    let Some(images) = packed("imagenette.tar", "256", &large) else { return };
    for recipe in SLOW {
        stuck.extend(at_chance(&images, recipe, 300, 3, folder.path()));
    }
    assert_eq!(stuck, [""; 0]);
}
