//! The end of an epoch and of a training.

use std::time::Instant;

use super::models::Which;
use super::{Ended, Trainer};
use crate::data::Split;
use crate::error::Kind;
use crate::eval::{Classifier, Evaluation, evaluate};
use crate::format::{duration, grouped, significant};
use crate::model::{Model, Summary};
use crate::train::metrics::Validation;
use crate::train::observer::{Event, Phase, Validated};
use crate::train::report::{Report, StopReason};
use crate::train::schedule::{End, Next, divided};
use crate::train::snapshot::Snapshot;
use crate::train::tally::Tally;
use crate::train::watch::{Cure, LOWER, OnPlateau, Watch};
use crate::{Error, Result};

/// Share of an epoch spent waiting for images that is told.
const WORTH_TELLING: f64 = 0.05;

/// Seconds of an epoch spent waiting for images that are told: a short epoch waits for its first batches.
const WORTH_SECONDS: f64 = 10.0;

impl Trainer<'_> {
    /// Judges the validation images by their center view.
    pub(super) fn validate(&mut self) -> Result<Option<Evaluation>> {
        let Some(split) = self.config.dataset.val().cloned() else { return Ok(None) };
        self.judge(&split, 1)
    }

    /// `None` when there is nothing to judge, or a signal ends it.
    fn judge(&mut self, split: &Split, views: usize) -> Result<Option<Evaluation>> {
        let record = &mut self.record;
        record.start_phase(Phase::Validation, split.len(), 0);
        let judge = Classifier { engine: &mut *self.engine, preprocess: &self.preprocess };
        let interrupt = &self.config.interrupt;
        let mut before = 0;
        let found = evaluate(judge, split, views, self.config.workers, &mut |done| {
            record.advance(done - before, None);
            before = done;
            match record.observers.wants_stop() {
                true => Err(Error::new(Kind::Runtime, "stopped by an observer")),
                false => interrupt.check(),
            }
        });
        self.record.end_phase();
        if self.interrupted().is_some() {
            return Ok(None);
        }
        Ok(Some(found?).filter(|found| found.images > 0))
    }

    /// Writes down what an epoch found, saves the model, and says whether training ends before its schedule does.
    pub(super) fn end_of_epoch(&mut self, validation: Option<Evaluation>) -> Result<Option<Ended>> {
        let (epoch, tally, late) = (self.state.pace.epochs + 1, self.state.epoch, self.state.late);
        if let Some(evaluation) = &validation {
            let validated = Validated { epoch, step: self.state.step, evaluation };
            self.record.observers.notify(&Event::Validated(validated));
        }
        self.tell_epoch(epoch, &tally, validation.as_ref());
        let classes = self.engine.network().classes;
        let exploded = Watch::has_exploded(tally.loss(), classes)
            || validation.as_ref().is_some_and(|found| Watch::has_exploded(found.loss, classes));
        let model = self.model(epoch, self.state.step, validation.as_ref())?;
        if !exploded && Snapshot::is_improved_by(self.state.best.as_ref(), validation.as_ref()) {
            self.keep_model(Which::Best, model.clone(), validation.clone())?;
        }
        self.keep_model(Which::Last, model, validation.clone())?;
        let error = validation.as_ref().map_or(tally.loss(), |found| 1.0 - found.top1_share());
        let next = self.state.pace.finish_epoch(&self.schedule(), error);
        if next == Next::Divided {
            self.record.say(&format!("the rate is divided: {} from now on", self.rate()));
        }
        let before = self.state.step.saturating_sub(self.state.batches);
        self.state.batches = 0;
        (self.state.epoch, self.state.late, self.state.recent) = Default::default();
        self.save_checkpoint()?;
        self.record.settle();
        if !Watch::is_due(before, self.state.step) {
            return Ok(None);
        }
        let classes = self.engine.network().classes;
        let seen = Watch::evidence(late, tally, classes);
        self.tell_of_a_bad_loss(seen);
        match Watch::is_flat(&seen, classes) {
            true => self.on_plateau(),
            false => Ok(None),
        }
    }

    fn tell_epoch(&mut self, epoch: usize, tally: &Tally, found: Option<&Evaluation>) {
        let validation = found.map(|found| Validation {
            loss: found.loss as f32,
            top1: found.top1_share() as f32,
            top5: found.top5_share() as f32,
        });
        let line = self.line(tally, validation);
        let mut text = format!(
            "epoch {epoch}: rate {}, loss {:.4}, top-1 {:.2} %",
            line.lr,
            line.loss,
            100.0 * line.top1
        );
        if let Some(found) = &validation {
            let (top1, top5) = (100.0 * found.top1, 100.0 * found.top5);
            text += &format!("; validation: loss {:.4}, top-1 {top1:.2} %, top-5 {top5:.2} %", found.loss);
        }
        text += &format!("; {} images/s, {}", significant(tally.rate()), duration(line.seconds));
        if tally.waiting() > WORTH_TELLING && tally.waiting > WORTH_SECONDS {
            text += &format!(
                "; {:.0} % of it waiting for images: `alexnet data bench` says why",
                100.0 * tally.waiting()
            );
        }
        self.record.say(&text);
        // Without validation, the lines of the steps say all that it says.
        if line.validation.is_some() {
            self.record.line(&line);
        }
    }

    pub(super) fn tell_of_a_bad_loss(&mut self, tally: Tally) {
        let (step, classes, recipe) = (self.state.step, self.engine.network().classes, &self.config.recipe);
        let told = match Watch::is_flat(&tally, classes) {
            true => self.watch.flat(step, &tally, classes, recipe),
            false if Watch::is_wild(&tally, classes) => self.watch.wild(step, &tally, classes, recipe),
            false => None,
        };
        if let Some(advice) = told {
            self.record.observers.notify(&Event::Advice(&advice));
            self.record.note(&format!("{}: {}", advice.finding, advice.cure));
        }
    }

    fn on_plateau(&mut self) -> Result<Option<Ended>> {
        let cure = match self.config.on_plateau {
            OnPlateau::Tell => return Ok(None),
            OnPlateau::RestartWithHe => Cure::He,
            OnPlateau::RestartWithSmallBiases => Cure::SmallBiases,
            OnPlateau::Stop => {
                let advice = self.watch.advice().last().cloned();
                let (finding, cure) = advice.map_or_else(Default::default, |told| (told.finding, told.cure));
                return Err(Error::new(Kind::Diverged, finding).help(cure));
            }
        };
        let recipe = cure.apply(&self.config.recipe)?;
        self.record.say("begins again with the cure; what was done so far moves into `earlier-1` of the run folder, or the next number");
        // What flat losses lead to is known: once is enough.
        self.config.on_plateau = OnPlateau::Tell;
        Ok(Some(Ended::Restart(Box::new(recipe))))
    }

    /// Saves what an unfinished epoch learned, or judges the best model with the recipe's views.
    pub(super) fn finish(mut self, began: Instant, mut ended: StopReason) -> Result<Report> {
        let stopped = matches!(ended, StopReason::Signal(_) | StopReason::StepLimit | StopReason::Observer)
            && !self.config.only_forecast;
        if stopped && !self.is_saved() {
            self.save_unfinished(ended)?;
        }
        let written = self.keeper.wait();
        self.tell_of_checkpoint(written);
        self.save_models()?;
        match ended {
            StopReason::Schedule(End::Plateau) => {
                self.record.say("the validation error does not improve any more: the end");
            }
            StopReason::StepLimit => self.tell_of_limit(),
            StopReason::Schedule(End::Epochs)
            | StopReason::Signal(_)
            | StopReason::Observer
            | StopReason::Forecast => {}
        }
        let evaluation = match ended {
            StopReason::Signal(_) | StopReason::Forecast | StopReason::Observer => None,
            StopReason::Schedule(_) | StopReason::StepLimit => self.judge_best(ended)?,
        };
        if let (None, Some(reason)) = (&evaluation, self.interrupted()) {
            ended = reason;
        }
        let broken = evaluation.iter().flat_map(|found| found.skipped.iter().cloned());
        self.skipped.extend(broken);
        self.tell_best();
        self.record.flush();
        self.record.draw();
        self.record.settle();
        if let Some(error) = self.failure(ended) {
            return Err(error);
        }
        let folder = self.record.run.folder().to_path_buf();
        if self.config.only_forecast {
            self.record.run.remove();
        }
        Ok(Report {
            epochs: self.state.pace.epochs,
            steps: self.state.step,
            seconds: began.elapsed().as_secs_f64(),
            run: folder,
            best: self.state.best,
            skipped: self.skipped,
            stop_reason: ended,
            evaluation,
            forecast: self.forecast,
            advice: self.watch.advice().to_vec(),
        })
    }

    /// Whether no step was made since the training was resumed, and its last model is there.
    fn is_saved(&self) -> bool {
        let last = Summary::read(&self.model_file(Which::Last));
        self.resumed_at == Some(self.state.step) && last.is_ok_and(|last| last.steps == self.state.step)
    }

    /// Why a training that came to its end has failed nevertheless.
    fn failure(&self, ended: StopReason) -> Option<Error> {
        if let Some(error) = self.unsaved_error() {
            return Some(error);
        }
        if let lines @ 1.. = self.record.unwritten().len() {
            let folder = self.record.run.folder().display();
            let what = format!("{folder}: the last {lines} lines of metrics.jsonl could not be written");
            return Some(
                Error::new(Kind::Runtime, what).help(format!(
                    "make room on the disk; `alexnet train --resume {folder}` then writes them"
                )),
            );
        }
        if self.lost && !matches!(ended, StopReason::Signal(_) | StopReason::Observer | StopReason::Forecast)
        {
            let last = self.model_file(Which::Last).display().to_string();
            let help =
                format!("{last} is the model of the last step; put the file back and resume, or train again");
            return Some(Error::new(Kind::Runtime, self.best_is_lost()).help(help));
        }
        let (loss, classes) = (self.last_loss()?, self.engine.network().classes);
        if matches!(ended, StopReason::Signal(_) | StopReason::Observer | StopReason::Forecast)
            || !Watch::has_exploded(loss, classes)
        {
            return None;
        }
        let blind = (classes as f64).ln();
        let best = match &self.state.best {
            Some(best) => format!("best.safetensors is the model of epoch {}, from before", best.epoch),
            None => "no model is saved as the best".to_owned(),
        };
        let message = format!(
            "diverged: the loss is {loss:.3e} at the end, a random guess among {classes} classes has {blind:.3}; {best}"
        );
        let lower = divided(self.rate(), LOWER, 1);
        Some(Error::new(Kind::Diverged, message).help(format!("a lower rate: --set optimizer.rate={lower}")))
    }

    /// The training loss of the last steps, up to [`super::LOG_EVERY`] of them.
    fn last_loss(&self) -> Option<f64> {
        match self.state.recent.images {
            0 => self.record.last_loss(),
            _ => Some(self.state.recent.loss()),
        }
    }

    fn tell_of_limit(&mut self) {
        let Some(limit) = self.config.max_steps else { return };
        let folder = self.record.run.folder().display().to_string();
        let limit = grouped(limit);
        self.record.say(&format!(
            "the limit of {limit} steps is reached (--steps); to continue: `alexnet train --resume {folder} --steps N`, or \
             `--steps none` for the whole schedule"
        ));
    }

    /// Says which model is the best, and on what grounds.
    fn tell_best(&mut self) {
        let Some(Snapshot { found: Some(found), epoch, .. }) = &self.state.best else { return };
        let images = if found.images == 1 { "image" } else { "images" };
        let text = format!(
            "best.safetensors is the model of epoch {epoch}, chosen on {} validation {images}: top-1 {:.2} %, loss {:.4}",
            grouped(found.images),
            100.0 * found.top1_share(),
            found.loss
        );
        self.record.say(&text);
    }

    fn save_unfinished(&mut self, ended: StopReason) -> Result<()> {
        let steps = grouped(self.state.step);
        let folder = self.record.run.folder().display().to_string();
        let go_on = format!("`alexnet train --resume {folder}`");
        self.save_last_checkpoint().map_err(|error| {
            error
                .context(format!("stopped after {steps} steps"))
                .help(format!("the last checkpoint that was written is whole: {go_on} goes on from it"))
        })?;
        // The checkpoint does not count this line: a training that goes on writes it with all its steps.
        if self.state.recent.images > 0 {
            let line = self.line(&self.state.recent, None);
            self.record.line(&line);
        }
        let model = self.model(self.state.pace.epochs, self.state.step, None)?;
        self.keep_model(Which::Last, model, None)?;
        if self.unsaved.is_empty() {
            // How to continue beyond a limit is said with the limit.
            let go_on =
                if ended == StopReason::StepLimit { String::new() } else { format!("; {go_on} goes on") };
            self.record
                .say(&format!("stopped after {steps} steps{go_on}; the model so far is last.safetensors"));
        }
        Ok(())
    }

    fn judge_best(&mut self, ended: StopReason) -> Result<Option<Evaluation>> {
        let Some(split) = self.config.dataset.val().cloned() else { return Ok(None) };
        let file = self.model_file(Which::Best);
        let best = match self.unsaved_best() {
            _ if ended == StopReason::StepLimit => None,
            Some(best) => Some(best.parameters.clone()),
            None if file.is_file() => Some(Model::load(file)?.parameters),
            None => None,
        };
        let is_best = best.is_some();
        if let Some(best) = best {
            self.engine.load(&best)?;
        }
        let views = self.config.recipe.evaluation.views;
        let Some(found) = self.judge(&split, views)? else { return Ok(None) };
        self.record.skipped(&found.skipped);
        self.record.say(&format!(
            "the {} model on {} {} images, {views} {}: top-1 {:.2} %, top-5 {:.2} %",
            if is_best { "best" } else { "last" },
            grouped(found.images),
            split.name,
            if views == 1 { "view" } else { "views" },
            100.0 * found.top1_share(),
            100.0 * found.top5_share()
        ));
        Ok(Some(found))
    }
}
