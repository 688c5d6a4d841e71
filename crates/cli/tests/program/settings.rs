//! Options and settings that would have no effect.

use crate::support::{Colors, run};

#[test]
fn options_without_effect_are_rejected_or_noted() {
    let place = Colors::new(10);
    let (data, recipe) = (place.data.clone(), place.recipe.clone());
    let to = place.path("run");
    let train =
        ["train", &data, "--recipe", &recipe, "--run", &to, "--exist-ok", "--set", "optimizer.rate=1e-5"];
    for (more, expected) in [
        (vec!["--set", "layer.fc1=none"], "its outputs are the classes"),
        (vec!["--set", "layer.fc2=none"], "did you mean `fc1`?"),
        (vec!["--set", "optimizer.rate=1e-4"], "`optimizer.rate` is set twice"),
        (vec!["--epochs", "1", "--set", "schedule.epochs=2"], "are the same setting"),
        (vec!["--set", "schedule.divide_by=3"], "setting `schedule.divide_by` has no effect"),
        (vec!["--set", "augment.random_crop=true"], "the crop covers the whole square"),
        (vec!["--set", "classes=4"], "determines the number of classes"),
        (vec!["--set", "schedule.platau=none"], "unknown key `schedule.platau`"),
        (vec!["--micro-batch", "9"], "a batch has 4 images"),
        (vec!["--freeze", "fc1,fc1"], "--freeze names `fc1` twice"),
        (vec!["--freeze", "fc1"], "all layers are frozen"),
        (vec!["--freeze", "fc2"], "no layer with weights is named `fc2`"),
        (vec!["--steps", "none"], "--steps none has no effect"),
    ] {
        let (out, err) = run(&[&train[..], &more].concat(), 2);
        assert!(out.is_empty() && err.contains(expected), "{more:?}: {err}");
    }
    // Before the images are listed, which can take long.
    let odd = ["--micro-batch", "27", "--precision", "bf16", "--set", "optimizer.batch=64"];
    let (_, err) = run(&[&["train", "no/images", "--recipe", &recipe][..], &odd].concat(), 2);
    assert!(err.contains("a micro-batch of 27 images, expected a multiple of 18"), "{err}");
    let find = ["lr-find", &data, "--recipe", &recipe, "--steps", "10", "--set"];
    for (setting, expected) in [
        ("optimizer.rate=1", "lr-find tries learning rates"),
        ("schedule.epochs=3", "lr-find does not use the schedule"),
        ("evaluation.views=1", "lr-find does not evaluate"),
    ] {
        let (_, err) = run(&[&find[..], &[setting]].concat(), 2);
        assert!(err.contains(expected), "{setting}: {err}");
    }
    for (args, expected) in [
        (vec!["train", &data, "--recipe", &recipe, "--exist-ok"], "missing `--run DIR`"),
        (vec!["edit", &to, "lr=0.1", "lr=0.2"], "`lr=0.1` has no effect: `lr=0.2` overrides it"),
        (vec!["edit", &to, "freeze=fc1", "unfreeze=fc1"], "`freeze=fc1` has no effect"),
    ] {
        // A run to edit.
        run(&[&train[..], &["--steps", "1"]].concat(), 0);
        let (_, err) = run(&args, 2);
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    for (more, expected) in [
        (vec!["--set", "optimizer.momentum=0.9"], "--set optimizer.momentum=0.9 has no effect"),
        (
            vec!["--set", "optimizer.batch=128"],
            "27 training images in batches of 128: 1 step per epoch; a smaller batch makes more: --set optimizer.batch=4",
        ),
        (vec!["--steps", "1000"], "--steps 1000 has no effect: training ends after 2 epochs, about 14 steps"),
        (
            vec!["--checkpoint-steps", "50"],
            "--checkpoint-steps 50 has no effect: training has about 14 steps",
        ),
        (vec!["--set", "schedule.at_epochs=[1, 2]"], "the learning rate is not divided after epoch 2"),
    ] {
        let (_, err) = run(&[&train[..], &more].concat(), 0);
        assert!(err.contains(expected), "{more:?}: {err}");
    }
    let (out, err) = run(&["classify", &to, &format!("{data}/red/00.png"), "--top", "50"], 0);
    assert!(
        out.lines().count() == 3 && err.contains("--top 50 prints all classes: the model has 3"),
        "{out}{err}"
    );
}

/// `small` divides its learning rate after epochs 8 and 11 of 12.
#[test]
fn more_epochs_than_the_schedule_has_are_noted() {
    let place = Colors::new(10);
    let to = place.path("run");
    let train = ["train", &place.data, "--recipe", "small", "--run", &to, "--exist-ok", "--steps", "1"];
    let divided = "note: the learning rate is divided after epochs 8 and 11, as for 12 epochs: the last 29 of 40 have the \
                   lowest one; to divide in proportion: --set 'schedule.at_epochs=[27,37]'";
    let scaled = ["--set", "schedule.at_epochs=[27,37]"];
    for (more, expected) in [
        (vec!["--epochs", "40"], true),
        (vec!["--set", "schedule.epochs=40"], true),
        ([&["--epochs", "40"][..], &scaled].concat(), false),
        (vec!["--epochs", "13"], false),
    ] {
        let (_, err) = run(&[&train[..], &more].concat(), 0);
        assert_eq!(err.contains(divided), expected, "{more:?}: {err}");
        assert!(err.contains("27 training images in batches of 32: 1 step per epoch"), "{err}");
    }
}
