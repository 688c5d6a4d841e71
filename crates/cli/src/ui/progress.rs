//! Progress on standard error: a bar on a terminal, a plain line every ten seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::printable::printable;
use super::terminal;
use super::tracker::Tracker;
use alexnet::format;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Display {
    /// Not at all.
    Quiet,
    /// As plain lines: in files and pipes, with `TERM=dumb` or `NO_COLOR`.
    Lines,
    /// As a bar that is redrawn in place.
    Bar,
    /// On the whole terminal; as plain lines until the dashboard is open.
    Dashboard,
}

impl Display {
    /// The dashboard if there is a terminal for it, or else the same as [`Display::detect`].
    pub(crate) fn dashboard() -> Self {
        let interactive = io::stdin().is_terminal() && terminal::is_capable(&io::stderr());
        if interactive { Self::Dashboard } else { Self::detect(false) }
    }

    /// What suits this process's standard error.
    pub(crate) fn detect(quiet: bool) -> Self {
        match (quiet, terminal::is_capable(&io::stderr())) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far one pass has advanced: an epoch, a validation, the statistics of a data set.
#[derive(Debug)]
pub(crate) struct Progress {
    display: Display,
    pass: Option<Pass>,
}

#[derive(Debug)]
struct Pass {
    tracker: Tracker,
    last_line: Instant,
    bar: ProgressBar,
}

impl Progress {
    /// Shows nothing before [`Progress::start`].
    pub(crate) fn new(display: Display) -> Self {
        Self { display, pass: None }
    }

    /// Prints a line of text, above the bar if there is one.
    pub(crate) fn say(&self, text: &str) {
        match (&self.pass, self.display) {
            (_, Display::Quiet) => {}
            (Some(pass), Display::Bar) => pass.bar.suspend(|| print(text)),
            (None, Display::Bar) | (_, Display::Lines | Display::Dashboard) => print(text),
        }
    }

    /// Starts a pass over `total` images.
    pub(crate) fn start(&mut self, name: impl Into<String>, total: usize) {
        self.track(Tracker::new(name.into(), "images", total as u64, 0));
    }

    /// Starts a pass, and ends the one before.
    pub(super) fn track(&mut self, tracker: Tracker) {
        self.finish();
        let bar = match self.display {
            Display::Bar => bar(&tracker),
            Display::Quiet | Display::Lines | Display::Dashboard => ProgressBar::hidden(),
        };
        self.pass = Some(Pass { tracker, last_line: Instant::now(), bar });
    }

    /// Advances the pass by `done` images; `loss` is shown if there is one.
    pub(crate) fn advance(&mut self, done: usize, loss: Option<f64>) {
        let Some(pass) = &mut self.pass else { return };
        pass.tracker.advance(done as u64);
        match self.display {
            Display::Quiet => {}
            Display::Bar => {
                let loss = loss.map_or(String::new(), |loss| format!("  loss {}", format::loss(loss, 3)));
                pass.bar.set_message(format!("{}{loss}", pass.tracker.estimate().unwrap_or_default()));
                pass.bar.inc(done as u64);
            }
            Display::Lines | Display::Dashboard if pass.last_line.elapsed() >= LINE_EVERY => {
                pass.last_line = Instant::now();
                print(&pass.tracker.line(loss));
            }
            Display::Lines | Display::Dashboard => {}
        }
    }

    /// Ends the pass and removes its bar.
    pub(crate) fn finish(&mut self) {
        if let Some(pass) = self.pass.take() {
            pass.bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    /// An error message must not be printed into a bar.
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(tracker: &Tracker) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {percent:>3}%  {msg}")
        .expect("the template is well-formed")
        .progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(Some(tracker.total), ProgressDrawTarget::stderr());
    let bar = bar.with_style(style).with_prefix(tracker.name.clone());
    bar.set_position(tracker.done);
    bar
}

/// Ignores errors: a closed standard error must not end a training run.
fn print(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}
