//! A running training: its parts, and what they share.

use super::checkpoints::Checkpoints;
use super::edits::Edits;
use super::forecaster::Forecaster;
use super::learner::Learner;
use super::models::Models;
use super::reporter::Reporter;
use crate::Result;
use crate::net::Recipe;
use crate::train::config::{Config, RunFolder};
use crate::train::observer::Observers;
use crate::train::remedy::Remedy;
use crate::train::report::StopReason;
use crate::train::tally::Tally;
use crate::train::watch::Watch;

/// A running training.
pub(super) struct Training<'a> {
    pub(super) learner: Learner,
    pub(super) models: Models,
    pub(super) checkpoints: Checkpoints,
    pub(super) edits: Edits,
    pub(super) watch: Watch,
    pub(super) forecaster: Forecaster,
    pub(super) reporter: Reporter<'a>,
}

/// A restart with a remedy.
pub(super) struct Restart {
    pub(super) remedy: Remedy,
    /// With the remedy.
    pub(super) recipe: Recipe,
}

impl<'a> Training<'a> {
    /// Gives advice if the loss of these steps is at chance level or far above it.
    pub(super) fn check_loss(&mut self, seen: &Tally) {
        let (step, classes) = (self.learner.state.step, self.learner.engine.network().classes);
        if let Some(advice) = self.watch.loss(step, seen, classes, &self.learner.config.recipe) {
            self.reporter.advice(&advice);
        }
    }

    /// Whether a signal or an observer asks to stop.
    pub(super) fn interruption(&self) -> Option<StopReason> {
        let signal = self.learner.config.interrupt.signal().map(StopReason::Signal);
        signal.or(self.reporter.wants_stop().then_some(StopReason::Observer))
    }

    /// The configuration that restarts in the same folder with another recipe, and the observers.
    ///
    /// # Errors
    /// Returns an error if another rank is lost.
    pub(super) fn into_restart(self, recipe: Recipe) -> Result<(Config, Observers<'a>)> {
        self.learner.engine.restart(&recipe)?;
        let folder = self.reporter.folder().to_path_buf();
        let config = Config { recipe, run: RunFolder::Over(folder), ..self.learner.config };
        Ok((config, self.reporter.into_observers()))
    }
}
