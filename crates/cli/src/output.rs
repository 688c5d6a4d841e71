//! Results on standard output, notes and errors on standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::exit::Stop;
pub(crate) use super::printable::{escaped, one_line, printable};
use super::ui::{Display, paint};
use alexnet::Error;
use alexnet::error::Kind;
use alexnet::format::grouped;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people.
    Text,
    /// One JSON object.
    Json,
    /// JSON objects, one per line.
    JsonLines,
}

impl Format {
    /// The format that the arguments ask for, as far as invalid arguments show it.
    pub(crate) fn asked_for(args: &[String]) -> Self {
        let options = || args.iter().take_while(|arg| *arg != "--").map(String::as_str);
        if options().any(|arg| ["--json-lines", "--json-events"].contains(&arg)) {
            Self::JsonLines
        } else if options().any(|arg| arg == "--json") {
            Self::Json
        } else {
            Self::Text
        }
    }

    /// A JSON object: on one line in [`Format::JsonLines`], indented otherwise.
    fn object(self, value: &Value) -> String {
        match self {
            Self::JsonLines => format!("{value}\n"),
            Self::Json | Self::Text => format!("{value:#}\n"),
        }
    }
}

/// Whether an object has been printed as JSON; locked while one is.
static PRINTED: Mutex<bool> = Mutex::new(false);

/// The longest time that a signal waits for the reader of standard output.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a command writes to. As a [`Write`] it is standard output, and discards everything once nobody reads it.
#[derive(Debug)]
pub(crate) struct Output {
    out: io::Stdout,
    closed: bool,
    format: Format,
    quiet: bool,
    /// The rank of this process, if there are several.
    rank: Option<usize>,
}

impl Output {
    /// The output of a process; `rank` is its number if there are several, of which only rank 0 prints more than errors.
    pub(crate) fn new(format: Format, quiet: bool, rank: Option<usize>) -> Self {
        let quiet = quiet || rank.is_some_and(|rank| rank > 0);
        Self { out: io::stdout(), closed: false, format, quiet, rank }
    }

    /// How results are printed.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether results are printed as one JSON object.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.out.is_terminal()
    }

    /// How progress is shown.
    pub(crate) fn display(&self) -> Display {
        Display::detect(self.quiet)
    }

    /// Prints text, which ends its own lines, and flushes it.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Stop> {
        let failed = |error| Error::new(Kind::Runtime, format!("cannot write to standard output: {error}"));
        self.write_all(text.as_bytes()).and_then(|()| self.flush()).map_err(failed)?;
        self.still_open()
    }

    /// Prints one JSON object: on one line in [`Format::JsonLines`], indented otherwise.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Stop> {
        let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
        *printed = true;
        self.text(&self.format.object(value))
    }

    /// Prints a result in the format of this output; only that one is made.
    pub(crate) fn result(
        &mut self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Result<(), Stop> {
        match self.format {
            Format::Text => self.text(&text()),
            Format::Json | Format::JsonLines => self.json(&json()),
        }
    }

    /// Stops the command if standard output has no reader any more.
    pub(crate) fn still_open(&self) -> Result<(), Stop> {
        if self.closed { Err(Stop::OutputClosed) } else { Ok(()) }
    }

    /// Prints a note to standard error, unless `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{} {}", paint(&io::stderr(), "note:", "36"), printable(text));
        }
    }

    /// Prints an error and its help to standard error.
    pub(crate) fn error(&self, error: &Error) {
        let rank = self.rank.map_or(String::new(), |rank| format!("rank {rank}: "));
        let label = paint(&io::stderr(), "error:", "1;31");
        let mut text = format!("{rank}{label} {}\n", printable(&error.message));
        if let Some(help) = &error.help {
            text += &format!(" {} {}\n", paint(&io::stderr(), "help:", "1;32"), printable(help));
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Prints a line of usage to standard error.
    pub(crate) fn usage(&self, line: &str) {
        let _ = writeln!(io::stderr(), "{} {line}", paint(&io::stderr(), "usage:", "1"));
    }

    /// Prints the error that ends the program: to standard error, and in the JSON formats to standard output too.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.error(error);
        let is_root = self.rank.is_none_or(|rank| rank == 0);
        match self.format {
            Format::Json | Format::JsonLines if is_root => {
                // The exit code says it failed, even if nobody reads this.
                let _ = self.json(&error_json(error));
            }
            Format::Text | Format::Json | Format::JsonLines => {}
        }
    }

    /// `done`, or `instead` if the reader has gone.
    fn unless_closed<T>(&mut self, done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(instead)
            }
            done => done,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let done = self.out.write(bytes);
        self.unless_closed(done, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let done = self.out.flush();
        self.unless_closed(done, ())
    }
}

/// What a command that a signal ends at once prints in the JSON formats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignalReport {
    pub(crate) format: Format,
    /// The rank of this process, if there are several.
    pub(crate) rank: Option<usize>,
}

impl SignalReport {
    /// Prints the error as an object, after one that is being printed, unless the result is out already. Returns after a moment
    /// even if nobody reads standard output.
    pub(crate) fn print(self, error: &Error) {
        if self.format == Format::Text || self.rank.is_some_and(|rank| rank > 0) {
            return;
        }
        let object = self.format.object(&error_json(error));
        let (printed, wait) = channel();
        let print = move || {
            let is_printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
            if self.format == Format::JsonLines || !*is_printed {
                let mut out = io::stdout();
                let _ = out.write_all(object.as_bytes()).and_then(|()| out.flush());
            }
            let _ = printed.send(());
            // The process ends now: with the lock kept, nothing is printed after the error.
            loop {
                thread::park();
            }
        };
        if thread::Builder::new().spawn(print).is_ok() {
            let _ = wait.recv_timeout(PATIENCE);
        }
    }
}

/// What `--json` prints on failure.
fn error_json(error: &Error) -> Value {
    json!({ "error": { "kind": kind_name(error.kind), "message": error.message, "help": error.help } })
}

/// The name of a kind of failure in JSON: an interface.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Runtime => "runtime",
        Kind::Usage => "usage",
        Kind::Data => "data",
        Kind::Model => "model",
        Kind::Diverged => "diverged",
        Kind::Interrupted(_) => "interrupted",
    }
}

/// `52 of 60 right`.
pub(crate) fn right(correct: usize, images: usize) -> String {
    format!("{} of {} right", grouped(correct), grouped(images))
}

/// Formats a share as a percentage: 0.8342 is `83.42 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
