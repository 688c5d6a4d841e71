//! Edits, rollback, plateaus, forecasts, transfer, micro-batches, and `lr-find`.

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use alexnet::model::Model;
use alexnet::net::Recipe;
use place::{Place, finished, lines, wait_for_lines};
use serde_json::Value;

/// Edits to a running training are applied, reported, kept over an interruption, and reproduced by a recipe.
#[test]
fn edits_are_replayed_to_the_same_bits() {
    let place = Place::new(3000);
    let run = place.root().join("run");
    let mut child =
        place.command(&[], &place.train("run", &["--set", "schedule.plateau=none"])).spawn().unwrap();
    wait_for_lines(&run, 1);
    let edit = |words: &[&str], code| {
        let mut args = vec!["edit", run.to_str().unwrap()];
        args.extend(words);
        place.run_words(&args, code)
    };
    let (out, _) = edit(&["lr=0.001", "color-noise=off", "--reason", "to see"], 0);
    assert!(
        out.contains("lr=0.001  applied after step ") && out.contains("color-noise=off  applied"),
        "{out}"
    );
    let (out, _) = edit(&["freeze=conv1"], 0);
    assert!(out.contains("freeze=conv1  applied after step "), "{out}");
    let (_, err) = edit(&["freeze=conv7"], 2);
    assert!(err.contains("no layer with weights is named `conv7`"), "{err}");
    child.kill().unwrap();
    child.wait().unwrap();
    let (out, _) = edit(&["stop-after=300"], 0);
    assert!(out.contains("takes effect when you resume with `alexnet train --resume"), "{out}");
    let child = place.command(&[], &place.resume("run", &[])).spawn().unwrap();
    let (_, err) = finished(child.wait_with_output().unwrap(), 0);
    assert!(err.contains("stop-after=300") && err.contains("epoch 300: "), "{err}");
    let journal = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    assert!(journal.lines().count() == 4 && journal.contains("\"reason\":\"to see\""), "{journal}");
    let (again, _) = place.run_words(&["recipe", "from-journal", run.to_str().unwrap()], 0);
    std::fs::write(place.root().join("recipe.toml"), &again).unwrap();
    let (_, err) = place.run(&place.train("again", &[]), 0);
    assert!(err.contains("freeze=conv1"), "{err}");
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap().parameters;
    assert!(model("run") == model("again"), "the journal's recipe gave different bits");
    assert_eq!(lines(&run), lines(&place.root().join("again")));
}

/// A run stopped after the last step of an epoch still has its validation to do: an edit made meanwhile takes effect
/// after it, also in a replay.
#[test]
fn an_edit_before_a_pending_validation_is_replayed_to_the_same_bits() {
    let place = Place::new(5);
    place.run(&place.train("run", &["--steps", "24"]), 0);
    place.run_words(&["edit", &place.path("run"), "lr=0.004"], 0);
    let (_, err) = place.run(&place.resume("run", &["--steps", "none"]), 0);
    assert!(err.contains("resumed after step 24") && err.contains("epoch 2: "), "{err}");
    let (again, _) = place.run_words(&["recipe", "from-journal", &place.path("run")], 0);
    std::fs::write(place.root().join("recipe.toml"), &again).unwrap();
    place.run(&place.train("again", &[]), 0);
    assert_eq!(lines(&place.root().join("run")), lines(&place.root().join("again")));
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap().parameters;
    assert!(model("run") == model("again"));
}

/// A curve continues over an interruption and in proportion to an edit, and the journal's recipe repeats it.
#[test]
fn an_edited_curve_is_replayed_to_the_same_bits() {
    let place = Place::new(4);
    let linear = [
        "--set",
        "schedule.plateau=none",
        "--set",
        "schedule.divide_by=none",
        "--set",
        "schedule.linear.to=0",
    ];
    place.run(&place.train("run", &[&linear[..], &["--steps", "20"]].concat()), 0);
    place.run_words(&["edit", &place.path("run"), "lr=0.004"], 0);
    place.run(&place.resume("run", &["--steps", "none"]), 0);
    let metrics = std::fs::read_to_string(place.root().join("run/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    // Before the edit (steps - 20) / steps of the curve are left, in the last step 1 / steps.
    let expected = 0.004 / (last["step"].as_f64().unwrap() - 20.0);
    let lr = last["lr"].as_f64().unwrap();
    assert!((lr / expected - 1.0).abs() < 1e-6, "{lr}, expected {expected}");
    let (again, _) = place.run_words(&["recipe", "from-journal", &place.path("run")], 0);
    assert!(again.contains("[schedule.linear]") || again.contains("linear = {"), "{again}");
    std::fs::write(place.root().join("recipe.toml"), &again).unwrap();
    place.run(&place.train("again", &[]), 0);
    assert_eq!(lines(&place.root().join("run")), lines(&place.root().join("again")));
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap().parameters;
    assert!(model("run") == model("again"));
}

#[test]
fn non_finite_values_restore_the_last_checkpoint() {
    let place = Place::new(2);
    let toml = std::fs::read_to_string(place.root().join("recipe.toml")).unwrap();
    std::fs::write(place.root().join("recipe.toml"), toml + "[[edit]]\nstep = 7\nrate = 1e6\n").unwrap();
    let args = place.train("run", &["--checkpoint-steps", "5", "--set", "optimizer.decay=1000"]);
    let (out, err) = place.run(&args, 0);
    assert!(err.contains("non-finite values: the ") || err.contains("the loss is"), "{err}");
    assert!(err.contains("restored step 5; learning rate lowered to 0.0002 (rollback 2"), "{err}");
    // Reported once, during training.
    assert!(!out.contains("not finite"), "{out}");
    let (again, _) = place.run_words(&["recipe", "from-journal", &place.path("run")], 0);
    assert!(again.contains("rate = 0.0002") && !again.contains("rate = 1000000"), "{again}");
    std::fs::write(place.root().join("recipe.toml"), &again).unwrap();
    place.run(&place.train("again", &["--checkpoint-steps", "5"]), 0);
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap().parameters;
    assert!(model("run") == model("again"), "the journal's recipe gave different bits");
    let (_, err) =
        place.run(&place.train("stop", &["--set", "optimizer.rate=1e6", "--on-divergence", "stop"]), 5);
    assert!(err.contains("error: ") && err.contains("help: try a lower learning rate"), "{err}");
    let (_, err) = place
        .run(&place.train("thrice", &["--set", "optimizer.rate=1e6", "--set", "optimizer.decay=1e6"]), 5);
    assert!(err.contains("(rollback 3 of at most 3)") && err.contains("after 3 rollbacks"), "{err}");
}

/// A finite but useless loss: training has failed, however it ends.
#[test]
fn an_exploded_loss_is_a_failure() {
    let place = Place::new(1);
    let exploding =
        ["--set", "optimizer.rate=3000", "--set", "optimizer.momentum=0", "--set", "optimizer.decay=0"];
    for (run, more) in [("steps", &["--steps", "3"][..]), ("epochs", &[])] {
        let args = [&exploding[..], more].concat();
        let (_, err) = place.run(&place.train(run, &args), 5);
        assert!(
            err.contains("diverged: the final loss is ") && err.contains("help: try a lower learning rate"),
            "{err}"
        );
        assert!(!place.root().join(run).join("best.safetensors").exists());
    }
}

/// Images and a recipe whose loss stays at chance level.
fn flat() -> Place {
    let place = Place::new(1);
    let mut recipe = Recipe::load("small").unwrap();
    let layers =
        ["conv1", "conv2", "conv3", "fc4", "fc5", "fc6"].map(|name| format!("layer.{name}.weights.init"));
    recipe.set_all(layers.iter().map(|key| (key.as_str(), "{ normal = 1e-6 }"))).unwrap();
    recipe
        .set_all([
            ("schedule.epochs", "12"),
            ("schedule.at_epochs", "none"),
            ("optimizer.batch", "3"),
            ("optimizer.rate", "0.004"),
            ("augment.random_crop", "false"),
        ])
        .unwrap();
    std::fs::write(place.root().join("recipe.toml"), recipe.to_toml()).unwrap();
    place
}

/// The command of a job that is requeued also continues a run that was restarted with a remedy, and restarts it once.
#[test]
fn a_restarted_run_is_resumed_by_the_command_that_started_it() {
    let place = flat();
    let job = |steps: &str| -> Vec<String> {
        let [data, recipe, run] = ["data", "recipe.toml", "run"].map(|name| place.path(name));
        let start = ["train", &data, "--recipe", &recipe, "--set", "optimizer.rate=0.004"];
        let rest = ["--on-plateau", "restart-with-he", "--resume-or-start", &run, "--steps", steps];
        start.into_iter().chain(rest).map(str::to_owned).collect()
    };
    let (_, err) = place.run(&job("110"), 0);
    assert!(err.contains("restarting with the remedy"), "{err}");
    let (_, err) = place.run(&job("none"), 0);
    assert!(err.contains("resuming") && !err.contains("restarting"), "{err}");
    let last = lines(&place.root().join("run")).pop().unwrap();
    assert!(last["step"] == 180 && last["train/loss"].as_f64().unwrap() < 0.8, "{last}");
    assert!(!place.root().join("run/earlier-2").exists());
}

#[test]
fn a_resumed_run_restarts_from_the_model_that_it_started_from() {
    let place = flat();
    place.run(&place.train("base", &["--epochs", "1"]), 0);
    place.run(&place.train("run", &["--init", &place.path("base"), "--steps", "100"]), 0);
    let (_, err) =
        place.run(&place.resume("run", &["--on-plateau", "restart-with-he", "--steps", "none"]), 0);
    assert!(err.contains("restarting with the remedy"), "{err}");
    let log = std::fs::read_to_string(place.root().join("run/log.txt")).unwrap();
    assert!(log.contains("loaded from the model: conv1"), "{log}");
    let origin: Value =
        serde_json::from_slice(&std::fs::read(place.root().join("run/run.json")).unwrap()).unwrap();
    assert!(origin["init"].is_string() && origin["remedy"] == "he", "{origin}");
}

#[test]
fn a_plateau_is_reported_and_its_fix_trains() {
    let place = flat();
    let (out, err) = place.run(&place.train("flat", &[]), 0);
    let advice = "chance level for 5 classes (ln 5 = 1.609)";
    assert_eq!(err.matches(advice).count(), 1, "{err}");
    // 15 steps per epoch: the seventh is the first to end after 100 steps.
    let log = std::fs::read_to_string(place.root().join("flat/log.txt")).unwrap();
    let (before, _) = log.split_once(advice).unwrap();
    assert!(before.contains("epoch 7: ") && !before.contains("epoch 8: "), "{log}");
    assert!(!out.contains(advice) && !log.split_once(advice).unwrap().1.contains(advice), "{out}{log}");
    let unlearned = "warning: the best model has not learned to tell the classes apart";
    assert!(err.contains(unlearned) && err.contains("--set layer.conv1.weights.init=he"), "{err}");
    // After twelve steps every network is at chance level: only the end says so.
    let (_, err) = place.run(&place.train("short", &["--set", "optimizer.batch=45"]), 0);
    assert!(!err.contains("chance level") && !err.contains("waiting for images"), "{err}");
    assert!(err.contains("note: 45 training images in batches of 45: 1 step per epoch;"), "{err}");
    assert!(err.contains(unlearned) && err.contains("a smaller batch, for more steps: --set"), "{err}");
    let (_, err) = place.run(&place.train("cured", &["--on-plateau", "restart-with-he"]), 0);
    assert!(err.contains("restarting with the remedy") && !err.contains(unlearned), "{err}");
    let loss = |run: &str| lines(&place.root().join(run)).last().unwrap()["train/loss"].as_f64().unwrap();
    assert!(loss("flat") > 1.6 && loss("cured") < 0.8, "{} {}", loss("flat"), loss("cured"));
    assert!(place.root().join("cured/earlier-1/metrics.jsonl").exists());
    let (_, err) = place.run(&place.train("stop", &["--on-plateau", "stop"]), 5);
    assert!(err.contains("chance level") && err.contains("init=he"), "{err}");
}

#[test]
fn a_forecast_leaves_nothing() {
    let place = Place::new(5);
    let args = |more: &[&str]| -> Vec<String> {
        place.train("run", more).into_iter().filter(|word| word != "--exist-ok").collect()
    };
    let (out, err) = place.run(&args(&["--forecast"]), 0);
    assert!(out.contains("forecast from 20 steps"), "{out}");
    assert!(out.contains("; the remaining 4 epochs: at most "), "{out}");
    // What would be said of a folder that is then deleted.
    let (short, errs) = place.run(&args(&["--forecast", "--steps", "1"]), 0);
    assert_eq!(short, "no estimate: training ends after 1 step\n");
    for text in ["forecast from", "best.safetensors", "--resume", " model on "] {
        assert!(!err.contains(text) && !errs.contains(text), "{err}{errs}");
    }
    assert!(!place.root().join("run").exists());
    let (out, _) = place.run(&args(&["--forecast", "--json"]), 0);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert!(value["forecast"]["images_per_second"].as_f64().unwrap() > 0.0, "{out}");
    assert_eq!(
        (&value["run"], value["forecast"]["image_seconds"].as_array().unwrap().len()),
        (&Value::Null, 4)
    );
    check_documented(&value);
    check_documented(&value["forecast"]);
    let (out, _) = place.run(&args(&["--forecast", "--steps", "1", "--json"]), 0);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&value["run"], &value["forecast"]), (&Value::Null, &Value::Null), "{out}");
}

/// Checks that the documentation has every field of a JSON object.
fn check_documented(value: &Value) {
    let formats = include_str!("../../../docs/formats.md");
    for field in value.as_object().unwrap().keys() {
        assert!(formats.contains(&format!("`{field}`")), "docs/formats.md has no field `{field}`");
    }
}

#[test]
fn the_events_of_a_run_are_documented() {
    let place = Place::new(1);
    let (out, _) = place.run(&place.train("run", &["--json-events"]), 0);
    let formats = include_str!("../../../docs/formats.md");
    for line in out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let kind = event["event"].as_str().unwrap();
        assert!(formats.contains(&format!("| `{kind}` |")), "docs/formats.md has no event `{kind}`");
        // The names of metrics contain those of layers.
        if kind != "metrics" {
            check_documented(&event);
        }
    }
}

#[test]
fn a_model_is_fine_tuned_on_other_classes() {
    let place = Place::new(2);
    place.run(&place.train("old", &[]), 0);
    for split in ["train", "val"] {
        std::fs::rename(
            place.root().join(format!("data/{split}/eel")),
            place.root().join(format!("data/{split}/fox")),
        )
        .unwrap();
    }
    let [data, old, new] = ["data", "old", "new"].map(|name| place.path(name));
    let args = [
        "train",
        &data,
        "--init",
        &old,
        "--run",
        &new,
        "--freeze",
        "conv1,conv2",
        "--set",
        "layer.fc6.weights.rate=10",
    ];
    let (_, err) = place.run_words(&args, 0);
    assert!(err.contains("loaded from the model: conv1.weight, conv1.bias"), "{err}");
    assert!(err.contains("initialized: fc6.weight (the model has other classes)"), "{err}");
    assert!(err.contains("freeze=conv1") && err.contains("using the mean of the model"), "{err}");
    let model = |run: &str, name: &str| Model::load(place.root().join(run).join(name)).unwrap();
    let (old, new) = (model("old", "best.safetensors"), model("new", "last.safetensors"));
    assert_eq!(new.classes[4], "fox");
    for (before, after) in old.parameters.iter().zip(&new.parameters) {
        let stays = before.name.starts_with("conv");
        assert_eq!(before == after, stays, "{}", before.name);
    }
    let unfit =
        ["train", &data, "--init", &place.path("old"), "--recipe", "small", "--run", &place.path("unfit")];
    let (_, err) = place.run_words(&unfit, 2);
    assert!(err.contains("no tensor of the model fits the recipe"), "{err}");
}

#[test]
fn micro_batches_do_not_change_results() {
    // Three steps per epoch: layer statistics are taken in the 20th.
    let place = Place::new(7);
    let whole = ["--set", "optimizer.batch=20"];
    let mut numbers = [None, Some("9"), Some("18")].map(|micro_batch| {
        let run = format!("run{}", micro_batch.unwrap_or("-whole"));
        let mut args = place.train(&run, &whole);
        args.extend(micro_batch.into_iter().flat_map(|n| ["--micro-batch".to_owned(), n.to_owned()]));
        place.run(&args, 0);
        let models = ["best.safetensors", "last.safetensors"]
            .map(|name| Model::load(place.root().join(&run).join(name)).unwrap().parameters);
        (models, lines(&place.root().join(&run)))
    });
    let [whole, parts @ ..] = &mut numbers;
    assert!(whole.1.iter().any(|line| line.get("fc4/dead").is_some()), "{:?}", whole.1);
    for part in parts {
        assert!(part.0 == whole.0, "models differ");
        assert_eq!(part.1, whole.1, "metrics differ");
    }
    let (_, err) = place.run(&place.train("odd", &["--set", "optimizer.batch=20", "--micro-batch", "4"]), 2);
    assert!(err.contains("a micro-batch of 4 images, expected a multiple of 9"), "{err}");
}

#[test]
fn lr_find_stops_where_the_loss_explodes() {
    let place = Place::new(1);
    let [data, recipe] = ["data", "recipe.toml"].map(|name| place.path(name));
    let (out, _) = place
        .run_words(&["lr-find", &data, "--recipe", &recipe, "--steps", "60", "--to", "1000", "--json"], 0);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert!(value["tries"].as_array().unwrap().len() > 10 && value["explodes"].is_number(), "{out}");
    let (_, err) = place.run_words(&["lr-find", &data, "--recipe", &recipe, "--to", "1e-9"], 2);
    assert!(err.contains("--to must be above --from"), "{err}");
}
