//! Sums over some steps.

use serde::{Deserialize, Serialize};

use crate::engine::Outcome;

/// What some steps found, and how long they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Pictures.
    pub pictures: usize,
    /// Pictures classified right.
    pub correct: usize,
    /// Sum of the losses of all pictures.
    pub loss: f64,
    /// Seconds.
    pub time: f64,
    /// Of these, those spent waiting for pictures.
    pub waiting: f64,
}

impl Tally {
    /// Adds a step.
    pub fn add(&mut self, outcome: Outcome, pictures: usize, time: f64, waiting: f64) {
        self.pictures += pictures;
        self.correct += outcome.correct;
        self.loss += outcome.loss * pictures as f64;
        self.time += time;
        self.waiting += waiting;
    }

    /// Mean over the pictures.
    pub fn loss(&self) -> f64 {
        self.loss / self.pictures.max(1) as f64
    }

    /// Share of the pictures classified right.
    pub fn top1(&self) -> f64 {
        self.correct as f64 / self.pictures.max(1) as f64
    }

    /// Share of the time that was spent waiting for pictures.
    pub fn waiting(&self) -> f64 {
        self.waiting / self.time.max(1e-9)
    }

    /// Pictures a second.
    pub fn rate(&self) -> f64 {
        self.pictures as f64 / self.time.max(1e-9)
    }
}
