//! Recipes as TOML: keys, types and ranges, with the line and the nearest key in errors.

use super::*;

/// Asserts that `paper` with `from` replaced by `to` is refused with `message` and `help`.
#[track_caller]
fn refused(from: &str, to: &str, message: &str, help: &str) {
    let text = Recipe::builtin_text("paper").unwrap();
    assert!(text.contains(from), "`{from}` is not in the recipe");
    let error = Recipe::parse(&text.replacen(from, to, 1), "my.toml").expect_err(to);
    assert!(error.message.starts_with("my.toml"), "{error}");
    assert!(error.message.contains(message), "{error}");
    let shown = error.help.as_deref().unwrap_or_else(|| panic!("no help: {error}"));
    assert!(shown.contains(help), "{error}");
}

#[test]
fn unknown_keys_are_refused_with_line_and_nearest() {
    let text = Recipe::builtin_text("paper").unwrap();
    let line = 1 + text.lines().position(|line| line == "rate = 0.01").unwrap();
    let place = format!("my.toml:{line}: unknown key `optimizer.rat`");
    refused("\nrate = 0.01", "\nrat = 0.01", &place, "did you mean `rate`?");
    refused("[optimizer]", "[optimzer]", "unknown key `optimzer`", "`optimizer`");
    refused("maps = 96", "mpas = 96", "unknown key `layer.conv1.mpas`", "`maps`");
    refused("bias = 0.0", "biass = 0.0", "unknown key `layer.conv1.weights.biass`", "`bias`");
    refused(
        "square = 256",
        "square = 256\nzzzzzzzz = 1",
        "unknown key `input.zzzzzzzz`",
        "Valid keys: square",
    );
}

#[test]
fn missing_keys_and_wrong_types() {
    refused("batch = 128\n", "", "`optimizer.batch` is missing", "batch = 128");
    refused("views = 10\n", "", "`evaluation.views` is missing", "views = 10");
    refused("[evaluation]\nviews = 10\n", "", "the table [evaluation] is missing", "recipe show paper");
    refused(
        "batch = 128",
        "batch = \"128\"",
        "`optimizer.batch` is \"128\", expected an integer",
        "batch = 1",
    );
    refused("batch = 128", "batch = -3", "`optimizer.batch` is -3, expected an integer from 1", "batch = 1");
    refused("flip = true", "flip = 1", "`augment.flip` is 1, expected true or false", "flip = true");
    refused("name = \"paper\"", "name = 2012", "`name` is 2012, expected a string", "name = ");
    refused("kind = \"conv\"", "kind = \"convv\"", "`layer.conv1.kind` is \"convv\"", "kind = \"conv\"");
    refused("mean = \"image\"", "mean = \"img\"", "`input.mean` is \"img\"", "mean = \"image\"");
    refused("mean = \"image\"", "mean = { fixed = [1, 2] }", "expected three numbers", "fixed = [");
    refused("init = { normal = 0.01 }", "init = 0.01", "`layer.conv1.weights.init` is 0.01", "normal = 0.01");
    refused(
        "weights = { init",
        "weights = 1 # { init",
        "`layer.conv1.weights` is 1, expected a table",
        "weights",
    );
    refused("batch = 128", "batch = ", "invalid TOML", "key = value");
    refused("batch = 128", "batch = 128\nbatch = 128", "invalid TOML", "");
}

#[test]
fn values_out_of_range() {
    refused("batch = 128", "batch = 0", "`optimizer.batch` is 0", "batch = 1");
    refused("batch = 128", "batch = 99999999999999999999999", "expected an integer from 1 to 65536", "batch");
    refused("momentum = 0.9", "momentum = 1.0", "at least 0 and below 1", "momentum = 0.9");
    refused("momentum = 0.9", "momentum = 0.9999999999", "at least 0 and below 1", "momentum = 0.9");
    refused("momentum = 0.9", "momentum = -0.1", "`optimizer.momentum` is -0.1", "momentum = 0.9");
    refused("momentum = 0.9", "momentum = nan", "`optimizer.momentum` is nan", "momentum = 0.9");
    refused("\nrate = 0.01", "\nrate = 0", "`optimizer.rate` is 0, expected a number above 0", "rate = 0.01");
    refused("\nrate = 0.01", "\nrate = 1e-60", "`optimizer.rate` is 1e-60", "rate = 0.01");
    refused("\nrate = 0.01", "\nrate = inf", "`optimizer.rate` is inf", "rate = 0.01");
    refused("rate = 0.5", "rate = 1.0", "`layer.drop6.rate` is 1.0", "rate = 0.5");
    refused("square = 256", "square = 5000", "`input.square` is 5000", "square = 4096");
    refused(
        "crop = 224",
        "crop = 257",
        "`input.crop` is 257, expected at most 256, the size of input.square",
        "crop = 256",
    );
    refused("mean = \"image\"", "mean = \"image\"\ndivisor = 0", "`input.divisor` is 0", "divisor = 1");
    refused(
        "views = 10",
        "views = 5",
        "`evaluation.views` is 5, expected 1 (the center) or 10",
        "views = 10",
    );
    refused("size = 5", "size = 0", "`layer.norm1.size` is 0", "size = 1");
    refused("k = 2.0", "k = 0", "`layer.norm1.k` is 0", "k = 2");
    refused("plateau = {", "at_epochs = [40, 20]\n# {", "[40, 20], expected ascending epochs", "[20, 40]");
    refused("plateau = {", "at_epochs = [20]\nplateau = {", "not both", "schedule.plateau=none");
    refused(
        "init = { normal = 0.01 }, bias = 1.0",
        "init = \"fan-in\", bias = 1.0",
        "`layer.conv2.weights.bias`",
        "bias",
    );
}

#[test]
fn invalid_layer_lists_are_refused() {
    refused("name = \"relu1\"", "name = \"conv1\"", "two layers are named `conv1`", "conv1b");
    refused("name = \"relu1\"", "name = \"relu.1\"", "expected letters", "name = ");
    refused("name = \"relu1\"", "name = \"\"", "expected letters", "name = ");
    refused("units = 4096\n", "", "`layer.fc6.units` is missing", "units = 4096");
    refused(
        "name = \"fc8\"\nkind = \"fc\"",
        "name = \"fc8\"\nkind = \"fc\"\nunits = 3",
        "the last layer is `fc8`",
        "",
    );
    let text = Recipe::builtin_text("paper").unwrap();
    let none = &text[..text.find("[[layer]]").unwrap()];
    assert!(Recipe::parse(none, "my.toml").unwrap_err().message.contains("0 layers"));
}

#[test]
fn missing_recipes_are_refused() {
    let error = Recipe::load("cafe").unwrap_err();
    assert!(error.message.contains("`cafe`"), "{error}");
    let help = error.help.unwrap();
    assert!(help.contains("did you mean `caffe`?") && help.contains("torchvision"), "{help}");
    assert_eq!(Recipe::load("nowhere/my.toml").unwrap_err().kind, Kind::Usage);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(
        &path,
        Recipe::builtin_text("small").unwrap().replace("name = \"small\"", "name = \"mine\""),
    )
    .unwrap();
    assert!(Recipe::load(path.to_str().unwrap()).unwrap().name.starts_with("mine"));
    std::fs::write(&path, [0xff, 0xfe, 0]).unwrap();
    assert!(Recipe::load(path.to_str().unwrap()).is_err());
}

/// `[[difference]]` and `input.std` are accepted for the keys of the format, and written as those.
#[test]
fn aliases_of_keys_are_read() {
    let text = Recipe::builtin_text("torchvision").unwrap();
    let recipe = Recipe::parse(text, "torchvision.toml").unwrap();
    let other = text.replace("[[deviation]]", "[[difference]]").replace("\ndeviations = ", "\nstd = ");
    assert!(!other.contains("[[deviation]]") && other.contains("\nstd = "), "{other}");
    assert_eq!(Recipe::parse(&other, "other.toml").unwrap(), recipe);
    assert!(recipe.to_toml().contains("[[deviation]]") && recipe.to_toml().contains("\ndeviations = "));
    let error = Recipe::parse(&other.replace("\nstd = [", "\nstd = [-"), "bad.toml").unwrap_err();
    assert!(error.message.contains("`input.std` is -0.229, expected a number above 0"), "{error}");
    let mut set = recipe.clone();
    set.set("input.std", "[0.5, 0.5, 0.5]").unwrap();
    assert_eq!(set.input.std, Some([0.5; 3]));
    set.set("input.std", "none").unwrap();
    assert_eq!(set.input.std, None);
}

/// Models and recipes of earlier versions spell it `optimiser`.
#[test]
fn the_former_spelling_of_a_table_is_read() {
    let text = include_str!("../../../recipes/small.toml");
    let recipe = Recipe::parse(text, "small.toml").unwrap();
    let former = text.replace("[optimizer]", "[optimiser]");
    assert_ne!(former, text);
    assert_eq!(Recipe::parse(&former, "former.toml").unwrap(), recipe);
    let (mut one, mut other) = (recipe.clone(), recipe);
    one.set("optimizer.rate", "0.5").unwrap();
    other.set("optimiser.rate", "0.5").unwrap();
    assert_eq!(one, other);
    let twice = format!("{text}\n[optimiser]\nrate = 1");
    let error = Recipe::parse(&twice, "twice.toml").unwrap_err();
    assert!(error.message.contains("unknown key `optimiser`"), "{error}");
}
