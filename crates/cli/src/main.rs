//! The `alexnet` command: arguments are parsed into one typed call per command. Results go to standard output,
//! everything else to standard error.
//!
//! | file | what it does |
//! |---|---|
//! | `args` | the command line |
//! | `usage` | usage errors |
//! | `settings`, `epochs` | `--set`, and options that would have no effect; how long a training run is |
//! | `models`, `sources` | model files and images that are named on the command line |
//! | `cluster` | the job of several processes that this one belongs to |
//! | `output`, `printable` | standard output, notes, errors; names as they can be printed |
//! | `ui` | progress, the dashboard, colors |
//! | `report` | the results of a training run |
//! | `exit` | how a command ends |
//! | `log` | messages of the library, for `ALEXNET_LOG` |
//! | `command_line` | the command line, for the records of a run |
//! | one file per command | arguments to one call, its result to text or JSON |
#![forbid(unsafe_code)]

mod args;
mod bench;
mod classify;
mod cluster;
mod command_line;
mod data;
mod demo;
mod edit;
mod ensemble;
mod epochs;
mod eval;
mod exit;
mod export;
mod import;
mod inspect;
mod log;
mod lr_find;
mod models;
mod output;
mod plan_cluster;
mod printable;
mod quantize;
mod recipe;
mod report;
mod reproduce;
mod settings;
mod shell;
mod sources;
mod train;
mod ui;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use alexnet::Error;
use alexnet::engine::check_environment;
use alexnet::error::Kind;
use alexnet::train::signals;
use args::{Cli, Command, Processes};
use cluster::{Cluster, Launch};
use exit::{CommandResult, Stop};
use output::{Format, Output, SignalReport};

#[global_allocator]
static MEMORY: alexnet_kernels::memory::Allocator = alexnet_kernels::memory::Allocator;

fn main() -> ExitCode {
    alexnet_kernels::memory::keep_freed_memory();
    let launch = Launch::detect(|name| std::env::var(name).ok());
    let rank = launch.map(|launch| launch.rank);
    match Cli::try_parse() {
        Ok(cli) => run(&cli, launch),
        Err(error) if error.use_stderr() => reject(&error, rank),
        Err(help_or_version) => {
            if rank.is_none_or(|rank| rank == 0) {
                // Nothing to do if standard output is closed.
                let _ = help_or_version.print();
            }
            ExitCode::SUCCESS
        }
    }
}

/// Joins the other processes of the job, runs the command, and prints the error if it fails.
fn run(cli: &Cli, launch: Option<Launch>) -> ExitCode {
    log::start(cli);
    let rank = launch.map(|launch| launch.rank);
    let mut out = Output::new(cli.format(), cli.global.quiet, rank);
    let cluster = match Cluster::join(launch) {
        Ok(cluster) => cluster,
        Err(error) => return fail(&error, rank, &mut out),
    };
    let stopped = SignalReport { format: cli.format(), rank };
    let ready = check_environment()
        .and_then(|()| signals::end_on_signals(move |error| stopped.print(error)))
        .map_err(Stop::from);
    match ready.and_then(|()| dispatch(&cli.command, &cluster, &mut out)) {
        Ok(code) => ExitCode::from(code),
        Err(Stop::OutputClosed) => ExitCode::SUCCESS,
        Err(Stop::Failed(error)) => {
            let code = fail(&error, rank, &mut out);
            cluster.abort(&error);
            code
        }
    }
}

/// Reports the error that ends this process.
fn fail(error: &Error, rank: Option<usize>, out: &mut Output) -> ExitCode {
    cluster::let_the_root_report(rank);
    out.fail(error);
    ExitCode::from(error.kind.exit_code())
}

/// Prints a usage error, as JSON too if JSON was asked for. Without a command people get the help.
fn reject(error: &clap::Error, rank: Option<usize>) -> ExitCode {
    cluster::let_the_root_report(rank);
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let format = Format::asked_for(&args);
    if format == Format::Text && error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
    } else {
        let rejected = usage::explain(error, &args);
        let mut out = Output::new(format, false, rank);
        out.fail(&rejected.error);
        out.usage(&rejected.usage);
    }
    ExitCode::from(Kind::Usage.exit_code())
}

fn dispatch(command: &Command, cluster: &Cluster, out: &mut Output) -> CommandResult {
    match command.processes() {
        Processes::Several => {}
        Processes::One(name) => cluster.check_alone(name)?,
    }
    match command {
        Command::Demo(args) => demo::run(args, out),
        Command::Recipe(command) => recipe::run(command, out),
        Command::Data(command) => data::run(command, out),
        Command::Train(args) => train::run(args, cluster, out),
        Command::Edit(args) => edit::run(args, out),
        Command::LrFind(args) => lr_find::run(args, out),
        Command::Reproduce(args) => reproduce::run(args, out),
        Command::Eval(args) => eval::run(args, cluster, out),
        Command::Classify(args) => classify::run(args, out),
        Command::Inspect(args) => inspect::run(args, out),
        Command::Quantize(args) => quantize::run(args, out),
        Command::Ensemble(args) => ensemble::run(args, out),
        Command::Import(args) => import::run(args, out),
        Command::Export(args) => export::run(args, out),
        Command::Bench(args) => bench::run(args, out),
        Command::PlanCluster(args) => plan_cluster::run(args, cluster, out),
        Command::Completions(args) => shell::completions(args, out),
        Command::Man(args) => shell::man(args, out),
    }
}
