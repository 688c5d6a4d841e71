//! The end of a training run: its last models, the final evaluation, the report.

use std::time::Instant;

use super::epoch_end::top5_text;
use super::models::Which;
use super::training::Training;
use crate::error::{Kind, shell};
use crate::eval::Evaluation;
use crate::format::{self, counted};
use crate::model::Model;
use crate::train::observer::{Ended, Event};
use crate::train::report::{Report, StopReason};
use crate::train::schedule::End;
use crate::train::snapshot::Snapshot;
use crate::train::tally::Tally;
use crate::train::watch::Watch;
use crate::{Error, Result};

/// Which model the final evaluation used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evaluated {
    Best,
    Last,
}

/// A validation as a tally.
fn tally_of(found: &Evaluation) -> Tally {
    let loss = found.loss * found.images as f64;
    Tally { images: found.images, correct: found.top1, loss, ..Tally::default() }
}

impl Training<'_> {
    /// Saves what an unfinished epoch has learned, or evaluates the best model with the recipe's views.
    pub(super) fn finish(mut self, started: Instant, reason: StopReason) -> Result<Report> {
        let only_forecast = self.learner.config.only_forecast;
        let is_unfinished = match reason {
            StopReason::Signal(_) | StopReason::Observer | StopReason::StepLimit => !only_forecast,
            StopReason::Schedule(_) | StopReason::Forecast => false,
        };
        if is_unfinished {
            let (step, is_between_epochs) = (self.learner.state.step, self.learner.state.batches == 0);
            match self.models.last_is_current(step, is_between_epochs) {
                true => self.report_recent(),
                false => self.save_unfinished()?,
            }
            self.report_stop(reason);
        }
        self.checkpoints.wait(&mut self.reporter);
        self.models.save(&mut self.learner.state, &mut self.reporter)?;
        let evaluation = match reason {
            // The models are deleted with the run folder.
            _ if only_forecast => None,
            StopReason::Schedule(End::Plateau) => {
                self.reporter.info("the validation error no longer improves: training ends");
                self.final_evaluation(reason)?
            }
            StopReason::Schedule(End::Epochs) => self.final_evaluation(reason)?,
            StopReason::StepLimit => {
                self.report_step_limit();
                self.final_evaluation(reason)?
            }
            StopReason::Signal(_) | StopReason::Observer | StopReason::Forecast => None,
        };
        // An interruption of the final evaluation counts, too.
        let reason = match &evaluation {
            Some(_) => reason,
            None => self.interruption().unwrap_or(reason),
        };
        let skipped = evaluation.iter().flat_map(|found| found.skipped.iter().cloned());
        self.learner.images.skipped.extend(skipped);
        if !only_forecast {
            self.report_best();
        }
        if matches!(reason, StopReason::Schedule(_)) {
            self.warn_unlearned();
        }
        let (steps, evaluated) = (self.learner.state.step, evaluation.as_ref());
        self.reporter.emit(&Event::Ended(Ended { reason, steps, evaluation: evaluated }));
        self.reporter.report_recovery();
        if let Some(error) = self.failure(reason) {
            return Err(error);
        }
        let run = self.reporter.folder().to_path_buf();
        if only_forecast {
            self.reporter.run.remove();
        }
        Ok(Report {
            epochs: self.learner.state.lr.epochs,
            steps,
            seconds: started.elapsed().as_secs_f64(),
            run,
            best: self.learner.state.best,
            skipped: self.learner.images.skipped,
            stop_reason: reason,
            evaluation,
            forecast: self.forecaster.forecast().cloned(),
            advice: self.watch.advice().to_vec(),
            sent: self.learner.engine.sent(),
        })
    }

    /// Why a training run that has ended has failed nevertheless.
    fn failure(&self, reason: StopReason) -> Option<Error> {
        if let Some(error) = self.models.unsaved_error() {
            return Some(error);
        }
        if let lines @ 1.. = self.reporter.unwritten().len() {
            let run = self.reporter.folder();
            let last = if lines == 1 { "line".to_owned() } else { counted(lines, "line") };
            let message = format!("{}: the last {last} of metrics.jsonl could not be written", run.display());
            return Some(Error::new(Kind::Runtime, message).help(format!(
                "free some disk space; `alexnet train --resume {}` then writes them",
                shell(run)
            )));
        }
        match reason {
            StopReason::Signal(_) | StopReason::Observer | StopReason::Forecast => None,
            StopReason::Schedule(_) | StopReason::StepLimit => {
                self.models.lost_error(&self.learner.state).or_else(|| self.divergence())
            }
        }
    }

    /// The error of a training run whose last loss is far above chance level, if it is.
    fn divergence(&self) -> Option<Error> {
        let (loss, classes) = (self.last_loss()?, self.learner.engine.network().classes);
        if !Watch::has_diverged(loss, classes) {
            return None;
        }
        let best = match &self.learner.state.best {
            Some(best) => format!("best.safetensors is the model of epoch {}, from before", best.epoch),
            None => "no best model has been saved".to_owned(),
        };
        let message = format!(
            "diverged: the final loss is {loss:.3e}; chance level for {classes} classes is {:.3}; {best}",
            (classes as f64).ln()
        );
        let help = format!("try a lower learning rate: --set optimizer.rate={}", self.learner.lower_rate());
        Some(Error::new(Kind::Diverged, message).help(help))
    }

    /// The training loss of the last steps: up to [`LOG_EVERY`](crate::train::metrics::LOG_EVERY) of them.
    fn last_loss(&self) -> Option<f64> {
        match self.learner.state.recent.images {
            0 => self.reporter.history().last().map(|line| f64::from(line.loss)),
            _ => Some(self.learner.state.recent.mean_loss()),
        }
    }

    fn report_step_limit(&mut self) {
        let Some(limit) = self.learner.config.requests.steps else { return };
        let (limit, run) = (counted(limit, "step"), shell(self.reporter.folder()));
        self.reporter.info(&format!(
            "reached the limit of {limit} (--steps); to continue: `alexnet train --resume {run} --steps N`, or \
             `--steps none` for the whole schedule"
        ));
    }

    /// Reports which model is the best, and why.
    fn report_best(&mut self) {
        let Some(Snapshot { evaluation: Some(found), epoch, .. }) = &self.learner.state.best else { return };
        // The final evaluation may use more views, and then has another accuracy.
        let text = format!(
            "best.safetensors is the model of epoch {epoch}, chosen on {} by center views: top-1 {:.2} %, loss {}",
            counted(found.images, "validation image"),
            100.0 * found.top1_share(),
            format::loss(found.loss, 4)
        );
        self.reporter.info(&text);
    }

    /// Warns of a best model that is no better than a guess.
    fn warn_unlearned(&mut self) {
        let Some(best) = &self.learner.state.best else { return };
        let classes = self.learner.engine.network().classes;
        let training = Watch::last_evidence(self.epoch_tallies(), classes);
        let validation = best.evaluation.as_ref().map_or(training, tally_of);
        if !Watch::is_unlearned(&validation, &training, classes) {
            return;
        }
        let (step, images) = (self.learner.state.step, self.learner.images.usable.len());
        let recipe = &self.learner.config.recipe;
        if let Some(advice) = self.watch.unlearned(step, &validation, images, classes, recipe) {
            self.reporter.serious(&advice);
        }
    }

    /// What the training steps of each epoch have seen, by the metrics; without validation, the steps of each line.
    fn epoch_tallies(&self) -> impl DoubleEndedIterator<Item = Tally> {
        let (epoch, batch) = (self.learner.images.usable.len(), self.learner.config.recipe.optimizer.batch);
        let lines = self.reporter.history();
        let are_epochs = lines.iter().any(|line| line.validation.is_some());
        (0..lines.len()).filter(move |&i| lines[i].validation.is_some() == are_epochs).map(move |i| {
            let before = i.checked_sub(1).map_or(0, |before| lines[before].step);
            let images = match are_epochs {
                true => epoch,
                false => lines[i].step.saturating_sub(before) * batch.min(epoch),
            };
            Tally {
                images,
                correct: (f64::from(lines[i].top1) * images as f64).round() as usize,
                loss: f64::from(lines[i].loss) * images as f64,
                ..Tally::default()
            }
        })
    }

    fn save_unfinished(&mut self) -> Result<()> {
        let (learner, reporter) = (&mut self.learner, &mut self.reporter);
        let steps = counted(learner.state.step, "step");
        let resume = format!("`alexnet train --resume {}`", shell(reporter.folder()));
        self.checkpoints.save_last(learner, &self.models, reporter).map_err(|error| {
            error
                .context(format!("stopped after {steps}"))
                .help(format!("earlier checkpoints are intact: {resume} continues from the last"))
        })?;
        // The checkpoint does not count this line: a resumed training writes it with all its steps.
        self.report_recent();
        let (learner, reporter) = (&mut self.learner, &mut self.reporter);
        let (epochs, step) = (learner.state.lr.epochs, learner.state.step);
        let model = self.models.capture(epochs, step, None, learner)?;
        self.models.keep(Which::Last, model, None, learner, reporter)
    }

    /// Says where the model so far is, and how to continue.
    fn report_stop(&mut self, reason: StopReason) {
        if !self.models.is_saved() {
            return;
        }
        let resume = match reason {
            // The message on the limit says how to continue.
            StopReason::StepLimit => String::new(),
            StopReason::Signal(_) | StopReason::Observer | StopReason::Schedule(_) | StopReason::Forecast => {
                format!("; to resume: `alexnet train --resume {}`", shell(self.reporter.folder()))
            }
        };
        let steps = counted(self.learner.state.step, "step");
        self.reporter.info(&format!("stopped after {steps}; the model so far is last.safetensors{resume}"));
    }

    fn final_evaluation(&mut self, reason: StopReason) -> Result<Option<Evaluation>> {
        if !self.learner.config.final_evaluation {
            return Ok(None);
        }
        let Some(split) = self.learner.config.dataset.val().cloned() else { return Ok(None) };
        let which = self.load_for_evaluation(reason)?;
        let views = self.learner.config.recipe.evaluation.views;
        let found = self.evaluate(&split, views).map_err(|error| match error.kind {
            // The same fault in training ends with this exit code, after which a scheduler tries again.
            Kind::Data => Error { kind: Kind::Runtime, ..error }.help(format!(
                "the training is complete and saved; once the images can be read again, `alexnet train --resume {}` evaluates it",
                shell(self.reporter.folder())
            )),
            Kind::Runtime | Kind::Usage | Kind::Model | Kind::Diverged | Kind::Interrupted(_) => error,
        })?;
        let Some(found) = found else { return Ok(None) };
        self.reporter.skipped(&found.skipped);
        self.reporter.info(&format!(
            "{} model on {}, {views}: top-1 {:.2} %{}",
            match which {
                Evaluated::Best => "best",
                Evaluated::Last => "last",
            },
            counted(found.images, &format!("{} image", split.name)),
            100.0 * found.top1_share(),
            top5_text(found.top5_share(), self.learner.engine.network().classes)
        ));
        Ok(Some(found))
    }

    /// Loads the best model, if there is one and the schedule is complete; otherwise the engine holds the last.
    fn load_for_evaluation(&mut self, reason: StopReason) -> Result<Evaluated> {
        if reason == StopReason::StepLimit {
            return Ok(Evaluated::Last);
        }
        let file = self.models.path(Which::Best);
        let parameters = match self.models.unsaved_best() {
            Some(best) => best.parameters.clone(),
            None if file.is_file() => Model::load(file)?.parameters,
            None => return Ok(Evaluated::Last),
        };
        self.learner.engine.load(&parameters)?;
        Ok(Evaluated::Best)
    }
}
