//! Work without the interpreter's lock, and the end of the interpreter.
//!
//! A thread that comes back from such work after the interpreter has been finalized would be ended by Python in the middle of a
//! call. So the interpreter, at its end, asks work to stop, and waits until it has.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use alexnet::Error;
use alexnet::error::Kind;

use crate::failure::Outcome;

/// Whether the interpreter is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The calls that work without the lock.
static CALLS: Mutex<Calls> = Mutex::new(Calls { process: 0, count: 0 });

/// How long the end of the interpreter waits for them: a checkpoint of the largest network is written within it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two looks at whether they have stopped.
const INTERVAL: Duration = Duration::from_millis(5);

struct Calls {
    /// The process that counts: after a fork, the calls of the parent's threads are not in the child.
    process: u32,
    count: usize,
}

/// Counted in [`CALLS`] while it lives.
struct Call;

impl Call {
    fn begin() -> Self {
        let mut calls = calls();
        if calls.process != process::id() {
            *calls = Calls { process: process::id(), count: 0 };
        }
        calls.count += 1;
        Self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut calls = calls();
        if calls.process == process::id() {
            calls.count = calls.count.saturating_sub(1);
        }
    }
}

/// The calls. Locked by attached threads only, and briefly, so that it is never locked in the child of a fork.
fn calls() -> MutexGuard<'static, Calls> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Works without the interpreter's lock.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    // Dropped after the thread has attached again.
    let _call = Call::begin();
    py.detach(work)
}

/// Whether work should stop because the interpreter is about to end.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::SeqCst)
}

/// The error of work that stops for that reason.
pub(crate) fn ending() -> Error {
    Error::new(Kind::Interrupted(0), "the Python interpreter is shutting down")
}

/// Asks work without the lock to stop, and waits for it: a training writes a checkpoint and its last model. For `atexit`.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) -> PyResult<()> {
    ENDING.store(true, Ordering::SeqCst);
    let begin = Instant::now();
    while is_busy() && begin.elapsed() < PATIENCE {
        py.detach(|| std::thread::sleep(INTERVAL));
        py.check_signals()?;
    }
    Ok(())
}

/// Looks for signals, such as Ctrl-C, during work without the lock. Their handlers run in the main thread only.
pub(crate) struct Signals {
    next: Instant,
    raised: Option<PyErr>,
}

impl Signals {
    /// The time between two looks: attaching waits for other threads.
    const INTERVAL: Duration = Duration::from_millis(50);

    pub(crate) fn new() -> Self {
        Self { next: Instant::now(), raised: None }
    }

    /// Whether it is time to look.
    pub(crate) fn are_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// Runs the handlers of signals, then `call`, which returns whether to stop. An exception is kept, and asks to stop.
    pub(crate) fn attach(&mut self, call: impl FnOnce(Python<'_>) -> PyResult<bool>) -> bool {
        if self.raised.is_some() || is_ending() {
            return true;
        }
        self.next = Instant::now() + Self::INTERVAL;
        match Python::try_attach(|py| py.check_signals().and_then(|()| call(py))) {
            Some(Ok(stop)) => stop,
            Some(Err(error)) => {
                self.raised = Some(error);
                true
            }
            None => true,
        }
    }

    /// Looks for signals, if it is time to.
    ///
    /// # Errors
    /// Returns an error if the work has to stop.
    pub(crate) fn check(&mut self) -> alexnet::Result<()> {
        match is_ending() || (self.are_due() && self.attach(|_| Ok(false))) {
            true => Err(ending()),
            false => Ok(()),
        }
    }

    /// The result of the work: the exception that has stopped it, if there is one.
    pub(crate) fn finish<T>(self, result: alexnet::Result<T>) -> Outcome<T> {
        match self.raised {
            Some(error) => Err(error.into()),
            None => Ok(result?),
        }
    }
}

fn is_busy() -> bool {
    let calls = calls();
    calls.process == process::id() && calls.count > 0
}
