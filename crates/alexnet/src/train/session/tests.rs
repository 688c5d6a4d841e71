//! Parts of a session that a whole training does not show.

use std::path::Path;

use super::edits::Edits;
use super::train;
use super::training::Training;
use crate::data::{Dataset, ImageArray, PixelValues};
use crate::model::layout;
use crate::model::tests::model;
use crate::net::{Change, Edit};
use crate::train::checkpoint;
use crate::train::config::{Config, RunFolder};
use crate::train::journal::{Journal, pending_requests, request_edit};
use crate::train::observer::Observers;
use crate::train::requests::Requests;

/// A training run of one epoch of three batches on images of 6 pixels squared.
fn config(run: &Path) -> Config {
    let classes = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
    let images = |n: usize| ImageArray {
        width: 6,
        height: 6,
        values: PixelValues::Rgb,
        pixels: (0..n * 6 * 6 * 3).map(|i| (i * 7919 % 251) as u8).collect(),
        labels: (0..n as u32).map(|i| i % 3).collect(),
    };
    let mut recipe = model().recipe;
    // Its pixels are as large as they are stored.
    recipe.optimizer.rate = 1e-6;
    let dataset = Dataset::from_arrays(classes, vec![("train", images(6)), ("val", images(3))]).unwrap();
    Config {
        run: RunFolder::New(Some(run.to_owned())),
        requests: Requests { threads: Some(1), workers: Some(0), ..Requests::default() },
        command: "alexnet train".into(),
        ..Config::new(recipe, dataset)
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
    let typed = "alexnet train 'my pets' --resume runs/a --set optimizer.rate=0.5";
    assert!(
        help(typed).ends_with(&format!("accept the changes: `{typed} --accept-changes`")),
        "{}",
        help(typed)
    );
    assert!(help("").contains("`alexnet train --resume "), "{}", help(""));
}

/// If the journal cannot be written, edits that it has already, and those of the recipe, take effect at their steps.
#[test]
fn a_full_disk_delays_only_the_edits_that_it_cannot_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.recipe.edits = vec![Edit { step: 0, change: Change::ColorNoise(0.3) }];
    let recipe = config.recipe.clone();
    let mut training = Training::set_up(config, Observers::default()).unwrap();
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
