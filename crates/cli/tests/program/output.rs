//! Standard output, exit codes, JSON on failure, `--quiet`.

use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

use crate::support::{COLORS, Colors, path, run, run_json, save_model, text};

#[test]
fn missing_and_damaged_files_have_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let (out, err) = run(&["eval", &model, "--data", "/nowhere/pets"], 3);
    assert!(out.is_empty() && err.contains("error: /nowhere/pets") && err.contains("help: "), "{err}");
    let (_, err) = run(&["eval", "/nowhere/run", "--data", "/nowhere/pets"], 4);
    assert!(err.contains("/nowhere/run") && err.contains("help: "), "{err}");
    let garbage = folder.path().join("garbage.safetensors");
    std::fs::write(&garbage, "garbage, garbage, garbage").unwrap();
    let (_, err) = run(&["classify", &path(&garbage), "x.png"], 4);
    assert!(err.contains("garbage.safetensors") && err.contains("help: "), "{err}");
    assert!(!err.contains('\x1b'), "colors are for terminals");
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
    let spawn = |args: &[&str], out: Stdio| {
        Command::new(cargo_bin!("alexnet")).args(args).stdout(out).stderr(Stdio::piped()).spawn().unwrap()
    };
    let closed = || {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        Stdio::from(write)
    };
    let show = ["recipe", "show", "paper"];
    let output = spawn(&show, closed()).wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    // What is wrong is in the exit code nevertheless.
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    for args in [&["classify", &model, "nowhere.png"][..], &["classify", &model, "nowhere.png", "--json"]] {
        let output = spawn(args, closed()).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    }
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let output = spawn(&show, full.into()).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("standard output"));
    }
}

#[test]
fn json_reports_failures_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let nowhere = path(&folder.path().join("nowhere"));
    let plan = path(&folder.path().join("plan.json"));
    for (args, code, kind) in [
        (vec!["eval", &model, "--data", &nowhere], 3, "data"),
        (vec!["eval", &nowhere, "--data", &nowhere], 4, "model"),
        (vec!["classify", &nowhere, "x.png"], 4, "model"),
        (vec!["train", &nowhere, "--recipe", "small"], 3, "data"),
        (vec!["train", &nowhere, "--recipe", "smal"], 2, "usage"),
        (vec!["train", "--resume", &nowhere], 2, "usage"),
        (vec!["edit", &nowhere, "lr=1"], 2, "usage"),
        (vec!["lr-find", &nowhere, "--recipe", "small"], 3, "data"),
        (vec!["data", "check", &nowhere], 3, "data"),
        (vec!["data", "fix", &plan, "--in-place"], 3, "data"),
        (vec!["data", "pack", &nowhere, &plan], 3, "data"),
        (vec!["data", "bench", &nowhere], 3, "data"),
        (vec!["recipe", "show", "papr"], 2, "usage"),
        (vec!["recipe", "diff", "paper", "papr"], 2, "usage"),
        (vec!["recipe", "from-journal", &nowhere], 2, "usage"),
        (vec!["bench", "--recipe", "papr"], 2, "usage"),
        (vec!["man", "/dev/null/man"], 1, "runtime"),
        // Not parsed at all.
        (vec!["bench", "--lr", "1"], 2, "usage"),
        (vec!["trian"], 2, "usage"),
        (vec![], 2, "usage"),
    ] {
        let (plain_out, plain_err) = run(&args, code);
        let (value, err) = run_json(&[&args[..], &["--json"]].concat(), code);
        assert!(plain_out.is_empty(), "{args:?}: {plain_out}");
        if !args.is_empty() {
            assert_eq!(err, plain_err, "{args:?}");
        }
        assert_eq!(value.as_object().unwrap().len(), 1, "{value}");
        let error = &value["error"];
        assert_eq!(error["kind"], kind, "{args:?}: {value}");
        assert!(err.contains(error["message"].as_str().unwrap()), "{args:?}: {value}\n{err}");
        match error["help"].as_str() {
            Some(help) => assert!(err.contains(&format!("help: {help}")), "{args:?}: {err}"),
            None => assert!(error["help"].is_null() && !err.contains("help:"), "{args:?}: {err}"),
        }
    }
    // After `--` it is a file.
    let (out, _) = run(&["classify", &nowhere, "--", "--json"], 4);
    assert!(out.is_empty(), "{out}");
    let (out, _) = run(&["classify", &nowhere, "x.png", "--json-lines"], 4);
    assert_eq!(out.lines().count(), 1, "{out}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["error"]["kind"], "model");
}

#[test]
fn classified_images_are_json_lines() {
    let place = Colors::new(3);
    let model = save_model(place.folder.path(), "m.safetensors", &COLORS);
    let (red, nowhere) = (format!("{}/red", place.data), place.path("nowhere.png"));
    let (out, err) = run(&["classify", &model, &red, &nowhere, "--json-lines"], 3);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{out}");
    for line in &lines[..3] {
        assert_eq!(line["predictions"][0]["label"], "red", "{line}");
        assert!(line["file"].as_str().unwrap().contains("red"), "{line}");
    }
    assert!(lines[3]["error"].is_string() && err.contains("nowhere.png"), "{out}{err}");
    run(&["classify", &model, &red, "--json-lines", "--json"], 2);
}

#[test]
fn quiet_leaves_results_and_errors() {
    let place = Colors::new(10);
    let to = place.path("run");
    let train =
        ["train", &place.data, "--recipe", &place.recipe, "--set", "optimizer.rate=1e-5", "--run", &to];
    let (loud_out, loud_err) = run(&train, 0);
    assert!(loud_err.contains("note: ") && loud_err.contains("epoch 1"), "{loud_err}");
    let (out, err) = run(&[&train[..], &["--exist-ok", "--quiet"]].concat(), 0);
    assert_eq!((out.lines().count(), err.as_str()), (loud_out.lines().count(), ""));
    for args in [
        vec!["eval", &to, "--data", &place.data],
        vec!["data", "check", &place.data, "--plan", &place.path("plan.json")],
        vec!["data", "fix", &place.path("plan.json"), &place.path("fixed")],
        vec!["data", "pack", &place.data, &place.path("packed"), "--side", "8"],
        vec!["lr-find", &place.data, "--recipe", &place.recipe, "--steps", "10"],
        vec!["classify", &to, &format!("{}/red/00.png", place.data), "--top", "9"],
    ] {
        let (out, err) = run(&[&["-q"], &args[..]].concat(), 0);
        assert!(!out.is_empty() && err.is_empty(), "{args:?}: {err}");
    }
    let (_, err) = run(&["eval", &to, "--data", "/nowhere", "--quiet"], 3);
    assert!(err.starts_with("error: /nowhere"), "{err}");
}

#[test]
fn the_environment_selects_messages_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let messages = |filter: &str| {
        let output = Command::new(cargo_bin!("alexnet"))
            .args(["classify", &model, "/nowhere.png"])
            .env("ALEXNET_LOG", filter)
            .output()
            .unwrap();
        text(&output.stderr)
    };
    assert!(messages("debug").contains("m.safetensors: loading "));
    assert!(messages("alexnet::engine=debug").contains("opening an engine for 579 parameters"));
    for quiet in ["error", "alexnet::data=debug", "off"] {
        assert!(!messages(quiet).contains("loading "), "{quiet}");
    }
}
