//! The forecast from the first steps.

use super::learner::Learner;
use super::reporter::Reporter;
use crate::data::{Loader, Split};
use crate::train::forecast::{Forecast, Known, Measuring};
use crate::train::tally::StepStats;

/// Measures the first steps, and makes a forecast.
pub(super) enum Forecaster {
    Measuring(Measuring),
    Done(Box<Forecast>),
}

impl Forecaster {
    pub(super) fn new() -> Self {
        Self::Measuring(Measuring::default())
    }

    pub(super) fn forecast(&self) -> Option<&Forecast> {
        match self {
            Self::Measuring(_) => None,
            Self::Done(forecast) => Some(forecast),
        }
    }

    /// Measures a step; reports the forecast when there have been enough.
    pub(super) fn add(
        &mut self,
        step: &StepStats,
        loader: &Loader,
        learner: &Learner,
        reporter: &mut Reporter<'_>,
    ) {
        let Self::Measuring(measuring) = self else { return };
        if !measuring.add(step.images, step.time, step.waiting, learner.engine.timings()) {
            return;
        }
        let forecast = measuring.forecast(loader.stages(), known(learner, reporter));
        // If it is all that is wanted, it is the result.
        if !learner.config.only_forecast {
            reporter.info(&forecast.to_string());
        }
        if forecast.lacks_space() {
            reporter.warning(
                "the disk is too small for all checkpoints and models of this run; those that fit are kept",
            );
        }
        *self = Self::Done(Box::new(forecast));
    }
}

fn known(learner: &Learner, reporter: &Reporter<'_>) -> Known {
    let (config, usable) = (&learner.config, learner.images.usable.len());
    let parameters = (learner.engine.network().parameters() * size_of::<f32>()) as u64;
    Known {
        training_images: usable,
        validation_images: config.dataset.val().map_or(0, Split::len),
        left: usable.saturating_sub(learner.state.epoch.images),
        epochs: learner.schedule().epochs.saturating_sub(learner.state.lr.epochs).max(1),
        workers: config.workers(),
        planned_bytes: learner.engine.memory().total() as u64,
        checkpoint_bytes: 2 * parameters,
        model_bytes: parameters,
        free_bytes: fs4::available_space(reporter.folder()).ok(),
    }
}
