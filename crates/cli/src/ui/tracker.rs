//! Progress and throughput of one pass over images or steps.

use std::time::Instant;

use alexnet::format::{self, duration, grouped, significant};

/// Seconds before which a throughput means nothing: threads start, and files are not cached yet.
const WARMUP_SECONDS: f64 = 2.0;

/// Updates before which a throughput means nothing.
const WARMUP_UPDATES: u64 = 2;

/// How far a pass has advanced, and how fast.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    pub(super) name: String,
    pub(super) unit: &'static str,
    pub(super) total: u64,
    pub(super) done: u64,
    /// What the estimate is of, where that may be mistaken: ` in the epoch`.
    within: &'static str,
    /// Done before the pass began here, by an interrupted training: they count as progress, not as throughput.
    skipped: u64,
    updates: u64,
    started: Instant,
}

impl Tracker {
    pub(super) fn new(name: String, unit: &'static str, total: u64, done: u64) -> Self {
        Self { name, unit, total, done, within: "", skipped: done, updates: 0, started: Instant::now() }
    }

    /// A part of a longer training run.
    pub(super) fn of_epoch(self) -> Self {
        Self { within: " in the epoch", ..self }
    }

    pub(super) fn advance(&mut self, done: u64) {
        self.done += done;
        self.updates += 1;
    }

    /// Images or steps per second, as soon as there is enough to go by.
    pub(super) fn throughput(&self) -> Option<f64> {
        self.throughput_after(self.started.elapsed().as_secs_f64())
    }

    fn throughput_after(&self, seconds: f64) -> Option<f64> {
        let done = self.done - self.skipped;
        let known = done > 0 && self.updates >= WARMUP_UPDATES && seconds >= WARMUP_SECONDS;
        known.then(|| done as f64 / seconds)
    }

    /// `131 images/s, 2 h 41 min left in the epoch`, as soon as there is enough to go by.
    pub(super) fn estimate(&self) -> Option<String> {
        self.throughput().map(|throughput| self.estimate_at(throughput))
    }

    fn estimate_at(&self, throughput: f64) -> String {
        let left = duration(self.total.saturating_sub(self.done) as f64 / throughput);
        format!("{} {}/s, {left} left{}", significant(throughput), self.unit, self.within)
    }

    /// `epoch 3 of 90: 250 of 1,000 images, loss 4.500, 131 images/s, 2 h 41 min left in the epoch`.
    pub(super) fn line(&self, loss: Option<f64>) -> String {
        let (done, total) = (grouped(self.done as usize), grouped(self.total as usize));
        let loss = loss.map_or(String::new(), |loss| format!(", loss {}", format::loss(loss, 3)));
        let estimate = self.estimate().map_or(String::new(), |estimate| format!(", {estimate}"));
        format!("{}: {done} of {total} {}{loss}{estimate}", self.name, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_estimate_before_there_is_one() {
        let mut tracker = Tracker::new("epoch 3 of 90".into(), "images", 1_000, 0);
        tracker.advance(250);
        assert_eq!(tracker.line(Some(4.5)), "epoch 3 of 90: 250 of 1,000 images, loss 4.500");
        assert_eq!(tracker.throughput_after(60.0), None, "one update says nothing");
        tracker.advance(0);
        assert_eq!(tracker.throughput_after(0.4), None, "too early");
        assert_eq!(tracker.throughput_after(10.0), Some(25.0));
        assert_eq!(tracker.estimate_at(25.0), "25.0 images/s, 30 s left");
        assert_eq!(tracker.of_epoch().estimate_at(25.0), "25.0 images/s, 30 s left in the epoch");
    }

    #[test]
    fn images_of_an_earlier_process_are_progress_but_not_throughput() {
        let mut tracker = Tracker::new("epoch 3 of 90".into(), "images", 1_000, 900);
        (0..2).for_each(|_| tracker.advance(0));
        assert_eq!((tracker.done, tracker.throughput_after(10.0)), (900, None));
        tracker.advance(20);
        assert_eq!(tracker.throughput_after(10.0), Some(2.0));
    }
}
