//! `log.txt`: the messages of a training run, each with its time.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use super::observer::Event;
use crate::data::Skip;
use crate::model::layout::LOG;
use crate::{Error, Result};

/// Appends messages to `log.txt`, one line each, after the time in RFC 3339 (UTC): `2026-01-31T23:59:59Z epoch 1: ...`.
#[derive(Debug)]
pub struct LogFile {
    file: File,
}

impl LogFile {
    /// Opens the log of a run folder.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened.
    pub fn open(run: &Path) -> Result<Self> {
        let path = run.join(LOG);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Ok(Self { file: file.map_err(|error| Error::io(&path, "open the log", &error))? })
    }

    /// Writes what an event says. A log that cannot be written does not end a training run.
    pub(super) fn record(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(message) => self.write(&message.to_string()),
            Event::Skipped(skipped) => {
                for Skip { file, reason } in *skipped {
                    self.write(&format!("  {file}: {reason}"));
                }
            }
            // Messages say the same.
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        let time = humantime::format_rfc3339_seconds(SystemTime::now());
        // One write for each message: lines of two processes never mix.
        let lines: String = text.lines().map(|line| format!("{time} {line}\n")).collect();
        let _ = self.file.write_all(lines.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::observer::{Level, Message};

    #[test]
    fn every_line_has_a_time() {
        let run = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(run.path()).unwrap();
        log.record(&Event::Message(Message { level: Level::Info, text: "first\nsecond" }));
        log.record(&Event::PhaseEnded);
        drop(log);
        let mut log = LogFile::open(run.path()).unwrap();
        let skip = Skip { file: "a.jpg".into(), reason: "truncated".into() };
        log.record(&Event::Skipped(&[skip]));
        let text = std::fs::read_to_string(run.path().join(LOG)).unwrap();
        let lines: Vec<(&str, &str)> = text.lines().map(|line| line.split_once(' ').unwrap()).collect();
        assert_eq!(
            lines.iter().map(|line| line.1).collect::<Vec<_>>(),
            ["first", "second", "  a.jpg: truncated"]
        );
        for (time, _) in lines {
            assert!(time.ends_with('Z') && humantime::parse_rfc3339(time).is_ok(), "{time}");
        }
    }
}
