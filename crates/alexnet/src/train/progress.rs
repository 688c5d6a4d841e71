//! What a person sees meanwhile, on stderr: a bar on a terminal, a plain line every ten seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::dashboard::Dashboard;
use super::metrics::Line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// Nothing at all.
    Quiet,
    /// Plain lines: files, pipes, `TERM=dumb`, `NO_COLOR`.
    Lines,
    /// A bar that is drawn over itself.
    Bar,
    /// The whole terminal; plain lines until the dashboard is there.
    Dashboard,
}

impl Display {
    /// The dashboard, where there is a terminal for it; else what suits.
    pub fn dashboard() -> Self {
        if std::io::stdin().is_terminal() && is_animated() { Self::Dashboard } else { Self::detect(false) }
    }

    /// What suits this process's stderr.
    pub fn detect(quiet: bool) -> Self {
        match (quiet, crate::train::progress::is_animated()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

/// Whether stderr is a terminal on which the user wants things to move: not with `TERM=dumb` or `NO_COLOR`.
fn is_animated() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stderr().is_terminal() && !set("NO_COLOR") && !(dumb && cfg!(unix))
}

/// Off a terminal, one line in this time.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Seconds of a stretch before which its speed says nothing of the rest: threads start, files are not in memory yet.
const WARMING: f64 = 2.0;

/// Shows how far one stretch of work is: an epoch, a validation, the measuring of a data set.
#[derive(Debug)]
pub struct Progress {
    display: Display,
    stretch: Option<Stretch>,
    dashboard: Option<Dashboard>,
}

#[derive(Debug)]
struct Stretch {
    what: String,
    total: u64,
    /// Those that were done when it began included.
    done: u64,
    /// Done when it began, as in an epoch that is taken up in its middle.
    before: u64,
    started: Instant,
    last_line: Instant,
    bar: ProgressBar,
}

impl Progress {
    /// Nothing is shown before [`Progress::start`].
    pub fn new(display: Display) -> Self {
        Self { display, stretch: None, dashboard: None }
    }

    /// Whether a dashboard is wanted.
    pub fn wants_dashboard(&self) -> bool {
        self.display == Display::Dashboard
    }

    /// From now on everything is shown there.
    pub fn show(&mut self, dashboard: Dashboard) {
        self.dashboard = Some(dashboard);
    }

    /// A line of metrics was written.
    pub fn line(&self, line: &Line) {
        if let Some(dashboard) = &self.dashboard {
            dashboard.line(line);
        }
    }

    /// Prints a line of text, above the bar if there is one.
    pub fn say(&self, text: &str) {
        if let Some(dashboard) = &self.dashboard {
            return dashboard.say(text);
        }
        match (&self.stretch, self.display) {
            (_, Display::Quiet) => {}
            (Some(stretch), Display::Bar) => stretch.bar.suspend(|| print(text)),
            _ => print(text),
        }
    }

    /// Begins a stretch of `total` images, and ends the one before.
    pub fn start(&mut self, what: impl Into<String>, total: usize) {
        self.finish();
        let (what, now) = (what.into(), Instant::now());
        let bar = match self.display {
            Display::Bar => bar(&what, total as u64),
            _ => ProgressBar::hidden(),
        };
        let total = total as u64;
        self.stretch = Some(Stretch { what, total, done: 0, before: 0, started: now, last_line: now, bar });
    }

    /// The stretch begins where `images` are done already: they count for how far it is, not for its speed.
    pub fn take_up(&mut self, images: usize) {
        if let Some(stretch) = &mut self.stretch {
            stretch.before = images as u64;
        }
        self.advance(images, None);
    }

    /// `images` more are done; `loss` is shown if given.
    pub fn advance(&mut self, images: usize, loss: Option<f64>) {
        let Some(stretch) = &mut self.stretch else { return };
        stretch.done += images as u64;
        if let Some(dashboard) = &self.dashboard {
            return dashboard.stretch(&stretch.what, stretch.done, stretch.total, stretch.shown_rate());
        }
        match self.display {
            Display::Quiet => {}
            Display::Bar => {
                let loss = loss.map_or(String::new(), |loss| format!("  loss {loss:.3}"));
                stretch.bar.set_message(format!("{}{loss}", stretch.rate_and_rest()));
                stretch.bar.inc(images as u64);
            }
            Display::Lines | Display::Dashboard if stretch.last_line.elapsed() >= LINE_EVERY => {
                stretch.last_line = Instant::now();
                print(&stretch.line(loss));
            }
            Display::Lines | Display::Dashboard => {}
        }
    }

    /// Ends the stretch: the bar goes.
    pub fn finish(&mut self) {
        if let Some(stretch) = self.stretch.take() {
            stretch.bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    /// An error must not be printed into a bar.
    fn drop(&mut self) {
        self.finish();
    }
}

impl Stretch {
    fn line(&self, loss: Option<f64>) -> String {
        let loss = loss.map_or(String::new(), |loss| format!(", loss {loss:.3}"));
        let (done, total) = (count(self.done), count(self.total));
        format!("{}: {done} of {total} images{loss}, {}", self.what, self.rate_and_rest())
    }

    /// Images a second.
    fn rate(&self) -> f64 {
        self.done.saturating_sub(self.before) as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    /// Images a second, 0 before there is something to go by.
    fn shown_rate(&self) -> f64 {
        if self.started.elapsed().as_secs_f64() < WARMING { 0.0 } else { self.rate() }
    }

    /// `131 images/s, 2 h 41 min left`.
    fn rate_and_rest(&self) -> String {
        let left = self.total.saturating_sub(self.done);
        rate_and_rest(self.done.saturating_sub(self.before), left, self.started.elapsed().as_secs_f64())
    }
}

/// The speed of `done` images in so many seconds, and the time that `left` more will take; nothing of it before there
/// is something to go by.
fn rate_and_rest(done: u64, left: u64, seconds: f64) -> String {
    if done == 0 || seconds < WARMING {
        return "measuring".to_owned();
    }
    let rate = done as f64 / seconds;
    format!("{} images/s, {} left", significant(rate), duration(left as f64 / rate))
}

fn bar(what: &str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {percent:>3}%  {msg}")
        .expect("the template is well-formed")
        .progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    bar.with_style(style).with_prefix(what.to_owned())
}

/// A closed stderr must not end a training, so its errors are not looked at.
fn print(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// `1,281,167`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|g| std::str::from_utf8(g).expect("digits are ASCII"))
        .collect();
    groups.join(",")
}

/// Three figures are what a measured rate is good for: `0.52`, `31.4`, `8,120`.
pub(crate) fn significant(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => count(v.round() as u64),
    }
}

/// `41 s`, `12 min`, `2 h 41 min`, `9 d 4 h`, `3 years`; never longer than `over 100 years`.
pub(crate) fn duration(seconds: f64) -> String {
    const YEAR: u64 = 365 * 86_400;
    let s = seconds.max(0.0).round() as u64;
    match s {
        _ if s >= 100 * YEAR => "over 100 years".to_owned(),
        _ if s >= 2 * YEAR => format!("{} years", s / YEAR),
        0..60 => format!("{s} s"),
        60..600 => format!("{} min {:02} s", s / 60, s % 60),
        600..3_600 => format!("{} min", s / 60),
        3_600..86_400 => format!("{} h {:02} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(7), count(1_000), count(1_281_167)], ["7", "1,000", "1,281,167"]);
        assert_eq!([significant(0.517), significant(31.42), significant(8_120.4)], ["0.52", "31.4", "8,120"]);
        let durations = [41.0, 125.0, 725.0, 9_665.0, 792_000.0].map(duration);
        assert_eq!(durations, ["41 s", "2 min 05 s", "12 min", "2 h 41 min", "9 d 4 h"]);
        let long = [4e7, 1e8, 4.5e14, f64::INFINITY, f64::NAN].map(duration);
        assert_eq!(long, ["462 d 23 h", "3 years", "over 100 years", "over 100 years", "0 s"]);
    }

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let mut progress = Progress::new(Display::Quiet);
        progress.start("epoch 3 of 90", 1_000);
        progress.advance(250, Some(4.5));
        let line = progress.stretch.as_ref().unwrap().line(Some(4.5));
        assert_eq!(line, "epoch 3 of 90: 250 of 1,000 images, loss 4.500, measuring");
    }

    #[test]
    fn no_time_is_estimated_from_nothing() {
        assert_eq!(rate_and_rest(0, 1_281_167, 60.0), "measuring");
        assert_eq!(rate_and_rest(128, 1_281_039, 0.4), "measuring");
        assert_eq!(rate_and_rest(250, 750, 10.0), "25.0 images/s, 30 s left");
        // What was done before it was taken up says nothing of its speed.
        let mut progress = Progress::new(Display::Quiet);
        progress.start("epoch 3 of 90", 1_000);
        progress.take_up(900);
        let stretch = progress.stretch.as_ref().unwrap();
        assert_eq!((stretch.done, stretch.rate()), (900, 0.0));
    }
}
