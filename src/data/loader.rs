//! Batches in order, made by worker threads ahead of the engine.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};
use rand::seq::SliceRandom;

use super::preprocess::color_noise;
use super::{ColorBasis, Preprocess, Skip, Split, View};
use crate::net::Augment;
use crate::random::{Purpose, generator, key};
use crate::{Error, Result};

/// Pictures and labels, ready for an engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Centred pictures, `[pictures, views, crop, crop, 3]`.
    pub images: Vec<f32>,
    /// Class of each picture.
    pub labels: Vec<u32>,
    /// Index of each picture in its split.
    pub indices: Vec<usize>,
    /// A key for each picture's dropout masks.
    pub keys: Vec<u64>,
    /// Pictures that were left out, and why.
    pub skipped: Vec<Skip>,
}

/// What is done with each picture.
#[derive(Clone, Debug)]
enum Task {
    Training { augment: Augment, basis: ColorBasis, seed: u64, epoch: u64 },
    Evaluation { views: Vec<View> },
}

/// All that a batch follows from, besides its number.
#[derive(Clone, Debug)]
struct Job {
    split: Split,
    preprocess: Arc<Preprocess>,
    order: Vec<usize>,
    batch: usize,
    task: Task,
}

/// Batches in order. What a batch holds is a function of its number alone, so it does not matter which worker makes
/// it, or how many there are.
pub struct Loader {
    job: Arc<Job>,
    next: usize,
    workers: Vec<Worker>,
}

/// Makes every so-many-th batch, one ahead of what is asked for.
struct Worker {
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// One epoch of training on the pictures `usable` of `split`: each once, in an order that follows from the seed
    /// and the epoch, beginning at batch number `first`. The last batch may be smaller.
    ///
    /// With 0 workers, batches are made on the caller's thread.
    pub fn training(
        split: &Split,
        usable: &[usize],
        preprocess: &Arc<Preprocess>,
        augment: &Augment,
        basis: &ColorBasis,
        (seed, epoch): (u64, u64),
        batch: usize,
        first: usize,
        workers: usize,
    ) -> Self {
        let mut order = usable.to_vec();
        order.shuffle(&mut generator(key(seed, epoch, 0, Purpose::Order)));
        let task = Task::Training { augment: augment.clone(), basis: basis.clone(), seed, epoch };
        let (split, preprocess) = (split.clone(), Arc::clone(preprocess));
        Self::start(Job { split, preprocess, order, batch: batch.max(1), task }, first, workers)
    }

    /// Every picture of `split` in order, each as `views` views (1 or 10), `batch` pictures at a time.
    pub fn evaluation(
        split: &Split,
        preprocess: &Arc<Preprocess>,
        views: usize,
        batch: usize,
        workers: usize,
    ) -> Self {
        let (square, crop) = (preprocess.square, preprocess.crop);
        let views = match views {
            10 => View::ten(square, crop).to_vec(),
            _ => vec![View::centre(square, crop)],
        };
        let (split, preprocess) = (split.clone(), Arc::clone(preprocess));
        let order = (0..split.len()).collect();
        Self::start(
            Job { split, preprocess, order, batch: batch.max(1), task: Task::Evaluation { views } },
            0,
            workers,
        )
    }

    /// Batches in all, those before the first included.
    pub fn batches(&self) -> usize {
        self.job.batches()
    }

    fn start(job: Job, first: usize, workers: usize) -> Self {
        let job = Arc::new(job);
        let workers = (0..workers).map(|i| Worker::start(Arc::clone(&job), first + i, workers)).collect();
        Self { job, next: first, workers }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.job.batches() {
            return None;
        }
        // Worker i makes the batches first + i, first + i + workers, ...: asking them in turn keeps the order.
        let batch = match self.workers.first().map(|worker| &worker.batches) {
            None => self.job.make(self.next),
            Some(None) => return None,
            Some(Some(batches)) => batches.recv().unwrap_or_else(|_| {
                Err(Error::data(format!("the worker that made batch {} failed", self.next)))
            }),
        };
        if !self.workers.is_empty() {
            self.workers.rotate_left(1);
        }
        self.next = if batch.is_ok() { self.next + 1 } else { usize::MAX };
        Some(batch)
    }
}

impl Worker {
    fn start(job: Arc<Job>, first: usize, step: usize) -> Self {
        let (send, batches) = bounded(1);
        let thread = std::thread::spawn(move || {
            for number in (first..job.batches()).step_by(step) {
                if send.send(job.make(number)).is_err() {
                    return;
                }
            }
        });
        Self { batches: Some(batches), thread: Some(thread) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without a receiver the worker's next send fails, and it ends.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Job {
    fn batches(&self) -> usize {
        self.order.len().div_ceil(self.batch)
    }

    fn make(&self, number: usize) -> Result<Batch> {
        let all = &self.order[number * self.batch..];
        let mut batch = Batch::default();
        for &index in &all[..all.len().min(self.batch)] {
            match self.split.picture(index)? {
                Ok(picture) => self.add(&mut batch, index, &self.preprocess.square(&picture)),
                Err(skip) => batch.skipped.push(skip),
            }
        }
        Ok(batch)
    }

    fn add(&self, batch: &mut Batch, index: usize, square: &super::Picture) {
        let len = self.preprocess.view_len();
        let mut write = |view: View, noise: [f32; 3]| {
            let start = batch.images.len();
            batch.images.resize(start + len, 0.0);
            self.preprocess.view(square, view, noise, &mut batch.images[start..]);
        };
        let image = index as u64;
        let key = match &self.task {
            Task::Training { augment, basis, seed, epoch } => {
                let Preprocess { square, crop, .. } = *self.preprocess;
                let view = View::random(augment, square, crop, *seed, *epoch, image);
                write(view, color_noise(augment, basis, *seed, *epoch, image));
                key(*seed, *epoch, image, Purpose::Dropout)
            }
            Task::Evaluation { views } => {
                views.iter().for_each(|&view| write(view, [0.0; 3]));
                0
            }
        };
        batch.labels.push(self.split.label(index));
        batch.indices.push(index);
        batch.keys.push(key);
    }
}
