//! The loop of a training run, as in section 5 of the paper: epoch by epoch, step by step.

use std::time::Instant;

use super::edits::LoadedAhead;
use super::learner::{FailedStep, Stepped};
use super::training::{Restart, Training};
use crate::data::Loader;
use crate::error::{Kind, shell};
use crate::format::counted;
use crate::train::metrics::LOG_EVERY;
use crate::train::observer::{Event, Phase, StepDone};
use crate::train::report::StopReason;
use crate::train::tally::{StepStats, Tally};
use crate::{Error, Result};

/// The step at which a loss at chance level is reported before the first epoch is over.
const FLAT_STEPS: usize = 2000;

/// How a training run ends.
pub(super) enum Outcome {
    Stopped(StopReason),
    /// The loss is at chance level.
    Restart(Box<Restart>),
}

/// How an epoch ends.
enum EpochOutcome {
    Complete,
    Stopped(StopReason),
    NonFinite(FailedStep),
}

impl Training<'_> {
    /// Trains until the schedule is complete, or something stops it.
    pub(super) fn run(&mut self) -> Result<Outcome> {
        let first = self.learner.state.step;
        loop {
            // A training run that was stopped within an epoch first completes it, even if only its validation remains: what is
            // edited or ends between two epochs must not depend on where it was stopped.
            if self.learner.state.batches == 0 {
                self.apply_edits()?;
                if let Some(end) = self.learner.state.lr.end(&self.learner.schedule()) {
                    if first > 0 && self.learner.state.step == first {
                        self.note_complete();
                    }
                    return Ok(Outcome::Stopped(StopReason::Schedule(end)));
                }
                if self.learner.is_at_epoch_limit() {
                    return Ok(Outcome::Stopped(StopReason::StepLimit));
                }
                // Between two epochs, whose models are saved: one more step would replace the last.
                if let Some(reason) = self.interruption() {
                    return Ok(Outcome::Stopped(reason));
                }
            }
            if self.learner.is_at_step_limit() {
                return Ok(Outcome::Stopped(StopReason::StepLimit));
            }
            match self.epoch()? {
                EpochOutcome::Complete => {}
                EpochOutcome::Stopped(reason) => return Ok(Outcome::Stopped(reason)),
                EpochOutcome::NonFinite(failed) => {
                    self.roll_back(&failed)?;
                    continue;
                }
            }
            let evaluation = match self.validate() {
                Ok(evaluation) => evaluation,
                Err(error) => return Err(self.save_after(error)),
            };
            if let Some(reason) = self.interruption() {
                return Ok(Outcome::Stopped(reason));
            }
            if let Some(restart) = self.end_epoch(evaluation)? {
                return Ok(Outcome::Restart(restart));
            }
        }
    }

    /// Says that a resumed run has nothing left to do, and how to extend it.
    fn note_complete(&mut self) {
        let (done, epochs) = (self.learner.state.lr.epochs, self.learner.schedule().epochs);
        let run = shell(self.reporter.folder());
        self.reporter.note(&format!(
            "the run is complete ({done} of {}); to extend it: `alexnet edit {run} stop-after={}`",
            counted(epochs, "epoch"),
            2 * done
        ));
    }

    /// The rest of an epoch.
    fn epoch(&mut self) -> Result<EpochOutcome> {
        self.start_epoch();
        let outcome = self.steps();
        self.reporter.end_phase();
        outcome
    }

    fn steps(&mut self) -> Result<EpochOutcome> {
        let mut loader = self.learner.load()?;
        let mut last_step = Instant::now();
        while self.learner.state.batches < loader.batches() {
            match self.apply_edits()? {
                LoadedAhead::Valid => {}
                LoadedAhead::Stale => loader = self.learner.load()?,
            }
            let batch = match loader.next() {
                None => break,
                Some(Ok(batch)) => batch,
                Some(Err(error)) => return Err(self.save_after(error)),
            };
            let waiting = last_step.elapsed().as_secs_f64();
            if !batch.skipped.is_empty() {
                self.reporter.skipped(&batch.skipped);
                self.learner.images.skipped.extend(batch.skipped.iter().cloned());
            }
            let images = batch.global;
            if images == 0 {
                self.learner.state.batches += 1;
                continue;
            }
            let outcome = match self.learner.step(&batch)? {
                Stepped::Updated(outcome) => outcome,
                Stepped::Failed(failed) => return Ok(EpochOutcome::NonFinite(failed)),
            };
            let time = last_step.elapsed().as_secs_f64();
            last_step = Instant::now();
            self.after_step(&StepStats { outcome, images, time, waiting }, &loader);
            loader.recycle(batch);
            self.write_metrics()?;
            if let Some(reason) = self.stop_reason() {
                return Ok(EpochOutcome::Stopped(reason));
            }
            self.checkpoints.save_if_due(&mut self.learner, &self.models, &mut self.reporter)?;
        }
        Ok(EpochOutcome::Complete)
    }

    /// Saves the steps so far if an image cannot be read any more, which may be a fault of the disk or the network.
    fn save_after(&mut self, error: Error) -> Error {
        // A checkpoint of a job needs all processes, and the others do not know of the error.
        let is_job = self.learner.config.transport.size() > 1;
        if is_job || self.learner.config.only_forecast || error.kind != Kind::Data {
            return error;
        }
        let run = shell(self.reporter.folder());
        match self.checkpoints.save_last(&mut self.learner, &self.models, &mut self.reporter) {
            Ok(()) => Error { kind: Kind::Runtime, ..error }.help(format!(
                "the run is saved; once the images can be read again: `alexnet train --resume {run}`"
            )),
            // It was reported.
            Err(_) => error,
        }
    }

    fn start_epoch(&mut self) {
        let (learner, images) = (&self.learner, self.learner.images.usable.len());
        let phase = Phase::Epoch { epoch: learner.epoch(), epochs: learner.schedule().epochs };
        let done = (learner.state.batches * learner.config.recipe.optimizer.batch).min(images);
        self.reporter.start_phase(phase, images, done);
    }

    fn apply_edits(&mut self) -> Result<LoadedAhead> {
        self.edits.apply_due(&mut self.learner, &mut self.reporter)
    }

    fn after_step(&mut self, step: &StepStats, loader: &Loader) {
        let is_late = 4 * self.learner.state.batches > 3 * loader.batches();
        self.learner.tally(step, is_late);
        self.reporter.advance(step.images, Some(self.learner.state.recent.mean_loss()));
        self.reporter.emit(&Event::Step(StepDone {
            step: self.learner.state.step,
            epoch: self.learner.epoch(),
            images: step.images,
            loss: step.outcome.loss,
            correct: step.outcome.correct,
            lr: self.learner.lr(),
        }));
        self.forecaster.add(step, loader, &self.learner, &mut self.reporter);
    }

    /// Writes a line of metrics every [`LOG_EVERY`] steps, with layer statistics.
    fn write_metrics(&mut self) -> Result<()> {
        let step = self.learner.state.step;
        if !step.is_multiple_of(LOG_EVERY) {
            return Ok(());
        }
        let health = self.learner.engine.health()?;
        let mut line = self.learner.line(&self.learner.state.recent, None);
        line.set_health(&health);
        for advice in self.watch.layers(step, &health, self.learner.lr(), self.reporter.folder()) {
            self.reporter.advice(&advice);
        }
        if step == FLAT_STEPS && self.learner.state.lr.epochs == 0 {
            self.check_loss(&self.learner.state.recent.clone());
        }
        self.reporter.emit(&Event::Metrics(&line));
        self.learner.state.recent = Tally::default();
        Ok(())
    }

    /// Why to stop after this step, if at all.
    fn stop_reason(&self) -> Option<StopReason> {
        let forecast = self.learner.config.only_forecast && self.forecaster.forecast().is_some();
        self.interruption()
            .or(self.learner.is_at_step_limit().then_some(StopReason::StepLimit))
            .or(forecast.then_some(StopReason::Forecast))
    }
}
