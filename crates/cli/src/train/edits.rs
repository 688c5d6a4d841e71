//! Settings that a resumed run takes as edits.

use std::path::Path;

use crate::args::training::TrainArgs;
use crate::recipe::run_recipe;
use alexnet::error::{shell, shell_word};
use alexnet::model::layout;
use alexnet::net::{Change, LrSchedule, Recipe};
use alexnet::train::journal::Journal;
use alexnet::train::metrics;
use alexnet::{Error, Result};

/// Rejects `--set` and `--epochs` that change the recipe of a resumed run, and names the command that edits it.
pub(super) fn check_unchanged(args: &TrainArgs, run: &Path) -> Result<()> {
    let recipe = run_recipe(run)?;
    let epochs = args.epochs.map(|epochs| Setting {
        option: format!("--epochs {epochs}"),
        key: "schedule.epochs",
        value: epochs.to_string(),
    });
    let set = args.set.iter().map(|(key, value)| Setting {
        option: format!("--set {}", shell_word(format!("{key}={value}"))),
        key,
        value: value.clone(),
    });
    let changes = |setting: &Setting<'_>| {
        let mut changed = recipe.clone();
        changed.set_all([(setting.key, setting.value.as_str())]).is_ok() && changed != recipe
    };
    let Some(setting) = epochs.into_iter().chain(set).find(changes) else { return Ok(()) };
    let edit = setting.edit(&recipe, run);
    let run = shell(run);
    let help = match edit {
        Some(edit) => {
            format!(
                "`alexnet edit {run} {edit}`, then `alexnet train --resume {run}`; or pass `--accept-changes`"
            )
        }
        None if setting.may_reshape() => "start a new run".to_owned(),
        None => "start a new run, or pass `--accept-changes`".to_owned(),
    };
    Err(Error::usage(format!("`{}` changes the recipe of a run that is resumed", setting.option)).help(help))
}

/// Rejects `--epochs` as an accepted change if the journal of the run ends it at another epoch.
pub(super) fn check_epochs(args: &TrainArgs, run: &Path) -> Result<()> {
    let Some(epochs) = args.epochs else { return Ok(()) };
    let mut edits = Journal::read(run)?.into_iter().map(|entry| entry.edit.change);
    let end = edits.rfind(|change| matches!(change, Change::StopAfter(_)));
    let Some(end) = end.filter(|end| *end != Change::StopAfter(epochs as usize)) else {
        return Ok(());
    };
    Err(Error::usage(format!("`--epochs {epochs}` has no effect: the run was edited with `{end}`"))
        .help(format!("`alexnet edit {} stop-after={epochs}`, then resume it without --epochs", shell(run))))
}

/// The learning rate that the run would have now with this value of `optimizer.rate`: scaled to the batch, and divided as often as the
/// schedule has divided that of the run so far.
fn rate_now(recipe: &Recipe, value: &str, run: &Path) -> Option<f32> {
    let mut changed = recipe.clone();
    changed.set("optimizer.rate", value).ok()?;
    let lines = metrics::read(&run.join(layout::METRICS)).unwrap_or_default();
    let before = recipe.optimizer.scaled_rate();
    let now = match recipe.schedule.lr {
        LrSchedule::Plateau { .. } | LrSchedule::AtEpochs { .. }
            if recipe.schedule.warm_up_epochs.is_none() =>
        {
            lines.last().map_or(before, |line| line.lr)
        }
        _ => before,
    };
    Some(changed.optimizer.scaled_rate() * (now / before))
}

/// A value of the recipe as an option sets it.
struct Setting<'a> {
    option: String,
    key: &'a str,
    value: String,
}

impl Setting<'_> {
    /// Whether the change may give weights other shapes, which no run resumes with.
    fn may_reshape(&self) -> bool {
        self.key.starts_with("layer.") || self.key.starts_with("input.")
    }

    /// The same change as an argument of `alexnet edit`, if it can make it.
    fn edit(&self, recipe: &Recipe, run: &Path) -> Option<String> {
        let value = shell_word(&self.value);
        match self.key {
            "schedule.epochs" => Some(format!("stop-after={value}")),
            "optimizer.rate" => {
                let rate = rate_now(recipe, &self.value, run)?;
                let is_typed = self.value.parse() == Ok(rate);
                Some(format!("lr={}", if is_typed { value } else { rate.to_string() }))
            }
            "augment.color_noise" => Some(format!("color-noise={value}")),
            _ => None,
        }
    }
}
