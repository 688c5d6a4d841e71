//! Batches in order, made by worker threads ahead of the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use alexnet_kernels::memory;
use crossbeam_channel::{Receiver, Sender, bounded};
use rand::seq::SliceRandom;

use super::preprocess::color_noise;
use super::{ColorBasis, Image, Preprocess, Skip, Split, View};
use crate::error::Kind;
use crate::net::Augment;
use crate::random::{Purpose, generator, key};
use crate::{Error, Result};

/// Images and labels, ready for an engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Centered images, `[images, views, crop, crop, 3]`.
    pub images: Vec<f32>,
    /// Class of each image.
    pub labels: Vec<u32>,
    /// Index of each image in its split.
    pub indices: Vec<usize>,
    /// A key for each image's dropout masks.
    pub keys: Vec<u64>,
    /// Images that were left out, and why.
    pub skipped: Vec<Skip>,
}

impl Batch {
    /// Images that it stands for, those that were left out included.
    fn positions(&self) -> usize {
        self.labels.len() + self.skipped.len()
    }
}

/// What is done with each image.
#[derive(Clone, Debug)]
enum Task {
    Training { augment: Augment, basis: ColorBasis, seed: u64, epoch: u64 },
    Evaluation { views: Vec<View> },
}

/// All that a batch follows from, besides its number.
#[derive(Debug)]
struct Job {
    split: Split,
    preprocess: Arc<Preprocess>,
    /// Index in the split of each image, in the order in which they are used.
    order: Vec<usize>,
    /// For a training with images left out, by index: the place of each image among those that are used.
    places: Vec<u32>,
    batch: usize,
    task: Task,
    /// Nanoseconds spent in each stage, and the images that went through it.
    stages: [(AtomicU64, AtomicU64); STAGES.len()],
}

/// What is done with an image, in order.
pub const STAGES: [&str; 4] = ["read", "decode", "square", "augment"];

/// Batches in order. What a batch holds is a function of its number alone, so it does not matter which worker makes
/// its squares, or how many workers there are.
///
/// Workers read, decode and cut squares, at most a batch ahead; one more thread cuts the views and puts batches together, one
/// ahead of the one that is used. So memory follows from the batch, not from the set or the workers.
pub struct Loader {
    job: Arc<Job>,
    /// Position in the order of the first image of the next batch.
    position: usize,
    ahead: Option<Ahead>,
    /// Why there are no threads.
    failed: Option<Error>,
    /// Whether the caller has a batch whose memory has not come back.
    lent: bool,
    /// Without workers: memory that has come back.
    spent: Vec<f32>,
}

/// The threads that make batches before they are asked for.
#[derive(Debug)]
struct Ahead {
    batches: Receiver<Result<Batch>>,
    /// Images of batches that have been used, to be filled again.
    spent: Sender<Vec<f32>>,
    threads: Vec<JoinHandle<()>>,
}

/// Memories for the images of a batch: one is used, one waits, one is filled.
const MEMORIES: usize = 3;

/// An image's square, or why there is none.
type Square = Result<std::result::Result<Image, Skip>>;

impl Loader {
    /// One epoch of training on the images `usable` of `split`: each once, in an order that follows from the seed
    /// and the epoch, beginning at batch number `first`. The last batch may be smaller. Images are the way up that
    /// `preprocess` says.
    ///
    /// An image's random numbers follow from its place among `usable`, so a set that was packed without the images that do
    /// not decode gives the same batches as its source.
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
        let (split, preprocess) = (split.oriented(preprocess.orientation), Arc::clone(preprocess));
        let places = places(usable);
        Self::start(
            Job { split, preprocess, order, places, batch: batch.max(1), task, stages: Default::default() },
            first,
            workers,
        )
    }

    /// Every image of `split` in order, each as `views` views (1 or 10), `batch` images at a time. Those that do not decode
    /// take no place in a batch: what an engine computes may depend, in the last bits, on which images come together.
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
            _ => vec![View::center(square, crop)],
        };
        let (split, preprocess) = (split.oriented(preprocess.orientation), Arc::clone(preprocess));
        let order = (0..split.len()).collect();
        Self::start(
            Job {
                split,
                preprocess,
                order,
                places: Vec::new(),
                batch: batch.max(1),
                task: Task::Evaluation { views },
                stages: Default::default(),
            },
            0,
            workers,
        )
    }

    /// Batches in all, those before the first included.
    pub fn batches(&self) -> usize {
        self.job.batches()
    }

    /// Seconds of a thread that an image has taken so far in each of [`STAGES`].
    pub fn stages(&self) -> [f64; STAGES.len()] {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        self.job
            .stages
            .each_ref()
            .map(|(nanoseconds, images)| 1e-9 * load(nanoseconds) / load(images).max(1.0))
    }

    /// Takes a batch back whose images have been used: its memory serves another.
    pub fn recycle(&mut self, batch: Batch) {
        self.take_back(batch.images);
    }

    fn take_back(&mut self, images: Vec<f32>) {
        match &self.ahead {
            Some(ahead) if self.lent => drop(ahead.spent.try_send(images)),
            None if self.lent => self.spent = images,
            _ => {}
        }
        self.lent = false;
    }

    fn start(job: Job, first: usize, workers: usize) -> Self {
        let job = Arc::new(job);
        let (ahead, failed) = match workers {
            0 => (None, None),
            _ => match Ahead::start(&job, first, workers) {
                Ok(ahead) => (Some(ahead), None),
                Err(error) => (None, Some(error)),
            },
        };
        let position = first * job.batch;
        Self { job, position, ahead, failed, lent: false, spent: Vec::new() }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.job.order.len() {
            return None;
        }
        if let Some(error) = self.failed.take() {
            self.position = usize::MAX;
            return Some(Err(error));
        }
        // A batch that the caller has kept is replaced by new memory.
        self.take_back(Vec::new());
        let batch = match &self.ahead {
            None => {
                let images = std::mem::take(&mut self.spent);
                self.job.batch(self.position, images, |position| self.job.square(position))
            }
            Some(ahead) => ahead.batches.recv().unwrap_or_else(|_| {
                Err(Error::data(format!("the thread that makes batches failed at image {}", self.position)))
            }),
        };
        self.position = batch.as_ref().map_or(usize::MAX, |batch| self.position + batch.positions());
        self.lent = true;
        Some(batch)
    }
}

impl Ahead {
    fn start(job: &Arc<Job>, first: usize, workers: usize) -> Result<Self> {
        let begin = first * job.batch;
        let started = (0..workers).map(|worker| start_worker(job, begin + worker, workers));
        let (squares, mut threads): (Vec<Receiver<Square>>, Vec<JoinHandle<()>>) =
            started.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (send, batches) = bounded(1);
        let (spent, used) = bounded(MEMORIES);
        (0..MEMORIES).for_each(|_| drop(spent.try_send(Vec::new())));
        let job = Arc::clone(job);
        threads.push(spawn(move || {
            // Worker w makes every so-many-th square from the w-th: asking them in turn keeps the order.
            let square = |position: usize| {
                let worker = &squares[(position - begin) % workers];
                worker.recv().unwrap_or_else(|_| Err(Error::data("a thread that reads images failed")))
            };
            let mut position = begin;
            while position < job.order.len() {
                let Ok(images) = used.recv() else { return };
                let batch = job.batch(position, images, square);
                position = batch.as_ref().map_or(usize::MAX, |batch| position + batch.positions());
                if send.send(batch).is_err() {
                    return;
                }
            }
        })?);
        Ok(Self { batches, spent, threads })
    }
}

/// A thread that makes the squares at `first` and every so-many-th after it, and where they come out.
fn start_worker(job: &Arc<Job>, first: usize, step: usize) -> Result<(Receiver<Square>, JoinHandle<()>)> {
    let (send, squares) = bounded(job.batch.div_ceil(step));
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
    std::thread::Builder::new().name("images".to_owned()).spawn(work).map_err(|error| {
        Error::new(Kind::Runtime, format!("cannot start a thread that loads images: {error}"))
            .help("fewer threads: --workers 1 --threads 1")
    })
}

impl Drop for Loader {
    fn drop(&mut self) {
        let Some(Ahead { batches, spent, threads }) = self.ahead.take() else { return };
        // Without a receiver the next send fails, of the batches first, then of the squares.
        drop((batches, spent));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// The place of each image among those that are used, by its index; nothing where both are the same.
fn places(usable: &[usize]) -> Vec<u32> {
    let Some(&last) = usable.iter().max().filter(|_| usable.iter().zip(0..).any(|(&index, i)| index != i))
    else {
        return Vec::new();
    };
    let mut places = vec![0; last + 1];
    for (&index, place) in usable.iter().zip(0..) {
        places[index] = place;
    }
    places
}

impl Job {
    fn batches(&self) -> usize {
        self.order.len().div_ceil(self.batch)
    }

    /// The square of the image at this position of the order.
    fn square(&self, position: usize) -> Square {
        let index = self.order[position];
        let begin = Instant::now();
        let stored = self.split.stored(index)?;
        let read = self.passed(0, begin);
        let image = self.split.decode(stored);
        let decoded = self.passed(1, read);
        let skip = |error: Error| Skip { file: self.split.file(index).to_owned(), reason: error.message };
        let square = image.map(|image| self.preprocess.square(&image)).map_err(skip);
        self.passed(2, decoded);
        Ok(square)
    }

    /// Adds the time since `begin` to a stage, and gives the time now.
    fn passed(&self, stage: usize, begin: Instant) -> Instant {
        let now = Instant::now();
        let nanoseconds = u64::try_from((now - begin).as_nanos()).unwrap_or(u64::MAX);
        let (spent, images) = &self.stages[stage];
        spent.fetch_add(nanoseconds, Ordering::Relaxed);
        images.fetch_add(1, Ordering::Relaxed);
        now
    }

    /// The batch that begins at this position of the order, its images in the memory of `images`. In training it is so many
    /// positions of the order, in evaluation so many images that decode.
    fn batch(&self, begin: usize, mut images: Vec<f32>, square: impl Fn(usize) -> Square) -> Result<Batch> {
        images.clear();
        let views = if let Task::Evaluation { views } = &self.task { views.len() } else { 1 };
        let count = self.batch.min(self.order.len() - begin);
        let values = count * views * self.preprocess.view_len();
        memory::reserve(&mut images, values).map_err(|_| {
            let error = Error::out_of_memory(values * size_of::<f32>(), None);
            error
                .context(format!("batch of {count} images"))
                .help("a smaller batch: `--set optimizer.batch=32`; or fewer threads: `--workers 1`")
        })?;
        let mut batch = Batch { images, ..Batch::default() };
        let is_full = |batch: &Batch| match self.task {
            Task::Training { .. } => batch.positions() == self.batch,
            Task::Evaluation { .. } => batch.labels.len() == self.batch,
        };
        for position in begin..self.order.len() {
            if is_full(&batch) {
                break;
            }
            match square(position)? {
                Ok(square) => self.add(&mut batch, self.order[position], &square),
                Err(skip) => batch.skipped.push(skip),
            }
        }
        Ok(batch)
    }

    fn add(&self, batch: &mut Batch, index: usize, square: &Image) {
        let len = self.preprocess.view_len();
        let mut write = |view: View, noise: [f32; 3]| {
            let start = batch.images.len();
            batch.images.resize(start + len, 0.0);
            self.preprocess.view(square, view, noise, &mut batch.images[start..]);
        };
        let image = self.places.get(index).map_or(index as u64, |&place| u64::from(place));
        let begin = Instant::now();
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
        self.passed(3, begin);
        batch.labels.push(self.split.label(index));
        batch.indices.push(index);
        batch.keys.push(key);
    }
}
