//! Which learning rate: a little training at ever higher rates (Smith, "Cyclical Learning Rates for Training Neural
//! Networks", 2017, section 3.3).

use std::path::Path;
use std::sync::Arc;

use super::init::initialize;
use super::observer::{Event, Observer, Phase, PhaseAdvanced, PhaseStarted};
use super::plots::draw_rates;
use crate::data::check;
use crate::data::loader::TrainingEpoch;
use crate::data::{Dataset, Loader, Preprocess, Statistics};
use crate::engine::{self, Batch, Device, Update};
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// Share of the loss so far in the smoothed loss.
const SMOOTH: f64 = 0.9;

/// A loss that is so many times the lowest explodes.
const EXPLODED: f64 = 2.0;

/// How rates are tried.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first rate.
    pub from: f32,
    /// The last.
    pub to: f32,
    /// Steps from the first to the last, each at the same multiple of the rate before.
    pub steps: usize,
    /// What all random numbers follow from.
    pub seed: u64,
    /// Threads that compute.
    pub threads: usize,
    /// Threads that load images.
    pub workers: usize,
}

/// A step at a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Try {
    /// The learning rate.
    pub rate: f32,
    /// The loss of the batch before the step.
    pub loss: f64,
    /// The mean of the losses so far, the later the more they count.
    pub smooth: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The steps, up to where the loss explodes.
    pub tries: Vec<Try>,
    /// The rate at which the smoothed loss falls fastest, or a tenth of the one at which it explodes, if that is lower; `None`
    /// if it does not fall.
    pub suggestion: Option<f32>,
    /// The rate at which the loss explodes, if one of those tried.
    pub explodes: Option<f32>,
}

/// Trains `recipe` from its initial weights, each step at a higher rate than the one before. Nothing is kept.
///
/// # Errors
/// When the recipe does not fit the images, memory cannot be had, or an image's file cannot be read.
pub fn find(
    recipe: &Recipe,
    dataset: &Dataset,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Found> {
    if options.to <= options.from {
        return Err(Error::usage(format!("from a rate of {} to {}", options.from, options.to))
            .help("--to must be above --from"));
    }
    let network = Network::new(recipe, dataset.classes.len())?;
    let batch = recipe.optimizer.batch;
    let mut engine = engine::open(Device::Cpu, network, &engine::Options::training(batch, options.threads))?;
    engine.load(&initialize(engine.network(), options.seed)?)?;
    let mut dataset = dataset.clone();
    dataset.prepare(&recipe.input)?;
    let train = dataset.train()?;
    let statistics = Statistics::measure(train, recipe.input.square, options.threads, &|_| Ok(()))?;
    check::every_class_decodes(train, &statistics.usable, &dataset.classes)?;
    let preprocess = Arc::new(Preprocess::new(&recipe.input, &statistics));
    let basis = statistics.color_basis();
    let started = PhaseStarted { phase: Phase::LearningRates, total: options.steps, done: 0 };
    let mut stop = observer.observe(&Event::PhaseStarted(started)).is_break();
    let mut tries: Vec<Try> = Vec::new();
    let growth =
        f64::from(options.to / options.from).powf(1.0 / options.steps.saturating_sub(1).max(1) as f64);
    let mut epochs = 1..;
    let mut loader: Option<Loader> = None;
    while tries.len() < options.steps && !stop {
        let next = loader.as_mut().and_then(Iterator::next);
        let Some(loaded) = next else {
            let epoch = TrainingEpoch {
                split: train,
                usable: &statistics.usable,
                preprocess: &preprocess,
                augment: &recipe.augment,
                basis: &basis,
                seed: options.seed,
                epoch: epochs.next().unwrap_or(1),
                batch_size: batch,
                first_batch: 0,
            };
            loader = Some(Loader::training(&epoch, options.workers));
            continue;
        };
        let loaded = loaded?;
        let rate = (f64::from(options.from) * growth.powi(tries.len() as i32)) as f32;
        let update = Update { rate, momentum: recipe.optimizer.momentum, decay: recipe.optimizer.decay };
        let batch = Batch::whole(&loaded.images, &loaded.labels, &loaded.keys);
        let loss = engine.step(&batch, &update)?.loss;
        if engine.non_finite()?.is_some() {
            return Ok(judge(tries, Some(rate)));
        }
        let before = tries.last().map_or(loss, |tried| tried.smooth);
        tries.push(Try { rate, loss, smooth: SMOOTH * before + (1.0 - SMOOTH) * loss });
        stop =
            observer.observe(&Event::PhaseAdvanced(PhaseAdvanced { done: 1, loss: Some(loss) })).is_break();
        let lowest = tries.iter().map(|tried| tried.smooth).fold(f64::INFINITY, f64::min);
        if tries.last().is_some_and(|tried| tried.smooth > EXPLODED * lowest) {
            return Ok(judge(tries, Some(rate)));
        }
        if let Some(loader) = &mut loader {
            loader.recycle(loaded);
        }
    }
    Ok(judge(tries, None))
}

/// The steepest fall over a tenth of the steps, before the lowest loss.
fn judge(tries: Vec<Try>, explodes: Option<f32>) -> Found {
    let span = (tries.len() / 10).max(1);
    let lowest = (0..tries.len()).min_by(|&a, &b| tries[a].smooth.total_cmp(&tries[b].smooth)).unwrap_or(0);
    let fall = |i: usize| tries[i - span].smooth - tries[i].smooth;
    let steepest = (span..=lowest).max_by(|&a, &b| fall(a).total_cmp(&fall(b)));
    let fastest = steepest.filter(|&i| fall(i) > 0.0).map(|i| tries[i - span / 2].rate);
    let suggestion = fastest.map(|rate| explodes.map_or(rate, |explodes| rate.min(explodes / 10.0)));
    Found { tries, suggestion, explodes }
}

impl Found {
    /// Draws the loss against the rate as SVG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        // An explosion would make all other losses look the same.
        let most = self.tries.first().map_or(0.0, |first| 1.5 * first.loss);
        let points = |loss: fn(&Try) -> f64| -> Vec<(f32, f64)> {
            let points = self.tries.iter().map(|tried| (tried.rate, loss(tried)));
            points.filter(|(_, loss)| *loss <= most).collect()
        };
        draw_rates(path, &points(|tried| tried.loss), &points(|tried| tried.smooth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_is_suggested() {
        let loss = |i: usize| match i {
            0..40 => 2.3,
            40..60 => 2.3 - 0.08 * (i - 40) as f64,
            60..80 => 0.7,
            _ => 0.7 + 0.1 * (i - 80) as f64,
        };
        let tried = |i: usize| Try { rate: i as f32, loss: loss(i), smooth: loss(i) };
        let found = judge((0..100).map(tried).collect(), None);
        let near = judge((0..100).map(tried).collect(), Some(100.0));
        assert_eq!((near.suggestion, near.explodes), (Some(10.0), Some(100.0)));
        assert!(found.suggestion.is_some_and(|rate| (45.0..60.0).contains(&rate)), "{:?}", found.suggestion);
        let rising = (0..100).map(|i| Try { smooth: i as f64, ..tried(i) }).collect();
        assert_eq!(judge(rising, None).suggestion, None);
        assert_eq!(judge(Vec::new(), None).suggestion, None);
    }
}
