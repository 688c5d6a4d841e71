//! The loader: an iterator over batches.

use std::sync::Arc;

use rand::seq::SliceRandom;

use super::batch::LoadedBatch;
use super::job::{Job, Ranks, STAGES, StageTimer, Task};
use super::prefetch::Prefetcher;
use super::share::Share;
use crate::data::preprocess::{Preprocess, View};
use crate::data::source::Split;
use crate::data::statistics::ColorBasis;
use crate::net::{Augment, Views};
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
    whole: Whole,
}

/// The batches of all processes, of which a loader makes one process's share.
#[derive(Debug)]
struct Whole {
    share: Share,
    /// The number of images that all processes use.
    images: usize,
    /// The number of images in a batch.
    batch_size: usize,
    /// The number of the next batch.
    next: usize,
}

impl Whole {
    /// The number of images in a batch.
    fn batch(&self, number: usize) -> usize {
        self.batch_size.min(self.images.saturating_sub(number * self.batch_size))
    }

    fn batches(&self) -> usize {
        self.images.div_ceil(self.batch_size)
    }
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
    /// The number of the epoch, which random numbers depend on. Training runs count from 1.
    pub epoch: u64,
    /// The number of images in a batch; the last batch may be smaller.
    pub batch_size: usize,
    /// The number of the first batch, to resume within an epoch.
    pub first_batch: usize,
    /// This process's share of every batch. The number of processes divides `batch_size`.
    pub share: Share,
}

impl Loader {
    /// Loads each usable image once, in an order that depends only on the seed and the epoch.
    ///
    /// The random numbers of an image depend on its rank among the usable images, so a set packed without the images that do not
    /// decode yields the same batches as its source.
    ///
    /// With 0 workers, batches are made on the calling thread.
    pub fn training(epoch: &TrainingEpoch<'_>, workers: usize) -> Self {
        let TrainingEpoch { split, usable, preprocess, augment, basis, seed, share, first_batch, .. } =
            *epoch;
        let (number, batch_size) = (epoch.epoch, epoch.batch_size.max(1));
        let mut order = usable.to_vec();
        order.shuffle(&mut generator(key(seed, number, 0, Purpose::Order)));
        let whole = Whole { share, images: order.len(), batch_size, next: first_batch };
        let order =
            order.chunks(batch_size).flat_map(|batch| &batch[share.range(batch.len())]).copied().collect();
        let job = Job {
            split: split.oriented(preprocess.orientation),
            preprocess: Arc::clone(preprocess),
            order,
            ranks: Ranks::of_usable(usable),
            batch_size: share.range(batch_size).len().max(1),
            task: Task::Training { augment: augment.clone(), basis: basis.clone(), seed, epoch: number },
            timers: Default::default(),
        };
        Self::start(job, whole, workers)
    }

    /// Loads every image of `split` in order, `batch_size` images at a time, as its views. Images that do not decode
    /// do not count: the last bits of an engine's results may depend on which images are in a batch. Of several processes,
    /// each loads consecutive batches.
    pub fn evaluation(
        split: &Split,
        preprocess: &Arc<Preprocess>,
        views: Views,
        batch_size: usize,
        share: Share,
        workers: usize,
    ) -> Self {
        let batch_size = batch_size.max(1);
        let batches = share.range(split.len().div_ceil(batch_size));
        let order = batches.start * batch_size..split.len().min(batches.end * batch_size);
        let whole = Whole { share: Share::WHOLE, images: order.len(), batch_size, next: 0 };
        let job = Job {
            split: split.oriented(preprocess.orientation),
            preprocess: Arc::clone(preprocess),
            order: order.collect(),
            ranks: Ranks::Identity,
            batch_size,
            task: Task::Evaluation { views: View::of(views, preprocess.square, preprocess.crop) },
            timers: Default::default(),
        };
        Self::start(job, whole, workers)
    }

    /// The total number of batches, including those before the first.
    pub fn batches(&self) -> usize {
        self.whole.batches()
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

    fn start(job: Job, whole: Whole, workers: usize) -> Self {
        let (job, first) = (Arc::new(job), whole.next);
        let (prefetcher, failed) = match workers {
            0 => (None, None),
            _ => match Prefetcher::start(&job, first, workers) {
                Ok(prefetcher) => (Some(prefetcher), None),
                Err(error) => (None, Some(error)),
            },
        };
        let position = first * job.batch_size;
        Self { job, position, prefetcher, failed, lent: false, recycled: Vec::new(), whole }
    }
}

impl Iterator for Loader {
    type Item = Result<LoadedBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.job.order.len() {
            return self.empty_share();
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
        Some(batch.and_then(|batch| self.place(batch)))
    }
}

impl Loader {
    /// The share of a last batch that has too few images for every process: none.
    fn empty_share(&mut self) -> Option<Result<LoadedBatch>> {
        let is_left = self.whole.share != Share::WHOLE
            && self.position == self.job.order.len()
            && self.whole.next < self.whole.batches();
        is_left.then(|| self.place(LoadedBatch::default()))
    }

    /// Completes a batch by its place in the whole batch.
    ///
    /// # Errors
    /// Returns an error if an image of a shared batch could not be decoded: the other processes count on it.
    fn place(&mut self, mut batch: LoadedBatch) -> Result<LoadedBatch> {
        let number = self.whole.next;
        self.whole.next += 1;
        if self.whole.share == Share::WHOLE {
            batch.global = batch.labels.len();
            return Ok(batch);
        }
        if let Some(skip) = batch.skipped.first() {
            return Err(Error::data(format!(
                "{}: {}; it could be decoded when the training started",
                skip.file, skip.reason
            ))
            .help("restore the file, and resume"));
        }
        batch.global = self.whole.batch(number);
        batch.first = self.whole.share.range(batch.global).start;
        Ok(batch)
    }
}
