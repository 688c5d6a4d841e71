//! Observers receive the events of a training run, and may stop it.
//!
//! A closure is an observer:
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use alexnet::data::embedded;
//! use alexnet::net::Recipe;
//! use alexnet::train::{Config, Event, Session};
//!
//! # fn main() -> alexnet::Result<()> {
//! let config = Config::new(Recipe::load("small")?, embedded::fashion_mnist()?);
//! let report = Session::new(config)
//!     .observe(|event: &Event<'_>| match event {
//!         Event::Step(step) if step.loss < 0.5 => ControlFlow::Break(()),
//!         _ => ControlFlow::Continue(()),
//!     })
//!     .run()?;
//! println!("{} steps, models in {}", report.steps, report.run.display());
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use super::journal::Entry;
use super::metrics::Line;
use super::report::StopReason;
use super::watch::Advice;
use crate::data::Skip;
use crate::eval::Evaluation;
use crate::net::Recipe;

/// Receives the events of a training run, of a learning rate search, and of the passes over images that they make.
///
/// Implemented for closures `FnMut(&Event<'_>) -> ControlFlow<()> + Send`.
pub trait Observer: Send {
    /// Called on the training's thread for every event, in order; training waits until it returns.
    ///
    /// `Break` asks the training to stop: after the current step, with a checkpoint, and with
    /// [`StopReason::Observer`]. Once given, it cannot be taken back.
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(&Event<'_>) -> ControlFlow<()> + Send> Observer for F {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}

/// An observer that ignores every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignore;

impl Observer for Ignore {
    fn observe(&mut self, _: &Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// What happened. Events that a person should read are followed by a [`Message`] that says the same.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The training has been set up, or resumed, and is about to make its first step here. A restart with
    /// another recipe starts again.
    Started(Started<'a>),
    /// A pass over images has begun.
    PhaseStarted(PhaseStarted),
    /// The pass has advanced.
    PhaseAdvanced(PhaseAdvanced),
    /// The pass is over.
    PhaseEnded,
    /// The parameters have been updated.
    Step(StepDone),
    /// A line of metrics: the mean of the last steps, or of an epoch with its validation.
    Metrics(&'a Line),
    /// The validation images have been evaluated at the end of an epoch.
    Validated(Validated<'a>),
    /// A checkpoint of this step has been handed to the thread that writes it.
    Checkpoint(CheckpointTaken),
    /// An edit of the journal takes effect before the next step.
    Edited(&'a Entry),
    /// Values became non-finite, and an earlier checkpoint has been restored.
    RolledBack(RolledBack),
    /// Something does not look right.
    Advice(&'a Advice),
    /// Images that were skipped because they cannot be decoded.
    Skipped(&'a [Skip]),
    /// A line for people.
    Message(Message<'a>),
    /// The training has ended, and its models have been saved.
    Ended(Ended<'a>),
}

/// What is about to be trained: see [`Event::Started`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Started<'a> {
    /// The run folder.
    pub run: &'a Path,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Epochs that the schedule has.
    pub epochs: usize,
    /// Steps of an epoch.
    pub epoch_steps: usize,
    /// The step after which a resumed training continues.
    pub resumed_at: Option<usize>,
    /// The lines of metrics so far, without layer statistics.
    pub history: &'a [Line],
}

/// The start of a pass: see [`Event::PhaseStarted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PhaseStarted {
    /// Which pass.
    pub phase: Phase,
    /// Images in it, or steps for [`Phase::LearningRates`].
    pub total: usize,
    /// How many of them were done before: a training run may resume within an epoch.
    pub done: usize,
}

/// A pass over images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The mean image and the color statistics of the training images.
    Statistics,
    /// A training epoch.
    Epoch {
        /// Its number, counted from 1.
        epoch: usize,
        /// Epochs that the schedule has.
        epochs: usize,
    },
    /// The validation images.
    Validation,
    /// A learning rate search, counted in steps.
    LearningRates,
}

impl Phase {
    /// What [`PhaseStarted::total`] counts.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Statistics | Self::Epoch { .. } | Self::Validation => "images",
            Self::LearningRates => "steps",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statistics => f.write_str("mean image and colors"),
            Self::Epoch { epoch, epochs } => write!(f, "epoch {epoch} of {epochs}"),
            Self::Validation => f.write_str("validation"),
            Self::LearningRates => f.write_str("learning rates"),
        }
    }
}

/// Progress within a pass: see [`Event::PhaseAdvanced`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PhaseAdvanced {
    /// How many images or steps were done since the last event.
    pub done: usize,
    /// The mean training loss since the last line of metrics, in an epoch.
    pub loss: Option<f64>,
}

/// An update of the parameters: see [`Event::Step`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepDone {
    /// Steps so far.
    pub step: usize,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Images in the batch.
    pub images: usize,
    /// Mean loss of the batch before the update.
    pub loss: f64,
    /// Images of the batch that were classified correctly before the update.
    pub correct: usize,
    /// The learning rate.
    pub lr: f32,
}

/// A validation: see [`Event::Validated`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Validated<'a> {
    /// The epoch that has ended, counted from 1.
    pub epoch: usize,
    /// Steps so far.
    pub step: usize,
    /// The result.
    pub evaluation: &'a Evaluation,
}

/// A checkpoint: see [`Event::Checkpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointTaken {
    /// Its step.
    pub step: usize,
}

/// A rollback: see [`Event::RolledBack`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RolledBack {
    /// The step whose values were not finite.
    pub from: usize,
    /// The step of the restored checkpoint.
    pub to: usize,
    /// The learning rate from there on.
    pub lr: f32,
}

/// The end of a training run: see [`Event::Ended`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ended<'a> {
    /// Why it stopped.
    pub reason: StopReason,
    /// Steps so far.
    pub steps: usize,
    /// The final evaluation, if there was one.
    pub evaluation: Option<&'a Evaluation>,
}

/// A line for people. Its [`fmt::Display`] starts with the level, where it is not [`Level::Info`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// How important it is.
    pub level: Level,
    /// The text, without the level.
    pub text: &'a str,
}

/// The importance of a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What happens.
    Info,
    /// Something that may be unexpected.
    Note,
    /// Something failed that does not end the training.
    Warning,
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Info => f.write_str(self.text),
            Level::Note => write!(f, "note: {}", self.text),
            Level::Warning => write!(f, "warning: {}", self.text),
        }
    }
}

/// Passes events on to several observers, and remembers whether one of them asked to stop.
#[derive(Default)]
pub(crate) struct Observers<'a> {
    all: Vec<Box<dyn Observer + 'a>>,
    stop: bool,
}

impl<'a> Observers<'a> {
    pub(crate) fn add(&mut self, observer: impl Observer + 'a) {
        self.all.push(Box::new(observer));
    }

    pub(crate) fn notify(&mut self, event: &Event<'_>) {
        for observer in &mut self.all {
            self.stop |= observer.observe(event).is_break();
        }
    }

    /// Whether an observer has asked to stop.
    pub(crate) fn wants_stop(&self) -> bool {
        self.stop
    }
}

impl fmt::Debug for Observers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").field("count", &self.all.len()).field("stop", &self.stop).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_observer_receives_every_event_and_one_is_enough_to_stop() {
        let (mut first, mut second) = (0, 0);
        let mut observers = Observers::default();
        observers.add(|_: &Event<'_>| {
            first += 1;
            if first == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        observers.add(|_: &Event<'_>| {
            second += 1;
            ControlFlow::Continue(())
        });
        for stop in [false, true, true] {
            observers.notify(&Event::PhaseEnded);
            assert_eq!(observers.wants_stop(), stop);
        }
        drop(observers);
        assert_eq!((first, second), (3, 3));
    }

    #[test]
    fn messages_name_their_level() {
        let levels = [Level::Info, Level::Note, Level::Warning];
        let shown = levels.map(|level| Message { level, text: "text" }.to_string());
        assert_eq!(shown, ["text", "note: text", "warning: text"]);
    }
}
