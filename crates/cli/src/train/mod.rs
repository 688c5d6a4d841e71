//! `alexnet train`.

mod again;
mod config;
mod edits;
mod events;
mod job;

use super::args::training::TrainArgs;
use super::cluster::Cluster;
use super::exit::{CommandResult, with_code};
use super::output::Output;
use super::report;
use super::ui::{Display, TrainingView};
use alexnet::train::signals::Interrupt;
use alexnet::train::{Session, follow};
use events::EventLines;

pub(crate) use again::command_again;

pub(crate) fn run(args: &TrainArgs, cluster: &Cluster, out: &mut Output) -> CommandResult {
    if !cluster.is_root() {
        // A first signal is for the root, which saves a checkpoint and ends the job; a second one ends this process.
        Interrupt::on_signals().listen()?;
        follow(config::of(args, cluster, out)?)?;
        return Ok(0);
    }
    let config = config::of(args, cluster, out)?;
    let display = if args.tui { Display::dashboard() } else { out.display() };
    let view = TrainingView::new(display, config.interrupt.clone());
    let session = Session::new(config).observe(view);
    let (trained, printed) = if args.json_events {
        let trained = session.observe(EventLines::new(out)).run()?;
        let printed = out.json(&events::result(&trained));
        (trained, printed)
    } else {
        let trained = session.run()?;
        let printed = out.result(|| report::text(&trained), || trained.json());
        (trained, printed)
    };
    with_code(report::exit_code(&trained), printed)
}
