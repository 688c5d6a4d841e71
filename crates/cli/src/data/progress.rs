//! Progress that many threads advance.

use std::sync::{Mutex, PoisonError};

use crate::ui::{Display, Progress};

/// Progress that many threads advance.
pub(super) struct SharedProgress(Mutex<State>);

struct State {
    progress: Progress,
    is_started: bool,
}

impl SharedProgress {
    pub(super) fn new(display: Display) -> Self {
        Self(Mutex::new(State { progress: Progress::new(display), is_started: false }))
    }

    /// Advances by `done` of `total`. The first call starts the phase `name`.
    pub(super) fn advance(&self, name: &str, done: usize, total: usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_started {
            state.progress.start(name, total);
            state.is_started = true;
        }
        state.progress.advance(done, None);
    }
}
