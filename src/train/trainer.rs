//! Training a network on a set of pictures, as in section 5 of the paper.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::init::initialise;
use super::metrics::{Line, Metrics, Validation};
use super::progress::{Display, Progress, count, duration, significant};
use super::run::Run;
use super::schedule::{End, Next, Pace};
use super::signals::Interrupt;
use crate::data::{ColorBasis, Dataset, Loader, Picture, Preprocess, Skip, Split, Statistics, decode};
use crate::engine::{Batch, CpuEngine, Engine, Mode, Outcome, Update};
use crate::error::Kind;
use crate::eval::{Evaluation, Judge, evaluate};
use crate::interop::{Golden, Model, Summary};
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// Steps between two lines of metrics.
const LOG_EVERY: usize = 20;

/// Share of waiting for pictures that is told.
const WORTH_TELLING: f64 = 0.05;

/// Sample pictures kept in a model file.
const GOLDEN: usize = 2;

/// What to train, on what, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The experiment.
    pub recipe: Recipe,
    /// Pictures with labels.
    pub dataset: Dataset,
    /// The run folder; `None`: a new one below `runs/`.
    pub run: Option<PathBuf>,
    /// Whether the run folder may hold a run already.
    pub exist_ok: bool,
    /// The command line, for the records.
    pub command: String,
    /// What all random numbers follow from.
    pub seed: u64,
    /// Threads that compute.
    pub threads: usize,
    /// Threads that load pictures; 0: none beside those that compute.
    pub workers: usize,
    /// Ends training after so many steps.
    pub max_steps: Option<usize>,
    /// How progress is shown.
    pub display: Display,
    /// Ends training early, with what was learned saved.
    pub interrupt: Interrupt,
}

/// How a training went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Evaluation of the best model on the validation pictures, with the recipe's number of views; `None` without
    /// validation pictures or when the training was interrupted.
    pub evaluation: Option<Evaluation>,
    /// Passes over the training set, finished ones.
    pub epochs: usize,
    /// Updates of the parameters.
    pub steps: usize,
    /// From the first look at the pictures to the end.
    pub seconds: f64,
    /// The run folder.
    pub run: PathBuf,
    /// Training pictures that were left out, and why.
    pub skipped: Vec<Skip>,
    /// The signal that ended training, if one did.
    pub interrupted: Option<u8>,
}

/// Trains a network: see [`Config`]. The best model by validation top-1, and the last one, are in the run folder.
///
/// # Errors
/// When the recipe does not fit the pictures, memory or the run folder cannot be had, a file cannot be read or
/// written, or the loss stops being a number; models that were saved before stay.
pub fn train(config: Config) -> Result<Report> {
    let began = Instant::now();
    let mut trainer = Trainer::new(config)?;
    let ended = trainer.epochs()?;
    trainer.finish(began, ended)
}

/// A training under way.
struct Trainer {
    config: Config,
    run: Run,
    metrics: Metrics,
    progress: Progress,
    engine: CpuEngine,
    train: Split,
    usable: Vec<usize>,
    skipped: Vec<Skip>,
    preprocess: Arc<Preprocess>,
    basis: ColorBasis,
    golden: Vec<Picture>,
    pace: Pace,
    steps: usize,
    best: Option<Evaluation>,
    started: Instant,
}

/// Why there are no more epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Scheduled(End),
    MaxSteps,
    Signal(u8),
}

/// Sums over some steps.
#[derive(Default)]
struct Tally {
    pictures: usize,
    correct: usize,
    loss: f64,
    time: Duration,
    /// Of that, for pictures.
    waiting: Duration,
}

impl Trainer {
    fn new(config: Config) -> Result<Self> {
        let recipe = &config.recipe;
        let classes = config.dataset.classes.len();
        let network = Network::new(recipe, classes)?;
        // The memory is had before the first look at the pictures, which can take long, and the folder is made when
        // what can be wrong with the recipe has been found: a corrected command finds it free.
        let mut engine = CpuEngine::new(network, Mode::Training, recipe.optimiser.batch, config.threads)?;
        engine.load(&initialise(engine.network(), config.seed)?)?;
        let train = config.dataset.train()?.clone();
        let mut run = Run::create(config.run.as_deref(), recipe, &config.command, config.exist_ok)?;
        let mut progress = Progress::new(config.display);
        let mut say = |progress: &Progress, text: String| {
            progress.say(&text);
            run.log(&text);
        };
        say(&progress, format!("recipe {}, {} classes of {}", recipe.name, classes, config.dataset.origin));
        config.dataset.notes.iter().for_each(|note| say(&progress, format!("note: {note}")));
        say(
            &progress,
            format!(
                "{} parameters, {} multiply-adds for a picture; {} pictures to train on, {} to validate on",
                count(engine.network().parameters() as u64),
                count(engine.network().macs() as u64),
                count(train.len() as u64),
                count(config.dataset.val().map_or(0, Split::len) as u64)
            ),
        );
        say(&progress, engine.memory().to_string());
        progress.start("mean image and colours", train.len());
        let progress_cell = std::sync::Mutex::new(&mut progress);
        let advance = |_| {
            if let Ok(mut progress) = progress_cell.lock() {
                progress.advance(1, None);
            }
        };
        let statistics = Statistics::measure(&train, recipe.input.square, config.threads, &advance)?;
        progress.finish();
        tell_skipped(&progress, &mut run, &statistics.skipped);
        let preprocess = Arc::new(Preprocess::new(&recipe.input, &statistics));
        let golden = golden_squares(&train, &statistics.usable, &preprocess)?;
        config.interrupt.listen()?;
        let metrics = run.metrics()?;
        Ok(Self {
            basis: statistics.color_basis(),
            usable: statistics.usable,
            skipped: statistics.skipped,
            run,
            metrics,
            progress,
            engine,
            train,
            preprocess,
            golden,
            pace: Pace::new(),
            steps: 0,
            best: None,
            started: Instant::now(),
            config,
        })
    }

    fn epochs(&mut self) -> Result<Ended> {
        loop {
            let rate = self.pace.rate(&self.config.recipe.schedule, self.config.recipe.optimiser.rate);
            let (tally, cut_short) = self.epoch(rate)?;
            if let Some(ended) = cut_short {
                return Ok(ended);
            }
            let validation = self.validate()?;
            if let Some(signal) = self.config.interrupt.signal() {
                return Ok(Ended::Signal(signal));
            }
            let error = validation.as_ref().map_or(tally.loss(), |found| 1.0 - found.top1_share());
            self.end_of_epoch(rate, &tally, validation)?;
            match self.pace.finish_epoch(&self.config.recipe.schedule, error) {
                Next::Same => {}
                Next::Divided => {
                    let rate =
                        self.pace.rate(&self.config.recipe.schedule, self.config.recipe.optimiser.rate);
                    self.say(&format!("the rate is divided: {rate} from now on"));
                }
                Next::End(end) => return Ok(Ended::Scheduled(end)),
            }
        }
    }

    /// One pass over the training set, or as much of it as is asked for.
    fn epoch(&mut self, rate: f32) -> Result<(Tally, Option<Ended>)> {
        let epoch = self.pace.epochs + 1;
        let Config { recipe, seed, workers, .. } = &self.config;
        let update = Update { rate, momentum: recipe.optimiser.momentum, decay: recipe.optimiser.decay };
        let key = (*seed, epoch as u64);
        let (augment, batch) = (&recipe.augment, recipe.optimiser.batch);
        let mut loader = Loader::training(
            &self.train,
            &self.usable,
            &self.preprocess,
            augment,
            &self.basis,
            key,
            batch,
            0,
            *workers,
        );
        self.progress.start(format!("epoch {epoch} of {}", recipe.schedule.epochs), self.usable.len());
        let (mut whole, mut recent) = (Tally::default(), Tally::default());
        let mut before = Instant::now();
        while let Some(batch) = loader.next() {
            let (batch, waiting) = (batch?, before.elapsed());
            if !batch.skipped.is_empty() {
                tell_skipped(&self.progress, &mut self.run, &batch.skipped);
                self.skipped.extend(batch.skipped.iter().cloned());
            }
            if batch.labels.is_empty() {
                continue;
            }
            let (images, labels, keys) = (&batch.images, &batch.labels, &batch.keys);
            let outcome = self.engine.step(&Batch { images, labels, keys }, &update)?;
            self.steps += 1;
            self.check_finite(outcome, epoch, rate)?;
            let time = before.elapsed();
            before = Instant::now();
            whole.add(outcome, labels.len(), time, waiting);
            recent.add(outcome, labels.len(), time, waiting);
            self.progress.advance(labels.len(), Some(recent.loss()));
            loader.recycle(batch);
            let stop = self.stop();
            if self.steps.is_multiple_of(LOG_EVERY) || stop.is_some() {
                let line = self.line(epoch, rate, &recent, None);
                self.metrics.write(&line)?;
                recent = Tally::default();
            }
            if stop.is_some() {
                self.progress.finish();
                return Ok((whole, stop));
            }
        }
        self.progress.finish();
        Ok((whole, None))
    }

    fn stop(&self) -> Option<Ended> {
        let enough = self.config.max_steps.is_some_and(|most| self.steps >= most);
        self.config.interrupt.signal().map(Ended::Signal).or(enough.then_some(Ended::MaxSteps))
    }

    fn check_finite(&mut self, outcome: Outcome, epoch: usize, rate: f32) -> Result<()> {
        if outcome.loss.is_finite() {
            return Ok(());
        }
        let message =
            format!("the loss is {} at step {}, epoch {epoch}, rate {rate}", outcome.loss, self.steps);
        self.run.log(&message);
        let saved =
            if self.pace.epochs > 0 { "; the model of the last epoch is in the run folder" } else { "" };
        Err(Error::new(Kind::Diverged, format!("{message}{saved}"))
            .help(format!("a lower rate: --set optimiser.rate={}", self.config.recipe.optimiser.rate / 10.0)))
    }

    /// Judges the validation pictures by their centre view.
    fn validate(&mut self) -> Result<Option<Evaluation>> {
        let Some(split) = self.config.dataset.val().cloned() else { return Ok(None) };
        self.judge(&split, 1)
    }

    /// `None` when there is nothing to judge, or a signal ends it.
    fn judge(&mut self, split: &Split, views: usize) -> Result<Option<Evaluation>> {
        self.progress.start("validation", split.len());
        let judge = Judge { engine: &mut self.engine, preprocess: &self.preprocess };
        let (progress, interrupt) = (&mut self.progress, &self.config.interrupt);
        let mut before = 0;
        let found = evaluate(judge, split, views, self.config.workers, &mut |done| {
            progress.advance(done - before, None);
            before = done;
            match interrupt.signal() {
                None => Ok(()),
                Some(signal) => Err(Error::new(Kind::Runtime, format!("ended by signal {signal}"))),
            }
        });
        self.progress.finish();
        if self.config.interrupt.signal().is_some() {
            return Ok(None);
        }
        Ok(Some(found?).filter(|found| found.images > 0))
    }

    fn end_of_epoch(&mut self, rate: f32, tally: &Tally, validation: Option<Evaluation>) -> Result<()> {
        let epoch = self.pace.epochs + 1;
        let line = self.line(epoch, rate, tally, validation.as_ref());
        let mut text =
            format!("epoch {epoch}: rate {rate}, loss {:.4}, top-1 {:.2} %", tally.loss(), 100.0 * line.top1);
        if let Some(found) = &validation {
            let (top1, top5) = (100.0 * found.top1_share(), 100.0 * found.top5_share());
            text += &format!("; validation: loss {:.4}, top-1 {top1:.2} %, top-5 {top5:.2} %", found.loss);
        }
        text += &format!("; {} images/s, {}", significant(tally.rate()), duration(line.seconds));
        if tally.waiting() > WORTH_TELLING {
            text += &format!(
                "; {:.0} % of it waiting for pictures: `alexnet data bench` says why",
                100.0 * tally.waiting()
            );
        }
        self.say(&text);
        self.metrics.write(&line)?;
        if epoch == 1 {
            self.warn_of_a_flat_loss(tally);
        }
        let improved = match (&validation, &self.best) {
            (Some(found), Some(best)) => found.top1 > best.top1,
            _ => true,
        };
        let model = self.model(epoch, validation.as_ref())?;
        if improved {
            self.run.save("best", &model)?;
            self.best = validation;
        }
        self.run.save("last", &model)?;
        Ok(())
    }

    /// The best-known failure of this network: a loss that stays at that of a blind guess.
    fn warn_of_a_flat_loss(&mut self, tally: &Tally) {
        let network = self.engine.network();
        let classes = network.classes;
        let blind = (classes as f64).ln();
        if tally.loss() < 0.98 * blind {
            return;
        }
        let biased =
            network.layers.iter().filter(|layer| layer.weights().is_some_and(|spec| spec.bias == 1.0));
        let mut cures: Vec<String> =
            biased.map(|layer| format!("--set layer.{}.weights.bias=0.1", layer.name)).collect();
        cures.push(format!("--set optimiser.rate={}", self.config.recipe.optimiser.rate / 2.0));
        // The last layer, whose outputs are the logits, may start as small as it does.
        let hidden = network.layers.iter().rev().filter(|layer| layer.weights().is_some()).skip(1);
        let mut he: Vec<String> =
            hidden.map(|layer| format!("--set layer.{}.weights.init=he", layer.name)).collect();
        he.reverse();
        self.say(&format!(
            "note: the loss is still {:.3}; a blind guess among {classes} classes has ln {classes} = {blind:.3}. It may \
             only need more epochs. Known cures: smaller biases and a lower rate: {}; He's initial weights: {}",
            tally.loss(),
            cures.join(" "),
            he.join(" ")
        ));
    }

    fn line(&self, epoch: usize, lr: f32, tally: &Tally, found: Option<&Evaluation>) -> Line {
        let validation = found.map(|found| Validation {
            loss: found.loss as f32,
            top1: found.top1_share() as f32,
            top5: found.top5_share() as f32,
        });
        Line {
            step: self.steps,
            epoch,
            seconds: self.started.elapsed().as_secs_f64(),
            loss: tally.loss() as f32,
            top1: (tally.correct as f64 / tally.pictures.max(1) as f64) as f32,
            lr,
            images_per_second: tally.rate() as f32,
            waiting: tally.waiting() as f32,
            validation,
            health: std::collections::BTreeMap::new(),
        }
    }

    fn model(&mut self, epochs: usize, found: Option<&Evaluation>) -> Result<Model> {
        let golden = Golden::record(&mut self.engine, &self.preprocess, self.golden.clone())?;
        Ok(Model {
            recipe: self.config.recipe.clone(),
            classes: self.config.dataset.classes.clone(),
            preprocess: (*self.preprocess).clone(),
            parameters: self.engine.parameters(),
            summary: Summary {
                epochs,
                steps: self.steps,
                seed: self.config.seed,
                top1: found.map(Evaluation::top1_share),
                top5: found.map(Evaluation::top5_share),
                loss: found.map(|found| found.loss),
                images: found.map_or(0, |found| found.images),
                program: env!("CARGO_PKG_VERSION").to_owned(),
                data: self.config.dataset.origin.clone(),
                decoder: decode::DECODER.to_owned(),
            },
            golden,
        })
    }

    /// Saves what an unfinished epoch learned, or judges the best model with the recipe's views.
    fn finish(mut self, began: Instant, ended: Ended) -> Result<Report> {
        if let Ended::Signal(_) | Ended::MaxSteps = ended {
            let model = self.model(self.pace.epochs, None)?;
            let path = self.run.save("last", &model)?;
            self.say(&format!("stopped after {} steps; the model is saved: {}", self.steps, path.display()));
        }
        if ended == Ended::Scheduled(End::Plateau) {
            self.say("the validation error does not improve any more: the end");
        }
        let evaluation = match ended {
            Ended::Signal(_) => None,
            Ended::Scheduled(_) | Ended::MaxSteps => self.judge_best(ended)?,
        };
        Ok(Report {
            epochs: self.pace.epochs,
            steps: self.steps,
            seconds: began.elapsed().as_secs_f64(),
            run: self.run.folder().to_path_buf(),
            skipped: self.skipped,
            interrupted: self.config.interrupt.signal().filter(|_| evaluation.is_none()),
            evaluation,
        })
    }

    fn judge_best(&mut self, ended: Ended) -> Result<Option<Evaluation>> {
        let Some(split) = self.config.dataset.val().cloned() else { return Ok(None) };
        if ended != Ended::MaxSteps {
            let best = Model::load(self.run.folder().join("best.safetensors"))?;
            self.engine.load(&best.parameters)?;
        }
        let views = self.config.recipe.evaluation.views;
        let Some(found) = self.judge(&split, views)? else { return Ok(None) };
        tell_skipped(&self.progress, &mut self.run, &found.skipped);
        self.say(&format!(
            "the {} model on {} {} pictures, {views} {}: top-1 {:.2} %, top-5 {:.2} %",
            if ended == Ended::MaxSteps { "last" } else { "best" },
            count(found.images as u64),
            split.name,
            if views == 1 { "view" } else { "views" },
            100.0 * found.top1_share(),
            100.0 * found.top5_share()
        ));
        Ok(Some(found))
    }

    fn say(&mut self, text: &str) {
        self.progress.say(text);
        self.run.log(text);
    }
}

impl Tally {
    fn add(&mut self, outcome: Outcome, pictures: usize, time: Duration, waiting: Duration) {
        self.pictures += pictures;
        self.correct += outcome.correct;
        self.loss += outcome.loss * pictures as f64;
        self.time += time;
        self.waiting += waiting;
    }

    /// Mean over the pictures.
    fn loss(&self) -> f64 {
        self.loss / self.pictures.max(1) as f64
    }

    /// Share of the time that was spent waiting for pictures.
    fn waiting(&self) -> f64 {
        self.waiting.as_secs_f64() / self.time.as_secs_f64().max(1e-9)
    }

    /// Pictures a second.
    fn rate(&self) -> f64 {
        self.pictures as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

/// The squares of the first pictures of the training set, for the model file.
fn golden_squares(split: &Split, usable: &[usize], preprocess: &Preprocess) -> Result<Vec<Picture>> {
    let mut squares = Vec::new();
    for &index in usable.iter().take(GOLDEN) {
        if let Ok(picture) = split.picture(index)? {
            squares.push(preprocess.square(&picture));
        }
    }
    Ok(squares)
}

/// Says how many pictures are left out, with the first of them; the log gets them all.
fn tell_skipped(progress: &Progress, run: &mut Run, skipped: &[Skip]) {
    const SHOWN: usize = 10;
    if skipped.is_empty() {
        return;
    }
    let pictures = if skipped.len() == 1 { "picture is" } else { "pictures are" };
    let heading = format!("{} {pictures} left out:", count(skipped.len() as u64));
    progress.say(&heading);
    run.log(&heading);
    for (i, Skip { file, reason }) in skipped.iter().enumerate() {
        let line = format!("  {file}: {reason}");
        run.log(&line);
        if i < SHOWN {
            progress.say(&line);
        }
    }
    if skipped.len() > SHOWN {
        progress.say(&format!("  and {} more, all in log.txt", count((skipped.len() - SHOWN) as u64)));
    }
}
