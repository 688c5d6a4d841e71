//! `alexnet data`: check, fix, pack, bench.

mod bench;
mod check;
mod fix;
mod pack;
mod progress;

use super::args::data::DataCommand;
use super::exit::CommandResult;
use super::output::Output;

pub(crate) fn run(command: &DataCommand, out: &mut Output) -> CommandResult {
    match command {
        DataCommand::Check(args) => check::run(args, out),
        DataCommand::Fix(args) => fix::run(args, out),
        DataCommand::Pack(args) => pack::run(args, out),
        DataCommand::Bench(args) => bench::run(args, out),
    }
}
