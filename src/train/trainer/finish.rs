//! The end of an epoch and of a training.

use std::time::Instant;

use super::{Ended, Trainer, Unsaved};
use crate::data::{Split, decode};
use crate::engine::Engine;
use crate::error::Kind;
use crate::eval::{Evaluation, Judge, evaluate};
use crate::interop::{Golden, Model, Summary};
use crate::train::config::Report;
use crate::train::metrics::Validation;
use crate::train::progress::{count, duration, significant};
use crate::train::schedule::{End, Next};
use crate::train::tally::Tally;
use crate::train::watch::{Cure, OnPlateau, Watch};
use crate::{Error, Result};

/// Share of an epoch spent waiting for images that is told.
const WORTH_TELLING: f64 = 0.05;

/// Seconds of an epoch spent waiting for images that are told: a short epoch waits for its first batches.
const WORTH_SECONDS: f64 = 10.0;

impl Trainer {
    /// Judges the validation pictures by their centre view.
    pub(super) fn validate(&mut self) -> Result<Option<Evaluation>> {
        let Some(split) = self.config.dataset.val().cloned() else { return Ok(None) };
        self.judge(&split, 1)
    }

    /// `None` when there is nothing to judge, or a signal ends it.
    fn judge(&mut self, split: &Split, views: usize) -> Result<Option<Evaluation>> {
        let progress = &mut self.record.progress;
        progress.start("validation", split.len());
        let judge = Judge { engine: &mut self.engine, preprocess: &self.preprocess };
        let interrupt = &self.config.interrupt;
        let mut before = 0;
        let found = evaluate(judge, split, views, self.config.workers, &mut |done| {
            progress.advance(done - before, None);
            before = done;
            match interrupt.signal() {
                None => Ok(()),
                Some(signal) => Err(Error::new(Kind::Runtime, format!("ended by signal {signal}"))),
            }
        });
        progress.finish();
        if interrupt.signal().is_some() {
            return Ok(None);
        }
        Ok(Some(found?).filter(|found| found.images > 0))
    }

    /// Writes down what an epoch found, saves the model, and says whether training ends before its schedule does.
    pub(super) fn end_of_epoch(&mut self, validation: Option<Evaluation>) -> Result<Option<Ended>> {
        let (epoch, tally, late) = (self.state.pace.epochs + 1, self.state.epoch, self.state.late);
        self.tell_epoch(epoch, &tally, validation.as_ref());
        let waiting = self.unsaved.iter().find(|unsaved| unsaved.name == "best");
        let best = waiting.map_or(&self.state.best, |unsaved| &unsaved.found);
        let improved = match (&validation, best) {
            (Some(found), Some(best)) => found.top1 > best.top1,
            _ => true,
        };
        let model = self.model(epoch, validation.as_ref())?;
        if improved {
            self.save_model("best", model.clone(), validation.clone())?;
        }
        self.save_model("last", model, validation.clone())?;
        let error = validation.as_ref().map_or(tally.loss(), |found| 1.0 - found.top1_share());
        let next = self.state.pace.finish_epoch(&self.schedule(), error);
        if next == Next::Divided {
            self.record.say(&format!("the rate is divided: {} from now on", self.rate()));
        }
        let before = self.state.step.saturating_sub(self.state.batches);
        self.state.batches = 0;
        (self.state.epoch, self.state.late, self.state.recent) = Default::default();
        self.save_checkpoint();
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
            self.record.say(&format!("note: {}: {}", advice.finding, advice.cure));
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

    /// Saves a model, and those that could not be saved before.
    fn save_model(&mut self, name: &'static str, model: Model, found: Option<Evaluation>) -> Result<()> {
        self.unsaved.retain(|unsaved| unsaved.name != name);
        self.unsaved.push(Unsaved { name, model, found });
        self.save_models()
    }

    /// Saves what waits to be saved. A disk that is full is told, and ends nothing: it is tried again.
    fn save_models(&mut self) -> Result<()> {
        for unsaved in std::mem::take(&mut self.unsaved) {
            match self.record.run.save(unsaved.name, &unsaved.model) {
                Ok(_) if unsaved.name == "best" => self.state.best = unsaved.found,
                Ok(_) => {}
                Err(error) if error.kind == Kind::Runtime => {
                    self.record.warn(&error);
                    self.unsaved.push(unsaved);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
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
                steps: self.state.step,
                seed: self.config.seed,
                top1: found.map(Evaluation::top1_share),
                top5: found.map(Evaluation::top5_share),
                loss: found.map(|found| found.loss),
                images: found.map_or(0, |found| found.images),
                program: env!("CARGO_PKG_VERSION").to_owned(),
                data: self.config.dataset.origin.clone(),
                trained_on: self.lineage.data.digest("train").map(str::to_owned),
                decoder: decode::DECODER.to_owned(),
            },
            golden,
        })
    }

    /// Saves what an unfinished epoch learned, or judges the best model with the recipe's views.
    pub(super) fn finish(mut self, began: Instant, ended: &Ended) -> Result<Report> {
        if matches!(ended, Ended::Signal(_) | Ended::MaxSteps) && !self.config.only_forecast {
            self.save_unfinished()?;
        }
        self.keeper.wait().unwrap_or_else(|error| self.record.warn(&error));
        self.save_models()?;
        if *ended == Ended::Scheduled(End::Plateau) {
            self.record.say("the validation error does not improve any more: the end");
        }
        let evaluation = match ended {
            Ended::Signal(_) | Ended::Forecast => None,
            _ => self.judge_best(ended)?,
        };
        let broken = evaluation.iter().flat_map(|found| found.skipped.iter().cloned());
        self.skipped.extend(broken);
        self.record.flush();
        self.record.draw();
        let folder = self.record.run.folder().to_path_buf();
        if let Some(unsaved) = self.unsaved.first() {
            let what = format!("{}: {}.safetensors could not be saved", folder.display(), unsaved.name);
            return Err(Error::new(Kind::Runtime, what).help(format!(
                "make room on the disk; `alexnet train --resume {}` then goes on from the last checkpoint",
                folder.display()
            )));
        }
        if self.config.only_forecast {
            self.record.run.remove();
        }
        Ok(Report {
            epochs: self.state.pace.epochs,
            steps: self.state.step,
            seconds: began.elapsed().as_secs_f64(),
            run: folder,
            skipped: self.skipped,
            interrupted: self.config.interrupt.signal().filter(|_| evaluation.is_none()),
            evaluation,
            forecast: self.forecast,
            advice: self.watch.advice().to_vec(),
        })
    }

    fn save_unfinished(&mut self) -> Result<()> {
        let steps = count(self.state.step as u64);
        let folder = self.record.run.folder().display().to_string();
        let go_on = format!("`alexnet train --resume {folder}`");
        self.save_last_checkpoint().map_err(|error| {
            error
                .context(format!("stopped after {steps} steps"))
                .help(format!("the last checkpoint that was written is whole: {go_on} goes on from it"))
        })?;
        // The checkpoint does not count this line: a training that goes on writes it with all its steps.
        if self.state.recent.pictures > 0 {
            let line = self.line(&self.state.recent, None);
            self.record.line(&line);
        }
        let model = self.model(self.state.pace.epochs, None)?;
        self.save_model("last", model, None)?;
        if self.unsaved.is_empty() {
            self.record.say(&format!(
                "stopped after {steps} steps; {go_on} goes on; the model so far is last.safetensors"
            ));
        }
        Ok(())
    }

    fn judge_best(&mut self, ended: &Ended) -> Result<Option<Evaluation>> {
        let Some(split) = self.config.dataset.val().cloned() else { return Ok(None) };
        let best = self.record.run.folder().join("best.safetensors");
        let is_best = *ended != Ended::MaxSteps && best.is_file();
        if is_best {
            let best = Model::load(best)?;
            self.engine.load(&best.parameters)?;
        }
        let views = self.config.recipe.evaluation.views;
        let Some(found) = self.judge(&split, views)? else { return Ok(None) };
        self.record.skipped(&found.skipped);
        self.record.say(&format!(
            "the {} model on {} {} pictures, {views} {}: top-1 {:.2} %, top-5 {:.2} %",
            if is_best { "best" } else { "last" },
            count(found.images as u64),
            split.name,
            if views == 1 { "view" } else { "views" },
            100.0 * found.top1_share(),
            100.0 * found.top5_share()
        ));
        Ok(Some(found))
    }
}
