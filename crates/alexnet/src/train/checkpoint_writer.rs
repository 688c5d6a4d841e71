//! Writes checkpoints in the background: training only waits while its values are copied.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::checkpoint::{Checkpoint, CheckpointFile, list};
use super::shelf;
use crate::files::atomic;
use crate::{Error, Result, threads};

/// Number of checkpoints that are kept: if the newest is damaged, or its values are bad, one is left.
const KEPT: usize = 2;

/// Time after which a failed checkpoint is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The name of the writing thread.
pub const THREAD: &str = "checkpoints";

/// What has happened since the last call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// No checkpoint has been completed.
    Nothing,
    /// A checkpoint is on disk.
    Checkpoint,
}

/// How often checkpoints are written, besides the end of every epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frequency {
    /// Time between two checkpoints.
    pub time: Option<Duration>,
    /// Steps between two checkpoints.
    pub steps: Option<usize>,
}

impl Default for Frequency {
    /// Every ten minutes.
    fn default() -> Self {
        Self { time: Some(Duration::from_secs(600)), steps: None }
    }
}

/// Writes checkpoints into a folder on a background thread.
#[derive(Debug)]
pub struct CheckpointWriter {
    folder: PathBuf,
    frequency: Frequency,
    queue: Option<Sender<Checkpoint>>,
    results: Receiver<Result<PathBuf>>,
    thread: Option<JoinHandle<()>>,
    /// The step of the checkpoint that is being written.
    writing: Option<usize>,
    last: Last,
    failed: Option<Instant>,
}

/// The last checkpoint that was queued, or the start.
#[derive(Clone, Copy, Debug)]
struct Last {
    step: usize,
    at: Instant,
}

impl Last {
    fn now(step: usize) -> Self {
        Self { step, at: Instant::now() }
    }
}

impl CheckpointWriter {
    /// Starts the thread, and removes temporary files that an earlier process left in the folder.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    pub fn start(folder: &Path, frequency: Frequency, step: usize) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create the folder", &error))?;
        atomic::remove_leftovers(folder)?;
        let (queue, queued) = bounded::<Checkpoint>(1);
        let (sender, results) = bounded(1);
        let target = folder.to_path_buf();
        let work = move || {
            for checkpoint in queued {
                if sender.send(save(&checkpoint, &target)).is_err() {
                    return;
                }
            }
        };
        let thread = threads::spawn(THREAD, work).map_err(|error| error.context("writing checkpoints"))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            frequency,
            queue: Some(queue),
            results,
            thread: Some(thread),
            writing: None,
            last: Last::now(step),
            failed: None,
        })
    }

    /// Whether a checkpoint is due at this step, and none is being written.
    pub fn is_due(&self, step: usize) -> bool {
        let Frequency { time, steps } = self.frequency;
        let due = time.is_some_and(|time| self.last.at.elapsed() >= time)
            || steps.is_some_and(|steps| step >= self.last.step.saturating_add(steps))
            || self.failed.is_some_and(|failed| failed.elapsed() >= RETRY_AFTER);
        due && self.writing.is_none() && step > self.last.step
    }

    /// Queues a checkpoint, after waiting for the previous one.
    ///
    /// # Errors
    /// Returns an error if the previous one could not be written. This one is queued nevertheless.
    pub fn save(&mut self, checkpoint: Checkpoint) -> Result<Written> {
        let before = self.wait();
        self.last = Last::now(checkpoint.state.step);
        self.failed = None;
        self.writing = Some(checkpoint.state.step);
        if let Some(queue) = &self.queue {
            // The thread ends only when the queue is dropped.
            let _ = queue.send(checkpoint);
        }
        before
    }

    /// Checks whether a checkpoint has been written since the last call.
    ///
    /// # Errors
    /// Returns an error if it could not be written; it is due again after some seconds.
    pub fn poll(&mut self) -> Result<Written> {
        match self.results.try_recv() {
            Ok(result) => self.complete(result),
            Err(_) => Ok(Written::Nothing),
        }
    }

    /// Waits until nothing is being written.
    ///
    /// # Errors
    /// As [`CheckpointWriter::poll`].
    pub fn wait(&mut self) -> Result<Written> {
        match self.writing {
            None => Ok(Written::Nothing),
            Some(_) => match self.results.recv() {
                Ok(result) => self.complete(result),
                Err(_) => {
                    self.writing = None;
                    let what = "the thread that writes checkpoints failed";
                    Err(Error::new(crate::error::Kind::Runtime, what))
                }
            },
        }
    }

    fn complete(&mut self, result: Result<PathBuf>) -> Result<Written> {
        let step = self.writing.take().unwrap_or_default();
        if result.is_err() {
            self.failed = Some(Instant::now());
        }
        result
            .map(|_| Written::Checkpoint)
            .map_err(|error| error.context(format!("the checkpoint of step {step}")))
    }

    /// Restarts the interval at this step, after a rollback.
    pub fn restart_interval(&mut self, step: usize) {
        self.last = Last::now(step);
    }

    /// The folder of the checkpoints.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        let _ = self.wait();
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes a checkpoint and then removes old ones; one of them before, if the disk is full.
fn save(checkpoint: &Checkpoint, folder: &Path) -> Result<PathBuf> {
    let mut result = checkpoint.save(folder);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    if let (Err(_), [newest, .., oldest]) = (&result, &list(folder)[..])
        && fs4::available_space(folder).is_ok_and(|free| free < size(&newest.path))
        && std::fs::remove_file(&oldest.path).is_ok()
    {
        result = checkpoint.save(folder);
    }
    if result.is_ok() {
        prune(folder, checkpoint.state.step);
        shelf::prune(folder, checkpoint.state.best.as_ref().map(|best| best.step));
    }
    result
}

/// Removes all but the newest up to `step`, and those of later steps, which a rollback has made obsolete.
fn prune(folder: &Path, step: usize) {
    let (later, mine): (Vec<_>, Vec<_>) = list(folder).into_iter().partition(|file| file.step > step);
    for CheckpointFile { path, .. } in later.into_iter().chain(mine.into_iter().skip(KEPT)) {
        // A file that cannot be removed takes space and does no harm.
        let _ = std::fs::remove_file(path);
    }
}
