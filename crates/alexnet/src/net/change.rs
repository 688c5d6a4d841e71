//! Parses and checks changes to a training, as users type them.

use super::check::check_has_weights;
use super::edit::{Change, ChangeKey};
use super::reader::guess;
use super::recipe::Recipe;
use crate::{Error, Result};

impl Change {
    /// Parses `lr=0.001` or `rate=0.001`, `freeze=conv1`, `unfreeze=conv1`, `color-noise=off`, or `stop-after=91`.
    ///
    /// # Errors
    /// Returns an error if the setting is unknown, if its value is out of range, or if `recipe` has no such layer with
    /// weights.
    pub fn parse(text: &str, recipe: &Recipe) -> Result<Self> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (name, value) = (name.trim().replace('-', "_"), value.trim());
        let name = if name == "lr" { ChangeKey::Rate.name() } else { &name };
        let Some(key) = ChangeKey::ALL.into_iter().find(|key| key.name() == name) else {
            let guess = guess(name, ChangeKey::ALL.map(ChangeKey::name));
            let examples = ChangeKey::ALL.map(ChangeKey::example).join(", ");
            return Err(Error::usage(format!("`{text}`: unknown setting `{name}`"))
                .help(format!("{guess}Settings that can change during training: {examples}")));
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
        change.check(recipe)?;
        Ok(change)
    }

    /// Checks that the change can be made to a training of `recipe`.
    ///
    /// # Errors
    /// See [`Change::parse`].
    pub fn check(&self, recipe: &Recipe) -> Result<()> {
        let mut changed = recipe.clone();
        match self {
            Self::Rate(rate) => changed.set("optimizer.rate", &rate.to_string()),
            Self::ColorNoise(std) => changed.set("augment.color_noise", &std.to_string()),
            Self::StopAfter(epochs) => {
                // A training may stop in its warm-up.
                changed.schedule.warm_up_epochs = None;
                changed.set("schedule.epochs", &epochs.to_string())
            }
            Self::Freeze(layer) | Self::Unfreeze(layer) => check_has_weights(&recipe.layers, layer),
        }
    }
}
