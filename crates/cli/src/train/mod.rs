//! `alexnet train`.

mod config;
mod edits;

use super::args::training::TrainArgs;
use super::exit::CommandResult;
use super::output::Output;
use super::report;
use super::ui::{Display, TrainingView};
use alexnet::train::Session;

pub(crate) fn run(args: &TrainArgs, out: &mut Output) -> CommandResult {
    let config = config::of(args, out)?;
    let display = if args.tui { Display::dashboard() } else { out.display() };
    let view = TrainingView::new(display, config.interrupt.clone());
    let trained = Session::new(config).observe(view).run()?;
    out.result(|| report::text(&trained), || report::json(&trained))?;
    Ok(report::exit_code(&trained))
}
