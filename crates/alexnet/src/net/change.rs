//! Parses and checks changes to a training run, as users type them.

use super::check::check_has_weights;
use super::edit::{Change, ChangeKey};
use super::reader::guess;
use super::recipe::Recipe;
use crate::error::shell_word;
use crate::{Error, Result};

impl Change {
    /// Parses `lr=0.001` or `rate=0.001`, `freeze=conv1`, `unfreeze=conv1`, `color-noise=off`, or `stop-after=91`.
    ///
    /// # Errors
    /// Returns an error if the setting is unknown, if its value is out of range, or if `recipe` has no such layer with
    /// weights.
    pub fn parse(text: &str, recipe: &Recipe) -> Result<Self> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (name, value) = (name.trim(), value.trim());
        let known = |key: &ChangeKey| key.typed() == name || key.name() == name.replace('-', "_");
        let Some(key) = ChangeKey::ALL.into_iter().find(known) else {
            return Err(unknown(text, name, value));
        };
        let invalid = |expected: &str| {
            Error::usage(format!("`{text}`: the value is `{value}`, expected {expected}"))
                .help(format!("for example {}", key.example()))
        };
        let change = match key {
            ChangeKey::Rate => Self::Rate(value.parse().map_err(|_| invalid("a learning rate"))?),
            ChangeKey::Freeze => Self::Freeze(value.into()),
            ChangeKey::Unfreeze => Self::Unfreeze(value.into()),
            ChangeKey::ColorNoise if value == "off" => Self::ColorNoise(0.0),
            ChangeKey::ColorNoise => {
                Self::ColorNoise(value.parse().map_err(|_| invalid("a standard deviation or `off`"))?)
            }
            ChangeKey::StopAfter => {
                Self::StopAfter(value.parse().map_err(|_| invalid("a number of epochs"))?)
            }
        };
        // The check names the settings of a recipe, which were not typed.
        change.check(recipe).map_err(|error| match error.message.rsplit_once("expected ") {
            Some((_, expected)) => invalid(expected),
            None => error,
        })?;
        Ok(change)
    }

    /// Checks that the change can be made to a training run of `recipe`.
    ///
    /// # Errors
    /// See [`Change::parse`].
    pub fn check(&self, recipe: &Recipe) -> Result<()> {
        let mut changed = recipe.clone();
        match self {
            Self::Rate(rate) => changed.set("optimizer.rate", &rate.to_string()),
            Self::ColorNoise(std) => changed.set("augment.color_noise", &std.to_string()),
            Self::StopAfter(epochs) => {
                // A training run may stop in its warm-up.
                changed.schedule.warm_up_epochs = None;
                changed.set("schedule.epochs", &epochs.to_string())
            }
            Self::Freeze(layer) | Self::Unfreeze(layer) => check_has_weights(&recipe.layers, layer),
        }
    }
}

/// The error for a setting that cannot change during training.
fn unknown(text: &str, name: &str, value: &str) -> Error {
    let error = Error::usage(format!("`{text}`: unknown setting `{name}`"));
    if matches!(name, "epochs" | "schedule.epochs") {
        return error.help(format!("`alexnet edit RUN stop-after={}`", shell_word(value)));
    }
    let guess = guess(name, ChangeKey::ALL.map(ChangeKey::typed));
    let examples = ChangeKey::ALL.map(ChangeKey::example).join(", ");
    error.help(format!("{guess}Settings that can change during training: {examples}"))
}
