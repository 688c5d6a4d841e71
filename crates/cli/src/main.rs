//! The `alexnet` command: arguments become one typed call per command. Results go to standard output, everything said
//! about them to standard error.
//!
//! | file | what it does |
//! |---|---|
//! | `args` | what can be typed |
//! | `settings` | `--set`, and options that would have no effect |
//! | `classes` | the classes of a set, as they are shown before training |
//! | `output` | standard output that may be closed, notes, errors |
//! | `ui` | progress, the dashboard, colors |
//! | one file a command | arguments to one call, and its result to text or JSON |
#![forbid(unsafe_code)]

mod args;
mod bench;
mod classes;
mod classify;
mod data;
mod demo;
mod edit;
mod eval;
mod lr_find;
mod output;
mod recipe;
mod settings;
mod train;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use alexnet::Error;
use alexnet::error::shell_word;
use alexnet::train::signals;
use args::{Cli, Command};
use output::Output;

/// Why a command ends early.
enum Stop {
    /// It failed.
    Failed(Error),
    /// Nobody reads standard output any more, as in `| head`: no failure, nothing to say.
    Closed,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a command comes to: the program's exit code, 0 when all went well.
type Ending = std::result::Result<u8, Stop>;

#[global_allocator]
static MEMORY: alexnet_kernels::memory::Allocator = alexnet_kernels::memory::Allocator;

fn main() -> ExitCode {
    alexnet_kernels::memory::keep_freed_memory();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. Where they go may be closed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let ended = signals::end_on_signals().map_err(Stop::from);
    match ended.and_then(|()| dispatch(&cli.command, &mut Output::new())) {
        Ok(code) => ExitCode::from(code),
        Err(Stop::Closed) => ExitCode::SUCCESS,
        Err(Stop::Failed(error)) => {
            output::error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn dispatch(command: &Command, out: &mut Output) -> Ending {
    match command {
        Command::Demo(args) => demo::run(args, out),
        Command::Recipe(command) => recipe::run(command, out),
        Command::Data(command) => data::run(command, out),
        Command::Train(args) => train::run(args, out),
        Command::Edit(args) => edit::run(args, out),
        Command::LrFind(args) => lr_find::run(args, out),
        Command::Eval(args) => eval::run(args, out),
        Command::Classify(args) => classify::run(args, out),
        Command::Bench(args) => bench::run(args, out),
    }
}

/// What was typed, for the records of a run: words with anything but plain characters in quotes, so that a shell
/// reads it back.
fn command_line() -> String {
    std::env::args_os().map(shell_word).collect::<Vec<_>>().join(" ")
}
