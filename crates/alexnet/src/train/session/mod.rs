//! A training session: from a configuration to a report.
//!
//! | file | what it does |
//! |---|---|
//! | `training` | a running training: its parts |
//! | `epochs` | the loop of section 5 of the paper: epochs and steps |
//! | `setup` | from a configuration to the first step, of a new or a resumed training |
//! | `initial` | initial values: random, from a model, or from a checkpoint |
//! | `images` | the images: their statistics, and whether any can be used for validation |
//! | `learner` | the network, its state, and a step |
//! | `edits` | edits of a running training |
//! | `checkpoints` | when to write checkpoints, and which to roll back to |
//! | `models` | the best and the last model |
//! | `epoch_end` | validation, learning rate, advice |
//! | `recovery` | rollback after non-finite values |
//! | `finish` | the final evaluation and the report |
//! | `forecaster` | the forecast from the first steps |
//! | `reporter` | events to the run's files and to observers |

mod checkpoints;
mod edits;
mod epoch_end;
mod epochs;
mod finish;
mod forecaster;
mod images;
mod initial;
mod learner;
mod models;
mod recovery;
mod reporter;
mod setup;
#[cfg(test)]
mod tests;
mod training;

use std::time::Instant;

use self::epochs::Outcome;
use self::training::Training;
use super::config::Config;
use super::observer::{Observer, Observers};
use super::report::Report;
use crate::Result;

/// Trains without observers: see [`Session`].
///
/// # Errors
/// As [`Session::run`].
pub fn train(config: Config) -> Result<Report> {
    Session::new(config).run()
}

/// A training run that is about to run.
#[derive(Debug)]
#[must_use = "a session trains when it runs"]
pub struct Session<'a> {
    config: Config,
    observers: Observers<'a>,
}

impl<'a> Session<'a> {
    /// Prepares a training run without observers.
    pub fn new(config: Config) -> Self {
        Self { config, observers: Observers::default() }
    }

    /// Adds an observer.
    pub fn observe(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.add(observer);
        self
    }

    /// Trains. The best model by validation top-1 and the last model are in the run folder.
    ///
    /// # Errors
    /// Returns an error if the recipe does not fit the images, there is too little memory, the run folder or an image's file
    /// cannot be used, the settings of a resumed run differ from its checkpoint, or values become non-finite again and again.
    /// Checkpoints and models that were saved before are kept.
    pub fn run(self) -> Result<Report> {
        let Self { mut config, mut observers } = self;
        let started = Instant::now();
        let mut remedy = None;
        loop {
            let mut training = Training::set_up(config, remedy, observers)?;
            match training.run()? {
                Outcome::Restart(restart) => {
                    remedy = Some(restart.remedy);
                    (config, observers) = training.into_restart(restart.recipe)?;
                }
                Outcome::Stopped(reason) => return training.finish(started, reason),
            }
        }
    }
}
