//! Threads that make batches ahead of their use.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::batch::LoadedBatch;
use super::job::{Job, Square};
use crate::{Error, Result, threads};

/// The threads that make batches ahead of their use.
#[derive(Debug)]
pub(super) struct Prefetcher {
    /// `None` once the prefetcher is dropped.
    batches: Option<Receiver<Result<LoadedBatch>>>,
    /// Recycled memory of batches.
    recycled: Option<Sender<Vec<f32>>>,
    threads: Vec<JoinHandle<()>>,
}

/// The number of batch buffers: one in use, one ready, one being filled.
const BUFFERS: usize = 3;

impl Prefetcher {
    /// Starts the threads at batch number `first`.
    pub(super) fn start(job: &Arc<Job>, first: usize, workers: usize) -> Result<Self> {
        let begin = first * job.batch_size;
        let started = (0..workers).map(|worker| start_worker(job, begin + worker, workers));
        let (squares, mut threads): (Vec<Receiver<Square>>, Vec<JoinHandle<()>>) =
            started.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (send, batches) = bounded(1);
        let (recycled, buffers) = bounded(BUFFERS);
        (0..BUFFERS).for_each(|_| drop(recycled.try_send(Vec::new())));
        let job = Arc::clone(job);
        threads.push(spawn(move || {
            // Squares are dealt to workers in turn, so receiving in turn keeps the order.
            let square = |position: usize| {
                let worker = &squares[(position - begin) % workers];
                worker.recv().unwrap_or_else(|_| Err(Error::data("a thread that reads images panicked")))
            };
            let mut position = begin;
            while position < job.order.len() {
                let Ok(images) = buffers.recv() else { return };
                let batch = job.batch(position, images, square);
                position = batch.as_ref().map_or(usize::MAX, |batch| position + batch.positions());
                if send.send(batch).is_err() {
                    return;
                }
            }
        })?);
        Ok(Self { batches: Some(batches), recycled: Some(recycled), threads })
    }

    /// Returns the next batch, which starts at this position.
    pub(super) fn next(&self, position: usize) -> Result<LoadedBatch> {
        let panicked = || Error::data(format!("the thread that makes batches panicked at image {position}"));
        let batches = self.batches.as_ref().ok_or_else(panicked)?;
        batches.recv().unwrap_or_else(|_| Err(panicked()))
    }

    /// Recycles the memory of a batch.
    pub(super) fn recycle(&self, images: Vec<f32>) {
        if let Some(recycled) = &self.recycled {
            // Fails if there are enough buffers.
            let _ = recycled.try_send(images);
        }
    }
}

/// Starts a thread that makes every `step`-th square from `first`, and returns the channel they arrive on.
fn start_worker(job: &Arc<Job>, first: usize, step: usize) -> Result<(Receiver<Square>, JoinHandle<()>)> {
    let (send, squares) = bounded(job.batch_size.div_ceil(step));
    let job = Arc::clone(job);
    let work = move || {
        for position in (first..job.order.len()).step_by(step) {
            if send.send(job.square(position)).is_err() {
                return;
            }
        }
    };
    Ok((squares, spawn(work)?))
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    threads::spawn("images", work)
        .map_err(|error| error.context("loading images").help("use fewer threads: --workers 1 --threads 1"))
}

impl Drop for Prefetcher {
    fn drop(&mut self) {
        // Once the receivers are gone, sending fails: first of batches, then of squares.
        drop((self.batches.take(), self.recycled.take()));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
