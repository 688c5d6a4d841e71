//! Recipes for large batches: the learning rate step by step, and an interruption of the warm-up.

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use alexnet::model::Model;
use place::Place;
use serde_json::Value;

/// Steps per epoch: 45 images, 4 at a time.
const EPOCH: usize = 12;

const SETTINGS: [&str; 10] = [
    "--set",
    "optimizer.algorithm=lars",
    "--set",
    "optimizer.rate_for_batch=2",
    "--set",
    "schedule.warm_up_epochs=2",
    "--set",
    "schedule.plateau=none",
    "--set",
    "schedule.at_epochs=[1]",
];

/// The learning rate of every step in the output of `--json-events`.
fn rates(out: &str) -> Vec<f64> {
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == "step").map(|line| line["lr"].as_f64().unwrap()).collect()
}

#[test]
fn learning_rates_rise_step_by_step_from_the_scaled_one() {
    let place = Place::new(3);
    let (out, _) = place.run(&place.train("run", &[&SETTINGS[..], &["--json-events"]].concat()), 0);
    // 0.002 for 2 images is 0.004 for 4; divided by 1.1 after the first epoch.
    let expected = |step: usize| {
        let full = if step <= EPOCH { 0.004 } else { 0.004 / 1.1 };
        full * (step as f64 / (2 * EPOCH) as f64).min(1.0)
    };
    let found = rates(&out);
    assert_eq!(found.len(), 3 * EPOCH);
    for (i, rate) in found.iter().enumerate() {
        assert!((rate / expected(i + 1) - 1.0).abs() < 1e-6, "step {}: {rate}", i + 1);
    }
    // Metrics have the learning rate of their last step.
    let lines = place::lines(&place.root().join("run"));
    for line in lines.iter().filter(|line| line.get("val/loss").is_none()) {
        let step = line["step"].as_u64().unwrap() as usize;
        assert!((line["lr"].as_f64().unwrap() / expected(step) - 1.0).abs() < 1e-6, "{line}");
    }
}

#[test]
fn a_warm_up_is_resumed_to_the_same_bits() {
    let place = Place::new(3);
    place.run(&place.train("whole", &SETTINGS), 0);
    let (out, _) =
        place.run(&place.train("parts", &[&SETTINGS[..], &["--steps", "7", "--json-events"]].concat()), 0);
    let mut found = rates(&out);
    for steps in ["12", "17", "none"] {
        let (out, _) = place.run(&place.resume("parts", &["--steps", steps, "--json-events"]), 0);
        found.extend(rates(&out));
    }
    assert_eq!(found.len(), 3 * EPOCH);
    assert!(place.results("parts") == place.results("whole"));
}

/// An edited learning rate is the one in effect, neither scaled nor warmed up; a recipe from the journal repeats it.
#[test]
fn an_edited_learning_rate_ends_the_warm_up() {
    let place = Place::new(2);
    place.run(&place.train("run", &[&SETTINGS[..], &["--steps", "5"]].concat()), 0);
    place.run_words(&["edit", &place.path("run"), "lr=0.003"], 0);
    let (out, _) = place.run(&place.resume("run", &["--steps", "none", "--json-events"]), 0);
    assert_eq!(rates(&out)[..EPOCH - 5], [0.003; EPOCH - 5]);
    let (again, _) = place.run_words(&["recipe", "from-journal", &place.path("run")], 0);
    for key in ["algorithm = \"lars\"", "trust = 0.001", "rate_for_batch = 2", "warm_up_epochs = 2"] {
        assert!(again.contains(key), "{key}: {again}");
    }
    std::fs::write(place.root().join("recipe.toml"), &again).unwrap();
    place.run(&place.train("again", &[]), 0);
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap().parameters;
    assert!(model("run") == model("again"));
    assert_eq!(place::lines(&place.root().join("run")), place::lines(&place.root().join("again")));
}
