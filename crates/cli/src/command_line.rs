//! The command line, for the records of a run.

use alexnet::error::shell_word;

/// The command line as a shell reads it back.
pub(crate) fn command_line() -> String {
    std::env::args_os().map(shell_word).collect::<Vec<_>>().join(" ")
}
