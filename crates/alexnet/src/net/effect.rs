//! Settings that would change nothing: whoever sets one believes that it does.

use super::edit::Change;
use super::reader::current_key;
use super::recipe::Recipe;
use crate::{Error, Result};

/// What a recipe is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A training.
    Training,
    /// The search for a learning rate, whose rates are its own.
    RateSearch,
    /// Showing it, or comparing it with another: everything can be seen.
    Display,
}

impl Recipe {
    /// Checks that each of the `keys` that were set makes a difference, now that the recipe is complete.
    ///
    /// # Errors
    /// When one does not: the message says why.
    pub fn check_effect<'a>(&self, keys: impl IntoIterator<Item = &'a str>, purpose: Purpose) -> Result<()> {
        match keys.into_iter().find_map(|key| Some((key, self.why_idle(key, purpose)?))) {
            None => Ok(()),
            Some((key, why)) => Err(Error::usage(format!("setting `{key}` has no effect: {why}"))
                .help("leave it out, or change what makes it idle")),
        }
    }

    /// Why the value of `key` makes no difference, if so.
    fn why_idle(&self, key: &str, purpose: Purpose) -> Option<String> {
        let Self { input, schedule, layers, .. } = self;
        let edited =
            |is: fn(&Change) -> bool| self.edits.iter().any(|edit| edit.step == 0 && is(&edit.change));
        let by_edit = || Some("the recipe's [[edit]] at step 0 changes it".to_owned());
        let key = current_key(key);
        let key = key.as_str();
        let table = key.split('.').next().unwrap_or(key);
        match (purpose, table, key) {
            (Purpose::Display, ..) => return None,
            (Purpose::RateSearch, _, "optimizer.rate") => {
                return Some("lr-find tries the rates from `--from` to `--to`".to_owned());
            }
            (Purpose::RateSearch, "schedule", _) => return Some("lr-find follows no schedule".to_owned()),
            (Purpose::RateSearch, "evaluation", _) => return Some("lr-find evaluates nothing".to_owned()),
            (Purpose::RateSearch | Purpose::Training, ..) => {}
        }
        match key {
            "classes" => Some("the images' labels say how many classes there are".to_owned()),
            "schedule.divide_by" if schedule.at_epochs.is_empty() && schedule.plateau.is_none() => Some(
                "the rate is never divided, as there is neither `schedule.at_epochs` nor `schedule.plateau`"
                    .to_owned(),
            ),
            "schedule.at_epochs"
                if schedule.at_epochs.first().is_some_and(|&first| first >= schedule.epochs) =>
            {
                Some(format!("training ends after {} epochs, before the rate is divided", schedule.epochs))
            }
            "augment.random_crop" if self.augment.random_crop && input.crop == input.square => {
                Some(format!("the crop is the whole square, {0} x {0} pixels", input.crop))
            }
            "optimizer.decay"
                if layers.iter().filter_map(|l| l.spec.weights()).all(|w| w.decay.is_some()) =>
            {
                Some("every layer has a decay of its own, `layer.NAME.weights.decay`".to_owned())
            }
            "optimizer.rate" if edited(|change| matches!(change, Change::Rate(_))) => by_edit(),
            "augment.color_noise" if edited(|change| matches!(change, Change::ColorNoise(_))) => by_edit(),
            "schedule.epochs" if edited(|change| matches!(change, Change::StopAfter(_))) => by_edit(),
            _ => None,
        }
    }
}
