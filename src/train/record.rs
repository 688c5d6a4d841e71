//! What a training tells while it runs: progress, messages and metrics, each to every place that shows them.

use super::metrics::{Line, Metrics};
use super::progress::Progress;
use super::run::Run;
use crate::data::Skip;
use crate::train::progress::count;
use crate::{Error, Result};

/// Messages go to the terminal and `log.txt`; lines of metrics to `metrics.jsonl`. That a disk is full ends no training:
/// it is told once, and what could not be written is written later.
#[derive(Debug)]
pub struct Record {
    /// The run folder.
    pub run: Run,
    /// What a person sees.
    pub progress: Progress,
    metrics: Metrics,
    /// The last warning: what goes wrong again and again is told once.
    warned: String,
}

impl Record {
    /// Goes on behind `lines` lines of metrics.
    ///
    /// # Errors
    /// When the files cannot be made.
    pub fn start(run: Run, progress: Progress, lines: usize) -> Result<Self> {
        let metrics = run.metrics(lines)?;
        Ok(Self { run, progress, metrics, warned: String::new() })
    }

    /// Says something.
    pub fn say(&mut self, text: &str) {
        self.progress.say(text);
        self.run.log(text);
    }

    /// Says that something went wrong that does not end the training, once.
    pub fn warn(&mut self, error: &Error) {
        let text = format!("warning: {error}");
        if text != self.warned {
            self.say(&text);
            self.warned = text;
        }
    }

    /// Lines of metrics so far.
    pub fn lines(&self) -> usize {
        self.metrics.lines()
    }

    /// Writes a line of metrics.
    pub fn line(&mut self, line: &Line) {
        if let Err(error) = self.metrics.write(line) {
            self.warn(
                &error.help("training goes on; the line is kept, and written when there is space again"),
            );
        }
    }

    /// Forgets all but the first `lines` lines of metrics: their steps are made again.
    ///
    /// # Errors
    /// When the file cannot be changed.
    pub fn go_back(&mut self, lines: usize) -> Result<()> {
        self.metrics = self.run.metrics(lines)?;
        Ok(())
    }

    /// Says how many pictures are left out, with the first of them; the log gets them all.
    pub fn skipped(&mut self, skipped: &[Skip]) {
        const SHOWN: usize = 10;
        if skipped.is_empty() {
            return;
        }
        let pictures = if skipped.len() == 1 { "picture is" } else { "pictures are" };
        self.say(&format!("{} {pictures} left out:", count(skipped.len() as u64)));
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
