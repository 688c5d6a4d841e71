//! The callback of a training run.

use std::ops::ControlFlow;

use pyo3::prelude::*;

use alexnet::train::Event;

use crate::detached::Signals;
use crate::failure::Outcome;
use crate::values::to_python;

/// Which events a callback receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// The start and messages: few, since each call waits for other threads.
    Messages,
}

/// Passes events to a callable of Python, and looks for signals between them.
pub(crate) struct Callback {
    callable: Py<PyAny>,
    wanted: Wanted,
    signals: Signals,
}

impl Callback {
    pub(crate) fn new(callable: Py<PyAny>, wanted: Wanted) -> Self {
        Self { callable, wanted, signals: Signals::new() }
    }

    /// Asks the training to stop if the callable returns something true or raises an exception, or if a signal does.
    pub(crate) fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        let is_wanted = match self.wanted {
            Wanted::All => true,
            Wanted::Messages => matches!(event, Event::Started(_) | Event::Message(_)),
        };
        let stop = match is_wanted {
            true => self.signals.attach(|py| {
                let event = to_python(py, &event.json())?;
                self.callable.bind(py).call1((event,))?.is_truthy()
            }),
            false => self.signals.check().is_err(),
        };
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// The result of the training: the exception that has stopped it, if there is one.
    pub(crate) fn finish<T>(self, result: alexnet::Result<T>) -> Outcome<T> {
        self.signals.finish(result)
    }
}
