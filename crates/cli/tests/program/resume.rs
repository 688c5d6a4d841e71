//! `alexnet train --resume-or-start`, as a job that is requeued uses it.

use std::path::Path;

use crate::support::{Colors, run, run_json};

#[test]
fn the_same_command_starts_resumes_and_finishes_a_run() {
    let place = Colors::new(10);
    let (requeued, whole) = (place.path("requeued"), place.path("whole"));
    let common =
        ["train", &place.data, "--recipe", &place.recipe, "--set", "optimizer.rate=1e-5", "--seed", "3"];
    let job = [&common[..], &["--resume-or-start", &requeued]].concat();
    // Interrupted after 5 of 14 steps.
    let (value, err) = run_json(&[&job[..], &["--steps", "5", "--json"]].concat(), 0);
    assert_eq!(value["steps"], 5);
    assert!(!err.contains("resuming"), "{err}");
    for is_complete in [false, true] {
        let (value, err) = run_json(&[&job[..], &["--steps", "none", "--json"]].concat(), 0);
        assert_eq!((&value["steps"], &value["epochs"]), (&14.into(), &2.into()));
        assert!(err.contains(&format!("resuming {requeued}")), "{err}");
        let extend = format!(
            "note: the run is complete (2 of 2 epochs); to extend it: `alexnet edit {requeued} stop-after=4`"
        );
        assert_eq!(err.contains(&extend), is_complete, "{err}");
        assert!(err.contains("validation images by center views: top-1"), "{err}");
        assert!(!err.contains("top-5"), "always 100 % of three classes: {err}");
    }
    let (out, _) = run(&["edit", &requeued, "lr=1e-6"], 0);
    assert!(
        out.contains("lr=0.000001  queued: the run is complete; takes effect only if it is extended"),
        "{out}"
    );
    let (out, _) = run(&["edit", &requeued, "stop-after=3"], 0);
    assert!(out.contains("stop-after=3  queued: takes effect when you resume"), "{out}");
    run(&[&common[..], &["--run", &whole]].concat(), 0);
    let model = |run: &str| std::fs::read(Path::new(run).join("last.safetensors")).unwrap();
    assert!(model(&requeued) == model(&whole), "a requeued run gave different bits");
}

#[test]
fn a_requeued_job_with_other_settings_is_rejected() {
    let place = Colors::new(10);
    let to = place.path("run");
    let job = ["train", &place.data, "--recipe", &place.recipe, "--resume-or-start", &to];
    let rate = ["--set", "optimizer.rate=1e-5"];
    run(&[&job[..], &rate].concat(), 0);
    let (_, err) = run(&[&job[..], &["--set", "optimizer.rate=1e-6"]].concat(), 2);
    assert!(
        err.contains("`--set optimizer.rate=1e-6` changes the recipe") && err.contains("lr=1e-6"),
        "{err}"
    );
    let (_, err) = run(&[&job[..], &rate, &["--seed", "4"]].concat(), 2);
    assert!(err.contains("seed"), "{err}");
    for more in [
        vec!["--resume", &to],
        vec!["--run", "other"],
        vec!["--run", "other", "--exist-ok"],
        vec!["--forecast"],
    ] {
        let (_, err) = run(&[&job[..], &more].concat(), 2);
        assert!(err.contains("`--resume-or-start`"), "{more:?}: {err}");
    }
}

#[test]
fn an_interrupted_start_is_started_again() {
    let place = Colors::new(10);
    let to = place.path("run");
    // What a run leaves that is killed before its first step.
    std::fs::create_dir(&to).unwrap();
    std::fs::write(Path::new(&to).join("lock"), "process 1\n").unwrap();
    std::fs::write(Path::new(&to).join("command.txt"), "alexnet train").unwrap();
    let job = ["train", &place.data, "--recipe", &place.recipe, "--set", "optimizer.rate=1e-5"];
    run(&[&job[..], &["--resume-or-start", &to]].concat(), 0);
    assert!(Path::new(&to).join("last.safetensors").exists());
}

#[test]
fn a_run_on_arrays_is_resumed_where_they_are() {
    let place = Colors::new(10);
    let to = place.path("run");
    let job =
        ["train", &place.data, "--recipe", &place.recipe, "--set", "optimizer.rate=1e-5", "--steps", "2"];
    run(&[&job[..], &["--run", &to]].concat(), 0);
    let origin = Path::new(&to).join("run.json");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&origin).unwrap()).unwrap();
    value["source"] = serde_json::json!({ "memory": true });
    std::fs::write(&origin, value.to_string()).unwrap();
    let (_, err) = run(&["train", "--resume", &to, "--steps", "4"], 3);
    assert!(
        err.contains("were arrays in memory") && err.contains("alexnet.train(dataset, resume=RUN)"),
        "{err}"
    );
    // The same images may be named.
    run(&["train", &place.data, "--resume", &to, "--steps", "4"], 0);
}
