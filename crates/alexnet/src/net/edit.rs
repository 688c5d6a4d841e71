//! Changes made to a training run while it runs, as data. The authors made such changes by hand: the learning rate was
//! "adjusted manually throughout training" (paper, section 5).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A change and when it takes effect. In a recipe, an `[[edit]]` table with `step` and one key of [`Change`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// The number of steps before the change; 0 is before the first step.
    pub step: usize,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

/// A setting that can change during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Sets the learning rate. The schedule continues to divide it, or reduces it in proportion to its curve.
    Rate(f32),
    /// Freezes the parameters of the layer with this name.
    Freeze(String),
    /// Unfreezes the parameters of the layer with this name. Their momentum starts from zero.
    Unfreeze(String),
    /// Sets the standard deviation of the color noise; 0 disables it.
    ColorNoise(f64),
    /// Ends training after this epoch, or after the current one if that is later.
    StopAfter(usize),
}

/// The key of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKey {
    Rate,
    Freeze,
    Unfreeze,
    ColorNoise,
    StopAfter,
}

impl ChangeKey {
    pub(super) const ALL: [Self; 5] =
        [Self::Rate, Self::Freeze, Self::Unfreeze, Self::ColorNoise, Self::StopAfter];

    /// Returns the key in recipes and in the journal.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::ColorNoise => "color_noise",
            Self::StopAfter => "stop_after",
        }
    }

    /// Returns the key as users type it.
    pub(super) fn typed(self) -> &'static str {
        match self {
            Self::Rate => "lr",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::ColorNoise => "color-noise",
            Self::StopAfter => "stop-after",
        }
    }

    /// Returns a setting to show in help texts.
    pub(super) fn example(self) -> String {
        let value = match self {
            Self::Rate => "0.001",
            Self::Freeze | Self::Unfreeze => "conv1",
            Self::ColorNoise => "off",
            Self::StopAfter => "91",
        };
        format!("{}={value}", self.typed())
    }
}

impl Change {
    /// Returns whether `later` overrides this change entirely.
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
}

/// `KEY=VALUE`, as users type it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value) = match self {
            Self::Rate(rate) => (ChangeKey::Rate, rate.to_string()),
            Self::Freeze(layer) => (ChangeKey::Freeze, layer.clone()),
            Self::Unfreeze(layer) => (ChangeKey::Unfreeze, layer.clone()),
            Self::ColorNoise(0.0) => (ChangeKey::ColorNoise, "off".into()),
            Self::ColorNoise(std) => (ChangeKey::ColorNoise, std.to_string()),
            Self::StopAfter(epochs) => (ChangeKey::StopAfter, epochs.to_string()),
        };
        write!(f, "{}={value}", key.typed())
    }
}
