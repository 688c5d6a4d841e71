//! Progress of a reproduction: a line for each training run, and a bar for the pass that runs.

use std::ops::ControlFlow;

use crate::ui::{Display, Progress};
use alexnet::reproduce::observer::{EvaluationStarted, RunStarted};
use alexnet::reproduce::{ReproductionEvent, ReproductionObserver};
use alexnet::train;
use alexnet::train::observer::{Level, Phase};

/// Shows what happens in a reproduction.
#[derive(Debug)]
pub(super) struct ReproduceView {
    progress: Progress,
    /// What is trained.
    name: String,
}

impl ReproduceView {
    pub(super) fn new(display: Display) -> Self {
        Self { progress: Progress::new(display), name: String::new() }
    }

    fn run_started(&mut self, started: &RunStarted<'_>) {
        let RunStarted { name, complete, runs, is_resumed, .. } = started;
        self.progress.finish();
        let resumed = if *is_resumed { ", resumed" } else { "" };
        self.progress.say(&format!("training run {} of {runs}: {name}{resumed}", complete + 1));
        self.name = (*name).to_owned();
    }

    fn training(&mut self, event: &train::Event<'_>) {
        match event {
            train::Event::PhaseStarted(started) => {
                let phase = match started.phase {
                    Phase::Epoch { epoch, epochs } => format!("{}: epoch {epoch} of {epochs}", self.name),
                    Phase::Validation => format!("{}: validation", self.name),
                    Phase::Statistics => format!("{}: statistics of the images", self.name),
                    // The enum may grow.
                    _ => self.name.clone(),
                };
                self.progress.start(phase, started.total);
                self.progress.advance(started.done, None);
            }
            train::Event::PhaseAdvanced(advanced) => self.progress.advance(advanced.done, advanced.loss),
            train::Event::PhaseEnded => self.progress.finish(),
            train::Event::Message(message) if message.level == Level::Warning => {
                self.progress.say(&message.to_string());
            }
            _ => {}
        }
    }

    fn evaluation_started(&mut self, started: &EvaluationStarted<'_>) {
        self.progress.start(format!("evaluating {}", started.name), started.images);
    }
}

impl ReproductionObserver for ReproduceView {
    fn observe(&mut self, event: &ReproductionEvent<'_>) -> ControlFlow<()> {
        match event {
            ReproductionEvent::Planned(plan) => self.progress.say(&plan.to_string()),
            ReproductionEvent::RunStarted(started) => self.run_started(started),
            ReproductionEvent::Training(event) => self.training(event),
            ReproductionEvent::EvaluationStarted(started) => self.evaluation_started(started),
            ReproductionEvent::EvaluationAdvanced(done) => self.progress.advance(*done, None),
            // The enum may grow.
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
