//! Makes one batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use alexnet_kernels::memory;

use super::batch::LoadedBatch;
use crate::data::Image;
use crate::data::preprocess::{Preprocess, View, color_noise};
use crate::data::skip::Skip;
use crate::data::source::Split;
use crate::data::statistics::ColorBasis;
use crate::net::Augment;
use crate::random::{Purpose, key};
use crate::{Error, Result};

/// The stages that an image goes through.
pub const STAGES: [&str; 4] = ["read", "decode", "square", "augment"];

/// Indices into [`STAGES`].
#[derive(Clone, Copy)]
enum Stage {
    Read,
    Decode,
    Square,
    Augment,
}

/// The time spent in a stage.
#[derive(Debug, Default)]
pub(super) struct StageTimer {
    nanoseconds: AtomicU64,
    /// The number of images that went through the stage.
    images: AtomicU64,
}

impl StageTimer {
    /// The average time per image, in seconds.
    pub(super) fn average(&self) -> f64 {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        1e-9 * load(&self.nanoseconds) / load(&self.images).max(1.0)
    }
}

/// The rank of each image among the usable ones.
#[derive(Debug)]
pub(super) enum Ranks {
    /// All images are usable: the rank is the index.
    Identity,
    /// The ranks by index.
    ByIndex(Vec<u32>),
}

impl Ranks {
    /// Ranks the usable images, given by index.
    pub(super) fn of_usable(usable: &[usize]) -> Self {
        if usable.iter().zip(0..).all(|(&index, rank)| index == rank) {
            return Self::Identity;
        }
        let last = usable.iter().max().copied().unwrap_or(0);
        let mut ranks = vec![0; last + 1];
        for (&index, rank) in usable.iter().zip(0..) {
            ranks[index] = rank;
        }
        Self::ByIndex(ranks)
    }

    fn of(&self, index: usize) -> u64 {
        match self {
            Self::Identity => index as u64,
            Self::ByIndex(ranks) => ranks.get(index).map_or(index as u64, |&rank| u64::from(rank)),
        }
    }
}

/// How images become views.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Training { augment: Augment, basis: ColorBasis, seed: u64, epoch: u64 },
    Evaluation { views: Vec<View> },
}

/// Everything that determines the contents of a batch, except its number.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) split: Split,
    pub(super) preprocess: Arc<Preprocess>,
    /// The index in the split of each image, in the order in which images are used.
    pub(super) order: Vec<usize>,
    pub(super) ranks: Ranks,
    pub(super) batch_size: usize,
    pub(super) task: Task,
    pub(super) timers: [StageTimer; STAGES.len()],
}

/// A square, or the reason why the image was skipped.
pub(super) type Square = Result<std::result::Result<Image, Skip>>;

impl Job {
    /// Makes the square of the image at this position of the order.
    pub(super) fn square(&self, position: usize) -> Square {
        let index = self.order[position];
        let begin = Instant::now();
        let stored = self.split.stored(index)?;
        let read = self.lap(Stage::Read, begin);
        let image = self.split.decode(stored);
        let decoded = self.lap(Stage::Decode, read);
        let skip = |error: Error| Skip { file: self.split.file(index).to_owned(), reason: error.message };
        let square = image.map(|image| self.preprocess.square(&image)).map_err(skip);
        self.lap(Stage::Square, decoded);
        Ok(square)
    }

    /// Adds the time since `begin` to a stage, and returns the current time.
    fn lap(&self, stage: Stage, begin: Instant) -> Instant {
        let now = Instant::now();
        let nanoseconds = u64::try_from((now - begin).as_nanos()).unwrap_or(u64::MAX);
        let timer = &self.timers[stage as usize];
        timer.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        timer.images.fetch_add(1, Ordering::Relaxed);
        now
    }

    /// Makes the batch that starts at this position of the order, in the memory of `images`. In training it covers `batch`
    /// positions, in evaluation it has `batch` images that decode.
    pub(super) fn batch(
        &self,
        begin: usize,
        mut images: Vec<f32>,
        square: impl Fn(usize) -> Square,
    ) -> Result<LoadedBatch> {
        images.clear();
        let views = if let Task::Evaluation { views } = &self.task { views.len() } else { 1 };
        let count = self.batch_size.min(self.order.len() - begin);
        let values = count * views * self.preprocess.view_len();
        memory::reserve(&mut images, values).map_err(|_| {
            let error = Error::out_of_memory(values * size_of::<f32>(), None);
            error.context(format!("batch of {count} images")).help(
                "use a smaller batch, in training `--set optimizer.batch=32`, in evaluation `--batch 32`; or fewer threads: \
                 `--workers 1`",
            )
        })?;
        let mut batch = LoadedBatch { images, ..LoadedBatch::default() };
        let is_full = |batch: &LoadedBatch| match self.task {
            Task::Training { .. } => batch.positions() == self.batch_size,
            Task::Evaluation { .. } => batch.labels.len() == self.batch_size,
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

    fn add(&self, batch: &mut LoadedBatch, index: usize, square: &Image) {
        let len = self.preprocess.view_len();
        let mut write = |view: View, noise: [f32; 3]| {
            let start = batch.images.len();
            batch.images.resize(start + len, 0.0);
            self.preprocess.view(square, view, noise, &mut batch.images[start..]);
        };
        let image = self.ranks.of(index);
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
        self.lap(Stage::Augment, begin);
        batch.labels.push(self.split.label(index));
        batch.indices.push(index);
        batch.keys.push(key);
    }
}
