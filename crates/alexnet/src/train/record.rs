//! What a training tells while it runs: progress, messages and metrics, each to every place that shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::events::Events;
use super::metrics::{self, Line, Metrics};
use super::plots;
use super::progress::{Progress, count};
use super::run::Run;
use crate::data::Skip;
use crate::{Error, Result};

/// Time between two drawings of the curves, beside those at the end of every epoch.
const DRAW_EVERY: Duration = Duration::from_secs(60);

/// What cannot be written now, and is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
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
pub struct Record {
    /// The run folder.
    pub run: Run,
    /// What a person sees.
    pub progress: Progress,
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

impl Record {
    /// Begins; lines of metrics can be written after [`Record::go_back`].
    ///
    /// # Errors
    /// When the files cannot be made.
    pub fn start(run: Run, progress: Progress) -> Result<Self> {
        let metrics = run.metrics(usize::MAX)?;
        let (events, lines, drawn) = (None, Vec::new(), Instant::now());
        let (troubles, causes, warned) = Default::default();
        Ok(Self { run, progress, metrics, events, lines, drawn, troubles, causes, warned })
    }

    /// Says something.
    pub fn say(&mut self, text: &str) {
        self.progress.say(text);
        self.run.log(text);
    }

    /// Says that something went wrong that does not end the training, once.
    pub fn warn(&mut self, error: &Error) {
        let text = format!("warning: {error}");
        if self.warned.insert(text.clone()) {
            self.say(&text);
        }
    }

    /// Says that something cannot be written now, unless the same cause has been reported already.
    pub fn trouble(&mut self, what: Trouble, error: Error) {
        self.troubles.insert(what);
        let cause = error.cause.as_ref().map_or_else(|| error.message.clone(), |cause| format!("{cause:?}"));
        if self.causes.insert(cause) {
            self.say(&format!("warning: {error}"));
        }
    }

    /// Takes note that something could be written.
    pub fn works(&mut self, what: Trouble) {
        self.troubles.remove(&what);
    }

    /// Says that everything could be written again, if it was reported that something could not.
    pub fn settle(&mut self) {
        if self.troubles.is_empty() && !self.causes.is_empty() {
            self.causes.clear();
            self.say("writing works again: all files of the run are up to date");
        }
    }

    /// The training loss in the last line of metrics.
    pub fn last_loss(&self) -> Option<f64> {
        self.lines.last().map(|line| f64::from(line.loss))
    }

    /// Lines of metrics so far.
    pub fn lines(&self) -> usize {
        self.metrics.lines()
    }

    /// Writes a line of metrics to all places; the curves are drawn again now and then.
    pub fn line(&mut self, line: &Line) {
        let written = self.metrics.write(line);
        let events = self.events.as_mut().map_or(Ok(()), |events| events.write(line));
        self.tell_of_disk(written.and(events));
        self.progress.line(line);
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
    pub fn draw(&mut self) {
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
    pub fn flush(&mut self) {
        let written = self.metrics.flush();
        let events = self.events.as_mut().map_or(Ok(()), Events::flush);
        self.tell_of_disk(written.and(events));
    }

    /// The last lines of metrics, as far as they could not be written.
    pub fn unwritten(&self) -> &[String] {
        self.metrics.unwritten()
    }

    /// Forgets all but the first `lines` lines of metrics: what follows is made again. The last of them are `unwritten`, if they
    /// could not be written before.
    ///
    /// # Errors
    /// When the files cannot be changed.
    pub fn go_back(&mut self, lines: usize, unwritten: &[String]) -> Result<()> {
        self.metrics = self.run.metrics(lines)?;
        self.lines = self.run.lines();
        let missing = lines.saturating_sub(self.metrics.lines());
        let restored = &unwritten[unwritten.len().saturating_sub(missing)..];
        if restored.len() < missing {
            let lost = missing - restored.len();
            self.say(&format!("warning: metrics.jsonl lacks {lost} of {lines} lines: it was changed since"));
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

    /// Says how many images are left out, with the first of them; the log gets them all.
    pub fn skipped(&mut self, skipped: &[Skip]) {
        const SHOWN: usize = 10;
        if skipped.is_empty() {
            return;
        }
        let images = if skipped.len() == 1 { "image is" } else { "images are" };
        self.say(&format!("{} {images} left out:", count(skipped.len() as u64)));
        for (i, Skip { file, reason }) in skipped.iter().enumerate() {
            let line = format!("  {file}: {reason}");
            self.run.log(&line);
            if i < SHOWN {
                self.progress.say(&line);
            }
        }
        if skipped.len() > SHOWN {
            self.progress
                .say(&format!("  and {} more, all in log.txt", count((skipped.len() - SHOWN) as u64)));
        }
    }
}
