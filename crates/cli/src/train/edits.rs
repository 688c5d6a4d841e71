//! Settings that a resumed run takes as edits.

use std::path::Path;

use crate::args::training::TrainArgs;
use crate::recipe::run_recipe;
use alexnet::error::{shell, shell_word};
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
    let run = shell(run);
    let help = match setting.edit() {
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
    fn edit(&self) -> Option<String> {
        let key = match self.key {
            "schedule.epochs" => "stop-after",
            "optimizer.rate" => "lr",
            "augment.color_noise" => "color-noise",
            _ => return None,
        };
        Some(format!("{key}={}", shell_word(&self.value)))
    }
}
