//! Sums over several steps.

use serde::{Deserialize, Serialize};

use crate::engine::StepOutcome;

/// Results and timings of several steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Images.
    #[serde(rename = "pictures")]
    pub images: usize,
    /// Images classified correctly.
    pub correct: usize,
    /// Sum of the losses of all images.
    pub loss: f64,
    /// Seconds.
    pub time: f64,
    /// Seconds of these spent waiting for images.
    pub waiting: f64,
}

/// One step: its result and timings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// Loss and correct images.
    pub outcome: StepOutcome,
    /// Images in the batch.
    pub images: usize,
    /// Seconds.
    pub time: f64,
    /// Seconds of these spent waiting for images.
    pub waiting: f64,
}

impl Tally {
    /// Adds a step.
    pub fn add(&mut self, step: &StepStats) {
        self.images += step.images;
        self.correct += step.outcome.correct;
        self.loss += step.outcome.loss * step.images as f64;
        self.time += step.time;
        self.waiting += step.waiting;
    }

    /// Mean loss of the images.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// Share of the images classified correctly.
    pub fn top1(&self) -> f64 {
        self.correct as f64 / self.images.max(1) as f64
    }

    /// Share of the time spent waiting for images.
    pub fn waiting_share(&self) -> f64 {
        self.waiting / self.time.max(1e-9)
    }

    /// Images per second.
    pub fn throughput(&self) -> f64 {
        self.images as f64 / self.time.max(1e-9)
    }
}
