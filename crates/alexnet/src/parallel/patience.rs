//! What is said of a rank that does not answer.

use std::time::{Duration, Instant};

use super::transport::Lane;
use crate::format::duration;

/// Silence that is worth reporting the first time.
const fn first(lane: Lane) -> Duration {
    match lane {
        // The first rank may be measuring the images, or writing a checkpoint.
        Lane::Commands => Duration::from_secs(120),
        Lane::Main | Lane::Gradients => Duration::from_secs(10),
    }
}

/// Silence between two reports.
const NEXT: Duration = Duration::from_secs(60);

/// Waits for a message from a rank, and names it on standard error if it is silent.
#[derive(Debug)]
pub struct Patience {
    rank: usize,
    peer: usize,
    since: Instant,
    report_at: Instant,
    reported: bool,
}

impl Patience {
    /// Starts to wait, as `rank`, for a message of `peer`.
    pub fn new(rank: usize, peer: usize, lane: Lane, now: Instant) -> Self {
        Self { rank, peer, since: now, report_at: now + first(lane), reported: false }
    }

    /// Reports the peer if it has been silent for long.
    pub fn check(&mut self, now: Instant) {
        if let Some(text) = self.report(now) {
            eprintln!("{text}");
        }
    }

    /// Reports the end of a silence that was reported.
    pub fn answered(&self, now: Instant) {
        if self.reported {
            let Self { rank, peer, .. } = self;
            eprintln!("rank {rank}: rank {peer} has answered, after {}", self.silence(now));
        }
    }

    fn report(&mut self, now: Instant) -> Option<String> {
        if now < self.report_at {
            return None;
        }
        self.report_at = now + NEXT;
        self.reported = true;
        let Self { rank, peer, .. } = *self;
        Some(format!("rank {rank}: no message from rank {peer} for {}; waiting", self.silence(now)))
    }

    fn silence(&self, now: Instant) -> String {
        duration((now - self.since).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_rank_is_named_again_and_again() {
        let start = Instant::now();
        let mut patience = Patience::new(0, 3, Lane::Main, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(patience.report(after(9)), None);
        let text = patience.report(after(10)).unwrap();
        assert!(text.contains("rank 0: no message from rank 3 for 10 s"), "{text}");
        assert_eq!(patience.report(after(60)), None);
        assert!(patience.report(after(70)).is_some());
    }
}
