//! Edits of a running training: from a request to the journal, and from there into effect.

use super::learner::Learner;
use super::reporter::Reporter;
use crate::files::json;
use crate::format::grouped;
use crate::net::{Change, Edit, Recipe};
use crate::train::disk::Output;
use crate::train::journal::{Author, EditRequest, Entry, Journal, pending_requests};
use crate::train::observer::Event;
use crate::{Error, Result};

/// The edits of a training run: those of the recipe and of the journal, in the order of their steps.
pub(super) struct Edits {
    journal: Journal,
    edits: Vec<Edit>,
    /// How many of them are in effect.
    applied: usize,
}

/// Whether batches that were loaded ahead can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadedAhead {
    Valid,
    /// The augmentation has changed.
    Stale,
}

impl Edits {
    pub(super) fn new(journal: Journal, recipe: &Recipe) -> Self {
        let edits = Journal::edits(recipe, journal.entries());
        Self { journal, edits, applied: 0 }
    }

    /// Continues at a step. The edits of this step are applied again, as before the step that follows.
    pub(super) fn seek(&mut self, step: usize) {
        self.applied = self.edits.partition_point(|edit| edit.step < step);
    }

    /// Applies the edits that are due before the next step, including those that have just been requested.
    pub(super) fn apply_due(
        &mut self,
        learner: &mut Learner,
        reporter: &mut Reporter<'_>,
    ) -> Result<LoadedAhead> {
        self.accept_requests(learner, reporter);
        let mut loaded = LoadedAhead::Valid;
        while let Some(edit) = self.edits.get(self.applied).filter(|edit| edit.step <= learner.state.step) {
            let change = edit.change.clone();
            if matches!(change, Change::ColorNoise(_)) {
                loaded = LoadedAhead::Stale;
            }
            apply(&change, learner, reporter)?;
            self.applied += 1;
        }
        Ok(loaded)
    }

    /// Writes requested edits into the journal. One that cannot be written stays requested, and so do those after it.
    fn accept_requests(&mut self, learner: &Learner, reporter: &mut Reporter<'_>) {
        for path in pending_requests(reporter.folder()) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_known = self.journal.entries().iter().any(|entry| entry.request.as_ref() == Some(&name));
            if !is_known {
                let request = json::read::<EditRequest>(&path, "an edit requested by `alexnet edit`");
                let checked = request
                    .and_then(|request| request.change.check(&learner.config.recipe).map(|()| request));
                match checked {
                    Err(error) => reporter.warn_once(&error.context("cannot apply a requested edit")),
                    Ok(EditRequest { change, reason }) => {
                        let entry = entry(change, Author::User, reason, Some(name), learner);
                        if self.add(entry, learner, reporter).is_err() {
                            return;
                        }
                    }
                }
            }
            if let Err(error) = std::fs::remove_file(&path) {
                reporter.warn_once(&Error::io(&path, "remove the file", &error));
            }
        }
    }

    /// Adds an edit of the training itself, which takes effect before the next step.
    ///
    /// # Errors
    /// Returns an error if it cannot be written into the journal.
    pub(super) fn add_own(
        &mut self,
        change: Change,
        reason: String,
        learner: &Learner,
        reporter: &mut Reporter<'_>,
    ) -> Result<()> {
        self.add(entry(change, Author::Watch, reason, None, learner), learner, reporter)
    }

    fn add(&mut self, entry: Entry, learner: &Learner, reporter: &mut Reporter<'_>) -> Result<()> {
        let added = self.journal.append(entry.clone());
        self.edits = Journal::edits(&learner.config.recipe, self.journal.entries());
        let help = "the edit is applied as soon as it can be written into the journal";
        reporter.written(Output::Journal, added.clone().map_err(|error| error.help(help)));
        if added.is_ok() {
            reporter.emit(&Event::Edited(&entry));
        }
        added
    }
}

fn entry(
    change: Change,
    author: Author,
    reason: String,
    request: Option<String>,
    learner: &Learner,
) -> Entry {
    let edit = Edit { step: learner.state.step, change };
    Entry { edit, epoch: learner.epoch(), author, reason, request }
}

fn apply(change: &Change, learner: &mut Learner, reporter: &mut Reporter<'_>) -> Result<()> {
    let next = learner.next_step();
    let settings = &mut learner.state.settings;
    match change {
        Change::Rate(lr) => learner.state.lr.set_lr(*lr, next),
        Change::ColorNoise(noise) => settings.color_noise = Some(*noise),
        Change::StopAfter(epochs) => {
            settings.stop_after = Some(*epochs);
            let schedule = learner.schedule();
            learner.state.lr.go_on(&schedule);
        }
        Change::Freeze(name) => freeze(name, true, learner)?,
        Change::Unfreeze(name) => freeze(name, false, learner)?,
    }
    reporter.info(&format!("from step {}: {change}", grouped(learner.state.step + 1)));
    Ok(())
}

fn freeze(name: &str, frozen: bool, learner: &mut Learner) -> Result<()> {
    learner.state.settings.frozen.insert(name.to_owned(), frozen);
    let layer = learner.engine.network().layers.iter().position(|layer| layer.name == name);
    layer.map_or(Ok(()), |layer| learner.engine.freeze(layer, frozen))
}
