//! How fast images come: each step on one thread by itself, and all together as training has them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::preprocess::color_noise;
use super::{ColorBasis, Loader, Preprocess, Split, Stored, View};
use crate::net::{Augment, Input};
use crate::{Error, Result};

/// What was measured. Rates are images a second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Images that were measured one by one.
    pub images: usize,
    /// Bytes of an image as it is stored, on average.
    pub bytes: f64,
    /// Each step by itself, on one thread.
    pub steps: Vec<Step>,
    /// The step that takes longest.
    pub bottleneck: &'static str,
    /// All steps on one thread.
    pub images_per_second_per_core: f64,
    /// Threads of the loader, beside the one that puts batches together.
    pub workers: usize,
    /// The loader, nothing else running.
    pub loader_images_per_second: f64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// `read`, `decode`, `square` or `augment`.
    pub name: &'static str,
    /// Images a second, on one thread.
    pub images_per_second: f64,
    /// Share of the time of all steps.
    pub share: f64,
}

/// So many broken images, and nothing else, are enough.
const MOST_BROKEN: usize = 1000;

const STEPS: [&str; 4] = ["read", "decode", "square", "augment"];

/// Measures for about `seconds` each: the steps on one thread, on images from all over the split, and the loader with
/// `workers` threads.
///
/// # Errors
/// When no image decodes, or one cannot be read.
pub fn bench(
    split: &Split,
    input: &Input,
    augment: &Augment,
    batch: usize,
    workers: usize,
    seconds: f64,
) -> Result<Speed> {
    // The values of mean and noise change nothing of the time.
    let values = 3 * input.square * input.square;
    let preprocess = Preprocess { mean: vec![110.0; values], ..Preprocess::of(input) };
    let basis =
        ColorBasis { vectors: [[0.6, 0.6, 0.5], [0.7, 0.0, -0.7], [0.4, -0.8, 0.4]], deviations: [50.0; 3] };
    let limit = Duration::from_secs_f64(seconds);
    let split = &split.oriented(input.orientation);
    let mut time = [Duration::ZERO; STEPS.len()];
    let (mut images, mut bytes) = (0usize, 0);
    let begin = Instant::now();
    let mut out = vec![0.0; preprocess.view_len()];
    // Places that lie about a golden section apart cover the split evenly, whenever time is up.
    let step = ((split.len() as f64 * 0.618) as usize).max(1);
    let step = (step..).find(|&step| coprime(step, split.len())).unwrap_or(1);
    for turn in 0.. {
        // Where none of many decodes, the rest of a large set would take hours.
        let tried = images > 0 || turn >= split.len().min(MOST_BROKEN);
        if tried && (begin.elapsed() >= limit || images == 0) {
            break;
        }
        let index = turn * step % split.len();
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
        for ((time, end), begin) in time.iter_mut().zip(ends).zip(begins) {
            *time += end - begin;
        }
        images += 1;
    }
    if images == 0 {
        let tried = split.len().min(MOST_BROKEN);
        return Err(Error::data(format!("none of {tried} images decodes, of {} in all", split.len()))
            .help("alexnet data check SRC"));
    }
    let all: Duration = time.iter().sum();
    let steps = STEPS.iter().zip(time).map(|(&name, time)| Step {
        name,
        images_per_second: images as f64 / time.as_secs_f64().max(1e-9),
        share: time.as_secs_f64() / all.as_secs_f64(),
    });
    let steps: Vec<Step> = steps.collect();
    let bottleneck = steps.iter().max_by(|a, b| a.share.total_cmp(&b.share)).map_or("", |step| step.name);
    Ok(Speed {
        images,
        bytes: bytes as f64 / images as f64,
        bottleneck,
        images_per_second_per_core: images as f64 / all.as_secs_f64(),
        steps,
        workers,
        loader_images_per_second: loader(split, preprocess, augment, &basis, batch, workers, limit)?,
    })
}

/// Images a second of the loader, over as many epochs as there is time for.
fn loader(
    split: &Split,
    preprocess: Preprocess,
    augment: &Augment,
    basis: &ColorBasis,
    batch: usize,
    workers: usize,
    limit: Duration,
) -> Result<f64> {
    let (preprocess, all) = (Arc::new(preprocess), (0..split.len()).collect::<Vec<_>>());
    // A batch that is the whole set would measure how threads start.
    let batch = batch.min(split.len().div_ceil(8));
    let (begin, mut images) = (Instant::now(), 0);
    for epoch in 0.. {
        let mut loader =
            Loader::training(split, &all, &preprocess, augment, basis, (0, epoch), batch, 0, workers);
        while let Some(batch) = loader.next() {
            let batch = batch?;
            images += batch.labels.len();
            loader.recycle(batch);
            if begin.elapsed() >= limit {
                return Ok(images as f64 / begin.elapsed().as_secs_f64());
            }
        }
    }
    unreachable!("there are more epochs than seconds")
}

fn coprime(a: usize, b: usize) -> bool {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}
