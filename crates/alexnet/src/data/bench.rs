//! Measures the throughput of loading: each stage on one thread, and the loader as in training.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::loader::{STAGES, TrainingEpoch};
use super::preprocess::color_noise;
use super::{ColorBasis, Loader, Preprocess, Share, Split, Stored, View};
use crate::net::{Augment, Input};
use crate::{Error, Result};

/// The measured throughput.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadingSpeed {
    /// The number of images measured one by one.
    pub images: usize,
    /// The average size of a stored image in bytes.
    pub bytes: f64,
    /// Each stage, on one thread.
    pub steps: Vec<StageSpeed>,
    /// The stage that takes longest.
    pub bottleneck: &'static str,
    /// All stages on one thread.
    pub images_per_second_per_core: f64,
    /// The number of loader threads, not counting the one that assembles batches.
    pub workers: usize,
    /// The loader without any other load.
    pub loader_images_per_second: f64,
}

/// The throughput of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageSpeed {
    /// One of [`STAGES`].
    pub name: &'static str,
    /// The throughput on one thread.
    pub images_per_second: f64,
    /// The share of the time of all stages.
    pub share: f64,
}

/// The measurement gives up after this many images if none decodes.
const MAX_BROKEN: usize = 1000;

/// Options of [`bench()`].
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions {
    /// The batch size of the loader.
    pub batch: usize,
    /// The number of loader threads.
    pub workers: usize,
    /// The approximate duration of each of the two measurements.
    pub seconds: f64,
}

/// Measures the stages on one thread, with images from the whole split, and then the loader.
///
/// # Errors
/// Returns an error if no image decodes, or one cannot be read.
pub fn bench(split: &Split, input: &Input, augment: &Augment, options: BenchOptions) -> Result<LoadingSpeed> {
    // The values of the mean and of the noise do not affect the speed.
    let values = 3 * input.square * input.square;
    let preprocess = Preprocess { mean: vec![110.0; values], ..Preprocess::of(input) };
    let basis =
        ColorBasis { vectors: [[0.6, 0.6, 0.5], [0.7, 0.0, -0.7], [0.4, -0.8, 0.4]], deviations: [50.0; 3] };
    let limit = Duration::from_secs_f64(options.seconds);
    let split = &split.oriented(input.orientation);
    let (mut times, mut images, mut bytes) = ([Duration::ZERO; STAGES.len()], 0usize, 0);
    let begin = Instant::now();
    let mut out = vec![0.0; preprocess.view_len()];
    // A stride of about the golden ratio covers the split evenly, whenever time is up.
    let stride = ((split.len() as f64 * 0.618) as usize).max(1);
    let stride = (stride..).find(|&stride| coprime(stride, split.len())).unwrap_or(1);
    for turn in 0.. {
        let tried = images > 0 || turn >= split.len().min(MAX_BROKEN);
        if tried && (begin.elapsed() >= limit || images == 0) {
            break;
        }
        let index = turn * stride % split.len();
        let started = Instant::now();
        let stored = split.stored(index)?;
        let read = Instant::now();
        bytes += match &stored {
            Stored::File(file) => file.len(),
            Stored::Pixels(image) => image.pixels.len(),
            Stored::TooLarge(_) => 0,
        };
        let Ok(image) = split.decode(stored) else { continue };
        let decoded = Instant::now();
        let square = preprocess.square(&image);
        let squared = Instant::now();
        let view = View::random(augment, input.square, input.crop, 0, 0, index as u64);
        preprocess.view(&square, view, color_noise(augment, &basis, 0, 0, index as u64), &mut out);
        let ends = [read, decoded, squared, Instant::now()];
        let begins = [started, read, decoded, squared];
        for ((time, end), begin) in times.iter_mut().zip(ends).zip(begins) {
            *time += end - begin;
        }
        images += 1;
    }
    if images == 0 {
        let tried = split.len().min(MAX_BROKEN);
        return Err(Error::data(format!("none of {tried} images (of {}) can be decoded", split.len()))
            .help("`alexnet data check SRC` shows the reasons"));
    }
    let total: Duration = times.iter().sum();
    let stages = STAGES.iter().zip(times).map(|(&name, time)| StageSpeed {
        name,
        images_per_second: images as f64 / time.as_secs_f64().max(1e-9),
        share: time.as_secs_f64() / total.as_secs_f64(),
    });
    let steps: Vec<StageSpeed> = stages.collect();
    let bottleneck = steps.iter().max_by(|a, b| a.share.total_cmp(&b.share)).map_or("", |stage| stage.name);
    Ok(LoadingSpeed {
        images,
        bytes: bytes as f64 / images as f64,
        bottleneck,
        images_per_second_per_core: images as f64 / total.as_secs_f64(),
        steps,
        workers: options.workers,
        loader_images_per_second: loader(split, preprocess, augment, &basis, options)?,
    })
}

/// Measures the throughput of the loader, over as many epochs as there is time for.
fn loader(
    split: &Split,
    preprocess: Preprocess,
    augment: &Augment,
    basis: &ColorBasis,
    options: BenchOptions,
) -> Result<f64> {
    let (preprocess, usable) = (Arc::new(preprocess), (0..split.len()).collect::<Vec<_>>());
    // A batch of the whole set would measure the start of threads.
    let batch_size = options.batch.min(split.len().div_ceil(8));
    let limit = Duration::from_secs_f64(options.seconds);
    let (begin, mut images) = (Instant::now(), 0);
    for epoch in 0.. {
        let training = TrainingEpoch {
            split,
            usable: &usable,
            preprocess: &preprocess,
            augment,
            basis,
            seed: 0,
            epoch,
            batch_size,
            first_batch: 0,
            share: Share::WHOLE,
        };
        let mut loader = Loader::training(&training, options.workers);
        while let Some(batch) = loader.next() {
            let batch = batch?;
            images += batch.labels.len();
            loader.recycle(batch);
            if begin.elapsed() >= limit {
                return Ok(images as f64 / begin.elapsed().as_secs_f64());
            }
        }
    }
    unreachable!("epochs are unlimited")
}

fn coprime(a: usize, b: usize) -> bool {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}
