//! Rollback after non-finite values: an earlier checkpoint, and a lower learning rate.

use super::learner::{Clock, FailedStep};
use super::training::Training;
use crate::engine::Place;
use crate::error::Kind;
use crate::format::{grouped, loss};
use crate::net::Change;
use crate::train::observer::{Event, RolledBack};
use crate::train::schedule::divided;
use crate::train::watch::{Advice, MAX_ROLLBACKS, OnDivergence, ROLLBACK_DIVISOR};
use crate::{Error, Result};

impl Training<'_> {
    /// Restores the last good checkpoint, and continues at a lower learning rate.
    ///
    /// # Errors
    /// Returns an error if the training is to stop instead, if there were too many rollbacks, or if there is no checkpoint.
    pub(super) fn roll_back(&mut self, failed: &FailedStep) -> Result<()> {
        let lr = self.learner.next_lr();
        let (step, what) = (self.learner.state.step + 1, self.describe(failed));
        let finding = format!(
            "{what}: step {}, epoch {}, learning rate {lr}, loss {}",
            grouped(step),
            self.learner.epoch(),
            loss(failed.outcome.loss, 4)
        );
        let remedy = format!("try a lower learning rate: --set optimizer.rate={}", self.learner.lower_rate());
        let rollbacks = self.learner.state.rollbacks;
        if let Some(why) = self.why_give_up(rollbacks) {
            let message = format!("{finding}{why}; earlier checkpoints and models are in the run folder");
            return Err(Error::new(Kind::Diverged, message).help(remedy));
        }
        self.reporter.info(&finding);
        let lr = self.restore(step, &what, lr, rollbacks + 1)?;
        let to = self.learner.state.step;
        self.reporter.emit(&Event::RolledBack(RolledBack { from: step, to, lr }));
        self.reporter.info(&format!(
            "restored step {}; learning rate lowered to {lr} (rollback {} of at most {MAX_ROLLBACKS})",
            grouped(to),
            rollbacks + 1
        ));
        self.watch.add(Advice { step, finding, remedy });
        Ok(())
    }

    fn describe(&self, FailedStep { at, outcome }: &FailedStep) -> String {
        let layer = &self.learner.engine.network().layers[at.layer].name;
        match at.place {
            Place::Loss => format!("the loss is {}", loss(outcome.loss, 4)),
            Place::Outputs => format!("non-finite values: the outputs of {layer}"),
            Place::Weights => format!("non-finite values: the weights of {layer}"),
            Place::Biases => format!("non-finite values: the biases of {layer}"),
        }
    }

    fn why_give_up(&self, rollbacks: usize) -> Option<String> {
        match self.learner.config.requests.on_divergence.unwrap_or_default() {
            OnDivergence::Stop => Some(String::new()),
            OnDivergence::LowerRate if rollbacks == MAX_ROLLBACKS => {
                Some(format!(", after {MAX_ROLLBACKS} rollbacks"))
            }
            OnDivergence::LowerRate => None,
        }
    }

    /// Restores a checkpoint after non-finite values at `step` and a learning rate of `lr`; returns the new learning rate.
    fn restore(&mut self, step: usize, what: &str, lr: f32, rollbacks: usize) -> Result<f32> {
        let (learner, reporter) = (&mut self.learner, &mut self.reporter);
        self.checkpoints.wait(reporter);
        let checkpoint = self.checkpoints.roll_back()?;
        learner.state = checkpoint.state;
        learner.state.rollbacks = rollbacks;
        reporter.rewind(learner.state.lines, &learner.state.unwritten)?;
        learner.clock = Clock::resume(learner.state.seconds);
        // The learning rate of the checkpoint may differ from the one that failed; a warm-up ends here.
        let lower = divided(learner.full_lr().min(lr), ROLLBACK_DIVISOR, 1);
        let reason = format!("rolled back from step {step}: {what}");
        self.edits.add_own(Change::Rate(lower), reason, learner, reporter).map_err(|_| {
            Error::new(Kind::Runtime, "the journal cannot be written").help("free some disk space")
        })?;
        self.edits.seek(learner.state.step);
        learner.restore_frozen_layers()?;
        self.models.restore_best(checkpoint.best, learner, reporter)?;
        learner.engine.load(&checkpoint.parameters)?;
        learner.engine.load_velocities(&checkpoint.velocities)?;
        Ok(lower)
    }
}
