//! What a training tells while it runs: progress, messages and metrics, each to every place that shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::events::Events;
use super::metrics::{self, Line, Metrics};
use super::observer::{Event, Level, Message, Observers, Phase, PhaseAdvanced, PhaseStarted};
use super::plots;
use super::run::Run;
use crate::data::Skip;
use crate::format::grouped;
use crate::{Error, Result};

/// Time between two drawings of the curves, beside those at the end of every epoch.
const DRAW_EVERY: Duration = Duration::from_secs(60);

/// What cannot be written now, and is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// Checkpoints.
    Checkpoint,
    /// A model's file.
    Model(&'static str),
    /// Lines of metrics.
    Metrics,
    /// The curves.
    Curves,
    /// The journal.
    Journal,
}

/// Messages go to the terminal and `log.txt`; lines of metrics to `metrics.jsonl`, the event file, the curves and the
/// dashboard. That a disk is full ends no training: it is told once, and what could not be written is written later.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// The run folder.
    pub(super) run: Run,
    /// Those who are told what happens.
    pub(super) observers: Observers<'a>,
    metrics: Metrics,
    events: Option<Events>,
    /// All lines so far, without the layers: for the curves.
    lines: Vec<Line>,
    drawn: Instant,
    /// What cannot be written now.
    troubles: BTreeSet<Trouble>,
    /// The causes that were reported since everything could last be written: a full disk has many effects, and is
    /// reported once.
    causes: BTreeSet<String>,
    /// Other warnings so far: each is given once.
    warned: BTreeSet<String>,
}

impl<'a> Record<'a> {
    /// Begins; lines of metrics can be written after [`Record::go_back`].
    ///
    /// # Errors
    /// When the files cannot be made.
    pub(super) fn start(run: Run, observers: Observers<'a>) -> Result<Self> {
        let metrics = run.metrics(usize::MAX)?;
        let (events, lines, drawn) = (None, Vec::new(), Instant::now());
        let (troubles, causes, warned) = Default::default();
        Ok(Self { run, observers, metrics, events, lines, drawn, troubles, causes, warned })
    }

    /// Says something.
    pub(super) fn say(&mut self, text: &str) {
        self.message(Message::info(text));
    }

    /// Says something that may be unexpected.
    pub(super) fn note(&mut self, text: &str) {
        self.message(Message { level: Level::Note, text });
    }

    /// Says that something failed.
    pub(super) fn warning(&mut self, text: &str) {
        self.message(Message { level: Level::Warning, text });
    }

    fn message(&mut self, message: Message<'_>) {
        self.observers.notify(&Event::Message(message));
        self.run.log(&message.to_string());
    }

    /// Begins a pass over `total` images, of which `done` are done already.
    pub(super) fn start_phase(&mut self, phase: Phase, total: usize, done: usize) {
        self.observers.notify(&Event::PhaseStarted(PhaseStarted { phase, total, done }));
    }

    /// Advances the pass.
    pub(super) fn advance(&mut self, done: usize, loss: Option<f64>) {
        self.observers.notify(&Event::PhaseAdvanced(PhaseAdvanced { done, loss }));
    }

    /// Ends the pass.
    pub(super) fn end_phase(&mut self) {
        self.observers.notify(&Event::PhaseEnded);
    }

    /// The lines of metrics so far, without the layers.
    pub(super) fn history(&self) -> &[Line] {
        &self.lines
    }

    /// Says that something went wrong that does not end the training, once.
    pub(super) fn warn(&mut self, error: &Error) {
        let text = error.to_string();
        if self.warned.insert(text.clone()) {
            self.warning(&text);
        }
    }

    /// Says that something cannot be written now, unless the same cause has been reported already.
    pub(super) fn trouble(&mut self, what: Trouble, error: Error) {
        self.troubles.insert(what);
        let cause = error.cause.as_ref().map_or_else(|| error.message.clone(), |cause| format!("{cause:?}"));
        if self.causes.insert(cause) {
            self.warning(&error.to_string());
        }
    }

    /// Takes note that something could be written.
    pub(super) fn works(&mut self, what: Trouble) {
        self.troubles.remove(&what);
    }

    /// Says that everything could be written again, if it was reported that something could not.
    pub(super) fn settle(&mut self) {
        if self.troubles.is_empty() && !self.causes.is_empty() {
            self.causes.clear();
            self.say("writing works again: all files of the run are up to date");
        }
    }

    /// The training loss in the last line of metrics.
    pub(super) fn last_loss(&self) -> Option<f64> {
        self.lines.last().map(|line| f64::from(line.loss))
    }

    /// Lines of metrics so far.
    pub(super) fn lines(&self) -> usize {
        self.metrics.lines()
    }

    /// Writes a line of metrics to all places; the curves are drawn again now and then.
    pub(super) fn line(&mut self, line: &Line) {
        let written = self.metrics.write(line);
        let events = self.events.as_mut().map_or(Ok(()), |events| events.write(line));
        self.tell_of_disk(written.and(events));
        self.observers.notify(&Event::Metrics(line));
        self.lines.push(Line { health: BTreeMap::new(), ..line.clone() });
        if line.validation.is_some() || self.drawn.elapsed() >= DRAW_EVERY {
            self.draw();
        }
    }

    fn tell_of_disk(&mut self, written: Result<()>) {
        match written {
            Ok(()) => self.works(Trouble::Metrics),
            Err(error) => self.trouble(
                Trouble::Metrics,
                error.help("training goes on; what could not be written is kept, and written when there is space again"),
            ),
        }
    }

    /// Draws the curves.
    pub(super) fn draw(&mut self) {
        self.drawn = Instant::now();
        let folder = self.run.plots();
        let made =
            std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "make the folder", &error));
        match made.and_then(|()| plots::draw(&folder, &self.lines)) {
            Ok(()) => self.works(Trouble::Curves),
            Err(error) => {
                self.trouble(
                    Trouble::Curves,
                    error.help("training goes on; the curves are drawn again later"),
                );
            }
        }
    }

    /// Writes what a full disk has kept back, if it can be written now.
    pub(super) fn flush(&mut self) {
        let written = self.metrics.flush();
        let events = self.events.as_mut().map_or(Ok(()), Events::flush);
        self.tell_of_disk(written.and(events));
    }

    /// The last lines of metrics, as far as they could not be written.
    pub(super) fn unwritten(&self) -> &[String] {
        self.metrics.unwritten()
    }

    /// Forgets all but the first `lines` lines of metrics: what follows is made again. The last of them are `unwritten`, if they
    /// could not be written before.
    ///
    /// # Errors
    /// When the files cannot be changed.
    pub(super) fn go_back(&mut self, lines: usize, unwritten: &[String]) -> Result<()> {
        self.metrics = self.run.metrics(lines)?;
        self.lines = self.run.lines();
        let missing = lines.saturating_sub(self.metrics.lines());
        let restored = &unwritten[unwritten.len().saturating_sub(missing)..];
        if restored.len() < missing {
            let lost = missing - restored.len();
            self.warning(&format!("metrics.jsonl lacks {lost} of {lines} lines: it was changed since"));
        }
        let mut written = Ok(());
        for text in restored {
            written = written.and(self.metrics.write_text(text));
        }
        let restored = metrics::parse(restored);
        // TensorBoard forgets what it has of this step and of later ones; what is kept of them is told again.
        let last = self.lines.last().map_or(1, |line| line.step);
        let first = restored.iter().map(|line| line.step).fold(last, usize::min);
        self.lines.extend(restored);
        let mut events = Events::create(self.run.folder(), first)?;
        for line in self.lines.iter().filter(|line| line.step >= first) {
            written = written.and(events.write(line));
        }
        self.events = Some(events);
        self.tell_of_disk(written);
        for line in &mut self.lines {
            line.health.clear();
        }
        Ok(())
    }

    /// Says how many images are left out; the log gets them all.
    pub(super) fn skipped(&mut self, skipped: &[Skip]) {
        if skipped.is_empty() {
            return;
        }
        let images = if skipped.len() == 1 { "image is" } else { "images are" };
        self.say(&format!("{} {images} left out:", grouped(skipped.len())));
        for Skip { file, reason } in skipped {
            self.run.log(&format!("  {file}: {reason}"));
        }
        self.observers.notify(&Event::Skipped(skipped));
    }
}
