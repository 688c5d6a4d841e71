//! The end of an epoch: validation, models, learning rate, advice.

use super::models::Which;
use super::training::{Restart, Training};
use crate::data::Split;
use crate::error::Kind;
use crate::eval::Evaluation;
use crate::format::{duration, learning_rate, loss, significant};
use crate::net::Views;
use crate::train::metrics::{Line, Validation};
use crate::train::observer::{Event, Phase, Validated};
use crate::train::remedy::Remedy;
use crate::train::schedule::Next;
use crate::train::snapshot::Snapshot;
use crate::train::tally::Tally;
use crate::train::watch::{OnPlateau, Watch};
use crate::{Error, Result};

/// Share of an epoch spent waiting for images that is worth reporting.
const WAITING_SHARE: f64 = 0.05;

/// Seconds of an epoch spent waiting for images that are worth reporting: a short epoch waits for its first batches.
const WAITING_SECONDS: f64 = 10.0;

impl Training<'_> {
    /// Evaluates the validation images by their center view.
    pub(super) fn validate(&mut self) -> Result<Option<Evaluation>> {
        let Some(split) = self.learner.config.dataset.val().cloned() else { return Ok(None) };
        self.evaluate(&split, Views::Center)
    }

    /// Evaluates a split; returns `None` if it is empty, or if the training is interrupted.
    pub(super) fn evaluate(&mut self, split: &Split, views: Views) -> Result<Option<Evaluation>> {
        let (learner, reporter) = (&mut self.learner, &mut self.reporter);
        reporter.start_phase(Phase::Validation, split.len(), 0);
        let preprocess = &learner.images.preprocess;
        let interrupt = &learner.config.interrupt;
        let mut before = 0;
        let evaluation =
            learner.engine.evaluate(preprocess, split, views, learner.config.workers(), &mut |done| {
                reporter.advance(done - before, None);
                before = done;
                match reporter.wants_stop() {
                    true => Err(Error::new(Kind::Runtime, "stopped by an observer")),
                    false => interrupt.check(),
                }
            });
        reporter.end_phase();
        match self.interruption() {
            Some(_) => Ok(None),
            None => Ok(Some(evaluation?).filter(|evaluation| evaluation.images > 0)),
        }
    }

    /// Reports an epoch, saves its models, and advances the schedule. Returns a remedy to restart with if the loss is at chance level and
    /// a restart is wanted.
    pub(super) fn end_epoch(&mut self, evaluation: Option<Evaluation>) -> Result<Option<Box<Restart>>> {
        let (epoch, step) = (self.learner.epoch(), self.learner.state.step);
        let (tally, late) = (self.learner.state.epoch, self.learner.state.late);
        if let Some(evaluation) = &evaluation {
            self.reporter.emit(&Event::Validated(Validated { epoch, step, evaluation }));
        }
        self.report_epoch(epoch, &tally, evaluation.as_ref());
        self.keep_models(epoch, &tally, evaluation.clone())?;
        let error = evaluation.as_ref().map_or(tally.mean_loss(), |evaluation| 1.0 - evaluation.top1_share());
        let schedule = self.learner.schedule();
        match self.learner.state.lr.finish_epoch(&schedule, error) {
            Next::Divided => {
                let lr = learning_rate(self.learner.full_lr());
                self.reporter.info(&format!("the learning rate is divided: {lr} from now on"));
            }
            Next::Same | Next::End(_) => {}
        }
        let state = &mut self.learner.state;
        let before = state.step.saturating_sub(state.batches);
        state.batches = 0;
        (state.epoch, state.late, state.recent) = Default::default();
        self.checkpoints.save(&mut self.learner, &self.models, &mut self.reporter)?;
        self.reporter.report_recovery();
        if !Watch::is_due(before, step) {
            return Ok(None);
        }
        let classes = self.learner.engine.network().classes;
        let seen = Watch::evidence(late, tally, classes);
        self.check_loss(&seen);
        match Watch::is_flat(&seen, classes) {
            true => self.on_plateau(),
            false => Ok(None),
        }
    }

    fn keep_models(&mut self, epoch: usize, tally: &Tally, evaluation: Option<Evaluation>) -> Result<()> {
        let (learner, reporter) = (&mut self.learner, &mut self.reporter);
        let classes = learner.engine.network().classes;
        let diverged = Watch::has_diverged(tally.mean_loss(), classes)
            || evaluation.as_ref().is_some_and(|found| Watch::has_diverged(found.loss, classes));
        let model = self.models.capture(epoch, learner.state.step, evaluation.as_ref(), learner)?;
        if !diverged && Snapshot::is_improved_by(learner.state.best.as_ref(), evaluation.as_ref()) {
            self.models.keep(Which::Best, model.clone(), evaluation.clone(), learner, reporter)?;
        }
        self.models.keep(Which::Last, model, evaluation, learner, reporter)
    }

    fn report_epoch(&mut self, epoch: usize, tally: &Tally, evaluation: Option<&Evaluation>) {
        let validation = evaluation.map(|evaluation| Validation {
            loss: evaluation.loss as f32,
            top1: evaluation.top1_share() as f32,
            top5: evaluation.top5_share() as f32,
        });
        let line = self.learner.line(tally, validation);
        let classes = self.learner.engine.network().classes;
        self.reporter.info(&epoch_text(epoch, tally, &line, classes));
        match line.validation {
            Some(_) => self.reporter.emit(&Event::Metrics(&line)),
            // The lines of the steps say the same, with the last of them.
            None => self.report_recent(),
        }
    }

    /// Writes a line of the steps since the last one.
    pub(super) fn report_recent(&mut self) {
        if self.learner.state.recent.images > 0 {
            let line = self.learner.line(&self.learner.state.recent, None);
            self.reporter.emit(&Event::Metrics(&line));
        }
    }

    fn on_plateau(&mut self) -> Result<Option<Box<Restart>>> {
        let remedy = match self.learner.config.requests.on_plateau.unwrap_or_default() {
            OnPlateau::Advise => return Ok(None),
            OnPlateau::RestartWithHe => Remedy::He,
            OnPlateau::RestartWithSmallBiases => Remedy::SmallBiases,
            OnPlateau::Stop => {
                let known = self.watch.chance_level();
                let (finding, remedy) = known.map_or(("the loss is at chance level", ""), |advice| {
                    (advice.finding.as_str(), advice.remedy.as_str())
                });
                return Err(Error::new(Kind::Diverged, finding).help(remedy));
            }
        };
        let recipe = remedy.apply(&self.learner.config.recipe)?;
        self.reporter
            .info("restarting with the remedy; the files so far move to `earlier-1` in the run folder, or the next number");
        // One restart: if the loss is flat again, also in a run that is resumed, only name remedies.
        self.learner.config.requests.on_plateau = None;
        Ok(Some(Box::new(Restart { remedy, recipe })))
    }
}

/// The top-5 accuracy in a message; of up to five classes it is always 100 %, and left out.
pub(super) fn top5_text(share: f64, classes: usize) -> String {
    if classes > 5 { format!(", top-5 {:.2} %", 100.0 * share) } else { String::new() }
}

fn epoch_text(epoch: usize, tally: &Tally, line: &Line, classes: usize) -> String {
    let mut text = format!(
        "epoch {epoch}: lr {}, loss {}, top-1 {:.2} %",
        learning_rate(line.lr),
        loss(line.loss.into(), 4),
        100.0 * line.top1
    );
    if let Some(found) = &line.validation {
        let top5 = top5_text(found.top5.into(), classes);
        text += &format!(
            "; validation: loss {}, top-1 {:.2} %{top5}",
            loss(found.loss.into(), 4),
            100.0 * found.top1
        );
    }
    text += &format!("; {} images/s, {}", significant(tally.throughput()), duration(line.seconds));
    let waiting = tally.waiting_share();
    if waiting > WAITING_SHARE && tally.waiting > WAITING_SECONDS {
        text +=
            &format!("; {:.0} % of the time waiting for images: see `alexnet data bench`", 100.0 * waiting);
    }
    text
}
