//! `alexnet demo`.

use super::args::training::DemoArgs;
use super::command_line::command_line;
use super::exit::CommandResult;
use super::output::Output;
use super::report;
use alexnet::train::demo::{Options, demo};
use alexnet::train::signals::Interrupt;

pub(crate) fn run(args: &DemoArgs, out: &mut Output) -> CommandResult {
    let threads = args.machine.threads();
    let options = Options {
        run: args.run.clone(),
        command: command_line(),
        seed: 0,
        threads,
        workers: threads,
        display: out.display(),
        interrupt: Interrupt::on_signals(),
    };
    let report = if out.is_json() {
        // Images and words are beside the point then, and go where progress goes.
        let report = demo(options, &mut std::io::stderr())?;
        out.json(&report::json(&report))?;
        report
    } else {
        let report = demo(options, out)?;
        out.still_open()?;
        report
    };
    Ok(report::exit_code(&report))
}
