//! Training a network on a set of images, as in section 5 of the paper.
//!
//! | file | what it does |
//! |---|---|
//! | `begin` | from a configuration to the first step, of a new training or of one that goes on |
//! | this | one epoch after another, one step after another |
//! | `models` | which model is the best; saving the best and the last one |
//! | `recover` | checkpoints, changes on the way, going back |
//! | `finish` | the end of an epoch and of a training: validation, models, the report |

mod begin;
mod finish;
mod models;
mod recover;

use std::sync::Arc;
use std::time::Instant;

use super::checkpoint::{Lineage, State};
use super::config::{Config, RunFolder};
use super::forecast::{Forecast, Known, Measuring};
use super::journal::Journal;
use super::keeper::Keeper;
use super::metrics::Line;
use super::observer::{Event, Observer, Observers, Phase, StepDone};
use super::record::Record;
use super::report::{Report, StopReason};
use super::watch::Watch;
use crate::Result;
use crate::data::loader::TrainingEpoch;
use crate::data::{ColorBasis, Image, LoadedBatch, Loader, Preprocess, Skip, Split};
use crate::engine::{Batch, Engine, NonFinite, StepOutcome, Update};
use crate::net::{Augment, Edit, Recipe, Schedule};
use models::Unsaved;

/// Steps between two lines of metrics, and between two looks at the layers.
const LOG_EVERY: usize = 20;

/// Steps after which a loss that is still that of a blind guess is told before an epoch is over.
const FLAT_STEPS: usize = 2000;

/// Trains a network: see [`Config`]. The best model by validation top-1, and the last one, are in the run folder.
///
/// # Errors
/// When the recipe does not fit the images, memory or the run folder cannot be had, an image's file cannot be read,
/// the training that is to go on was another one, or numbers stop being finite again and again; checkpoints and models
/// that were saved before stay.
pub fn train(config: Config) -> Result<Report> {
    Session::new(config).run()
}

/// A training, and who is told what happens in it.
#[derive(Debug)]
pub struct Session<'a> {
    config: Config,
    observers: Observers<'a>,
}

impl<'a> Session<'a> {
    /// A training without observers.
    pub fn new(config: Config) -> Self {
        Self { config, observers: Observers::default() }
    }

    /// Adds an observer.
    #[must_use]
    pub fn observe(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.add(observer);
        self
    }

    /// Trains.
    ///
    /// # Errors
    /// As [`train`].
    pub fn run(self) -> Result<Report> {
        let Self { mut config, mut observers } = self;
        let began = Instant::now();
        loop {
            let mut trainer = Trainer::new(config, observers)?;
            match trainer.epochs()? {
                Ended::Restart(recipe) => (config, observers) = trainer.restarted(*recipe),
                Ended::Stopped(reason) => return trainer.finish(began, reason),
            }
        }
    }
}

/// A training under way.
struct Trainer<'a> {
    config: Config,
    record: Record<'a>,
    engine: Box<dyn Engine>,
    train: Split,
    usable: Vec<usize>,
    skipped: Vec<Skip>,
    preprocess: Arc<Preprocess>,
    basis: ColorBasis,
    golden: Vec<Image>,
    lineage: Lineage,
    keeper: Keeper,
    journal: Journal,
    /// All changes, and how many of them have been made.
    edits: Vec<Edit>,
    edited: usize,
    state: State,
    /// When this program took the training up, and the seconds of training before.
    took_up: (Instant, f64),
    /// The step of the last checkpoint that was gone back to.
    gone_back: Option<usize>,
    watch: Watch,
    /// Models that a full disk has no room for yet.
    unsaved: Vec<Unsaved>,
    /// Whether the best model's file has been changed or removed.
    lost: bool,
    /// The step at which the training was resumed, if it was.
    resumed_at: Option<usize>,
    measuring: Option<Measuring>,
    forecast: Option<Forecast>,
}

/// Why there are no more epochs.
#[derive(Clone, Debug, PartialEq)]
enum Ended {
    Stopped(StopReason),
    /// The loss is that of a blind guess: once more, with this recipe.
    Restart(Box<Recipe>),
}

/// How an epoch went.
enum Passed {
    Whole,
    Stopped(Ended),
    /// Numbers stopped being finite.
    Spoilt(NonFinite, StepOutcome),
}

impl<'a> Trainer<'a> {
    fn epochs(&mut self) -> Result<Ended> {
        loop {
            // A training that is resumed within an epoch ends it first, also where only its validation is left: what is
            // changed or ended between two epochs would otherwise depend on where it was stopped.
            if self.state.batches == 0 {
                self.make_edits()?;
                if let Some(end) = self.state.pace.ended(&self.schedule()) {
                    return Ok(Ended::Stopped(StopReason::Schedule(end)));
                }
            }
            if self.is_enough() {
                return Ok(Ended::Stopped(StopReason::StepLimit));
            }
            match self.epoch()? {
                Passed::Whole => {}
                Passed::Stopped(ended) => return Ok(ended),
                Passed::Spoilt(found, outcome) => {
                    self.go_back(found, outcome)?;
                    continue;
                }
            }
            let validation = self.validate()?;
            if let Some(reason) = self.interrupted() {
                return Ok(Ended::Stopped(reason));
            }
            if let Some(ended) = self.end_of_epoch(validation)? {
                return Ok(ended);
            }
        }
    }

    /// What is left of a pass over the training set.
    fn epoch(&mut self) -> Result<Passed> {
        let mut loader = self.loader();
        let (epoch, size) = (self.state.pace.epochs + 1, self.config.recipe.optimizer.batch);
        let phase = Phase::Epoch { epoch, epochs: self.schedule().epochs };
        let done = (self.state.batches * size).min(self.usable.len());
        self.record.start_phase(phase, self.usable.len(), done);
        let mut before = Instant::now();
        while self.state.batches < loader.batches() {
            if self.make_edits()? {
                // What the loader has made ahead is of the settings before.
                loader = self.loader();
            }
            let Some(batch) = loader.next() else { break };
            let (batch, waiting) = (batch?, before.elapsed().as_secs_f64());
            if !batch.skipped.is_empty() {
                self.record.skipped(&batch.skipped);
                self.skipped.extend(batch.skipped.iter().cloned());
            }
            if batch.labels.is_empty() {
                self.state.batches += 1;
                continue;
            }
            let outcome = self.step(&batch)?;
            if let Some(found) = self.engine.non_finite()? {
                self.record.end_phase();
                return Ok(Passed::Spoilt(found, outcome));
            }
            self.state.batches += 1;
            let time = before.elapsed().as_secs_f64();
            before = Instant::now();
            let is_late = 4 * self.state.batches > 3 * loader.batches();
            self.tally(outcome, batch.labels.len(), time, waiting, is_late);
            self.tell_step(outcome, batch.labels.len());
            self.measure(&loader, batch.labels.len(), time, waiting);
            loader.recycle(batch);
            self.write_line()?;
            if let Some(reason) = self.stop() {
                self.record.end_phase();
                return Ok(Passed::Stopped(Ended::Stopped(reason)));
            }
            self.keep_checkpoint()?;
        }
        self.record.end_phase();
        Ok(Passed::Whole)
    }

    /// The batches of the epoch under way that have not been used.
    fn loader(&self) -> Loader {
        let Config { recipe, seed, workers, .. } = &self.config;
        let augment = Augment {
            color_noise: self.state.settings.color_noise.unwrap_or(recipe.augment.color_noise),
            ..recipe.augment.clone()
        };
        let epoch = TrainingEpoch {
            split: &self.train,
            usable: &self.usable,
            preprocess: &self.preprocess,
            augment: &augment,
            basis: &self.basis,
            seed: *seed,
            epoch: self.state.pace.epochs as u64 + 1,
            batch_size: recipe.optimizer.batch,
            first_batch: self.state.batches,
        };
        Loader::training(&epoch, *workers)
    }

    /// Learns from a batch. Where the layers are looked at, gradients are kept, which gives the same numbers.
    fn step(&mut self, batch: &LoadedBatch) -> Result<StepOutcome> {
        let optimizer = &self.config.recipe.optimizer;
        let update = Update { rate: self.rate(), momentum: optimizer.momentum, decay: optimizer.decay };
        let batch = Batch::whole(&batch.images, &batch.labels, &batch.keys);
        if !(self.state.step + 1).is_multiple_of(LOG_EVERY) {
            let outcome = self.engine.step(&batch, &update)?;
            self.state.step += usize::from(self.engine.non_finite()?.is_none());
            return Ok(outcome);
        }
        let outcome = self.engine.forward_backward(&batch, &mut |_| Ok(()))?;
        if outcome.loss.is_finite() {
            self.engine.apply(&update)?;
        }
        self.state.step += usize::from(self.engine.non_finite()?.is_none());
        Ok(outcome)
    }

    fn tally(&mut self, outcome: StepOutcome, images: usize, time: f64, waiting: f64, is_late: bool) {
        let State { epoch, late, recent, .. } = &mut self.state;
        epoch.add(outcome, images, time, waiting);
        recent.add(outcome, images, time, waiting);
        if is_late {
            late.add(outcome, images, time, waiting);
        }
        let loss = recent.loss();
        self.record.advance(images, Some(loss));
    }

    fn tell_step(&mut self, outcome: StepOutcome, images: usize) {
        let StepOutcome { loss, correct, .. } = outcome;
        let (step, epoch, lr) = (self.state.step, self.state.pace.epochs + 1, self.rate());
        self.record.observers.notify(&Event::Step(StepDone { step, epoch, images, loss, correct, lr }));
    }

    /// The first steps make a forecast.
    fn measure(&mut self, loader: &Loader, images: usize, time: f64, waiting: f64) {
        let Some(measuring) = &mut self.measuring else { return };
        if !measuring.add(images, time, waiting, self.engine.timings()) {
            return;
        }
        let measuring = std::mem::take(measuring);
        self.measuring = None;
        let (schedule, loaded) = (self.schedule(), self.state.epoch.images);
        let parameters = (self.engine.network().parameters() * size_of::<f32>()) as u64;
        let folder = self.record.run.folder();
        let known = Known {
            images: [self.usable.len(), self.config.dataset.val().map_or(0, Split::len)],
            left: self.usable.len().saturating_sub(loaded),
            epochs: schedule.epochs.saturating_sub(self.state.pace.epochs).max(1),
            workers: self.config.workers,
            planned_bytes: self.engine.memory().total() as u64,
            checkpoint_bytes: 2 * parameters,
            model_bytes: parameters,
            free_bytes: fs4::available_space(folder).ok(),
        };
        let forecast = measuring.forecast(loader.stages(), known);
        self.record.say(&forecast.to_string());
        if forecast.lacks_space() {
            self.record.warning(
                "the disk has no room for all checkpoints and models of this run; those that fit are kept",
            );
        }
        self.forecast = Some(forecast);
    }

    fn stop(&self) -> Option<StopReason> {
        let forecast = self.config.only_forecast && self.measuring.is_none();
        self.interrupted()
            .or(self.is_enough().then_some(StopReason::StepLimit))
            .or(forecast.then_some(StopReason::Forecast))
    }

    /// Whether somebody asks for a stop.
    fn interrupted(&self) -> Option<StopReason> {
        let signal = self.config.interrupt.signal().map(StopReason::Signal);
        signal.or(self.record.observers.wants_stop().then_some(StopReason::Observer))
    }

    /// Whether the limit of steps is reached.
    fn is_enough(&self) -> bool {
        self.config.max_steps.is_some_and(|most| self.state.step >= most)
    }

    /// Writes a line of metrics every so many steps, with a look at the layers.
    fn write_line(&mut self) -> Result<()> {
        if !self.state.step.is_multiple_of(LOG_EVERY) {
            return Ok(());
        }
        let (rate, health) = (self.rate(), self.engine.health()?);
        let mut line = self.line(&self.state.recent, None);
        line.set_health(&health);
        for advice in self.watch.layers(self.state.step, &health, rate) {
            self.record.observers.notify(&Event::Advice(&advice));
            self.record.note(&format!("{}. {}", advice.finding, advice.cure));
        }
        if self.state.step == FLAT_STEPS && self.state.pace.epochs == 0 {
            self.tell_of_a_bad_loss(self.state.recent);
        }
        self.record.line(&line);
        self.state.recent = Default::default();
        Ok(())
    }

    fn line(&self, tally: &super::tally::Tally, validation: Option<super::metrics::Validation>) -> Line {
        Line {
            step: self.state.step,
            epoch: self.state.pace.epochs + 1,
            seconds: self.seconds(),
            loss: tally.loss() as f32,
            top1: tally.top1() as f32,
            lr: self.rate(),
            images_per_second: tally.rate() as f32,
            waiting: tally.waiting() as f32,
            validation,
            health: Default::default(),
        }
    }

    /// The learning rate now.
    fn rate(&self) -> f32 {
        let Recipe { schedule, optimizer, .. } = &self.config.recipe;
        self.state.pace.rate(schedule, optimizer.rate)
    }

    /// The schedule with the last epoch that was asked for since.
    fn schedule(&self) -> Schedule {
        let schedule = &self.config.recipe.schedule;
        let epochs = self.state.settings.stop_after.unwrap_or(schedule.epochs);
        Schedule { epochs, ..schedule.clone() }
    }

    /// Seconds of training so far.
    fn seconds(&self) -> f64 {
        self.took_up.1 + self.took_up.0.elapsed().as_secs_f64()
    }

    /// The configuration for beginning again in the same folder, with another recipe.
    fn restarted(self, recipe: Recipe) -> (Config, Observers<'a>) {
        let folder = self.record.run.folder().to_path_buf();
        let mut config = Config { recipe, run: RunFolder::Over(folder), ..self.config };
        // The cure is in the recipe now: a resumed run must not begin again once more.
        config.requests.on_plateau = None;
        (config, self.record.observers)
    }
}
