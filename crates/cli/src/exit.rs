//! How a command ends.

use alexnet::Error;

/// Why a command stops early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failed(Error),
    /// Nobody reads standard output any more, as in `| head`. Not a failure.
    OutputClosed,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The exit code of a command that ran to its end, 0 for success.
pub(crate) type CommandResult = Result<u8, Stop>;

/// The exit code of a command whose result was printed, or had no reader.
pub(crate) fn with_code(code: u8, printed: Result<(), Stop>) -> CommandResult {
    match printed {
        Ok(()) | Err(Stop::OutputClosed) => Ok(code),
        Err(Stop::Failed(error)) => Err(Stop::Failed(error)),
    }
}
