//! What the files of a reproduction record, besides its results.

use serde::{Deserialize, Serialize};

use super::experiment::Experiment;
use super::settings::{RateSearch, ReproductionSettings, Selection};
use crate::data::Identity;
use crate::train::lineage::recipe_difference;

/// What determines the results: `reproduce.json`. The experiments and the number of seeds are not part of it, so that later
/// ones share the arms that are trained already; the search for learning rates is from the first call with one on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format_version: u32,
    /// As TOML.
    recipe: String,
    data: Identity,
    /// `None` until [`Experiment::Relu`] is among the experiments: the others have no use for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rates: Option<RateSearch>,
}

impl Record {
    /// The format version that this program writes, and the newest that it reads.
    pub(super) const FORMAT_VERSION: u32 = 2;

    pub(super) fn of(settings: &ReproductionSettings) -> Self {
        let has_search = match &settings.selection {
            Selection::Experiments(experiments) => experiments.contains(&Experiment::Relu),
            Selection::All => false,
        };
        Self {
            format_version: Self::FORMAT_VERSION,
            recipe: settings.recipe.to_toml(),
            data: Identity::of(&settings.dataset),
            rates: has_search.then(|| settings.rates.clone()),
        }
    }

    /// Describes how `now` differs from this one; `None` if it does not.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        let mut differences: Vec<String> = recipe_difference(&self.recipe, &now.recipe).into_iter().collect();
        if let Some(difference) = self.data.difference(&now.data) {
            differences.push(format!("the images: {difference}"));
        }
        if let (Some(before), Some(now)) = (&self.rates, &now.rates)
            && before != now
        {
            differences.push(format!("the search for learning rates: {before} -> {now}"));
        }
        (!differences.is_empty()).then(|| differences.join("\n"))
    }

    /// This record with the search for learning rates of `now`; `None` if it has one, or if `now` has none.
    pub(super) fn extended(self, now: &Self) -> Option<Self> {
        (self.rates.is_none() && now.rates.is_some()).then(|| Self { rates: now.rates.clone(), ..self })
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
