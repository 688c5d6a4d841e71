//! The epochs that a training run has.

use std::path::Path;

use alexnet::net::{Change, Recipe};
use alexnet::train::journal::{self, EditRequest, Journal};
use alexnet::{Result, files};

/// The epochs after which a training run ends, with the edits of its recipe and, of a run, those in its journal and those that wait.
pub(crate) fn scheduled_epochs(recipe: &Recipe, run: Option<&Path>) -> Result<usize> {
    let journal = run.map(Journal::read).transpose()?.unwrap_or_default();
    let waiting = run.map(journal::pending_requests).unwrap_or_default();
    let waiting = waiting.iter().filter_map(|path| files::json::read::<EditRequest>(path, "an edit").ok());
    let edits = Journal::edits(recipe, &journal).into_iter().map(|edit| edit.change);
    let mut ends = edits.chain(waiting.map(|request| request.change)).filter_map(|change| match change {
        Change::StopAfter(epochs) => Some(epochs),
        _ => None,
    });
    Ok(ends.next_back().unwrap_or(recipe.schedule.epochs))
}
