//! Detects settings that have no effect.

use super::edit::{Change, Edit};
use super::reader::canonical_key;
use super::recipe::Recipe;
use super::schedule::LrSchedule;
use crate::format::counted;
use crate::{Error, Result};

/// What a recipe is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipeUse {
    /// To train a network.
    Training,
    /// To find a learning rate, which replaces that of the recipe.
    LrFind,
    /// To show it or compare it with another. All settings have an effect.
    Display,
}

impl Recipe {
    /// Checks that each of the `keys` that were set has an effect in the complete recipe.
    ///
    /// # Errors
    /// Returns an error if one has no effect; the message says why.
    pub fn check_effect<'a>(&self, keys: impl IntoIterator<Item = &'a str>, usage: RecipeUse) -> Result<()> {
        match keys.into_iter().find_map(|key| Some((key, self.why_unused(key, usage)?))) {
            None => Ok(()),
            Some((key, why)) => Err(Error::usage(format!("setting `{key}` has no effect: {why}"))
                .help("remove it, or change the setting that disables it")),
        }
    }

    /// Returns why the value of `key` has no effect, if so.
    fn why_unused(&self, key: &str, usage: RecipeUse) -> Option<String> {
        let Self { input, optimizer, schedule, layers, .. } = self;
        let edited =
            |is: fn(&Change) -> bool| self.edits.iter().any(|edit| edit.step == 0 && is(&edit.change));
        let by_edit = || Some("an [[edit]] of the recipe replaces it at step 0".to_owned());
        let key = canonical_key(key);
        let key = key.as_str();
        let table = key.split('.').next().unwrap_or(key);
        match (usage, table, key) {
            (RecipeUse::Display, ..) => return None,
            (RecipeUse::LrFind, _, "optimizer.rate") => {
                return Some("lr-find tries learning rates from `--from` to `--to`".to_owned());
            }
            (RecipeUse::LrFind, "schedule", _) => {
                return Some("lr-find does not use the schedule".to_owned());
            }
            (RecipeUse::LrFind, "evaluation", _) => return Some("lr-find does not evaluate".to_owned()),
            (RecipeUse::LrFind | RecipeUse::Training, ..) => {}
        }
        match key {
            "classes" => Some("the data determines the number of classes".to_owned()),
            "schedule.divide_by" if matches!(schedule.lr, LrSchedule::Constant { .. }) => Some(
                "the learning rate is never divided; neither `schedule.at_epochs` nor `schedule.plateau` is set"
                    .to_owned(),
            ),
            "schedule.at_epochs"
                if schedule.lr.at_epochs().first().is_some_and(|&first| first >= schedule.epochs) =>
            {
                Some(format!("training ends after {}, before the learning rate is divided", counted(schedule.epochs, "epoch")))
            }
            "augment.random_crop" if self.augment.random_crop && input.crop == input.square => {
                Some(format!("the crop covers the whole square of {0} x {0} pixels", input.crop))
            }
            "optimizer.decay"
                if layers.iter().filter_map(|l| l.spec.weights()).all(|w| w.decay.is_some()) =>
            {
                Some("every layer has its own decay, `layer.NAME.weights.decay`".to_owned())
            }
            "optimizer.rate" | "optimizer.rate_for_batch" | "schedule.warm_up_epochs"
                if edited(|change| matches!(change, Change::Rate(_))) =>
            {
                by_edit()
            }
            "optimizer.rate_for_batch" if optimizer.rate_for_batch == Some(optimizer.batch) => {
                Some(format!("optimizer.batch is {}, too, so the learning rate stays the same", optimizer.batch))
            }
            "augment.color_noise" if edited(|change| matches!(change, Change::ColorNoise(_))) => by_edit(),
            "schedule.epochs" => {
                let is_end = |edit: &&Edit| matches!(edit.change, Change::StopAfter(_));
                let edit = self.edits.iter().find(is_end)?;
                Some(format!("an [[edit]] of the recipe replaces it at step {}", edit.step))
            }
            _ => None,
        }
    }
}
