//! `alexnet lr-find`.

use crate::support::{COLORS, Colors, images, run, run_json};

#[test]
fn the_suggestion_is_marked_and_its_command_is_complete() {
    let place = Colors::new(2);
    let data = images(&place.folder.path().join("my images"), &COLORS, 10);
    let find = ["lr-find", &data, "--recipe", &place.recipe, "--steps", "40", "--set", "optimizer.batch=9"];
    let (value, _) = run_json(&[&find[..], &["--json"]].concat(), 0);
    let suggestion = value["lr"].as_f64().unwrap();
    let (out, _) = run(&find, 0);
    let marked: Vec<&str> = out.lines().filter(|line| line.ends_with("<- suggested")).collect();
    let rate: f64 = marked[0].split_whitespace().next().unwrap().parse().unwrap();
    assert!(marked.len() == 1 && (rate / suggestion).ln().abs() < 0.5, "{suggestion}: {out}");
    let command = format!("alexnet train '{data}' --recipe {} --set optimizer.batch=9 --set ", place.recipe);
    assert!(out.contains(&command), "{out}");
    // `--set optimizer.rate` would have no effect.
    let recipe = std::fs::read_to_string(&place.recipe).unwrap();
    std::fs::write(&place.recipe, recipe + "[[edit]]\nstep = 0\nrate = 0.1\n").unwrap();
    let (out, _) = run(&find, 0);
    assert!(out.contains("\nuse it  set `rate = ") && out.contains("in the [[edit]] table of "), "{out}");
    assert!(!out.contains("alexnet train"), "{out}");
}

#[test]
fn a_flat_loss_gives_no_suggestion() {
    let place = Colors::new(10);
    // All images in every batch: only the learning rate could change the loss.
    let find = ["lr-find", &place.data, "--recipe", &place.recipe, "--set", "optimizer.batch=27"];
    let (out, _) = run(&[&find[..], &["--from", "1e-12", "--to", "1e-11", "--steps", "20"]].concat(), 0);
    assert!(out.contains("no learning rate lowered the loss clearly within 20 steps"), "{out}");
    assert!(out.contains("--to 1e-11 --steps 200`") && !out.contains("suggested"), "{out}");
}
