//! Recipes: names, edits, differences, and their texts.

mod parsing;
mod settings;
mod shapes;

use super::*;
use crate::error::Kind;
use crate::format::grouped;

fn builtin(name: &str) -> Recipe {
    Recipe::load(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn network(recipe: &Recipe) -> Network {
    Network::new(recipe, recipe.classes).unwrap_or_else(|error| panic!("{}: {error}", recipe.name))
}

#[test]
fn names_of_folders_stay_in_their_folder() {
    let mut recipe = builtin("small");
    for (name, expected) in [
        ("small", "small"),
        ("größe 2.1", "größe 2.1"),
        ("/tmp/x", "-tmp-x"),
        ("../x", "-x"),
        ("my/net", "my-net"),
        (r"my\net", "my-net"),
        ("C:net\0\n", "C-net--"),
        (".hidden", "hidden"),
        ("..", "recipe"),
        (" ", "recipe"),
        ("", "recipe"),
    ] {
        recipe.name = name.into();
        assert_eq!(recipe.file_name(), expected, "{name:?}");
    }
    recipe.name = "é".repeat(300);
    assert_eq!(recipe.file_name(), "é".repeat(50));
}

#[test]
fn padding_of_pooling_is_written_only_where_there_is_some() {
    let text = Recipe::builtin_text("small").unwrap();
    let recipe = Recipe::parse(text, "small").unwrap();
    let pads = |recipe: &Recipe| recipe.to_toml().matches("\npad = ").count();
    let convolutions = pads(&recipe);
    let padded = text.replacen("kind = \"max-pool\"", "kind = \"max-pool\"\npad = 1", 1);
    let padded = Recipe::parse(&padded, "padded").unwrap();
    assert_eq!(pads(&padded), convolutions + 1);
    assert_eq!(Recipe::parse(&padded.to_toml(), "back").unwrap(), padded);
    assert_ne!(network(&padded).layers, network(&recipe).layers);
    assert!(show::table(&network(&padded)).contains("3x3/2, pad 1, rounding up"));
    let too_far = text.replacen("kind = \"max-pool\"", "kind = \"max-pool\"\npad = 3", 1);
    let error = Network::new(&Recipe::parse(&too_far, "too far").unwrap(), 10).unwrap_err().to_string();
    assert!(error.contains("pad 3 must be smaller than kernel 3") && error.contains("pad=2"), "{error}");
}

#[test]
fn edits_round_trip() {
    let mut text = Recipe::builtin_text("small").unwrap().to_string();
    text += "[[edit]]\nstep = 0\nfreeze = \"conv1\"\n[[edit]]\nstep = 120\nrate = 0.001\n\
             [[edit]]\nstep = 120\ncolor_noise = 0\n[[edit]]\nstep = 130\nstop_after = 91\n";
    let recipe = Recipe::parse(&text, "mine.toml").unwrap();
    let shown: Vec<String> = recipe.edits.iter().map(|e| format!("{} {}", e.step, e.change)).collect();
    assert_eq!(shown, ["0 freeze=conv1", "120 lr=0.001", "120 color-noise=off", "130 stop-after=91"]);
    assert_eq!(Recipe::parse(&recipe.to_toml(), "back").unwrap(), recipe);
    for edit in &recipe.edits {
        assert_eq!(Change::parse(&edit.change.to_string(), &recipe).unwrap(), edit.change);
        let json = serde_json::to_string(edit).unwrap();
        assert_eq!(serde_json::from_str::<Edit>(&json).unwrap(), *edit, "{json}");
    }
    assert_eq!(Change::parse("lr=0.001", &recipe).unwrap(), Change::Rate(0.001));
    assert_eq!(Change::parse("color-noise = off", &recipe).unwrap(), Change::ColorNoise(0.0));
    for (typed, expected) in [
        ("lr", "expected a learning rate"),
        ("lr=-1", "expected a number above 0"),
        ("frezze=conv1", "did you mean `freeze`?"),
        ("freeze=relu1", "layers with weights: conv1, conv2, conv3, fc4, fc5, fc6"),
        ("color-noise=loud", "a standard deviation or `off`"),
        ("stop-after=0", "from 1 to 100000"),
        ("batch=3", "Settings that can change during training: lr=0.001, freeze=conv1"),
        ("lr=0", "`lr=0`: the value is `0`, expected a number above 0"),
        ("lr=0", "for example lr=0.001"),
        ("colour-noise=0", "unknown setting `colour-noise`"),
        ("epochs=20", "`alexnet edit RUN stop-after=20`"),
    ] {
        let error = Change::parse(typed, &recipe).unwrap_err().to_string();
        assert!(error.contains(expected), "{typed}: {error}");
    }
    for (edit, expected) in [
        ("step = 1\nrate = 0.1\nfreeze = \"conv1\"\n", "expected one change with it"),
        ("step = 1\n", "expected one change with it"),
        ("rate = 0.1\n", "`edit.5.step` is missing"),
        ("step = 1\nrate = 0.1\n", "follows one at step 130"),
        ("step = 200\nfreeze = \"conv9\"\n", "no layer with weights is named `conv9`"),
    ] {
        let error = Recipe::parse(&format!("{text}[[edit]]\n{edit}"), "mine.toml").unwrap_err().to_string();
        assert!(error.contains(expected), "{edit}: {error}");
    }
}

#[test]
fn builtin_recipes_round_trip_and_build() {
    for name in Recipe::builtin_names() {
        let recipe = builtin(name);
        assert_eq!(recipe.name, name);
        assert!(!recipe.differences.is_empty(), "{name} lists no differences");
        let rotates = recipe.differences.iter().any(|difference| difference.what.contains("EXIF"));
        assert!(rotates || recipe.classes != 1000, "{name}: the paper used pixels as stored");
        let text = recipe.to_toml();
        let back = Recipe::parse(&text, name).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(back, recipe);
        for classes in [1, 2, 37, recipe.classes, 21_841] {
            let network = Network::new(&recipe, classes).unwrap();
            assert_eq!(network.layers.last().unwrap().output.len(), classes);
        }
        let network = network(&recipe);
        let text = show::text(&recipe, &network);
        assert!(text.contains(&grouped(network.parameters())), "{text}");
        assert!(text.lines().all(|line| line.len() <= 130), "{text}");
        assert_eq!(diff(&recipe, &recipe).lines().count(), 2, "{}", diff(&recipe, &recipe));
    }
}

#[test]
fn recipes_as_json() {
    let recipe = builtin("paper");
    let json = show::json(&recipe, &network(&recipe));
    assert_eq!(json["parameters"], 60_965_224);
    assert_eq!(json["macs"], 724_406_816);
    assert_eq!(json["layers"][0]["output"], serde_json::json!([96, 55, 55]));
    assert_eq!(json["layers"][0]["kind"], "conv");
    let layers = json["layers"].as_array().unwrap();
    assert_eq!(layers.last().unwrap()["output"], serde_json::json!([1000]));
}

#[test]
fn recipes_as_a_table() {
    let recipe = builtin("paper");
    let text = show::text(&recipe, &network(&recipe));
    let conv2: Vec<&str> = text.lines().find(|line| line.starts_with("conv2")).unwrap().split("  ").collect();
    let conv2: Vec<&str> = conv2.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect();
    let settings = "5x5/1, pad 2, 2 groups, N(0, 0.01), bias 1";
    assert_eq!(conv2, ["conv2", "conv", "256 x 27 x 27", "307,456", "223,948,800", settings]);
    assert!(text.contains("learning rate divided by 10 when the validation error has not"), "{text}");
}

#[test]
fn differences_and_why_they_matter() {
    let text = diff(&builtin("paper"), &builtin("caffenet"));
    for part in [
        "input.crop: 224 -> 227",
        "k: 2.0 -> 1.0 in norm1, norm2",
        "order: ",
        "Order of pooling and normalization",
        "how recipe `caffenet` differs from the paper",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let text = diff(&builtin("paper"), &builtin("torchvision"));
    for part in ["layers removed: norm1, norm2", "60,965,224 -> 61,100,840", "1.4 %", "Order of dropout"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("Order of pooling"), "{text}");
    let text = diff(&builtin("paper"), &builtin("original-2012"));
    for part in ["Order of ReLU and max pooling", "Order of ReLU and normalization"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("Order of pooling"), "{text}");
}

#[test]
fn the_default_orientation_is_stored() {
    let text = Recipe::builtin_text("small").unwrap();
    let old = Recipe::parse(&text.replace("orientation = \"exif\"\n", ""), "old.toml").unwrap();
    assert_eq!(old.input.orientation, Orientation::Stored);
    assert!(!old.to_toml().contains("orientation ="), "recipes of earlier versions keep their text");
    let said = Recipe::parse(&text.replace("\"exif\"", "\"stored\""), "mine.toml").unwrap();
    assert_eq!((&said, said.to_toml()), (&old, old.to_toml()));
    for name in Recipe::builtin_names() {
        let recipe = builtin(name);
        assert_eq!(recipe.input.orientation, Orientation::Exif, "{name}");
        assert!(show::text(&recipe, &network(&recipe)).contains("rotated by EXIF orientation"), "{name}");
    }
    let text = diff(&old, &builtin("small"));
    assert!(text.contains("input.orientation: \"stored\" -> \"exif\"") && text.contains("upright"), "{text}");
    let error = Recipe::parse(&old.to_toml().replace("crop = 26", "crop = 26\norientation = \"exfi\""), "x");
    let error = error.unwrap_err();
    assert!(error.message.contains("expected one of \"exif\", \"stored\""), "{error}");
}
