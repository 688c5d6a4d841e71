//! The loader: an iterator over batches.

use std::sync::Arc;

use rand::seq::SliceRandom;

use super::batch::LoadedBatch;
use super::job::{Job, Ranks, STAGES, StageTimer, Task};
use super::prefetch::Prefetcher;
use crate::data::preprocess::{Preprocess, View};
use crate::data::source::Split;
use crate::data::statistics::ColorBasis;
use crate::net::Augment;
use crate::random::{Purpose, generator, key};
use crate::{Error, Result};

/// Iterates over batches in order. The contents of a batch depend only on its number, not on the number of workers.
///
/// Workers read, decode and crop squares, at most a batch ahead; one more thread cuts the views and assembles batches, one ahead
/// of the batch in use. So memory use depends on the batch size, not on the size of the set or the number of workers.
pub struct Loader {
    job: Arc<Job>,
    /// The position in the order of the first image of the next batch.
    position: usize,
    prefetcher: Option<Prefetcher>,
    /// Why the threads could not be started.
    failed: Option<Error>,
    /// Whether the caller holds a batch whose memory was not recycled.
    lent: bool,
    /// Without workers: recycled memory.
    recycled: Vec<f32>,
}

/// An epoch of training.
#[derive(Clone, Copy, Debug)]
pub struct TrainingEpoch<'a> {
    /// The training images.
    pub split: &'a Split,
    /// The indices of the images that decode.
    pub usable: &'a [usize],
    /// How images become views, and their orientation.
    pub preprocess: &'a Arc<Preprocess>,
    /// Random crops, flips and color noise.
    pub augment: &'a Augment,
    /// The directions of the color noise.
    pub basis: &'a ColorBasis,
    /// The seed of the run.
    pub seed: u64,
    /// The number of the epoch, from 0.
    pub epoch: u64,
    /// The number of images in a batch; the last batch may be smaller.
    pub batch_size: usize,
    /// The number of the first batch, to resume within an epoch.
    pub first_batch: usize,
}

impl Loader {
    /// Loads each usable image once, in an order that depends only on the seed and the epoch.
    ///
    /// The random numbers of an image depend on its rank among the usable images, so a set packed without the images that do not
    /// decode yields the same batches as its source.
    ///
    /// With 0 workers, batches are made on the calling thread.
    pub fn training(epoch: &TrainingEpoch<'_>, workers: usize) -> Self {
        let TrainingEpoch { split, usable, preprocess, augment, basis, seed, epoch, batch_size, first_batch } =
            *epoch;
        let mut order = usable.to_vec();
        order.shuffle(&mut generator(key(seed, epoch, 0, Purpose::Order)));
        let job = Job {
            split: split.oriented(preprocess.orientation),
            preprocess: Arc::clone(preprocess),
            order,
            ranks: Ranks::of_usable(usable),
            batch_size: batch_size.max(1),
            task: Task::Training { augment: augment.clone(), basis: basis.clone(), seed, epoch },
            timers: Default::default(),
        };
        Self::start(job, first_batch, workers)
    }

    /// Loads every image of `split` in order, `batch_size` images at a time, each as `views` views (1 or 10). Images that do not
    /// decode do not count: the last bits of an engine's results may depend on which images are in a batch.
    ///
    /// If `views` is another number, the first item is an error.
    pub fn evaluation(
        split: &Split,
        preprocess: &Arc<Preprocess>,
        views: usize,
        batch_size: usize,
        workers: usize,
    ) -> Self {
        let (square, crop) = (preprocess.square, preprocess.crop);
        let (views, failed) = match views {
            1 => (vec![View::center(square, crop)], None),
            10 => (View::ten(square, crop).to_vec(), None),
            other => (Vec::new(), Some(Error::usage(format!("{other} views: expected 1 or 10")))),
        };
        let job = Job {
            split: split.oriented(preprocess.orientation),
            preprocess: Arc::clone(preprocess),
            order: (0..split.len()).collect(),
            ranks: Ranks::Identity,
            batch_size: batch_size.max(1),
            task: Task::Evaluation { views },
            timers: Default::default(),
        };
        match failed {
            None => Self::start(job, 0, workers),
            Some(error) => Self { failed: Some(error), ..Self::start(job, 0, 0) },
        }
    }

    /// The total number of batches, including those before the first.
    pub fn batches(&self) -> usize {
        self.job.batches()
    }

    /// Returns the average time per image in each of [`STAGES`], in thread seconds.
    pub fn stages(&self) -> [f64; STAGES.len()] {
        self.job.timers.each_ref().map(StageTimer::average)
    }

    /// Recycles the memory of a batch.
    pub fn recycle(&mut self, batch: LoadedBatch) {
        self.take_back(batch.images);
    }

    fn take_back(&mut self, images: Vec<f32>) {
        if std::mem::take(&mut self.lent) {
            match &self.prefetcher {
                Some(prefetcher) => prefetcher.recycle(images),
                None => self.recycled = images,
            }
        }
    }

    fn start(job: Job, first: usize, workers: usize) -> Self {
        let job = Arc::new(job);
        let (prefetcher, failed) = match workers {
            0 => (None, None),
            _ => match Prefetcher::start(&job, first, workers) {
                Ok(prefetcher) => (Some(prefetcher), None),
                Err(error) => (None, Some(error)),
            },
        };
        let position = first * job.batch_size;
        Self { job, position, prefetcher, failed, lent: false, recycled: Vec::new() }
    }
}

impl Iterator for Loader {
    type Item = Result<LoadedBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.job.order.len() {
            return None;
        }
        if let Some(error) = self.failed.take() {
            self.position = usize::MAX;
            return Some(Err(error));
        }
        // If the caller kept the last batch, new memory replaces it.
        self.take_back(Vec::new());
        let batch = match &self.prefetcher {
            None => {
                let images = std::mem::take(&mut self.recycled);
                self.job.batch(self.position, images, |position| self.job.square(position))
            }
            Some(prefetcher) => prefetcher.next(self.position),
        };
        self.position = batch.as_ref().map_or(usize::MAX, |batch| self.position + batch.positions());
        self.lent = true;
        Some(batch)
    }
}
