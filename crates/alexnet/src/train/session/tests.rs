//! Parts of a session that a whole training does not show.

use std::ops::ControlFlow;
use std::path::Path;

use super::edits::Edits;
use super::training::Training;
use super::{Session, train};
use crate::data::{Dataset, ImageArray, PixelValues, Statistics};
use crate::error::Kind;
use crate::model::tests::model;
use crate::model::{Summary, layout};
use crate::net::{Change, Edit, Recipe};
use crate::train::checkpoint;
use crate::train::config::{Config, RunFolder};
use crate::train::journal::{Journal, pending_requests, request_edit};
use crate::train::metrics;
use crate::train::observer::{Event, Observers, StepDone};
use crate::train::report::{Report, StopReason};
use crate::train::requests::Requests;

/// Images of 6 pixels squared, others for each `salt`.
fn dataset(salt: usize) -> Dataset {
    let classes = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
    let images = |n: usize| ImageArray {
        width: 6,
        height: 6,
        values: PixelValues::Rgb,
        pixels: (0..n * 6 * 6 * 3).map(|i| ((i * 7919 + salt) % 251) as u8).collect(),
        labels: (0..n as u32).map(|i| i % 3).collect(),
    };
    Dataset::from_arrays(classes, vec![("train", images(6)), ("val", images(3))]).unwrap()
}

/// A training run of one epoch of three batches.
fn config(run: &Path) -> Config {
    let mut recipe = model().recipe;
    // Its pixels are as large as they are stored.
    recipe.optimizer.rate = 1e-6;
    Config {
        run: RunFolder::New(Some(run.to_owned())),
        requests: Requests { threads: Some(1), workers: Some(0), ..Requests::default() },
        command: "alexnet train".into(),
        ..Config::new(recipe, dataset(0))
    }
}

fn resumed(run: &Path, accept_changes: bool) -> Config {
    Config { run: RunFolder::Resume { folder: run.to_owned(), accept_changes }, ..config(run) }
}

#[test]
fn a_forecast_does_not_remove_a_run_that_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    train(config(folder.path())).unwrap();
    let error = train(Config { only_forecast: true, ..resumed(folder.path(), false) }).unwrap_err();
    assert!(error.message.contains("holds a run that is resumed"), "{error}");
    assert!(folder.path().join(layout::BEST).is_file());
    let new = folder.path().join("new");
    train(Config { only_forecast: true, ..config(&new) }).unwrap();
    assert!(!new.exists());
}

#[test]
fn without_a_final_evaluation_the_best_model_is_known_by_the_center_views() {
    let folder = tempfile::tempdir().unwrap();
    let [with, without] = [true, false].map(|final_evaluation| {
        let run = folder.path().join(final_evaluation.to_string());
        train(Config { final_evaluation, ..config(&run) }).unwrap()
    });
    assert!(with.evaluation.is_some() && without.evaluation.is_none());
    assert_eq!((without.best.is_some(), without.stop_reason), (true, with.stop_reason));
    let best = |report: &Report| std::fs::read(report.run.join(layout::BEST)).unwrap();
    assert_eq!(best(&with), best(&without));
}

#[test]
fn a_run_whose_changes_cannot_be_accepted_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    train(config(folder.path())).unwrap();
    let checkpoints = folder.path().join(layout::CHECKPOINTS);
    let mut checkpoint = checkpoint::newest(&checkpoints).unwrap().checkpoint.unwrap();
    checkpoint.lineage.recipe = "a recipe of another program".into();
    checkpoint.save(&checkpoints).unwrap();
    let recipe = || std::fs::read_to_string(folder.path().join(layout::RECIPE)).unwrap();
    let before = recipe();
    let mut config = resumed(folder.path(), true);
    config.recipe.optimizer.rate = 0.5;
    let error = train(config).unwrap_err();
    assert!(error.message.contains("the checkpoint's recipe"), "{error}");
    assert_eq!(recipe(), before);
}

/// A network whose outputs would mean other classes, or whose weights do not fit, is not trained on, and the run stays as it is.
#[test]
fn a_run_is_not_resumed_with_other_classes_or_another_network() {
    let folder = tempfile::tempdir().unwrap();
    train(config(folder.path())).unwrap();
    let contents = || {
        let names = [layout::BEST, layout::LAST, layout::RECIPE, "run.json", "command.txt"];
        names.map(|name| std::fs::read(folder.path().join(name)).unwrap())
    };
    let before = contents();
    for accept_changes in [false, true] {
        let mut renamed = resumed(folder.path(), accept_changes);
        renamed.dataset.classes = ["cat", "dog", "emu"].map(str::to_owned).to_vec();
        let error = train(renamed).unwrap_err();
        assert!(error.message.contains("other classes") && error.message.contains("\"emu\""), "{error}");
        let help = error.help.unwrap();
        assert!(help.contains("--init") && !help.contains("--accept-changes"), "{help}");
        let mut wider = resumed(folder.path(), accept_changes);
        wider.recipe.input.crop = 5;
        let error = train(wider).unwrap_err();
        assert!(error.message.contains("another network") && error.message.contains("fc1.weight"), "{error}");
    }
    assert!(contents() == before, "the run has changed");
    train(resumed(folder.path(), false)).unwrap();
}

/// Nothing but its folder says what it was started with, and nothing says of which images the statistics in it are.
#[test]
fn a_run_without_a_checkpoint_is_resumed_with_the_settings_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    train(config(folder.path())).unwrap();
    let forget = || {
        for name in [layout::BEST, layout::LAST] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        std::fs::remove_dir_all(folder.path().join(layout::CHECKPOINTS)).unwrap();
    };
    let changed = |accept_changes: bool| {
        let mut config = resumed(folder.path(), accept_changes);
        config.recipe.optimizer.rate = 2e-6;
        config
    };
    forget();
    let error = train(changed(false)).unwrap_err();
    assert!(error.message.contains("optimizer.rate: 0.000001 -> 0.000002"), "{error}");
    let error = train(Config { seed: 1, ..resumed(folder.path(), false) }).unwrap_err();
    assert!(error.message.contains("the seed: 0 -> 1"), "{error}");
    train(changed(true)).unwrap();
    let recipe = Recipe::read(&folder.path().join(layout::RECIPE)).unwrap();
    assert_eq!(recipe.optimizer.rate, 2e-6);
    // As many other images.
    forget();
    let statistics = || std::fs::read(folder.path().join(Statistics::FILE)).unwrap();
    let before = statistics();
    train(Config { dataset: dataset(1), ..changed(false) }).unwrap();
    assert_ne!(statistics(), before);
}

/// Without validation, the metrics contain all steps nevertheless, also those of an epoch that ends between two lines.
#[test]
fn every_step_is_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let steps = |run: &Path| -> Vec<usize> {
        metrics::read(&run.join(layout::METRICS)).unwrap().iter().map(|line| line.step).collect()
    };
    let unvalidated = folder.path().join("unvalidated");
    let mut dataset = dataset(0);
    dataset.splits.retain(|split| split.name == "train");
    train(Config { dataset, ..config(&unvalidated) }).unwrap();
    assert_eq!(steps(&unvalidated), [3]);
    // A resumed run that has nothing left to do.
    let limited = folder.path().join("limited");
    let requests = Requests { steps: Some(2), ..config(&limited).requests };
    for config in [config(&limited), resumed(&limited, false)] {
        train(Config { requests: requests.clone(), ..config }).unwrap();
        assert_eq!(steps(&limited), [2]);
    }
}

/// A stop on its validation keeps the model that was validated.
#[test]
fn a_stop_between_two_epochs_keeps_the_model_of_the_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.recipe.schedule.epochs = 3;
    let report = Session::new(config)
        .observe(|event: &Event<'_>| match event {
            Event::Validated(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .run()
        .unwrap();
    assert_eq!((report.steps, report.epochs, report.stop_reason), (3, 1, StopReason::Observer));
    let last = Summary::read(&folder.path().join(layout::LAST)).unwrap();
    assert!(last.steps == 3 && last.top1.is_some(), "{last:?}");
}

/// Without them, the command would resume the run as it was.
#[test]
fn the_command_that_accepts_changes_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    train(config(folder.path())).unwrap();
    let help = |command: &str| {
        let mut config = resumed(folder.path(), false);
        config.recipe.optimizer.rate = 0.5;
        train(Config { command: command.into(), ..config }).unwrap_err().help.unwrap()
    };
    for typed in [
        "alexnet train 'my pets' --resume runs/a --set optimizer.rate=0.5",
        "./alexnet -q --json train --resume runs/a --set optimizer.rate=0.5",
        "'/my tools/alexnet' train --resume runs/a --set optimizer.rate=0.5",
    ] {
        let help = help(typed);
        assert!(help.ends_with(&format!("accept the changes: `{typed} --accept-changes`")), "{help}");
    }
    let called =
        help("python: alexnet.train(source='train', resume='runs/a', settings={'optimizer.rate': 0.5})");
    assert!(called.ends_with("accept the changes: pass `accept_changes=True`"), "{called}");
    for other in ["", "alexnet", "alexnet reproduce lrn train"] {
        let help = help(other);
        assert!(help.contains("`alexnet train --resume "), "{help}");
    }
}

/// If the journal cannot be written, edits that it has already, and those of the recipe, take effect at their steps.
#[test]
fn a_full_disk_delays_only_the_edits_that_it_cannot_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.recipe.edits = vec![Edit { step: 0, change: Change::ColorNoise(0.3) }];
    let recipe = config.recipe.clone();
    let mut training = Training::set_up(config, None, Observers::default()).unwrap();
    training.edits = Edits::new(Journal::full(folder.path()), &recipe);
    request_edit(folder.path(), Change::StopAfter(7), "a longer training").unwrap();
    training.edits.apply_due(&mut training.learner, &mut training.reporter).unwrap();
    let settings = &training.learner.state.settings;
    assert_eq!((settings.color_noise, settings.stop_after), (Some(0.3), None));
    assert_eq!(pending_requests(folder.path()).len(), 1);
    training.edits = Edits::new(Journal::open(folder.path()).unwrap(), &recipe);
    training.edits.apply_due(&mut training.learner, &mut training.reporter).unwrap();
    assert_eq!(training.learner.state.settings.stop_after, Some(7));
    assert_eq!(pending_requests(folder.path()).len(), 0);
}

/// A folder whose images vanish during a training run, as those of a network drive may: no step is lost.
#[test]
fn steps_before_an_image_that_cannot_be_read_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    for (class, label) in ["cat", "dog", "owl"].iter().zip(0..) {
        std::fs::create_dir_all(data.join(class)).unwrap();
        for n in 0..6u32 {
            let pixels: Vec<u8> = (0..6 * 6 * 3).map(|i| ((i * (7 + n) + 80 * label) % 251) as u8).collect();
            let path = data.join(class).join(format!("{n}.png"));
            image::save_buffer(path, &pixels, 6, 6, image::ColorType::Rgb8).unwrap();
        }
    }
    let of_folder = |config: Config| Config { dataset: Dataset::open(&data).unwrap(), ..config };
    let away = folder.path().join("away");
    let vanish = |event: &Event<'_>| {
        if let Event::Step(StepDone { step: 2, .. }) = event {
            std::fs::rename(&data, &away).unwrap();
        }
        ControlFlow::Continue(())
    };
    let error = Session::new(of_folder(config(&run))).observe(vanish).run().unwrap_err();
    assert_eq!(error.kind, Kind::Runtime, "{error}");
    assert!(error.message.contains("cannot read the file"), "{error}");
    assert!(error.help.unwrap().contains("--resume"));
    let saved = checkpoint::newest(&run.join(layout::CHECKPOINTS)).unwrap().checkpoint.unwrap();
    assert_eq!(saved.state.step, 2);
    std::fs::rename(&away, &data).unwrap();
    train(of_folder(resumed(&run, false))).unwrap();
}

#[test]
fn a_run_that_lost_its_checkpoints_does_not_start_again() {
    let folder = tempfile::tempdir().unwrap();
    train(config(folder.path())).unwrap();
    let last = std::fs::read(folder.path().join(layout::LAST)).unwrap();
    std::fs::remove_dir_all(folder.path().join(layout::CHECKPOINTS)).unwrap();
    let error = train(resumed(folder.path(), false)).unwrap_err();
    assert!(error.message.contains("has no checkpoint, but a model"), "{error}");
    assert_eq!(std::fs::read(folder.path().join(layout::LAST)).unwrap(), last);
}
