//! `alexnet recipe`.

use crate::support::{path, run, run_json};

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
