//! `alexnet inspect`: what a model has learned.
//!
//! | file | what it does |
//! |---|---|
//! | `filters`, `predictions`, `neighbors` | one subcommand each |
//! | `images` | which images are shown |
//! | `figure_file` | the file of a figure |
//! | `render` | SVG to PNG |

mod figure_file;
mod filters;
mod images;
mod neighbors;
mod predictions;
mod render;

use super::args::inspect::{InspectArgs, InspectCommand};
use super::exit::CommandResult;
use super::output::Output;

pub(crate) use figure_file::FigureFile;

pub(crate) fn run(args: &InspectArgs, out: &mut Output) -> CommandResult {
    match &args.command {
        InspectCommand::Filters(filters) => filters::run(&args.model, filters, out),
        InspectCommand::Predictions(predictions) => predictions::run(&args.model, predictions, out),
        InspectCommand::Neighbors(neighbors) => neighbors::run(&args.model, neighbors, out),
    }
}
