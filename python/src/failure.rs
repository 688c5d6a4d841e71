//! Errors of the library as exceptions of the package.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use alexnet::Error;
use alexnet::error::{Cause, Kind};

/// Why a call failed: the library, or Python.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the library.
    Library(Error),
    /// An exception.
    Python(PyErr),
}

/// The result of a call.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Python(error) => error,
            // Called by an attached thread, unless the interpreter is shutting down, when nobody catches the exception.
            Failure::Library(error) => Python::try_attach(|py| exception(py, &error))
                .unwrap_or_else(|| PyException::new_err(error.to_string())),
        }
    }
}

/// The exception of an error: a class of `alexnet.errors`, with the message and the help.
fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let class = match (error.kind, error.cause.as_deref()) {
        (Kind::Runtime, Some(Cause::OutOfMemory { .. })) => "OutOfMemoryError",
        (Kind::Runtime, Some(Cause::Io(_) | Cause::Threads { .. } | Cause::Shape { .. }) | None) => {
            "ExecutionError"
        }
        (Kind::Usage, _) => "UsageError",
        (Kind::Data, _) => "DataError",
        (Kind::Model, _) => "ModelError",
        (Kind::Diverged, _) => "DivergedError",
        (Kind::Interrupted(_), _) => "StoppedError",
    };
    let make = || {
        let arguments = (&error.message, &error.help);
        py.import("alexnet.errors")?.getattr(class)?.call1(arguments)
    };
    make().map_or_else(|failed| failed, PyErr::from_value)
}
