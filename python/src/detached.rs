//! Work without the interpreter's lock: signals, and the end of the interpreter.
//!
//! The process ends with the interpreter, also in the middle of a training run of a daemon thread. So the interpreter, at its end, asks
//! training runs to stop, and waits until they have saved their work.

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

/// The training runs of this process.
static TRAININGS: Mutex<Trainings> = Mutex::new(Trainings { process: 0, count: 0 });

/// How long the end of the interpreter waits for them: a checkpoint of the largest network is written within it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two looks at whether they have stopped.
const INTERVAL: Duration = Duration::from_millis(5);

struct Trainings {
    /// The process that counts: after a fork, the training runs of the parent's threads are not in the child.
    process: u32,
    count: usize,
}

/// Counted in [`TRAININGS`] while it lives. Made and dropped by attached threads.
pub(crate) struct RunningTraining(());

impl RunningTraining {
    pub(crate) fn begin() -> Self {
        let mut trainings = trainings();
        if trainings.process != process::id() {
            *trainings = Trainings { process: process::id(), count: 0 };
        }
        trainings.count += 1;
        Self(())
    }
}

impl Drop for RunningTraining {
    fn drop(&mut self) {
        let mut trainings = trainings();
        if trainings.process == process::id() {
            trainings.count = trainings.count.saturating_sub(1);
        }
    }
}

/// The training runs. Locked by attached threads only, and briefly, so that it is never locked in the child of a fork.
fn trainings() -> MutexGuard<'static, Trainings> {
    TRAININGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether work should stop because the interpreter is about to end.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::SeqCst)
}

/// The error of work that stops for that reason.
pub(crate) fn ending() -> Error {
    Error::new(Kind::Interrupted(0), "the Python interpreter is shutting down")
}

/// Asks training runs to stop, and waits until they have written a checkpoint and their last model. For `atexit`.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) -> PyResult<()> {
    ENDING.store(true, Ordering::SeqCst);
    let begin = Instant::now();
    while is_training() && begin.elapsed() < PATIENCE {
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

/// Does work in a thread of its own, and looks for signals meanwhile: for work that cannot be asked to stop. After an exception it goes
/// on until it is done, or the process ends, and its result is dropped.
///
/// # Errors
/// Returns the error of `work`, or the exception of a signal.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> alexnet::Result<T> + Send + 'static,
) -> Outcome<T> {
    let spawned = std::thread::Builder::new().name("alexnet-open".to_owned()).spawn(work);
    let worker =
        spawned.map_err(|error| Error::new(Kind::Runtime, format!("cannot start a thread: {error}")))?;
    let mut wait = Duration::from_micros(100);
    while !worker.is_finished() {
        py.detach(|| std::thread::sleep(wait));
        py.check_signals()?;
        wait = (2 * wait).min(Signals::INTERVAL);
    }
    match worker.join() {
        Ok(result) => Ok(result?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn is_training() -> bool {
    let trainings = trainings();
    trainings.process == process::id() && trainings.count > 0
}
