//! `alexnet recipe`.

use serde_json::Value;

use crate::support::{Colors, path, run, run_json};

#[test]
fn recipes_are_shown() {
    let (value, _) = run_json(&["recipe", "show", "paper", "--json"], 0);
    assert_eq!((value["parameters"].as_u64(), value["macs"].as_u64()), (Some(60_965_224), Some(724_406_816)));
    assert_eq!(value["layers"][0]["name"], "conv1");
    let (value, _) = run_json(&["recipe", "show", "paper", "--json", "--classes", "10"], 0);
    assert_eq!(value["parameters"].as_u64(), Some(60_965_224 - 990 * 4097));
    let (value, _) = run_json(&["recipe", "list", "--json"], 0);
    let (list, _) = run(&["recipe", "list"], 0);
    assert_eq!(list.lines().count(), value["recipes"].as_array().unwrap().len());
    let folder = tempfile::tempdir().unwrap();
    let (toml, _) = run(&["recipe", "show", "small", "--toml"], 0);
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, toml).unwrap();
    run(&["recipe", "show", &path(&file)], 0);
    assert!(run(&["recipe", "diff", "paper", "caffe"], 0).0.contains("227"));
}

#[test]
fn differences_between_recipes_are_json() {
    let (value, _) = run_json(&["recipe", "diff", "paper", "caffe", "--json"], 0);
    assert_eq!(
        (&value["a"]["name"], &value["b"]["name"], &value["same"]),
        (&"paper".into(), &"caffe".into(), &false.into())
    );
    assert_eq!(value["a"]["parameters"], 60_965_224);
    let changes = value["changes"].as_array().unwrap();
    let of = |layer: Value, key: &str| {
        changes
            .iter()
            .find(|change| change["layer"] == layer && change["key"] == key)
            .map(|c| (&c["a"], &c["b"]))
    };
    assert_eq!(of(Value::Null, "input.crop"), Some((&224.into(), &227.into())));
    let (value, _) = run_json(&["recipe", "diff", "small", "small", "--json"], 0);
    assert_eq!((&value["same"], value["changes"].as_array().unwrap().len()), (&true.into(), 0));
    let set = ["--set", "layer.norm1=none", "--set", "optimizer.rate=0.1"];
    let (value, _) = run_json(&[&["recipe", "diff", "small", "small", "--json"], &set[..]].concat(), 0);
    assert_eq!(
        (&value["layers_removed"][0], value["layers_added"].as_array().unwrap().len()),
        (&"norm1".into(), 0)
    );
    assert_eq!(value["changes"][0]["key"], "optimizer.rate");
    // A single-precision value in its shortest form.
    assert_eq!(value["changes"][0]["b"].to_string(), "0.1");
}

#[test]
fn the_recipe_of_a_run_is_json() {
    let place = Colors::new(10);
    let to = place.path("run");
    let train = ["train", &place.data, "--recipe", &place.recipe, "--run", &to, "--seed", "7"];
    run(&[&train[..], &["--set", "optimizer.rate=1e-5"]].concat(), 0);
    run(&["edit", &to, "lr=1e-6", "stop-after=3"], 0);
    run(&["train", "--resume", &to], 0);
    let (value, _) = run_json(&["recipe", "from-journal", &to, "--json"], 0);
    let (toml, _) = run(&["recipe", "from-journal", &to], 0);
    assert!(toml.ends_with(value["toml"].as_str().unwrap()), "{toml}");
    assert_eq!((&value["seed"], &value["recipe"]["optimizer"]["rate"]), (&7.into(), &1e-5.into()));
    assert_eq!(value["recipe"]["edit"][0]["rate"], 1e-6);
    assert!(value["command"].as_str().unwrap().ends_with("--recipe FILE --seed 7"), "{value}");
}
