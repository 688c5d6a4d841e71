//! `--set`, and options that would have no effect: an error where that would mislead, a note where it does no harm.

use super::args::training::TrainArgs;
use super::args::values::StepLimit;
use super::epochs::scheduled_epochs;
use super::output::Output;
use alexnet::data::{Dataset, Split};
use alexnet::engine;
use alexnet::format::{counted, enumerated, grouped};
use alexnet::net::{Change, Recipe, RecipeUse, Schedule};
use alexnet::train::Requests;
use alexnet::{Error, Result};
use alexnet_kernels::micro_batch::granule;
use std::path::Path;

/// An option that stands for a setting, `--epochs 5` for `--set schedule.epochs=5`.
pub(crate) struct Shorthand {
    pub(crate) option: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

/// Applies `--set` and the options that stand for settings to a recipe.
pub(crate) fn apply(
    recipe: &mut Recipe,
    set: &[(String, String)],
    shorthands: &[Shorthand],
    purpose: RecipeUse,
    out: &Output,
) -> Result<()> {
    for Shorthand { option, key, value } in shorthands {
        if let Some((_, other)) = set.iter().find(|(other, _)| other == key) {
            return Err(Error::usage(format!(
                "`{option} {value}` and `--set {key}={other}` are the same setting"
            ))
            .help("keep one of the two"));
        }
    }
    let settings = set.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let long = shorthands.iter().map(|shorthand| (shorthand.key, shorthand.value.as_str()));
    let settings: Vec<_> = settings.chain(long).collect();
    if settings.is_empty() {
        return Ok(());
    }
    let before = recipe.schedule.clone();
    let unchanged = recipe.set_all(settings.iter().copied()).map_err(|error| as_typed(error, shorthands))?;
    recipe.check_effect(settings.iter().map(|(key, _)| *key), purpose)?;
    for setting in unchanged.iter().filter(|setting| set.iter().any(|(k, v)| **setting == format!("{k}={v}")))
    {
        out.note(&format!("--set {setting} has no effect: recipe {} already has this value", recipe.name));
    }
    if purpose == RecipeUse::Training {
        note_late_divisions(recipe, out);
        note_early_divisions(&before, &recipe.schedule, out);
    }
    Ok(())
}

/// Names the options that stand for settings in an error as they were typed.
fn as_typed(error: Error, shorthands: &[Shorthand]) -> Error {
    let message = shorthands.iter().fold(error.message, |message, Shorthand { option, key, value }| {
        message.replace(&format!("--set {key}={value}"), &format!("{option} {value}"))
    });
    Error { message, ..error }
}

/// Notes the epochs of the schedule that training does not reach.
fn note_late_divisions(recipe: &Recipe, out: &Output) {
    let schedule = &recipe.schedule;
    let late = schedule.lr.at_epochs().iter().filter(|&&epoch| epoch >= schedule.epochs);
    let late: Vec<String> = late.map(usize::to_string).collect();
    if !late.is_empty() {
        let epochs = if late.len() == 1 { "epoch" } else { "epochs" };
        out.note(&format!(
            "training ends after {}: the learning rate is not divided after {epochs} {}",
            counted(schedule.epochs, "epoch"),
            enumerated(&late)
        ));
    }
}

/// Notes that more epochs than the recipe's leave the divisions where they are, so that most have the lowest learning rate.
fn note_early_divisions(before: &Schedule, now: &Schedule, out: &Output) {
    let at = now.lr.at_epochs();
    let (Some(last), Some(scaled)) = (at.last(), before.in_proportion(now.epochs)) else { return };
    if at != before.lr.at_epochs() || 2 * now.epochs < 3 * before.epochs || *last >= now.epochs {
        return;
    }
    let epochs = if at.len() == 1 { "epoch" } else { "epochs" };
    let at: Vec<String> = at.iter().map(usize::to_string).collect();
    out.note(&format!(
        "the learning rate is divided after {epochs} {}, as for {}: the last {} of {} have the lowest one; to divide in \
         proportion: {scaled}",
        enumerated(&at),
        counted(before.epochs, "epoch"),
        grouped(now.epochs - last),
        grouped(now.epochs)
    ));
}

/// Checks `--micro-batch`, given now or recorded by the run that is resumed.
pub(crate) fn check_micro_batch(args: &TrainArgs, requests: &Requests, recipe: &Recipe) -> Result<()> {
    let batch = recipe.optimizer.batch;
    if let Some(micro_batch) = args.micro_batch.filter(|&n| n as usize >= batch) {
        let granule = granule(recipe.precision);
        let help = match granule < batch {
            true => format!("use a multiple of {granule} below {batch}, or leave the option out"),
            false => "leave the option out".to_owned(),
        };
        return Err(Error::usage(format!(
            "--micro-batch {micro_batch} has no effect: a batch has {batch} images"
        ))
        .help(help));
    }
    requests.micro_batch.map_or(Ok(()), |images| engine::check_micro_batch(images, recipe))
}

/// Checks the options of `alexnet train` that depend on the recipe and the images.
pub(crate) fn check_training(
    args: &TrainArgs,
    resumed: Option<&Path>,
    recipe: &Recipe,
    dataset: &Dataset,
    out: &Output,
) -> Result<()> {
    check_frozen(args, recipe)?;
    if args.steps == Some(StepLimit::None) && resumed.is_none() {
        return Err(Error::usage("--steps none has no effect: it removes the step limit of a resumed run")
            .help("leave the option out: without `--steps` all epochs are trained"));
    }
    let (batch, images) = (recipe.optimizer.batch, dataset.train().map_or(0, Split::len));
    let epochs = scheduled_epochs(recipe, resumed)?;
    let steps = epochs * images.div_ceil(batch);
    match args.steps {
        Some(StepLimit::Steps(limit)) if limit > steps => out.note(&format!(
            "--steps {limit} has no effect: training ends after {}, about {}",
            counted(epochs, "epoch"),
            counted(steps, "step")
        )),
        Some(StepLimit::Steps(_) | StepLimit::None) | None => {}
    }
    if let Some(every) = args.checkpoint_steps.filter(|&every| every as usize > steps) {
        out.note(&format!(
            "--checkpoint-steps {every} has no effect: training has about {}",
            counted(steps, "step")
        ));
    }
    if recipe.schedule.lr.plateau().is_some() && dataset.val().is_none_or(Split::is_empty) {
        out.note("there are no validation images: `schedule.plateau` uses the training loss");
    }
    Ok(())
}

/// Rejects layers frozen twice, and a training run whose layers are all frozen.
fn check_frozen(args: &TrainArgs, recipe: &Recipe) -> Result<()> {
    let mut layers = args.freeze.iter().enumerate();
    if let Some((_, layer)) = layers.find(|(i, layer)| args.freeze[..*i].contains(layer)) {
        return Err(Error::usage(format!("--freeze names `{layer}` twice")).help("name each layer once"));
    }
    let frozen = |name: &str, at_first: bool| {
        let start = recipe.edits.iter().filter(|edit| edit.step == 0);
        start.fold(at_first, |frozen, edit| match &edit.change {
            Change::Freeze(layer) if layer == name => true,
            Change::Unfreeze(layer) if layer == name => false,
            _ => frozen,
        })
    };
    let thaws = recipe.edits.iter().any(|edit| matches!(edit.change, Change::Unfreeze(_)));
    let mut weighted = recipe.layers.iter().filter_map(|layer| Some((&layer.name, layer.spec.weights()?)));
    if thaws || weighted.any(|(name, weights)| !frozen(name, weights.is_frozen())) {
        return Ok(());
    }
    Err(Error::usage("all layers are frozen: there is nothing to train")
        .help("leave at least the last layer out of `--freeze`"))
}
