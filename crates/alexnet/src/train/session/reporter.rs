//! Events to the run's files and to observers.

use std::collections::BTreeSet;
use std::path::Path;

use crate::data::Skip;
use crate::format::grouped;
use crate::train::disk::{DiskStatus, Output};
use crate::train::metrics::Line;
use crate::train::observer::{
    Event, Level, Message, Observer, Observers, Phase, PhaseAdvanced, PhaseStarted,
};
use crate::train::run::Run;
use crate::train::run_files::{RunFiles, Written};
use crate::train::watch::Advice;
use crate::{Error, Result};

/// Passes events to the run's files and to the observers of a training run.
pub(super) struct Reporter<'a> {
    pub(super) run: Run,
    files: RunFiles,
    observers: Observers<'a>,
    disk: DiskStatus,
    /// Warnings so far: each is given once.
    warned: BTreeSet<String>,
}

impl<'a> Reporter<'a> {
    /// Opens the files of the run. Metrics can be written after [`Reporter::rewind`].
    ///
    /// # Errors
    /// Returns an error if they cannot be opened.
    pub(super) fn open(run: Run, observers: Observers<'a>) -> Result<Self> {
        let files = RunFiles::open(run.folder())?;
        Ok(Self { run, files, observers, disk: DiskStatus::default(), warned: BTreeSet::new() })
    }

    pub(super) fn into_observers(self) -> Observers<'a> {
        self.observers
    }

    pub(super) fn folder(&self) -> &Path {
        self.run.folder()
    }

    /// Passes an event on.
    pub(super) fn emit(&mut self, event: &Event<'_>) {
        // The run's files never ask to stop.
        let _ = self.files.observe(event);
        self.observers.notify(event);
        self.report_files();
    }

    /// Whether an observer has asked to stop.
    pub(super) fn wants_stop(&self) -> bool {
        self.observers.wants_stop()
    }

    pub(super) fn info(&mut self, text: &str) {
        self.message(Level::Info, text);
    }

    pub(super) fn note(&mut self, text: &str) {
        self.message(Level::Note, text);
    }

    pub(super) fn warning(&mut self, text: &str) {
        self.message(Level::Warning, text);
    }

    fn message(&mut self, level: Level, text: &str) {
        self.emit(&Event::Message(Message { level, text }));
    }

    /// Warns of an error that does not end the training, unless the same warning was given before.
    pub(super) fn warn_once(&mut self, error: &Error) {
        let text = error.to_string();
        if self.warned.insert(text.clone()) {
            self.warning(&text);
        }
    }

    pub(super) fn advice(&mut self, advice: &Advice) {
        self.emit(&Event::Advice(advice));
        self.note(&format!("{}: {}", advice.finding, advice.remedy));
    }

    /// Advice that is a warning: without it, the training has failed.
    pub(super) fn serious(&mut self, advice: &Advice) {
        self.emit(&Event::Advice(advice));
        self.warning(&format!("{}: {}", advice.finding, advice.remedy));
    }

    /// Reports how many images were skipped, and which.
    pub(super) fn skipped(&mut self, skipped: &[Skip]) {
        if skipped.is_empty() {
            return;
        }
        let images = if skipped.len() == 1 { "image" } else { "images" };
        self.info(&format!("skipped {} {images} that cannot be decoded:", grouped(skipped.len())));
        self.emit(&Event::Skipped(skipped));
    }

    pub(super) fn start_phase(&mut self, phase: Phase, total: usize, done: usize) {
        self.emit(&Event::PhaseStarted(PhaseStarted { phase, total, done }));
    }

    pub(super) fn advance(&mut self, done: usize, loss: Option<f64>) {
        self.emit(&Event::PhaseAdvanced(PhaseAdvanced { done, loss }));
    }

    pub(super) fn end_phase(&mut self) {
        self.emit(&Event::PhaseEnded);
    }

    /// Reports a failed output, unless the same cause has been reported, or records that it works.
    pub(super) fn written(&mut self, output: Output, result: Result<()>) {
        match result {
            Ok(()) => self.disk.succeeded(output),
            Err(error) => {
                if self.disk.failed(output, &error) {
                    self.warning(&error.to_string());
                }
            }
        }
    }

    /// Reports once that all outputs work again.
    pub(super) fn report_recovery(&mut self) {
        if self.disk.has_recovered() {
            self.info("writing works again: all files of the run are up to date");
        }
    }

    fn report_files(&mut self) {
        for Written { output, result } in self.files.take_results() {
            self.written(output, result);
        }
    }

    /// Writes what a full disk has held back.
    pub(super) fn flush(&mut self) {
        self.files.flush();
        self.report_files();
    }

    /// Removes all but the first `lines` lines of metrics; `unwritten` are the last of them, if they could not be written.
    ///
    /// # Errors
    /// Returns an error if the files cannot be changed.
    pub(super) fn rewind(&mut self, lines: usize, unwritten: &[String]) -> Result<()> {
        let lost = self.files.rewind(lines, unwritten)?;
        if lost > 0 {
            self.warning(&format!(
                "metrics.jsonl: {lost} of {lines} lines are missing: the file was changed since"
            ));
        }
        self.report_files();
        Ok(())
    }

    /// The lines of metrics so far, without layer statistics.
    pub(super) fn history(&self) -> &[Line] {
        self.files.history()
    }

    /// Number of lines of metrics so far.
    pub(super) fn lines(&self) -> usize {
        self.files.lines()
    }

    /// The last lines of metrics, if they could not be written.
    pub(super) fn unwritten(&self) -> &[String] {
        self.files.unwritten()
    }
}
