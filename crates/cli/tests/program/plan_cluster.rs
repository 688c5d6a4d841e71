//! `alexnet plan-cluster`.

use serde_json::{Value, json};

use crate::support::{path, run, run_json};

/// Layer times of the network `small`, in the form that `alexnet bench --json` prints.
fn layers(folder: &std::path::Path) -> String {
    let (speed, _) =
        run_json(&["bench", "--recipe", "small", "--batch", "2", "--threads", "1", "--layers", "--json"], 0);
    let file = folder.join("layers.json");
    std::fs::write(&file, speed.to_string()).unwrap();
    path(&file)
}

fn plan(layers: &str, more: &[&str]) -> Value {
    let command = ["plan-cluster", "--recipe", "small", "--layers", layers, "--json"];
    run_json(&[&command[..], more].concat(), 0).0
}

fn scheme<'a>(row: &'a Value, name: &str) -> &'a Value {
    row["schemes"].as_array().unwrap().iter().find(|entry| entry["scheme"] == name).unwrap()
}

#[test]
fn a_plan_has_a_row_for_every_number_of_nodes_and_network() {
    let folder = tempfile::tempdir().unwrap();
    let layers = layers(folder.path());
    let svg = folder.path().join("plan.svg");
    let value = plan(&layers, &["--svg", &path(&svg)]);
    let names: Vec<&Value> =
        value["networks"].as_array().unwrap().iter().map(|network| &network["name"]).collect();
    assert_eq!(names, [&json!("1GbE"), &json!("10GbE"), &json!("25GbE"), &json!("100GbE")]);
    let rows = value["networks"][0]["rows"].as_array().unwrap();
    let nodes: Vec<u64> = rows.iter().map(|row| row["nodes"].as_u64().unwrap()).collect();
    assert_eq!(nodes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1024]);
    for row in rows {
        let data = scheme(row, "data");
        for field in ["step_seconds", "compute_seconds", "images_per_second", "efficiency"] {
            assert!(data[field].as_f64().unwrap() > 0.0, "{field}: {row}");
        }
        for field in
            ["transfer_seconds", "exposed_seconds", "gradient_bytes", "activation_bytes", "messages", "limit"]
        {
            assert!(!data[field].is_null(), "{field}: {row}");
        }
        assert!(row["best"].is_string() && row["batch"].as_u64() > row["nodes"].as_u64(), "{row}");
    }
    assert!(
        scheme(&rows[0], "columns")["unavailable"].as_str().unwrap().contains("groups of 2"),
        "{}",
        rows[0]
    );
    assert!(value["paper"]["images_per_second"].as_f64().unwrap() > 200.0);
    assert!(std::fs::read_to_string(svg).unwrap().contains("hybrid"));

    // What one plan prints, another one reads.
    let file = folder.path().join("plan.json");
    std::fs::write(&file, value.to_string()).unwrap();
    assert_eq!(plan(&path(&file), &[])["networks"], value["networks"]);
}

#[test]
fn options_change_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let layers = layers(folder.path());
    let data = |more: &[&str]| {
        let value = plan(&layers, &[&["--nodes", "8", "--parallel", "data"], more].concat());
        scheme(&value["networks"][0]["rows"][0], "data").clone()
    };
    let rate = |more: &[&str]| data(more)["images_per_second"].as_f64().unwrap();
    let slow = ["--bandwidth", "100Mbit", "--latency", "30us"];
    assert!(rate(&["--bandwidth", "10Gbit"]) > rate(&slow));
    assert!(rate(&[&slow[..], &["--exchange-precision", "f16"]].concat()) > rate(&slow));
    assert!(rate(&["--bandwidth", "10Gbit", "--latency", "5ms"]) < rate(&["--bandwidth", "10Gbit"]));
    assert!(
        rate(&[&slow[..], &["--global-batch", "64"]].concat())
            < rate(&[&slow[..], &["--global-batch", "4096"]].concat())
    );
    let four = plan(&layers, &["--nodes", "2", "--ranks-per-node", "4"]);
    assert_eq!(four["networks"][0]["rows"][0]["ranks"], 8);
    let (text, _) =
        run(&["plan-cluster", "--recipe", "small", "--layers", &layers, "--bandwidth", "1Gbit,2.5Gbit"], 0);
    assert!(
        text.contains("1 Gbit/s: 30 us") && text.contains("2.5 Gbit/s") && text.contains("GTX 580"),
        "{text}"
    );
    assert!(text.contains(" 1,000 "), "{text}");
}

#[test]
fn layers_are_measured_if_none_are_given() {
    let command = [
        "plan-cluster",
        "--recipe",
        "small",
        "--images-per-node",
        "4",
        "--threads",
        "1",
        "--nodes",
        "1,2",
        "--json",
    ];
    let (value, notes) = run_json(&command, 0);
    assert!(notes.contains("measuring the layers of `small`"), "{notes}");
    assert_eq!(value["measurements"][0]["batch"], 4);
    assert_eq!(value["networks"][0]["rows"].as_array().unwrap().len(), 2);
}

#[test]
fn invalid_plans_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layers = layers(folder.path());
    let text = path(&folder.path().join("text.json"));
    std::fs::write(&text, "conv1 3.5").unwrap();
    for (arguments, problem) in [
        (&["--bandwidth", "-10Gbit"][..], "10Gbit"),
        (&["--bandwidth", "0Gbit"], "10Gbit"),
        (&["--bandwidth", "10Gbit", "--latency", "-3us"], "30us"),
        (&["--latency", "30us"], "--bandwidth"),
        (&["--network", "token-ring"], "10GbE"),
        (&["--network", "10GbE", "--bandwidth", "10Gbit"], "--network"),
        (&["--nodes", "0"], "from 1 to"),
        (&["--images-per-node", "0"], "from 1 to"),
        (&["--parallel", "data,rows"], "rows"),
        (&["--columns", "1"], "from 2 to"),
        (&["--slowdown", "1.5"], "from 0 to 0.9"),
        (&["--layers", &text], "no layer times"),
        (&["--layers", &layers, "--recipe", "paper"], "expected recipe `paper`"),
        (&["--measure-link"], "one process"),
        (&["--measure-link", "--recipe", "small"], "leave the other options out"),
        (&["--measure-link", "--bandwidth", "10Gbit"], "leave the other options out"),
        (&["--layers", &layers, "--threads", "2"], "leave `--threads` out"),
        (&["--parallel", "data", "--columns", "4"], "`--columns 4` has no effect without `columns`"),
        (&["--inner-latency", "1us"], "`--ranks-per-node N`"),
        (&["--ranks-per-node", "1", "--inner-latency", "1us"], "`--inner-latency` has no effect with one"),
        (&["--ranks-per-node", "1", "--inner-bandwidth", "4GB/s"], "`--inner-bandwidth` has no effect"),
    ] {
        let (_, error) = run(&[&["plan-cluster"], arguments].concat(), 2);
        assert!(error.contains(problem), "{arguments:?}: {error}");
    }
    let (_, error) = run(&["plan-cluster", "--layers", "/nonexistent.json"], 1);
    assert!(error.contains("/nonexistent.json"), "{error}");
    // The help names a file of a recipe as it was typed.
    let (toml, _) = run(&["recipe", "show", "four-layer-relu", "--toml"], 0);
    let mine = path(&folder.path().join("my recipe.toml"));
    std::fs::write(&mine, toml).unwrap();
    let (_, error) = run(&["plan-cluster", "--layers", &layers, "--recipe", &mine], 2);
    assert!(
        error.contains(&format!("`alexnet bench --layers --json --recipe '{mine}' > layers.json`")),
        "{error}"
    );
}
