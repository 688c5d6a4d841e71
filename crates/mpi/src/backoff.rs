//! How a thread waits for a message.

use std::time::Duration;

/// Attempts without a pause: a message that another CPU is about to send arrives within microseconds.
const SPINS: u32 = 50;

/// Further attempts between which other threads may run: ranks usually share CPUs with the threads that compute what they
/// wait for.
const YIELDS: u32 = 100;

/// The first sleep. The system adds about 50 µs to each.
const SHORTEST: Duration = Duration::from_micros(10);

/// The longest sleep.
const LONGEST: Duration = Duration::from_micros(500);

/// The pauses between attempts to complete a message, from none to half a millisecond. MPI has no blocking wait that lets
/// other threads run: it polls in a loop.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    sleep: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { attempts: 0, sleep: SHORTEST }
    }

    /// Pauses after an attempt. Returns whether the wait has become long enough to be worth checking a clock.
    pub(crate) fn pause(&mut self) -> bool {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts <= SPINS {
            std::hint::spin_loop();
            return false;
        }
        if self.attempts <= SPINS + YIELDS {
            std::thread::yield_now();
            return false;
        }
        std::thread::sleep(self.sleep);
        self.sleep = (self.sleep * 2).min(LONGEST);
        true
    }
}
