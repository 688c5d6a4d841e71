//! Measures the statistics of a training set.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::source::Split;
use super::square;
use super::statistics::Statistics;
use crate::{Error, Result, threads};

impl Statistics {
    /// Measures `split` in one pass on `workers` threads, unless its statistics are known. `progress` receives the number of images
    /// done, and stops the pass if it returns an error.
    ///
    /// # Errors
    /// Returns an error if no image decodes, a file cannot be read, or `progress` fails.
    pub fn measure(
        split: &Split,
        square: usize,
        workers: usize,
        progress: &(dyn Fn(usize) -> Result<()> + Sync),
    ) -> Result<Self> {
        if let Some(known) = split.known_statistics(square) {
            progress(split.len())?;
            return Ok(known.clone());
        }
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let parts = Mutex::new(Vec::new());
        let work = || {
            let mut part = Self::empty(square);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= split.len() {
                    break;
                }
                let count = || 1 + done.fetch_add(1, Ordering::Relaxed);
                if let Err(error) = part.add(split, index).and_then(|()| progress(count())) {
                    next.store(split.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
            parts.lock().expect("no worker panics with the lock").push(part);
            Ok(())
        };
        std::thread::scope(|scope| {
            let spawn = |_| {
                threads::spawn_scoped(scope, work).map_err(|error| {
                    // Threads that have started find nothing left to do.
                    next.store(split.len(), Ordering::Relaxed);
                    error.context("reading images").help("use fewer threads: --threads 1")
                })
            };
            let workers = (0..workers.max(1)).map(spawn).collect::<Result<Vec<_>>>()?;
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(Error::data("a thread that reads images panicked")))
            })
        })?;
        let mut all = Self::empty(square);
        parts.into_inner().expect("all workers are done").into_iter().for_each(|part| all.merge(part));
        all.usable.sort_unstable();
        all.skipped.sort_by(|a, b| a.file.cmp(&b.file));
        match (all.usable.is_empty(), all.skipped.first()) {
            (false, _) => Ok(all),
            (true, Some(first)) => Err(Error::data(format!(
                "none of the {} images can be decoded; the first, {}: {}",
                all.skipped.len(),
                first.file,
                first.reason
            ))),
            (true, None) => Err(Error::data("no training images")),
        }
    }

    fn add(&mut self, split: &Split, index: usize) -> Result<()> {
        match split.image(index)? {
            Ok(image) => self.add_square(index, &square::square(&image, self.square)),
            Err(skip) => self.skipped.push(skip),
        }
        Ok(())
    }
}
