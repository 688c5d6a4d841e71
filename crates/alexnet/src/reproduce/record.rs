//! What the files of a reproduction record, besides its results.

use serde::{Deserialize, Serialize};

use super::settings::{RateSearch, ReproductionSettings};
use crate::data::Identity;
use crate::train::lineage::recipe_difference;

/// What determines the results: `reproduce.json`. The experiments and the number of seeds are not part of it, so that later
/// ones share the arms that are trained already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format_version: u32,
    /// As TOML.
    recipe: String,
    data: Identity,
    rates: RateSearch,
}

impl Record {
    /// The format version that this program writes, and the newest that it reads.
    pub(super) const FORMAT_VERSION: u32 = 1;

    pub(super) fn of(settings: &ReproductionSettings) -> Self {
        Self {
            format_version: Self::FORMAT_VERSION,
            recipe: settings.recipe.to_toml(),
            data: Identity::of(&settings.dataset),
            rates: settings.rates.clone(),
        }
    }

    /// Describes how `now` differs from this one; `None` if it does not.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        let mut differences: Vec<String> = recipe_difference(&self.recipe, &now.recipe).into_iter().collect();
        if let Some(difference) = self.data.difference(&now.data) {
            differences.push(format!("the images: {difference}"));
        }
        if self.rates != now.rates {
            differences.push(format!("the search for learning rates: {} -> {}", self.rates, now.rates));
        }
        (!differences.is_empty()).then(|| differences.join("\n"))
    }
}

/// A training run that has ended: `result.json` in its folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunRecord {
    /// How it ended.
    pub(super) end: RunEnd,
    /// The epoch in which it ended, counted from 1.
    pub(super) epochs: usize,
    /// Updates of the parameters.
    pub(super) steps: usize,
    /// Seconds of training, those before an interruption included.
    pub(super) seconds: f64,
}

/// How a training run ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RunEnd {
    /// Its schedule was complete.
    Complete,
    /// The training error had fallen to a target.
    Reached,
    /// The loss was not finite, or far above chance level.
    Diverged,
}
