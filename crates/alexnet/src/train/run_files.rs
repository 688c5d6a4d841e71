//! The files of a run that follow its events: `log.txt`, `metrics.jsonl`, TensorBoard events and curves.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::disk::Output;
use super::log_file::LogFile;
use super::metrics::{self, Line, MetricsFile};
use super::observer::{Event, Observer};
use super::plots;
use super::tensorboard::EventFile;
use crate::model::layout::{METRICS, PLOTS};
use crate::{Error, Result};

/// Time between two drawings of the curves, besides those at the end of every epoch.
const DRAW_EVERY: Duration = Duration::from_secs(60);

/// Observes a training run, and writes its files. A failure, such as a full disk, does not end the training: what could not be
/// written is kept and retried.
#[derive(Debug)]
pub(super) struct RunFiles {
    folder: PathBuf,
    log: LogFile,
    metrics: MetricsFile,
    events: Option<EventFile>,
    curves: Curves,
    /// What was written since the last call of [`RunFiles::take_results`].
    results: Vec<Written>,
}

/// The outcome of writing an output.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) output: Output,
    pub(super) result: Result<()>,
}

impl RunFiles {
    /// Opens the files of a run folder. Metrics can be written after [`RunFiles::rewind`].
    ///
    /// # Errors
    /// Returns an error if the files cannot be opened.
    pub(super) fn open(run: &Path) -> Result<Self> {
        Ok(Self {
            folder: run.to_path_buf(),
            log: LogFile::open(run)?,
            metrics: MetricsFile::resume(run.join(METRICS), usize::MAX)?,
            events: None,
            curves: Curves::new(run.join(PLOTS)),
            results: Vec::new(),
        })
    }

    /// The results of writing since the last call.
    pub(super) fn take_results(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.results)
    }

    /// The lines of metrics so far, without layer statistics.
    pub(super) fn history(&self) -> &[Line] {
        &self.curves.lines
    }

    /// Number of lines of metrics so far.
    pub(super) fn lines(&self) -> usize {
        self.metrics.lines()
    }

    /// The last lines of metrics, if they could not be written.
    pub(super) fn unwritten(&self) -> &[String] {
        self.metrics.unwritten()
    }

    /// Writes what a full disk has held back.
    pub(super) fn flush(&mut self) {
        let metrics = self.metrics.flush();
        let events = self.events.as_mut().map_or(Ok(()), EventFile::flush);
        self.add(Output::Metrics, metrics.and(events));
    }

    /// Removes all but the first `lines` lines of metrics: what follows will be repeated. `unwritten` are the last of these
    /// lines, if they could not be written before. Returns how many lines are missing because the file was changed.
    ///
    /// # Errors
    /// Returns an error if the files cannot be changed.
    pub(super) fn rewind(&mut self, lines: usize, unwritten: &[String]) -> Result<usize> {
        let path = self.folder.join(METRICS);
        self.metrics = MetricsFile::resume(&path, lines)?;
        let mut history = metrics::read(&path).unwrap_or_default();
        let missing = lines.saturating_sub(self.metrics.lines());
        let restored = &unwritten[unwritten.len().saturating_sub(missing)..];
        let lost = missing - restored.len();
        let mut written = Ok(());
        for text in restored {
            written = written.and(self.metrics.write_text(text));
        }
        let restored = metrics::parse(restored);
        // TensorBoard drops this step and later ones from its earlier files; lines that remain are written again.
        let last = history.last().map_or(1, |line| line.step);
        let first = restored.iter().map(|line| line.step).fold(last, usize::min);
        history.extend(restored);
        let mut events = EventFile::create(&self.folder, first)?;
        for line in history.iter().filter(|line| line.step >= first) {
            written = written.and(events.write(line));
        }
        self.events = Some(events);
        self.add(Output::Metrics, written);
        history.iter_mut().for_each(|line| line.health.clear());
        self.curves.lines = history;
        Ok(lost)
    }

    fn metrics(&mut self, line: &Line) {
        let metrics = self.metrics.write(line);
        let events = self.events.as_mut().map_or(Ok(()), |events| events.write(line));
        self.add(Output::Metrics, metrics.and(events));
        self.curves.lines.push(Line { health: BTreeMap::new(), ..line.clone() });
        if line.validation.is_some() || self.curves.drawn.elapsed() >= DRAW_EVERY {
            self.draw();
        }
    }

    fn draw(&mut self) {
        let drawn = self.curves.draw();
        self.add(Output::Plots, drawn);
    }

    fn add(&mut self, output: Output, result: Result<()>) {
        let help = match output {
            Output::Plots => "training continues; the curves will be drawn again later",
            Output::Metrics | Output::Checkpoint | Output::Model(_) | Output::Journal => {
                "training continues; what could not be written is kept until there is space"
            }
        };
        self.results.push(Written { output, result: result.map_err(|error| error.help(help)) });
    }
}

impl Observer for RunFiles {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        self.log.record(event);
        match event {
            Event::Metrics(line) => self.metrics(line),
            Event::Ended(_) => {
                self.flush();
                self.draw();
            }
            // Neither metrics nor curves show the others.
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The curves in `plots/`.
#[derive(Debug)]
struct Curves {
    folder: PathBuf,
    /// All lines so far, without layer statistics.
    lines: Vec<Line>,
    drawn: Instant,
}

impl Curves {
    fn new(folder: PathBuf) -> Self {
        Self { folder, lines: Vec::new(), drawn: Instant::now() }
    }

    fn draw(&mut self) -> Result<()> {
        self.drawn = Instant::now();
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| Error::io(&self.folder, "create the folder", &error))?;
        plots::draw(&self.folder, &self.lines)
    }
}
