//! Changes to a training under way: what the authors did by hand ("we adjusted manually throughout training", paper,
//! section 5), as data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::parse;
use super::reader::nearest;
use super::recipe::Recipe;
use crate::{Error, Result};

/// A change and when it is made. In a recipe, `[[edit]]` with `step` and one key of [`Change`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Updates before it is made; 0: from the start.
    pub step: usize,
    /// What changes.
    #[serde(flatten)]
    pub change: Change,
}

/// What can change while a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The learning rate; the schedule goes on dividing it.
    Rate(f32),
    /// The layer of this name learns no more.
    Freeze(String),
    /// The layer of this name learns again, from a momentum of zero.
    Unfreeze(String),
    /// The deviation of the color noise; 0 is off.
    ColorNoise(f64),
    /// Training ends after this epoch, or the one under way.
    StopAfter(usize),
}

/// What a change is called, and an example.
const CHANGES: [(&str, &str); 5] = [
    ("rate", "0.001"),
    ("freeze", "conv1"),
    ("unfreeze", "conv1"),
    ("color_noise", "off"),
    ("stop_after", "91"),
];

impl Change {
    /// Reads what was typed: `lr=0.001` or `rate=0.001`, `freeze=conv1`, `unfreeze=conv1`, `color-noise=off`,
    /// `stop-after=91`.
    ///
    /// # Errors
    /// When it is none of these, the value is out of range, or no layer of `recipe` that learns has the name.
    pub fn parse(text: &str, recipe: &Recipe) -> Result<Self> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let (key, value) = (key.trim().replace('-', "_"), value.trim());
        let key = if key == "lr" { "rate" } else { &key };
        let Some((name, example)) = CHANGES.iter().find(|(name, _)| *name == key) else {
            let guess = nearest(key, CHANGES.iter().map(|(name, _)| *name));
            let guess = guess.map_or(String::new(), |guess| format!("did you mean `{guess}`? "));
            let all: Vec<String> = CHANGES.iter().map(|(name, value)| format!("{name}={value}")).collect();
            return Err(Error::usage(format!("`{text}` is no change of a training"))
                .help(format!("{guess}What can change: {}", all.join(", "))));
        };
        let refuse = |expected: &str| {
            Err(Error::usage(format!("`{text}`: `{value}` is not {expected}"))
                .help(format!("for example {name}={example}")))
        };
        let change = match *name {
            "rate" => {
                value.parse().map_or_else(|_| refuse("a learning rate"), |rate| Ok(Self::Rate(rate)))?
            }
            "freeze" => Self::Freeze(value.into()),
            "unfreeze" => Self::Unfreeze(value.into()),
            "color_noise" if value == "off" => Self::ColorNoise(0.0),
            "color_noise" => value
                .parse()
                .map_or_else(|_| refuse("a deviation or `off`"), |noise| Ok(Self::ColorNoise(noise)))?,
            _ => value.parse().map_or_else(|_| refuse("a number of epochs"), |n| Ok(Self::StopAfter(n)))?,
        };
        change.check(recipe)?;
        Ok(change)
    }

    /// Whether the change can be made to a training of `recipe`.
    ///
    /// # Errors
    /// As [`Change::parse`].
    pub fn check(&self, recipe: &Recipe) -> Result<()> {
        let mut with = recipe.clone();
        match self {
            Self::Rate(rate) => with.set("optimizer.rate", &rate.to_string()),
            Self::ColorNoise(noise) => with.set("augment.color_noise", &noise.to_string()),
            Self::StopAfter(epochs) => with.set("schedule.epochs", &epochs.to_string()),
            Self::Freeze(name) | Self::Unfreeze(name) => parse::check_learns(&recipe.layers, name),
        }
    }

    /// Whether nothing is left of this change after `later`.
    pub fn is_undone_by(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Freeze(a) | Self::Unfreeze(a), Self::Freeze(b) | Self::Unfreeze(b)) => a == b,
            (Self::Rate(_), Self::Rate(_))
            | (Self::ColorNoise(_), Self::ColorNoise(_))
            | (Self::StopAfter(_), Self::StopAfter(_)) => true,
            (
                Self::Rate(_)
                | Self::ColorNoise(_)
                | Self::StopAfter(_)
                | Self::Freeze(_)
                | Self::Unfreeze(_),
                _,
            ) => false,
        }
    }

    /// The change as it is typed.
    fn key_and_value(&self) -> (&'static str, String) {
        match self {
            Self::Rate(rate) => ("rate", rate.to_string()),
            Self::Freeze(name) => ("freeze", name.clone()),
            Self::Unfreeze(name) => ("unfreeze", name.clone()),
            Self::ColorNoise(0.0) => ("color_noise", "off".into()),
            Self::ColorNoise(noise) => ("color_noise", noise.to_string()),
            Self::StopAfter(epochs) => ("stop_after", epochs.to_string()),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value) = self.key_and_value();
        write!(f, "{key}={value}")
    }
}
