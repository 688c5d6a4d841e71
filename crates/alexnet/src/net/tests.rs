//! Parameters and multiply-adds of the paper and other programs, and the text of all errors.

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

/// Returns name, output `[channels, height, width]`, parameters and multiply-adds of layers with weights.
fn weighted(network: &Network) -> Vec<(&str, [usize; 3], usize, usize)> {
    let has_weights = network.layers.iter().filter(|layer| layer.weights().is_some());
    has_weights
        .map(|layer| {
            let out = layer.output;
            (layer.name.as_str(), [out.channels, out.height, out.width], layer.parameters(), layer.macs())
        })
        .collect()
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
fn paper_parameters_and_macs() {
    let network = network(&builtin("paper"));
    assert_eq!(
        weighted(&network),
        [
            ("conv1", [96, 55, 55], 34_944, 105_415_200),
            ("conv2", [256, 27, 27], 307_456, 223_948_800),
            ("conv3", [384, 13, 13], 885_120, 149_520_384),
            ("conv4", [384, 13, 13], 663_936, 112_140_288),
            ("conv5", [256, 13, 13], 442_624, 74_760_192),
            ("fc6", [4096, 1, 1], 37_752_832, 37_748_736),
            ("fc7", [4096, 1, 1], 16_781_312, 16_777_216),
            ("fc8", [1000, 1, 1], 4_097_000, 4_096_000),
        ]
    );
    assert_eq!((network.parameters(), network.macs()), (60_965_224, 724_406_816));
    let units: usize = network.layers.iter().filter(|l| l.weights().is_some()).map(|l| l.output.len()).sum();
    assert_eq!(units, 659_272);
    let conv2 = network.layers.iter().find(|layer| layer.name == "conv2").unwrap();
    assert_eq!(conv2.parameter_shapes(), Some((vec![256, 48, 5, 5], vec![256])));
    assert_eq!(conv2.fan_in(), 1200);
}

#[test]
fn paper_without_groups() {
    let mut recipe = builtin("paper");
    for layer in ["conv2", "conv4", "conv5"] {
        recipe.set(&format!("layer.{layer}.groups"), "1").unwrap();
    }
    let network = network(&recipe);
    assert_eq!((network.parameters(), network.macs()), (62_378_344, 1_135_256_096));
}

#[test]
fn torchvision_parameters_and_macs() {
    let network = network(&builtin("torchvision"));
    assert_eq!((network.parameters(), network.macs()), (61_100_840, 714_188_480));
}

#[test]
fn other_programs_have_the_parameters_and_macs_of_the_paper() {
    for name in ["original-2012", "caffe", "caffenet"] {
        let network = network(&builtin(name));
        assert_eq!((network.parameters(), network.macs()), (60_965_224, 724_406_816), "{name}");
    }
}

#[test]
fn cifar_nets_round_up() {
    let side = |network: &Network, name: &str| {
        let layer = network.layers.iter().find(|layer| layer.name == name).unwrap();
        (layer.output.channels, layer.output.height)
    };
    let net = network(&builtin("cifar-18pct"));
    assert_eq!(["pool1", "pool2", "pool3"].map(|name| side(&net, name)), [(32, 16), (32, 8), (64, 4)]);
    // 2,432 + 25,632 + 51,264 + 10,250.
    assert_eq!(net.parameters(), 89_578);
    for (name, maps) in [("cifar-13pct", 32), ("cifar-11pct", 64)] {
        let net = network(&builtin(name));
        assert_eq!(
            ["pool1", "pool2", "local3"].map(|layer| side(&net, layer)),
            [(64, 12), (64, 6), (maps, 6)]
        );
        let local3 = net.layers.iter().find(|layer| layer.name == "local3").unwrap();
        let shapes = (vec![6, 6, maps, 64, 3, 3], vec![6, 6, maps]);
        assert_eq!(local3.parameter_shapes(), Some(shapes), "{name}");
    }
}

#[test]
fn normalization_constants_multiply_the_plain_sum() {
    let alpha = |recipe: &str, layer: &str| {
        let network = network(&builtin(recipe));
        let layer = network.layers.into_iter().find(|l| l.name == layer).unwrap();
        match layer.operation {
            Operation::Lrn(g) | Operation::MapNorm(g) => (g.constants().alpha, g.constants().k, g.groups()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(alpha("paper", "norm1"), (1e-4, 2.0, 2));
    assert_eq!(alpha("original-2012", "norm1"), (1e-4 / 5.0, 2.0, 2));
    assert_eq!(alpha("original-2012", "cnorm2"), (1e-3 / 25.0, 1.0, 1));
    assert_eq!(alpha("caffe", "norm2"), (1e-4 / 5.0, 1.0, 1));
    assert_eq!(alpha("cifar-11pct", "norm2"), (1e-3 / 9.0, 1.0, 1));
}

#[test]
fn small_is_small() {
    let net = network(&builtin("small"));
    assert!((4_000_000..12_000_000).contains(&net.macs()), "{}", net.macs());
}

#[test]
fn builtin_recipes_round_trip_and_build() {
    for name in Recipe::builtin_names() {
        let recipe = builtin(name);
        assert_eq!(recipe.name, name);
        assert!(!recipe.differences.is_empty(), "{name} lists no differences");
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
        "pooling before normalization",
        "how recipe `caffenet` differs from the paper",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let text = diff(&builtin("paper"), &builtin("torchvision"));
    for part in ["layers removed: norm1, norm2", "60,965,224 -> 61,100,840", "1.4 %"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn settings_change_values_or_are_refused() {
    let mut recipe = builtin("paper");
    recipe.set("optimizer.rate", "0.001").unwrap();
    recipe.set("input.mean", "channels").unwrap();
    recipe.set("layer.fc6.weights.init", "he").unwrap();
    recipe.set("layer.fc6.weights.init.normal", "0.005").unwrap();
    recipe.set("schedule.plateau", "none").unwrap();
    recipe.set("schedule.at_epochs", "[20, 40]").unwrap();
    recipe.set_all([("input.crop", "300"), ("input.square", "320")]).unwrap();
    assert_eq!(recipe.optimizer.rate, 0.001);
    assert_eq!((recipe.input.mean, recipe.input.crop), (Mean::Channels, 300));
    assert_eq!(recipe.schedule.lr.at_epochs(), [20, 40]);

    let before = recipe.clone();
    for (key, value, message, help) in [
        ("optimizer.rat", "1", "--set optimizer.rat=1: unknown key `optimizer.rat`", "`rate`"),
        ("optimzer.rate", "1", "unknown key `optimzer`", "`optimizer`"),
        ("layer.conv1.stried", "1", "unknown key `layer.conv1.stried`", "`stride`"),
        ("layer.conf1.stride", "1", "no layer is named `conf1`", "`conv1`"),
        (
            "optimizer.momentum",
            "1.5",
            "`optimizer.momentum` is 1.5, expected a number at least 0 and below 1",
            "0.9",
        ),
        (
            "optimizer.rate",
            "fast",
            "`optimizer.rate` is \"fast\", expected a number above 0",
            "--set optimizer.rate=0.001",
        ),
        ("optimizer.rate", "1\nbatch = 3", "`optimizer.rate` is", "0.001"),
        (
            "optimizer.batch",
            "nine",
            "`optimizer.batch` is \"nine\"",
            "for example `--set optimizer.batch=128`",
        ),
        ("batch", "9", "--set batch=9: unknown key `batch`", "did you mean `optimizer.batch`?"),
        ("optimizer.rate.x", "1", "`rate` is a value", "set the value"),
        ("schedule.plateau.patience", "1", "`schedule.plateau.times` is missing", "times = 3"),
        ("optimizer.rate", "none", "`optimizer.rate` is missing", "--set optimizer.rate=0.001"),
        ("layer", "1", "`layer` is 1, expected an array of tables", "[[layer]]"),
        ("layer.conv1", "1", "`layer.conv1` is a layer, not a value", "--set layer.conv1=none"),
        ("layer.conv9", "none", "--set layer.conv9=none: no layer is named `conv9`", "did you mean `conv"),
        ("layer.norm3", "none", "no layer is named `norm3`", "did you mean `norm"),
        ("layer.fc8", "none", "cannot remove layer `fc8`", "alexnet recipe show"),
        ("layer.norm1,nrm2", "none", "no layer is named `nrm2`", "did you mean `norm2`?"),
        ("layer.conv1.stried", "none", "unknown key `layer.conv1.stried`", "`stride`"),
        ("layer.relu1.weights", "none", "unknown key `layer.relu1.weights`", "name, kind"),
        ("layer.conv1.weights.dcay", "none", "unknown key `layer.conv1.weights.dcay`", "`decay`"),
        ("optimizer.ratee", "none", "unknown key `optimizer.ratee`", "`rate`"),
        ("schedul.plateau", "none", "unknown key `schedul`", "`schedule`"),
        ("optimizer.rate.x", "none", "`optimizer.rate` is a value, it has no key `x`", "set the value"),
        ("optimizer..rate", "1", "expected names separated by dots", "--set"),
        ("", "1", "expected names separated by dots", "--set"),
    ] {
        let error = recipe.set(key, value).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert!(error.help.as_ref().unwrap().contains(help), "{error}");
        assert_eq!((error.kind, &recipe), (Kind::Usage, &before));
    }
}

#[test]
fn the_value_none_removes_layers() {
    let small = builtin("small");
    let names = |recipe: &Recipe| recipe.layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>();
    let mut without = small.clone();
    without.set("layer.norm1", "none").unwrap();
    assert_eq!(names(&without), names(&small).into_iter().filter(|n| n != "norm1").collect::<Vec<_>>());
    assert_eq!(Recipe::parse(&without.to_toml(), "back").unwrap(), without);
    assert_eq!(network(&without).parameters(), network(&small).parameters());
    let text = diff(&small, &without);
    assert!(text.contains("layers removed: norm1\n") && text.contains("(section 3.3)"), "{text}");
    assert!(diff(&without, &small).contains("layers added: norm1\n"));

    // Several layers, with two settings or with one; values of several layers at once.
    let mut several = small.clone();
    several.set_all([("layer.norm1", "none"), ("layer.norm2", "none"), ("layer.relu1", "none")]).unwrap();
    let mut listed = small.clone();
    listed.set("layer.norm1,norm2,relu1", "none").unwrap();
    assert_eq!(several, listed);
    listed.set("layer.conv1,conv2.weights.bias", "0.5").unwrap();
    let bias =
        |name: &str| listed.layers.iter().find(|l| l.name == name).unwrap().spec.weights().unwrap().bias;
    assert_eq!(["conv1", "conv2", "conv3"].map(bias), [0.5, 0.5, 0.0]);

    // Shapes are checked by the network; edits must name existing layers.
    let mut unfit = small.clone();
    unfit.set("layer.pool1,pool2", "none").unwrap();
    assert!(network(&unfit).parameters() > network(&small).parameters());
    let mut edited = Recipe::parse(
        &(Recipe::builtin_text("small").unwrap().to_owned() + "[[edit]]\nstep = 0\nfreeze = \"conv1\"\n"),
        "mine.toml",
    )
    .unwrap();
    let error = edited.set("layer.conv1", "none").unwrap_err();
    assert!(error.message.contains("no layer with weights is named `conv1`"), "{error}");
}

#[test]
fn unchanged_settings_are_returned() {
    let mut recipe = builtin("small");
    let unchanged = recipe
        .set_all([
            ("optimizer.rate", "0.010"),
            ("optimizer.momentum", "0.8"),
            ("schedule.plateau", "none"),
            ("input.orientation", "exif"),
            ("layer.norm1,norm2.k", "2"),
            ("layer.norm1,norm2.size", "5"),
            ("layer.norm1.alpha", "1e-3"),
        ])
        .unwrap();
    assert_eq!(
        unchanged,
        [
            "optimizer.rate=0.010",
            "schedule.plateau=none",
            "input.orientation=exif",
            "layer.norm1,norm2.k=2",
            "layer.norm1,norm2.size=5"
        ]
    );
    let before = recipe.clone();
    for (settings, message) in [
        ([("optimizer.rate", "1"), ("optimizer.rate", "2")], "`optimizer.rate` is set twice"),
        ([("layer.norm1.k", "1"), ("layer.norm1", "none")], "`--set layer.norm1.k=1` has no effect"),
        ([("layer.norm1", "none"), ("layer.norm1.k", "1")], "no layer is named `norm1`"),
        ([("layer.norm1", "none"), ("layer.norm2,norm1", "none")], "`layer.norm1` is set twice"),
        ([("input.mean.fixed", "[1, 2, 3]"), ("input.mean", "image")], "`input.mean` is set twice"),
        (
            [("input.mean", "image"), ("input.mean.fixed", "[1, 2, 3]")],
            "`--set input.mean=image` has no effect",
        ),
        (
            [("layer.conv1.weights.init", "he"), ("layer.conv1.weights.init.normal", "0.1")],
            "`--set layer.conv1.weights.init=he` has no effect",
        ),
        (
            [("schedule.plateau", "none"), ("schedule.plateau.patience", "3")],
            "`--set schedule.plateau=none` has no effect",
        ),
    ] {
        let error = recipe.set_all(settings).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert_eq!((error.kind, &recipe), (Kind::Usage, &before));
    }
    // Of several settings, the message names the one that is wrong.
    let error = recipe.set_all([("input.mean", "color"), ("schedule.epochs", "1")]).unwrap_err();
    assert!(error.message.starts_with("--set input.mean=color: `input.mean` is \"color\""), "{error}");
}

#[test]
fn settings_without_effect_are_refused() {
    use RecipeUse::{Display, LrFind, Training};
    for (recipe, key, value, purpose, why) in [
        ("small", "classes", "5", Training, "determines the number of classes"),
        ("four-layer-relu", "schedule.divide_by", "5", Training, "the learning rate is never divided"),
        ("small", "schedule.at_epochs", "[12, 20]", Training, "training ends after 12 epochs"),
        ("cifar-18pct", "augment.random_crop", "true", Training, "the whole square of 32 x 32"),
        ("small", "optimizer.rate", "0.1", LrFind, "from `--from` to `--to`"),
        ("small", "schedule.epochs", "3", LrFind, "does not use the schedule"),
        ("small", "evaluation.views", "1", LrFind, "does not evaluate"),
    ] {
        let mut recipe = builtin(recipe);
        recipe.set(key, value).unwrap();
        let error = recipe.check_effect([key], purpose).unwrap_err();
        assert!(error.message.contains(&format!("setting `{key}` has no effect")), "{error}");
        assert!(error.message.contains(why) && error.kind == Kind::Usage, "{error}");
        recipe.check_effect([key], Display).unwrap();
    }
    let mut own = builtin("small");
    own.set("layer.conv1,conv2,conv3,fc4,fc5,fc6.weights.decay", "0").unwrap();
    own.check_effect(["optimizer.decay"], Training).unwrap_err();
    let edited = Recipe::builtin_text("small").unwrap().to_owned() + "[[edit]]\nstep = 0\nrate = 0.1\n";
    let edited = Recipe::parse(&edited, "mine.toml").unwrap();
    edited.check_effect(["optimizer.rate"], Training).unwrap_err();
    edited.check_effect(["augment.color_noise"], Training).unwrap();
    // What makes a difference passes, and every recipe may have what does not.
    for name in Recipe::builtin_names() {
        builtin(name)
            .check_effect(["optimizer.rate", "schedule.epochs", "layer.conv1.maps"], Training)
            .unwrap();
    }
    let mut later = builtin("small");
    later.set_all([("schedule.at_epochs", "[12, 20]"), ("schedule.epochs", "30")]).unwrap();
    later.check_effect(["schedule.at_epochs"], Training).unwrap();
}

#[test]
fn recipes_for_large_batches() {
    let small = builtin("small");
    for key in ["algorithm", "trust", "rate_for_batch", "warm_up_epochs"] {
        assert!(!small.to_toml().contains(key), "recipes of earlier versions keep their text");
    }
    let mut large = small.clone();
    large
        .set_all([
            ("optimizer.algorithm", "lars"),
            ("optimizer.batch", "1024"),
            ("optimizer.rate_for_batch", "128"),
            ("schedule.warm_up_epochs", "2"),
        ])
        .unwrap();
    assert_eq!(large.optimizer.algorithm, Algorithm::Lars { trust: 0.001 });
    assert_eq!((large.optimizer.rate, large.optimizer.scaled_rate()), (0.01, 0.08));
    assert_eq!((large.optimizer.unscaled_rate(0.08), small.optimizer.unscaled_rate(0.08)), (0.01, 0.08));
    assert_eq!(small.optimizer.scaled_rate(), 0.01);
    let text = large.to_toml();
    assert!(text.contains("algorithm = \"lars\"\ntrust = 0.001\n"), "{text}");
    assert_eq!(Recipe::parse(&text, "back").unwrap(), large);
    let text = show::text(&large, &network(&large));
    for part in [
        "LARS with trust 0.001, batch 1024, learning rate 0.08 (0.01 for a batch of 128), momentum 0.9",
        "12 epochs, 2 epochs of warm-up, ",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let text = diff(&small, &large);
    for part in [
        "optimizer.algorithm: \"sgd\" -> \"lars\"",
        "optimizer.trust: none -> 0.001",
        "optimizer.rate_for_batch: none -> 128",
        "schedule.warm_up_epochs: none -> 2",
        "- LARS: ",
        "- Scaled learning rate: ",
        "- Warm-up: ",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    // A training may be stopped in its warm-up.
    Change::parse("stop-after=1", &large).unwrap();
    large.set("optimizer.trust", "0.02").unwrap();
    assert_eq!(large.optimizer.algorithm, Algorithm::Lars { trust: 0.02 });
    let mut plain = large;
    plain
        .set_all([
            ("optimizer.algorithm", "sgd"),
            ("optimizer.trust", "none"),
            ("optimizer.batch", "32"),
            ("optimizer.rate_for_batch", "none"),
            ("schedule.warm_up_epochs", "none"),
        ])
        .unwrap();
    assert_eq!((&plain, plain.to_toml()), (&small, small.to_toml()));
}

#[test]
fn settings_of_large_batches_without_effect_are_refused() {
    let small = builtin("small");
    for (key, value, message, help) in [
        ("optimizer.algorithm", "lasr", "expected one of \"sgd\", \"lars\"", "algorithm=lars"),
        ("optimizer.trust", "0.001", "expected no `trust` with `algorithm = \"sgd\"`", "trust=none"),
        ("optimizer.rate_for_batch", "0", "expected an integer from 1 to 65536", "rate_for_batch=1"),
        ("schedule.warm_up_epochs", "0", "expected an integer from 1", "warm_up_epochs=none"),
        ("schedule.warm_up_epochs", "13", "expected at most 12", "warm_up_epochs=12"),
    ] {
        let mut recipe = small.clone();
        let error = recipe.set(key, value).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert!(error.help.as_ref().unwrap().contains(help), "{error}");
        assert_eq!((error.kind, &recipe), (Kind::Usage, &small));
    }
    let mut trust = small.clone();
    let error = trust.set_all([("optimizer.algorithm", "lars"), ("optimizer.trust", "0")]).unwrap_err();
    assert!(error.message.contains("`optimizer.trust` is 0, expected a number above 0"), "{error}");
    let mut same = small.clone();
    same.set("optimizer.rate_for_batch", "32").unwrap();
    let error = same.check_effect(["optimizer.rate_for_batch"], RecipeUse::Training).unwrap_err();
    assert!(error.message.contains("optimizer.batch is 32, too"), "{error}");
    let mut default = small.clone();
    assert_eq!(default.set_all([("optimizer.algorithm", "sgd")]).unwrap(), ["optimizer.algorithm=sgd"]);
    // A learning rate that an edit sets is neither scaled nor warmed up.
    let text = Recipe::builtin_text("small").unwrap().to_owned() + "[[edit]]\nstep = 0\nrate = 0.1\n";
    let mut edited = Recipe::parse(&text, "mine.toml").unwrap();
    for (key, value) in [("optimizer.rate_for_batch", "64"), ("schedule.warm_up_epochs", "2")] {
        edited.set(key, value).unwrap();
        let error = edited.check_effect([key], RecipeUse::Training).unwrap_err();
        assert!(error.message.contains("replaces it at step 0"), "{error}");
    }
}

#[test]
fn the_default_orientation_is_stored() {
    let text = Recipe::builtin_text("small").unwrap();
    let old = Recipe::parse(&text.replace("orientation = \"exif\"\n", ""), "old.toml").unwrap();
    assert_eq!(old.input.orientation, Orientation::Stored);
    assert!(!old.to_toml().contains("orientation"), "recipes of earlier versions keep their text");
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

#[test]
fn layers_that_do_not_fit_are_refused() {
    let paper = builtin("paper");
    let error = Network::with_crop(&paper, 1000, 32).unwrap_err();
    assert_eq!(
        error.message,
        "layer pool5 (3x3/2), input 256 x 1 x 1: kernel 3 does not fit 1 pixels with pad 0: \
         expected at least 3 pixels"
    );
    let help = error.help.unwrap();
    let fits: usize = help.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!(Network::with_crop(&paper, 1000, fits).is_ok(), "{help}");
    assert!(Network::with_crop(&paper, 1000, fits - 1).is_err(), "{help}");

    let mut recipe = paper.clone();
    recipe.set("layer.conv2.groups", "5").unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.message.contains("layer conv2 (5x5/1, pad 2, 5 groups), input 96 x 27 x 27: "), "{error}");
    assert!(error.help.as_ref().unwrap().contains("`--set layer.conv2.groups=4`"), "{error}");

    let mut recipe = paper.clone();
    recipe.set("layer.norm1.groups", "7").unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.help.as_ref().unwrap().contains("`--set layer.norm1.groups=6`"), "{error}");

    let mut recipe = paper.clone();
    recipe.set("layer.conv3.pad", "3").unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.help.as_ref().unwrap().contains("`--set layer.conv3.pad=2`"), "{error}");

    assert!(Network::new(&paper, 0).unwrap_err().help.is_some());
    assert!(Network::with_crop(&paper, 10, 0).unwrap_err().help.is_some());
    assert!(Network::with_crop(&paper, 10, usize::MAX).unwrap_err().help.is_some());
}

#[test]
fn networks_too_large_for_any_machine_are_refused() {
    let mut recipe = builtin("paper");
    recipe.set_all([("layer.fc6.units", "1048576"), ("layer.fc7.units", "1048576")]).unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.message.contains("layer fc7"), "{error}");
    assert!(error.message.contains("parameters up to this layer, expected at most 1099511627776"), "{error}");

    let mut recipe = builtin("cifar-11pct");
    recipe
        .set_all([
            ("input.square", "4096"),
            ("input.crop", "4096"),
            ("layer.conv1.maps", "1048576"),
            ("layer.conv1.kernel", "4096"),
            ("layer.conv1.pad", "4095"),
        ])
        .unwrap();
    let error = Network::new(&recipe, 1000).unwrap_err();
    assert!(error.message.contains("layer conv1"), "{error}");
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
    let text = include_str!("../../recipes/small.toml");
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

/// The golden file contains the tensors of the network of its recipe.
#[test]
fn the_golden_recipe_has_the_shapes_of_the_golden_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/narrow-paper");
    let net = network(&builtin(&format!("{folder}.toml")));
    let bytes = std::fs::read(format!("{folder}.safetensors")).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| golden.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("images"), [4, 3, 96, 96]);
    for layer in &net.layers {
        let (name, out) = (&layer.name, layer.output);
        let activation = shape(&format!("activation.{name}"));
        let units = activation.len() == 2;
        let expected =
            if units { vec![4, out.channels] } else { vec![4, out.channels, out.height, out.width] };
        assert_eq!((activation, out.pixels() == 1), (expected, units), "{name}");
        if let Some((weight, bias)) = layer.parameter_shapes() {
            for prefix in ["", "gradient.", "after."] {
                assert_eq!(shape(&format!("{prefix}{name}.weight")), weight);
                assert_eq!(shape(&format!("{prefix}{name}.bias")), bias);
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(300))]

    /// Damage to the text of a recipe never causes a panic.
    #[test]
    fn damaged_recipes_never_panic(
        recipe in 0..11usize,
        at in 0.0..1.0f64,
        length in 0..12usize,
        patch in "[-0-9a-z.\"{}\\[\\]=\n ]{0,12}",
    ) {
        let name = Recipe::builtin_names().nth(recipe).unwrap();
        let text: Vec<char> = Recipe::builtin_text(name).unwrap().chars().collect();
        let at = (at * text.len() as f64) as usize;
        let kept = text[(at + length).min(text.len())..].iter();
        let damaged: String = text[..at].iter().copied().chain(patch.chars()).chain(kept.copied()).collect();
        if let Ok(recipe) = Recipe::parse(&damaged, "damaged.toml") {
            if let Ok(network) = Network::new(&recipe, recipe.classes) {
                show::text(&recipe, &network);
            }
            assert_eq!(Recipe::parse(&recipe.to_toml(), "again").unwrap(), recipe);
        }
    }

    /// No setting causes a panic.
    #[test]
    fn any_setting_is_accepted_or_refused(key in "(layer\\.)?[a-z1.]{0,12}(\\.groups|\\.pad)?", value in "\\PC{0,12}") {
        let mut recipe = builtin("small");
        if recipe.set(&key, &value).is_ok() {
            let _ = Network::new(&recipe, 10);
        }
    }
}
