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
