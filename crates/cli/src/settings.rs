//! `--set`, and options that would have no effect: refused where that would mislead, noted where it does no harm.

use super::args::{Limit, TrainArgs};
use super::output::note;
use alexnet::data::{Dataset, Split};
use alexnet::net::{Change, Recipe, RecipeUse};
use alexnet::text::grouped;
use alexnet::{Error, Result};

/// Changes a recipe as `--set` says, and `--epochs` where a command has it.
pub(super) fn apply(
    recipe: &mut Recipe,
    set: &[(String, String)],
    epochs: Option<u32>,
    purpose: RecipeUse,
) -> Result<()> {
    let epochs = epochs.map(|epochs| epochs.to_string());
    if let (Some(epochs), Some((key, value))) =
        (&epochs, set.iter().find(|(key, _)| key == "schedule.epochs"))
    {
        return Err(Error::usage(format!(
            "`--epochs {epochs}` and `--set {key}={value}` are the same setting"
        ))
        .help("keep one of the two"));
    }
    let settings = set.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let settings: Vec<_> = settings.chain(epochs.as_deref().map(|n| ("schedule.epochs", n))).collect();
    if settings.is_empty() {
        return Ok(());
    }
    let unchanged = recipe.set_all(settings.iter().copied())?;
    recipe.check_effect(settings.iter().map(|(key, _)| *key), purpose)?;
    for setting in unchanged.iter().filter(|setting| set.iter().any(|(k, v)| **setting == format!("{k}={v}")))
    {
        note(&format!("--set {setting} changes nothing: the recipe {} already says so", recipe.name));
    }
    let late: Vec<String> = recipe
        .schedule
        .at_epochs
        .iter()
        .filter(|&&e| e >= recipe.schedule.epochs)
        .map(usize::to_string)
        .collect();
    if purpose == RecipeUse::Training && !late.is_empty() {
        note(&format!(
            "training ends after {} epochs, so the rate is not divided after epoch {} as the recipe has it",
            recipe.schedule.epochs,
            late.join(", ")
        ));
    }
    Ok(())
}

/// Checks the options of `alexnet train` that depend on the recipe and the images.
pub(super) fn check_training(args: &TrainArgs, recipe: &Recipe, dataset: &Dataset) -> Result<()> {
    let batch = recipe.optimizer.batch;
    if let Some(micro_batch) = args.micro_batch.filter(|&n| n as usize >= batch) {
        return Err(Error::usage(format!(
            "--micro-batch {micro_batch} has no effect: a step has {batch} images, so there is nothing to split"
        ))
        .help(format!("a multiple of 9 below {batch}, or leave it out")));
    }
    if let Some((i, layer)) =
        args.freeze.iter().enumerate().find(|(i, layer)| args.freeze[..*i].contains(layer))
    {
        return Err(Error::usage(format!("--freeze names `{layer}` twice, at places 1 and {}", i + 1))
            .help("name each layer once"));
    }
    check_something_learns(recipe)?;
    if args.steps == Some(Limit::None) && args.resume.is_none() {
        return Err(Error::usage("--steps none has no effect: it lifts the limit of a run that is resumed")
            .help("leave it out: without `--steps` all epochs are run"));
    }
    let steps = recipe.schedule.epochs * dataset.train().map_or(0, Split::len).div_ceil(batch);
    match args.steps {
        Some(Limit::Steps(asked)) if asked > steps => note(&format!(
            "--steps {asked} has no effect: training ends after {} epochs, about {} steps",
            recipe.schedule.epochs,
            grouped(steps)
        )),
        Some(Limit::Steps(_) | Limit::None) | None => {}
    }
    if let Some(every) = args.checkpoint_steps.filter(|&every| every as usize > steps) {
        note(&format!(
            "--checkpoint-steps {every} has no effect: training has about {} steps",
            grouped(steps)
        ));
    }
    if recipe.schedule.plateau.is_some() && dataset.val().is_none_or(Split::is_empty) {
        note("there are no validation images: `schedule.plateau` goes by the training loss");
    }
    Ok(())
}

/// Refuses a training in which no layer learns from the first step on.
fn check_something_learns(recipe: &Recipe) -> Result<()> {
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
    Err(Error::usage("every layer is frozen: nothing would be learned")
        .help("leave at least the last layer out of `--freeze`"))
}
