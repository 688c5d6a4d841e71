//! Standard output that may be closed; notes and errors on standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use super::Stop;
use super::ui::paint;
use alexnet::Error;
use alexnet::error::Kind;

/// Standard output. As a [`Write`], it takes everything and forgets it once nobody reads any more.
pub(super) struct Output {
    out: io::Stdout,
    closed: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { out: io::stdout(), closed: false }
    }

    /// Whether a person reads it.
    pub(super) fn is_terminal(&self) -> bool {
        self.out.is_terminal()
    }

    /// Prints text at once. Its lines end themselves.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Stop> {
        let failed = |error| Error::new(Kind::Runtime, format!("standard output: {error}"));
        self.write_all(text.as_bytes()).and_then(|()| self.flush()).map_err(failed)?;
        self.still_open()
    }

    /// Prints one JSON object.
    pub(super) fn json(&mut self, value: &serde_json::Value) -> Result<(), Stop> {
        self.text(&format!("{value:#}\n"))
    }

    /// Whether what was written so far had a reader.
    pub(super) fn still_open(&self) -> Result<(), Stop> {
        if self.closed { Err(Stop::Closed) } else { Ok(()) }
    }

    /// `done`, or `instead` when the reader has gone.
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

/// Says something beside the results. Nothing is lost when nobody listens.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{} {}", paint(&io::stderr(), "note:", "36"), printable(text));
}

/// Says what failed, and the way out.
pub(super) fn error(error: &Error) {
    let mut text = format!("{} {}\n", paint(&io::stderr(), "error:", "1;31"), printable(&error.message));
    if let Some(help) = &error.help {
        text += &format!(" {} {}\n", paint(&io::stderr(), "help:", "1;32"), printable(help));
    }
    let _ = io::stderr().write_all(text.as_bytes());
}

/// `text` without characters that steer a terminal: names of files and classes come from strangers.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A name as one line of plain characters: those that steer a terminal, or end the line, as escapes such as `\n`.
pub(super) fn escaped(name: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    name.chars().map(escape).collect()
}

/// A share as a percentage: 0.8342 is `83.42 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
