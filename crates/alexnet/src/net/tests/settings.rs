//! Settings: values that `--set` changes, and those that it refuses.

use super::*;

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
        ("momentum", "0", "unknown key `momentum`", "did you mean `optimizer.momentum`?"),
        ("lr", "0.1", "--set lr=0.1: unknown key `lr`", "did you mean `optimizer.rate`?"),
        ("learning-rate", "0.1", "unknown key `learning-rate`", "did you mean `optimizer.rate`?"),
        ("batch_size", "9", "unknown key `batch_size`", "did you mean `optimizer.batch`?"),
        ("wd", "none", "unknown key `wd`", "did you mean `optimizer.decay`?"),
        ("weight_decay", "0", "unknown key `weight_decay`", "did you mean `optimizer.decay`?"),
        ("epochs", "9", "unknown key `epochs`", "did you mean `schedule.epochs`?"),
        ("optimizer.lr", "0.1", "unknown key `optimizer.lr`", "did you mean `rate`?"),
        ("schedule.lr", "0.1", "unknown key `schedule.lr`", "did you mean `optimizer.rate`?"),
        ("layer.fc6.weights.lr", "0.1", "unknown key `layer.fc6.weights.lr`", "did you mean `rate`?"),
        ("dropout", "0.3", "unknown key `dropout`", "dropout is a layer: `--set layer.drop6,drop7.rate=0.3`"),
        ("dropout", "none", "unknown key `dropout`", "`--set layer.drop6,drop7=none`"),
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
    // A training run may be stopped in its warm-up.
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
