//! Sums over some steps.

use serde::{Deserialize, Serialize};

use crate::engine::StepOutcome;

/// What some steps found, and how long they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Images.
    #[serde(rename = "pictures")]
    pub images: usize,
    /// Images classified right.
    pub correct: usize,
    /// Sum of the losses of all images.
    pub loss: f64,
    /// Seconds.
    pub time: f64,
    /// Of these, those spent waiting for images.
    pub waiting: f64,
}

impl Tally {
    /// Adds a step.
    pub fn add(&mut self, outcome: StepOutcome, images: usize, time: f64, waiting: f64) {
        self.images += images;
        self.correct += outcome.correct;
        self.loss += outcome.loss * images as f64;
        self.time += time;
        self.waiting += waiting;
    }

    /// Mean over the images.
    pub fn loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// Share of the images classified right.
    pub fn top1(&self) -> f64 {
        self.correct as f64 / self.images.max(1) as f64
    }

    /// Share of the time that was spent waiting for images.
    pub fn waiting(&self) -> f64 {
        self.waiting / self.time.max(1e-9)
    }

    /// Images a second.
    pub fn rate(&self) -> f64 {
        self.images as f64 / self.time.max(1e-9)
    }
}
