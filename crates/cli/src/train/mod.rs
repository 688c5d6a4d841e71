//! `alexnet train`.

mod config;
mod edits;

use super::args::training::TrainArgs;
use super::exit::CommandResult;
use super::output::Output;
use super::report;
use alexnet::train::train;

pub(crate) fn run(args: &TrainArgs, out: &mut Output) -> CommandResult {
    let trained = train(config::of(args, out)?)?;
    out.result(|| report::text(&trained), || report::json(&trained))?;
    Ok(report::exit_code(&trained))
}
