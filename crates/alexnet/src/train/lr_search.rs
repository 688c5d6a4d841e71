//! The learning rate search of `alexnet lr-find`: a few steps at increasing learning rates (Smith, "Cyclical Learning Rates for
//! Training Neural Networks", 2017, section 3.3).

use std::path::Path;
use std::sync::Arc;

use super::init::initialize;
use super::observer::{Event, Observer, Phase, PhaseAdvanced, PhaseStarted};
use super::plots;
use super::watch::Watch;
use crate::data::check;
use crate::data::loader::TrainingEpoch;
use crate::data::{Dataset, LoadedBatch, Loader, Preprocess, Share, Statistics};
use crate::engine::{self, Batch, Device, Engine, Health, Update};
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// Weight of the previous losses in the smoothed loss.
const SMOOTHING: f64 = 0.9;

/// The search ends when the smoothed loss exceeds its minimum this many times.
const EXPLODED: f64 = 2.0;

/// Steps between two looks at the layers.
const CHECK_LAYERS_EVERY: usize = 5;

/// The suggestion is this far below a learning rate that fails.
const SAFETY_DIVISOR: f32 = 10.0;

/// The smoothed loss has fallen if it is below its first value by this share.
const FALLEN: f64 = 0.02;

/// The smoothed loss has fallen if it is below its first value by this many standard deviations of a batch's loss.
const NOISE: f64 = 1.5;

/// Which learning rates to try, and how.
#[derive(Clone, Debug)]
pub struct LrSearchOptions {
    /// The first learning rate.
    pub from: f32,
    /// The last.
    pub to: f32,
    /// Steps from the first to the last, in equal ratios.
    pub steps: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Compute threads.
    pub threads: usize,
    /// Image loading threads.
    pub workers: usize,
}

/// A step at a learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The learning rate.
    pub lr: f32,
    /// The loss of the batch before the step.
    pub loss: f64,
    /// The exponential moving average of the losses.
    pub smooth: f64,
}

/// The result of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LrSearch {
    /// The steps, up to where the loss explodes.
    pub trials: Vec<Trial>,
    /// The learning rate at which the smoothed loss decreases fastest, but at most a tenth of the one at which it explodes, and
    /// below one at which a training run would be advised to use a lower one ([`Watch::needs_lower_lr`]); `None` if the loss does
    /// not decrease by more than its noise.
    pub suggestion: Option<f32>,
    /// The learning rate at which the loss explodes, if it does.
    pub explodes: Option<f32>,
}

/// Trains `recipe` from its initial weights, each step at a higher learning rate than the one before. Keeps no model. An
/// observer may end the search early.
///
/// # Errors
/// Returns an error if the recipe does not fit the images, there is too little memory, or an image's file cannot be read.
pub fn find(
    recipe: &Recipe,
    dataset: &Dataset,
    options: &LrSearchOptions,
    observer: &mut dyn Observer,
) -> Result<LrSearch> {
    if options.to <= options.from {
        return Err(Error::usage(format!("learning rates from {} to {}", options.from, options.to))
            .help("--to must be above --from"));
    }
    let network = Network::new(recipe, dataset.classes.len())?;
    let mut engine = engine::open(
        Device::Cpu,
        network,
        &engine::Options::training(recipe.optimizer.batch, options.threads),
    )?;
    engine.load(&initialize(engine.network(), options.seed)?)?;
    let mut dataset = dataset.clone();
    dataset.prepare(&recipe.input)?;
    let mut batches = Batches::open(recipe, &dataset, options)?;
    let mut search = Search::default();
    let started = PhaseStarted { phase: Phase::LearningRates, total: options.steps, done: 0 };
    let mut stop = observer.observe(&Event::PhaseStarted(started)).is_break();
    while search.trials.len() < options.steps && search.explodes.is_none() && !stop {
        let lr = options.lr(search.trials.len());
        let loaded = batches.next()?;
        let batch = Batch::whole(&loaded.images, &loaded.labels, &loaded.keys);
        let loss = search.step(&mut *engine, &batch, recipe, lr)?;
        batches.recycle(loaded);
        let advanced = PhaseAdvanced { done: 1, loss: Some(loss) };
        stop = observer.observe(&Event::PhaseAdvanced(advanced)).is_break();
    }
    let _ = observer.observe(&Event::PhaseEnded);
    Ok(search.result())
}

impl LrSearchOptions {
    /// The learning rate of a step, counted from 0.
    fn lr(&self, step: usize) -> f32 {
        let intervals = self.steps.saturating_sub(1).max(1) as f64;
        let growth = f64::from(self.to / self.from).powf(1.0 / intervals);
        (f64::from(self.from) * growth.powi(step as i32)) as f32
    }
}

/// Batches of the training images, epoch after epoch.
struct Batches<'a> {
    recipe: &'a Recipe,
    dataset: &'a Dataset,
    options: &'a LrSearchOptions,
    statistics: Statistics,
    preprocess: Arc<Preprocess>,
    epoch: u64,
    loader: Option<Loader>,
}

impl<'a> Batches<'a> {
    fn open(recipe: &'a Recipe, dataset: &'a Dataset, options: &'a LrSearchOptions) -> Result<Self> {
        let train = dataset.train()?;
        let statistics = Statistics::measure(train, recipe.input.square, options.threads, &|_| Ok(()))?;
        check::every_class_decodes(train, &statistics.usable, &dataset.classes)?;
        let preprocess = Arc::new(Preprocess::new(&recipe.input, &statistics));
        Ok(Self { recipe, dataset, options, statistics, preprocess, epoch: 0, loader: None })
    }

    fn next(&mut self) -> Result<LoadedBatch> {
        loop {
            if let Some(batch) = self.loader.as_mut().and_then(Iterator::next) {
                return batch;
            }
            self.epoch += 1;
            let epoch = TrainingEpoch {
                split: self.dataset.train()?,
                usable: &self.statistics.usable,
                preprocess: &self.preprocess,
                augment: &self.recipe.augment,
                basis: &self.statistics.color_basis(),
                seed: self.options.seed,
                epoch: self.epoch,
                batch_size: self.recipe.optimizer.batch,
                first_batch: 0,
                share: Share::WHOLE,
            };
            self.loader = Some(Loader::training(&epoch, self.options.workers));
        }
    }

    fn recycle(&mut self, batch: LoadedBatch) {
        if let Some(loader) = &mut self.loader {
            loader.recycle(batch);
        }
    }
}

/// A search in progress.
#[derive(Clone, Debug, Default)]
struct Search {
    trials: Vec<Trial>,
    /// The learning rate at which the loss explodes.
    explodes: Option<f32>,
    /// The lowest learning rate from which on some layer calls for a lower one.
    too_high: Option<f32>,
    /// Layers that do so from the start, whatever the learning rate.
    ignored: Vec<String>,
}

impl Search {
    /// Makes a step; returns the loss before it.
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch<'_>, recipe: &Recipe, lr: f32) -> Result<f64> {
        let update = Update::new(&recipe.optimizer, lr);
        let checks_layers = self.trials.len().is_multiple_of(CHECK_LAYERS_EVERY);
        let loss = match checks_layers {
            true => {
                let outcome = engine.forward_backward(batch, &mut |_| Ok(()))?;
                if outcome.loss.is_finite() {
                    engine.apply(&update)?;
                }
                outcome.loss
            }
            false => engine.step(batch, &update)?.loss,
        };
        if engine.non_finite()?.is_some() {
            self.explodes = Some(lr);
            return Ok(loss);
        }
        let previous = self.trials.last().map_or(loss, |trial| trial.smooth);
        let smooth = SMOOTHING * previous + (1.0 - SMOOTHING) * loss;
        self.trials.push(Trial { lr, loss, smooth });
        let lowest = self.trials.iter().map(|trial| trial.smooth).fold(f64::INFINITY, f64::min);
        if smooth > EXPLODED * lowest {
            self.explodes = Some(lr);
        }
        if checks_layers {
            self.check_layers(&engine.health()?, lr);
        }
        Ok(loss)
    }

    fn check_layers(&mut self, layers: &[Health], lr: f32) {
        let bad = layers.iter().filter(|layer| Watch::needs_lower_lr(layer)).map(|layer| &layer.layer);
        if self.trials.len() <= 1 {
            self.ignored = bad.cloned().collect();
        } else if bad.into_iter().any(|name| !self.ignored.contains(name)) {
            self.too_high = self.too_high.or(Some(lr));
        } else {
            self.too_high = None;
        }
    }

    /// The steepest decrease over a tenth of the steps, before the lowest loss, within the limits of what failed.
    fn result(self) -> LrSearch {
        let Self { trials, explodes, too_high, ignored: _ } = self;
        let span = (trials.len() / 10).max(1);
        let lowest =
            (0..trials.len()).min_by(|&a, &b| trials[a].smooth.total_cmp(&trials[b].smooth)).unwrap_or(0);
        let decrease = |i: usize| trials[i - span].smooth - trials[i].smooth;
        let steepest = (span..=lowest).max_by(|&a, &b| decrease(a).total_cmp(&decrease(b)));
        let steepest = steepest.filter(|&i| decrease(i) > 0.0 && has_fallen(&trials[..=lowest]));
        let fastest = steepest.map(|i| trials[i - span / 2].lr);
        let limits = [explodes.map(|lr| lr / SAFETY_DIVISOR), too_high.map(|lr| lr / SAFETY_DIVISOR)];
        let suggestion = fastest.map(|lr| limits.into_iter().flatten().fold(lr, f32::min));
        LrSearch { trials, suggestion, explodes }
    }
}

/// Whether the smoothed loss of the last trial is clearly below that of the first: by more than the losses of batches differ.
fn has_fallen(trials: &[Trial]) -> bool {
    let (Some(first), Some(last)) = (trials.first(), trials.last()) else { return false };
    let differences = trials.windows(2).map(|pair| (pair[1].loss - pair[0].loss).powi(2));
    // The difference of two losses has twice the variance of one.
    let variance = differences.sum::<f64>() / (2 * trials.len().saturating_sub(1).max(1)) as f64;
    first.smooth - last.smooth > (FALLEN * first.smooth).max(NOISE * variance.sqrt())
}

impl LrSearch {
    /// Draws the loss against the learning rate as SVG, with the suggestion.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        // An explosion would flatten all other losses.
        let most = self.trials.first().map_or(0.0, |first| 1.5 * first.loss);
        let points = |loss: fn(&Trial) -> f64| -> plots::Points {
            let points = self.trials.iter().map(|trial| (f64::from(trial.lr), loss(trial)));
            points.filter(|point| point.1 <= most).collect()
        };
        plots::draw_lr_search(
            path,
            &points(|trial| trial.loss),
            &points(|trial| trial.smooth),
            self.suggestion,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(explodes: Option<f32>, too_high: Option<f32>, loss: fn(usize) -> f64) -> LrSearch {
        let trials = (0..100).map(|i| Trial { lr: i as f32, loss: loss(i), smooth: loss(i) }).collect();
        Search { trials, explodes, too_high, ignored: Vec::new() }.result()
    }

    fn valley(i: usize) -> f64 {
        match i {
            0..40 => 2.3,
            40..60 => 2.3 - 0.08 * (i - 40) as f64,
            60..80 => 0.7,
            _ => 0.7 + 0.1 * (i - 80) as f64,
        }
    }

    #[test]
    fn the_steepest_decrease_is_suggested_within_limits() {
        let free = search(None, None, valley).suggestion.unwrap();
        assert!((45.0..60.0).contains(&free), "{free}");
        assert_eq!(search(Some(100.0), None, valley).suggestion, Some(10.0));
        assert_eq!(search(Some(100.0), Some(50.0), valley).suggestion, Some(5.0));
        assert_eq!(search(None, Some(900.0), valley).suggestion, Some(free));
        assert_eq!(search(None, None, |i| i as f64).suggestion, None);
        assert_eq!(Search::default().result().suggestion, None);
    }

    /// Losses between 1.3886 and 1.3913 say nothing; neither do those of tiny batches that differ more than they fall.
    #[test]
    fn noise_is_no_decrease() {
        assert_eq!(search(None, None, |i| 1.39 + 0.0013 * (i as f64).sin()).suggestion, None);
        let noisy = |i: usize| Trial {
            lr: i as f32,
            loss: if i.is_multiple_of(2) { 0.9 } else { 1.5 },
            smooth: 1.2 - 0.003 * i as f64,
        };
        let search = Search { trials: (0..100).map(noisy).collect(), ..Search::default() };
        assert_eq!(search.result().suggestion, None);
    }

    #[test]
    fn layers_limit_the_learning_rate_unless_it_makes_no_difference_to_them() {
        let layer = |name: &str, dead: f32| Health {
            layer: name.into(),
            activation: 1.0,
            dead_fraction: Some(dead),
            gradient: 0.1,
            weight: 0.01,
            update: 1e-5,
        };
        let mut search = Search::default();
        let step = |search: &mut Search, lr: f32, dead: [f32; 2]| {
            search.trials.push(Trial { lr, loss: 1.0, smooth: 1.0 });
            search.check_layers(&[layer("conv1", dead[0]), layer("conv2", dead[1])], lr);
            search.too_high
        };
        assert_eq!(step(&mut search, 0.1, [0.9, 0.1]), None);
        assert_eq!(step(&mut search, 0.2, [0.9, 0.1]), None);
        assert_eq!(step(&mut search, 0.3, [0.9, 0.6]), Some(0.3));
        assert_eq!(step(&mut search, 0.4, [0.9, 0.1]), None, "it has recovered");
        assert_eq!(step(&mut search, 0.5, [0.9, 0.6]), Some(0.5));
        assert_eq!(step(&mut search, 0.6, [0.1, 0.6]), Some(0.5));
    }

    #[test]
    fn learning_rates_grow_in_equal_ratios() {
        let options = LrSearchOptions { from: 0.001, to: 1.0, steps: 4, seed: 0, threads: 1, workers: 0 };
        let lrs = [0, 1, 2, 3].map(|step| options.lr(step));
        for (lr, expected) in lrs.into_iter().zip([0.001, 0.01, 0.1, 1.0]) {
            assert!((lr / expected - 1.0).abs() < 1e-5, "{lrs:?}");
        }
    }
}
