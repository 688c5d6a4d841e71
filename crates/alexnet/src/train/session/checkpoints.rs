//! When to write checkpoints, and which to roll back to.

use super::learner::Learner;
use super::models::Models;
use super::reporter::Reporter;
use crate::error::Kind;
use crate::format::grouped;
use crate::train::checkpoint::{self, Checkpoint};
use crate::train::checkpoint_writer::{CheckpointWriter, Written};
use crate::train::disk::Output;
use crate::train::observer::{CheckpointTaken, Event};
use crate::{Error, Result};

/// The checkpoints of a training run.
pub(super) struct Checkpoints {
    writer: CheckpointWriter,
    /// The step of the last checkpoint that was rolled back to.
    rolled_back_to: Option<usize>,
}

impl Checkpoints {
    pub(super) fn new(writer: CheckpointWriter) -> Self {
        Self { writer, rolled_back_to: None }
    }

    /// Takes a checkpoint, which is written in the background. A failure to write the previous one is reported.
    ///
    /// # Errors
    /// Returns an error if the engine cannot hand out its values.
    pub(super) fn save(
        &mut self,
        learner: &mut Learner,
        models: &Models,
        reporter: &mut Reporter<'_>,
    ) -> Result<()> {
        let checkpoint = take(learner, models, reporter)?;
        let step = checkpoint.state.step;
        let previous = self.writer.save(checkpoint);
        report(previous, reporter);
        reporter.emit(&Event::Checkpoint(CheckpointTaken { step }));
        Ok(())
    }

    /// Takes a checkpoint if one is due or has been requested.
    ///
    /// # Errors
    /// As [`Checkpoints::save`].
    pub(super) fn save_if_due(
        &mut self,
        learner: &mut Learner,
        models: &Models,
        reporter: &mut Reporter<'_>,
    ) -> Result<()> {
        report(self.writer.poll(), reporter);
        if learner.config.interrupt.take_checkpoint_request() {
            self.save(learner, models, reporter)?;
            reporter.info(&format!("checkpoint at step {}", grouped(learner.state.step)));
        } else if self.writer.is_due(learner.state.step) {
            self.save(learner, models, reporter)?;
        }
        Ok(())
    }

    /// Takes the last checkpoint of a training run that stops, and waits for it.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub(super) fn save_last(
        &mut self,
        learner: &mut Learner,
        models: &Models,
        reporter: &mut Reporter<'_>,
    ) -> Result<()> {
        self.save(learner, models, reporter)?;
        let written = self.writer.wait();
        report(written.clone(), reporter);
        written.map(|_| ())
    }

    /// Waits until the last checkpoint is written.
    pub(super) fn wait(&mut self, reporter: &mut Reporter<'_>) {
        report(self.writer.wait(), reporter);
    }

    /// Loads the newest checkpoint for a rollback; the one before, if rolling back to the newest did not help: its values may be
    /// bad.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub(super) fn roll_back(&mut self) -> Result<Checkpoint> {
        let folder = self.writer.folder().to_path_buf();
        if let [newest, _, ..] = &checkpoint::list(&folder)[..]
            && self.rolled_back_to == Some(newest.step)
        {
            std::fs::remove_file(&newest.path)
                .map_err(|error| Error::io(&newest.path, "remove the checkpoint", &error))?;
        }
        let found = checkpoint::newest(&folder)?.checkpoint.ok_or_else(|| {
            Error::new(Kind::Diverged, "values became non-finite, and there is no checkpoint to roll back to")
                .help("try a lower learning rate: --set optimizer.rate=0.001")
        })?;
        self.rolled_back_to = Some(found.state.step);
        self.writer.restart_interval(found.state.step);
        Ok(found)
    }
}

fn take(learner: &mut Learner, models: &Models, reporter: &mut Reporter<'_>) -> Result<Checkpoint> {
    reporter.flush();
    let state = &mut learner.state;
    state.seconds = learner.clock.seconds();
    state.lines = reporter.lines();
    state.unwritten = reporter.unwritten().to_vec();
    Ok(Checkpoint {
        state: state.clone(),
        lineage: learner.lineage.clone(),
        parameters: learner.engine.parameters()?,
        velocities: learner.engine.velocities()?,
        mean: learner.images.preprocess.mean.clone(),
        best: models.unsaved_best().map(|model| model.parameters.clone()),
    })
}

fn report(written: Result<Written>, reporter: &mut Reporter<'_>) {
    let help = "training continues, and the checkpoint will be retried; earlier checkpoints are intact";
    match written {
        Ok(Written::Checkpoint) => reporter.written(Output::Checkpoint, Ok(())),
        Ok(Written::Nothing) => {}
        Err(error) => reporter.written(Output::Checkpoint, Err(error.help(help))),
    }
}
