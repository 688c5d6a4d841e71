//! Keeps checkpoints beside the training: it only waits while its numbers are copied.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::checkpoint::{Checkpoint, list};
use super::shelf;
use crate::files::atomic;
use crate::{Error, Result};

/// Checkpoints that are kept. Two: should the newest be damaged, or numbers have gone wrong in it, one is left.
const KEPT: usize = 2;

/// Time after which a checkpoint that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What its thread is called.
pub const THREAD: &str = "checkpoints";

/// How often checkpoints are made, beside the end of every epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frequency {
    /// After so much time.
    pub time: Option<Duration>,
    /// After so many steps.
    pub steps: Option<usize>,
}

impl Default for Frequency {
    /// Every ten minutes.
    fn default() -> Self {
        Self { time: Some(Duration::from_secs(600)), steps: None }
    }
}

/// Writes checkpoints into a folder on a thread of its own.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    frequency: Frequency,
    work: Option<Sender<Checkpoint>>,
    done: Receiver<Result<PathBuf>>,
    thread: Option<JoinHandle<()>>,
    /// The step of the checkpoint that is being written.
    writing: Option<usize>,
    /// The step of the last one, and when it was handed over.
    last: (usize, Instant),
    failed: Option<Instant>,
}

impl Keeper {
    /// Begins; what was left half-written in the folder when an earlier program was killed goes.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn start(folder: &Path, frequency: Frequency, step: usize) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make the folder", &error))?;
        atomic::remove_leftovers(folder)?;
        let (work, waiting) = bounded::<Checkpoint>(1);
        let (tell, done) = bounded(1);
        let place = folder.to_path_buf();
        let work_off = move || {
            for checkpoint in waiting {
                if tell.send(save(&checkpoint, &place)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(work_off);
        let thread = thread.map_err(|error| Error::io(folder, "start a thread for checkpoints", &error))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            frequency,
            work: Some(work),
            done,
            thread: Some(thread),
            writing: None,
            last: (step, Instant::now()),
            failed: None,
        })
    }

    /// Whether it is time for a checkpoint of this step, and the one before is written.
    pub fn is_due(&self, step: usize) -> bool {
        let Frequency { time, steps } = self.frequency;
        let due = time.is_some_and(|time| self.last.1.elapsed() >= time)
            || steps.is_some_and(|steps| step >= self.last.0 + steps)
            || self.failed.is_some_and(|failed| failed.elapsed() >= AGAIN);
        due && self.writing.is_none() && step > self.last.0
    }

    /// Hands a checkpoint over; waits for the one before.
    ///
    /// # Errors
    /// When the one before could not be written. This one is tried nevertheless.
    pub fn save(&mut self, checkpoint: Checkpoint) -> Result<bool> {
        let before = self.wait();
        self.last = (checkpoint.state.step, Instant::now());
        self.failed = None;
        self.writing = Some(checkpoint.state.step);
        if let Some(work) = &self.work {
            // The thread ends only when this end is dropped.
            let _ = work.send(checkpoint);
        }
        before
    }

    /// Whether a checkpoint has been written since the last look.
    ///
    /// # Errors
    /// When it could not be written; it is due again after some seconds.
    pub fn poll(&mut self) -> Result<bool> {
        match self.done.try_recv() {
            Ok(result) => self.take(result),
            Err(_) => Ok(false),
        }
    }

    /// Waits until nothing is being written, and tells whether a checkpoint has been.
    ///
    /// # Errors
    /// As [`Keeper::poll`].
    pub fn wait(&mut self) -> Result<bool> {
        match self.writing {
            None => Ok(false),
            Some(_) => match self.done.recv() {
                Ok(result) => self.take(result),
                Err(_) => {
                    self.writing = None;
                    let what = "the thread that writes checkpoints failed";
                    Err(Error::new(crate::error::Kind::Runtime, what))
                }
            },
        }
    }

    fn take(&mut self, result: Result<PathBuf>) -> Result<bool> {
        let step = self.writing.take().unwrap_or_default();
        if result.is_err() {
            self.failed = Some(Instant::now());
        }
        result.map(|_| true).map_err(|error| error.context(format!("the checkpoint of step {step}")))
    }

    /// The training has gone back to this step: the next checkpoint is due from here.
    pub fn go_back(&mut self, step: usize) {
        self.last = (step, Instant::now());
    }

    /// Where checkpoints are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.wait();
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes a checkpoint and removes old ones: after it is there, unless only their space makes room for it.
fn save(checkpoint: &Checkpoint, folder: &Path) -> Result<PathBuf> {
    let mut result = checkpoint.save(folder);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    if let (Err(_), [(_, newest), .., (_, oldest)]) = (&result, &list(folder)[..])
        && fs4::available_space(folder).is_ok_and(|free| free < size(newest))
        && std::fs::remove_file(oldest).is_ok()
    {
        result = checkpoint.save(folder);
    }
    if result.is_ok() {
        prune(folder, checkpoint.state.step);
        shelf::prune(folder, checkpoint.state.best.as_ref().map(|best| best.step));
    }
    result
}

/// Removes all but the newest up to `step`, and those of later steps: they are of a training that was gone back on.
fn prune(folder: &Path, step: usize) {
    let (later, mine): (Vec<_>, Vec<_>) = list(folder).into_iter().partition(|(other, _)| *other > step);
    for (_, path) in later.into_iter().chain(mine.into_iter().skip(KEPT)) {
        // What cannot be removed takes space, and harms nobody.
        let _ = std::fs::remove_file(path);
    }
}
