//! One training run of a reproduction: skipped if it is complete, resumed if it was interrupted, or started.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::error_curve::ErrorCurve;
use super::observer::{ReproductionEvent, ReproductionObserver, RunStarted};
use super::record::{RunEnd, RunRecord};
use super::settings::ReproductionSettings;
use crate::data::{Dataset, Split, Statistics};
use crate::error::Kind;
use crate::files::json;
use crate::format::counted;
use crate::model::layout;
use crate::net::Recipe;
use crate::train::metrics::{self, Line};
use crate::train::origin::is_run;
use crate::train::watch::OnDivergence;
use crate::train::{self, Config, ImageSource, Report, Requests, RunFolder, Session, StopReason};
use crate::{Error, Result};

const RECORD: &str = "result.json";

/// A training run.
pub(super) struct Job<'a> {
    /// What it is called in messages.
    pub(super) name: String,
    /// The run folder.
    pub(super) folder: PathBuf,
    pub(super) recipe: &'a Recipe,
    pub(super) seed: u64,
    pub(super) goal: Goal,
    /// Epochs after which the training ends, if before its schedule.
    pub(super) max_epochs: Option<usize>,
}

/// When a training run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// With its schedule.
    Schedule,
    /// When the training error has fallen to this share, or with its schedule. That it diverges is a result.
    TrainingError(f64),
}

/// Trains, run by run.
pub(super) struct Trainer<'a> {
    pub(super) settings: &'a ReproductionSettings,
    pub(super) observer: &'a mut dyn ReproductionObserver,
    /// With the statistics of the first training, so that the others need not measure them again.
    dataset: Dataset,
    runs: usize,
    complete: usize,
}

/// Returns the record of a training run that has ended.
pub(super) fn finished(folder: &Path) -> Option<RunRecord> {
    json::read(&folder.join(RECORD), "result of a training run").ok()
}

/// Reads the lines of metrics of a training run.
pub(super) fn lines(folder: &Path) -> Result<Vec<Line>> {
    metrics::read(&folder.join(layout::METRICS))
}

impl<'a> Trainer<'a> {
    /// Trains `runs` runs, of which some may be complete.
    pub(super) fn new(
        settings: &'a ReproductionSettings,
        observer: &'a mut dyn ReproductionObserver,
        runs: usize,
    ) -> Self {
        let dataset = settings.dataset.clone();
        Self { settings, observer, dataset, runs, complete: 0 }
    }

    /// Trains a run to its end, if it has not ended yet.
    ///
    /// # Errors
    /// Returns an error if the training fails or is interrupted; the same call then resumes it.
    pub(super) fn train(&mut self, job: &Job<'_>) -> Result<RunRecord> {
        let record = match finished(&job.folder) {
            Some(record) => record,
            None => self.train_now(job).map_err(|error| error.context(&job.name))?,
        };
        self.complete += 1;
        // Left by a process that was killed in between.
        let _ = std::fs::remove_dir_all(job.folder.join(layout::CHECKPOINTS));
        if let Ok(train) = self.dataset.train()
            && let Ok(known) = Statistics::load(&job.folder, job.recipe.input.square, train.len())
        {
            self.dataset.set_statistics(known);
        }
        Ok(record)
    }

    fn train_now(&mut self, job: &Job<'_>) -> Result<RunRecord> {
        let is_resumed = is_run(&job.folder);
        let (complete, runs) = (self.complete, self.runs);
        let started = RunStarted { name: &job.name, complete, runs, is_resumed };
        let mut wants_stop = self.observer.observe(&ReproductionEvent::RunStarted(started)).is_break();
        let mut goal = GoalWatch::new(job.goal, epoch_steps(&self.dataset, job));
        if is_resumed && goal.is_reached_by(&lines(&job.folder).unwrap_or_default()) {
            return self.finish(job, RunEnd::Reached);
        }
        let observer = &mut *self.observer;
        let trained = Session::new(config(self.settings, &self.dataset, job, is_resumed))
            .observe(|event: &train::Event<'_>| {
                wants_stop |= observer.observe(&ReproductionEvent::Training(event)).is_break();
                match wants_stop | goal.observe(event) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })
            .run();
        let end = match (trained, job.goal) {
            (Ok(report), _) => end_of(&report, goal.is_reached)?,
            (Err(error), Goal::TrainingError(_)) if error.kind == Kind::Diverged => RunEnd::Diverged,
            (Err(error), Goal::TrainingError(_) | Goal::Schedule) => return Err(continued(error)),
        };
        self.finish(job, end)
    }

    /// Records that a training run has ended.
    fn finish(&self, job: &Job<'_>, end: RunEnd) -> Result<RunRecord> {
        let lines = lines(&job.folder).unwrap_or_default();
        let last = lines.last();
        let record = RunRecord {
            end,
            epochs: last.map_or(0, |line| line.epoch),
            steps: last.map_or(0, |line| line.step),
            seconds: last.map_or(0.0, |line| line.seconds),
        };
        json::write(&job.folder.join(RECORD), &record)?;
        Ok(record)
    }
}

/// Steps per epoch of a training run that has started, by the statistics in its folder: images that cannot be decoded do not count.
pub(super) fn epoch_steps(dataset: &Dataset, job: &Job<'_>) -> usize {
    let usable = |train: &Split| {
        Statistics::load(&job.folder, job.recipe.input.square, train.len())
            .map_or(train.len(), |known| known.usable.len())
    };
    dataset.train().map_or(0, usable).div_ceil(job.recipe.optimizer.batch).max(1)
}

fn config(settings: &ReproductionSettings, dataset: &Dataset, job: &Job<'_>, is_resumed: bool) -> Config {
    let folder = job.folder.clone();
    Config {
        source: settings.source.clone().map_or(ImageSource::BuiltIn, ImageSource::Path),
        run: match is_resumed {
            true => RunFolder::Resume { folder, accept_changes: false },
            false => RunFolder::New(Some(folder)),
        },
        command: settings.command.clone(),
        seed: job.seed,
        cores: settings.threads,
        max_epochs: job.max_epochs,
        // The last model is evaluated instead.
        final_evaluation: false,
        requests: Requests {
            workers: Some(settings.workers),
            // A lower learning rate would be another experiment.
            on_divergence: Some(OnDivergence::Stop),
            ..Requests::default()
        },
        interrupt: settings.interrupt.clone(),
        ..Config::new(job.recipe.clone(), dataset.clone())
    }
}

fn end_of(report: &Report, goal_is_reached: bool) -> Result<RunEnd> {
    match report.stop_reason {
        StopReason::Observer if goal_is_reached => Ok(RunEnd::Reached),
        StopReason::Schedule(_) | StopReason::StepLimit => Ok(RunEnd::Complete),
        StopReason::Signal(signal) => Err(continued(Error::new(
            Kind::Interrupted(signal),
            format!("stopped after {}", counted(report.steps, "step")),
        ))),
        StopReason::Observer | StopReason::Forecast => Err(continued(Error::new(
            Kind::Runtime,
            format!("stopped after {}", counted(report.steps, "step")),
        ))),
    }
}

/// An error with the way to continue, if that is all that is needed.
fn continued(error: Error) -> Error {
    match error.kind {
        Kind::Interrupted(_) => error.help("run the same command again to continue"),
        Kind::Diverged => {
            error.help("use a lower learning rate for all arms, as in `--set optimizer.rate=0.001`")
        }
        Kind::Runtime | Kind::Usage | Kind::Data | Kind::Model => error,
    }
}

/// Follows the training error.
struct GoalWatch {
    goal: Goal,
    epoch_steps: usize,
    lines: Vec<Line>,
    is_reached: bool,
}

impl GoalWatch {
    fn new(goal: Goal, epoch_steps: usize) -> Self {
        Self { goal, epoch_steps, lines: Vec::new(), is_reached: false }
    }

    fn is_reached_by(&self, lines: &[Line]) -> bool {
        match self.goal {
            Goal::Schedule => false,
            Goal::TrainingError(target) => ErrorCurve::of(lines, self.epoch_steps).reaches(target).is_some(),
        }
    }

    /// Returns whether the goal is reached.
    fn observe(&mut self, event: &train::Event<'_>) -> bool {
        match event {
            train::Event::Started(started) => {
                self.lines = started.history.to_vec();
                self.epoch_steps = started.epoch_steps;
            }
            train::Event::Metrics(line) => {
                let line = Line { health: Default::default(), ..(*line).clone() };
                self.lines.push(line);
                self.is_reached |= self.is_reached_by(&self.lines);
            }
            _ => {}
        }
        self.is_reached
    }
}
