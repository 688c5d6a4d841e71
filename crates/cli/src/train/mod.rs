//! `alexnet train`.

mod config;
mod edits;
mod events;

use super::args::training::TrainArgs;
use super::exit::CommandResult;
use super::output::Output;
use super::report;
use super::ui::{Display, TrainingView};
use alexnet::train::Session;
use events::EventLines;

pub(crate) fn run(args: &TrainArgs, out: &mut Output) -> CommandResult {
    let config = config::of(args, out)?;
    let display = if args.tui { Display::dashboard() } else { out.display() };
    let view = TrainingView::new(display, config.interrupt.clone());
    let session = Session::new(config).observe(view);
    let trained = if args.json_events {
        let trained = session.observe(EventLines::new(out)).run()?;
        out.json(&events::result(&trained))?;
        trained
    } else {
        let trained = session.run()?;
        out.result(|| report::text(&trained), || report::json(&trained))?;
        trained
    };
    Ok(report::exit_code(&trained))
}
