//! The network, its state, and a step.

use std::time::Instant;

use crate::Result;
use crate::data::{LoadedBatch, Loader};
use crate::engine::{NonFinite, StepOutcome, Update};
use crate::net::{Augment, Recipe, Schedule};
use crate::train::checkpoint::State;
use crate::train::config::Config;
use crate::train::lineage::Lineage;
use crate::train::metrics::{LOG_EVERY, Line, Validation};
use crate::train::ranks::{JobEngine, Keep};
use crate::train::schedule::{EpochStep, divided};
use crate::train::tally::{StepStats, Tally};
use crate::train::training_images::{Batches, TrainingImages};
use crate::train::watch::ROLLBACK_DIVISOR;

/// The network and what it has learned so far.
pub(super) struct Learner {
    pub(super) config: Config,
    pub(super) lineage: Lineage,
    pub(super) engine: JobEngine,
    pub(super) images: TrainingImages,
    pub(super) state: State,
    pub(super) clock: Clock,
}

/// Seconds of training, across interruptions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    resumed_at: Instant,
    seconds_before: f64,
}

impl Clock {
    pub(super) fn resume(seconds_before: f64) -> Self {
        Self { resumed_at: Instant::now(), seconds_before }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.resumed_at.elapsed().as_secs_f64()
    }
}

/// The result of a step.
pub(super) enum Stepped {
    /// The parameters have been updated.
    Updated(StepOutcome),
    /// Values have become non-finite.
    Failed(FailedStep),
}

/// A step whose values have become non-finite.
pub(super) struct FailedStep {
    pub(super) at: NonFinite,
    pub(super) outcome: StepOutcome,
}

impl Learner {
    /// The current epoch, counted from 1.
    pub(super) fn epoch(&self) -> usize {
        self.state.lr.epochs + 1
    }

    /// Steps per epoch.
    pub(super) fn epoch_steps(&self) -> usize {
        self.images.usable.len().div_ceil(self.config.recipe.optimizer.batch)
    }

    /// The learning rate of the last step of the current epoch.
    pub(super) fn lr(&self) -> f32 {
        self.step_lr(self.state.batches)
    }

    /// The learning rate of the next step.
    pub(super) fn next_lr(&self) -> f32 {
        self.step_lr(self.state.batches + 1)
    }

    /// The learning rate of the next step without warm-up.
    pub(super) fn full_lr(&self) -> f32 {
        let Recipe { schedule, optimizer, .. } = &self.config.recipe;
        self.state.lr.full_lr(schedule, optimizer.scaled_rate(), self.next_step())
    }

    /// The next step of the current epoch.
    pub(super) fn next_step(&self) -> EpochStep {
        EpochStep { step: self.state.batches + 1, steps: self.epoch_steps() }
    }

    fn step_lr(&self, step: usize) -> f32 {
        let Recipe { schedule, optimizer, .. } = &self.config.recipe;
        let at = EpochStep { step, steps: self.epoch_steps() };
        self.state.lr.step_lr(schedule, optimizer.scaled_rate(), at)
    }

    /// The value of `optimizer.rate` whose learning rate is a tenth of the current one.
    pub(super) fn lower_rate(&self) -> f32 {
        self.config.recipe.optimizer.unscaled_rate(divided(self.full_lr(), ROLLBACK_DIVISOR, 1))
    }

    /// The schedule, with the last epoch as edited.
    pub(super) fn schedule(&self) -> Schedule {
        let schedule = &self.config.recipe.schedule;
        let epochs = self.state.settings.stop_after.unwrap_or(schedule.epochs);
        Schedule { epochs, ..schedule.clone() }
    }

    /// The remaining batches of the current epoch, on all ranks.
    pub(super) fn load(&self) -> Result<Loader> {
        let Config { recipe, seed, .. } = &self.config;
        let color_noise = self.state.settings.color_noise.unwrap_or(recipe.augment.color_noise);
        let (epoch, used) = (self.epoch(), self.state.batches);
        self.engine.load_batches(epoch, used, color_noise)?;
        Ok(self.images.load(&Batches {
            augment: &Augment { color_noise, ..recipe.augment.clone() },
            seed: *seed,
            epoch,
            size: recipe.optimizer.batch,
            used,
            workers: self.config.workers(),
            share: self.engine.share(),
        }))
    }

    /// Updates the parameters with the gradient of a batch. For layer statistics the gradients are kept, which gives the same
    /// values.
    pub(super) fn step(&mut self, batch: &LoadedBatch) -> Result<Stepped> {
        let update = Update::new(&self.config.recipe.optimizer, self.next_lr());
        let is_logged = (self.state.step + 1).is_multiple_of(LOG_EVERY);
        let keep = if is_logged { Keep::Gradients } else { Keep::Nothing };
        let outcome = self.engine.train(batch, &update, keep)?;
        if let Some(at) = self.engine.non_finite()? {
            return Ok(Stepped::Failed(FailedStep { at, outcome }));
        }
        self.state.step += 1;
        self.state.batches += 1;
        Ok(Stepped::Updated(outcome))
    }

    /// Adds a step to the tallies. `is_late` marks the last quarter of an epoch.
    pub(super) fn tally(&mut self, step: &StepStats, is_late: bool) {
        self.state.epoch.add(step);
        self.state.recent.add(step);
        if is_late {
            self.state.late.add(step);
        }
    }

    /// A line of metrics of these steps.
    pub(super) fn line(&self, tally: &Tally, validation: Option<Validation>) -> Line {
        Line {
            step: self.state.step,
            epoch: self.epoch(),
            seconds: self.clock.seconds(),
            loss: tally.mean_loss() as f32,
            top1: tally.top1() as f32,
            lr: self.lr(),
            images_per_second: tally.throughput() as f32,
            waiting: tally.waiting_share() as f32,
            validation,
            health: Default::default(),
        }
    }

    /// Freezes and unfreezes layers as the state says. Parameters and momentum are loaded afterwards.
    pub(super) fn restore_frozen_layers(&mut self) -> Result<()> {
        for (i, layer) in self.engine.network().clone().layers.iter().enumerate() {
            if let Some(spec) = layer.weights() {
                let edited = self.state.settings.frozen.get(&layer.name).copied();
                self.engine.freeze(i, edited.unwrap_or(spec.is_frozen()))?;
            }
        }
        Ok(())
    }

    /// Whether the limit of steps is reached.
    pub(super) fn is_at_step_limit(&self) -> bool {
        self.config.requests.steps.is_some_and(|limit| self.state.step >= limit)
    }

    /// Whether the limit of completed epochs is reached.
    pub(super) fn is_at_epoch_limit(&self) -> bool {
        self.config.max_epochs.is_some_and(|limit| self.state.lr.epochs >= limit)
    }
}
