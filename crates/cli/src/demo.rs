//! `alexnet demo`.

use super::args::DemoArgs;
use super::output::Output;
use super::{Ending, command_line, train};
use alexnet::train::demo::{Options, demo};
use alexnet::train::progress::Display;
use alexnet::train::signals::Interrupt;

pub(super) fn run(args: &DemoArgs, out: &mut Output) -> Ending {
    let threads = args.machine.threads();
    let options = Options {
        run: args.run.clone(),
        command: command_line(),
        seed: 0,
        threads,
        workers: threads,
        display: Display::detect(false),
        interrupt: Interrupt::on_signals(),
    };
    let report = if args.format.json {
        // Images and words are beside the point then, and go where progress goes.
        let report = demo(options, &mut std::io::stderr())?;
        out.json(&train::json(&report))?;
        report
    } else {
        let report = demo(options, out)?;
        out.still_open()?;
        report
    };
    Ok(train::exit_code(&report))
}
