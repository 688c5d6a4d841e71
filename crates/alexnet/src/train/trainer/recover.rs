//! Checkpoints, changes on the way, and going back when numbers go wrong.

use super::Trainer;
use crate::engine::{NonFinite, Place, StepOutcome};
use crate::error::Kind;
use crate::files::json;
use crate::format::grouped;
use crate::net::{Change, Edit};
use crate::train::checkpoint::{self, Checkpoint};
use crate::train::journal::{self, Asked, By, Entry, Journal};
use crate::train::record::Trouble;
use crate::train::schedule::divided;
use crate::train::watch::{Advice, LOWER, MOST_ROLLBACKS, OnDivergence};
use crate::{Error, Result};

impl Trainer<'_> {
    /// Puts changes and frozen layers where the state says they are; parameters and momentum are loaded afterwards.
    pub(super) fn take_up(&mut self) -> Result<()> {
        // Changes of this very step are made again, as before the step that follows.
        self.edited = self.edits.partition_point(|edit| edit.step < self.state.step);
        for (i, layer) in self.engine.network().clone().layers.iter().enumerate() {
            if let Some(spec) = layer.weights() {
                let changed = self.state.settings.frozen.get(&layer.name).copied();
                self.engine.freeze(i, changed.unwrap_or(spec.is_frozen()))?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Checkpoint> {
        self.record.flush();
        self.state.seconds = self.seconds();
        self.state.lines = self.record.lines();
        self.state.unwritten = self.record.unwritten().to_vec();
        Ok(Checkpoint {
            state: self.state.clone(),
            lineage: self.lineage.clone(),
            parameters: self.engine.parameters()?,
            velocities: self.engine.velocities()?,
            mean: self.preprocess.mean.clone(),
            best: self.unsaved_best().map(|model| model.parameters.clone()),
        })
    }

    /// Hands a checkpoint over to be written. What goes wrong with the one before is told, and ends nothing.
    pub(super) fn save_checkpoint(&mut self) -> Result<()> {
        let checkpoint = self.checkpoint()?;
        let before = self.keeper.save(checkpoint);
        self.tell_of_checkpoint(before);
        Ok(())
    }

    /// Makes a checkpoint where it is time, or one is asked for.
    pub(super) fn keep_checkpoint(&mut self) -> Result<()> {
        let written = self.keeper.poll();
        self.tell_of_checkpoint(written);
        if self.config.interrupt.take_checkpoint_request() {
            self.save_checkpoint()?;
            self.record.say(&format!("a checkpoint of step {} is made", grouped(self.state.step)));
        } else if self.keeper.is_due(self.state.step) {
            self.save_checkpoint()?;
        }
        Ok(())
    }

    pub(super) fn tell_of_checkpoint(&mut self, written: Result<bool>) {
        match written {
            Ok(true) => self.record.works(Trouble::Checkpoint),
            Ok(false) => {}
            Err(error) => self.record.trouble(
                Trouble::Checkpoint,
                error.help(
                    "training goes on, and the checkpoint is tried again; those that were written before are whole",
                ),
            ),
        }
    }

    /// The last checkpoint of a training that stops.
    pub(super) fn save_last_checkpoint(&mut self) -> Result<()> {
        self.save_checkpoint()?;
        let written = self.keeper.wait();
        self.tell_of_checkpoint(written.clone());
        written.map(|_| ())
    }

    /// Makes the changes that are due before the next step, those that are asked for now among them. Tells whether images
    /// have to be loaded otherwise from here on.
    pub(super) fn make_edits(&mut self) -> Result<bool> {
        for path in journal::asked(self.record.run.folder()) {
            let known = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !self.journal.entries().iter().any(|entry| entry.asked == known) {
                let asked = json::read::<Asked>(&path, "a change, as `alexnet edit` asks for it");
                let checked = asked.and_then(|asked| asked.change.check(&self.config.recipe).map(|()| asked));
                match checked {
                    Err(error) => self.record.warn(&error.context("a change is not made")),
                    Ok(asked) => {
                        if !self.note_edit(asked.change, By::User, asked.reason, known) {
                            return Ok(false);
                        }
                    }
                }
            }
            if let Err(error) = std::fs::remove_file(&path) {
                self.record.warn(&Error::io(&path, "remove it", &error));
            }
        }
        let mut reload = false;
        while let Some(edit) = self.edits.get(self.edited).filter(|edit| edit.step <= self.state.step) {
            let change = edit.change.clone();
            reload |= matches!(change, Change::ColorNoise(_));
            self.make(&change)?;
            self.edited += 1;
        }
        Ok(reload)
    }

    /// Writes a change into the journal, from where it is made; tells whether it could be written. If not, it is asked for
    /// still.
    fn note_edit(&mut self, change: Change, by: By, reason: String, asked: String) -> bool {
        let edit = Edit { step: self.state.step, change };
        let epoch = self.state.pace.epochs + 1;
        let noted = self.journal.append(Entry { edit, epoch, by, reason, asked });
        self.edits = Journal::edits(&self.config.recipe, self.journal.entries());
        let is_noted = noted.is_ok();
        match noted {
            Ok(()) => self.record.works(Trouble::Journal),
            Err(error) => self.record.trouble(
                Trouble::Journal,
                error.help("the change is made as soon as it can be written into the journal"),
            ),
        }
        is_noted
    }

    fn make(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Rate(rate) => self.state.pace.set_rate(*rate),
            Change::ColorNoise(noise) => self.state.settings.color_noise = Some(*noise),
            Change::StopAfter(epochs) => self.state.settings.stop_after = Some(*epochs),
            Change::Freeze(name) | Change::Unfreeze(name) => {
                let frozen = matches!(change, Change::Freeze(_));
                self.state.settings.frozen.insert(name.clone(), frozen);
                let layers = &self.engine.network().layers;
                if let Some(layer) = layers.iter().position(|layer| layer.name == *name) {
                    self.engine.freeze(layer, frozen)?;
                }
            }
        }
        self.record.say(&format!("from step {} on: {change}", grouped(self.state.step + 1)));
        Ok(())
    }

    /// Goes back to the last checkpoint and on at a lower rate, when numbers have stopped being finite.
    pub(super) fn go_back(&mut self, found: NonFinite, outcome: StepOutcome) -> Result<()> {
        let name = self.engine.network().layers[found.layer].name.clone();
        let rate = self.rate();
        let what = match found.place {
            Place::Loss => format!("the loss is {}", outcome.loss),
            place => format!("the {place} of {name} are not finite any more"),
        };
        let (step, epoch) = (self.state.step + 1, self.state.pace.epochs + 1);
        let finding =
            format!("{what}: step {}, epoch {epoch}, rate {rate}, loss {}", grouped(step), outcome.loss);
        let (rollbacks, lower) = (self.state.rollbacks, divided(rate, LOWER, 1));
        let cure = format!("a lower rate: --set optimizer.rate={lower}");
        let give_up = |what: &str| {
            let message = format!(
                "{finding}{what}; the checkpoints and models of the steps before are in the run folder"
            );
            Err(Error::new(Kind::Diverged, message).help(cure.clone()))
        };
        if self.config.on_divergence == OnDivergence::Stop {
            return give_up("");
        }
        if rollbacks == MOST_ROLLBACKS {
            return give_up(&format!(", after going back {MOST_ROLLBACKS} times"));
        }
        self.record.say(&finding);
        let waited = self.keeper.wait();
        self.tell_of_checkpoint(waited);
        let checkpoint = self.last_good_checkpoint()?;
        self.state = checkpoint.state;
        self.state.rollbacks = rollbacks + 1;
        self.gone_back = Some(self.state.step);
        self.keeper.go_back(self.state.step);
        self.record.go_back(self.state.lines, &self.state.unwritten)?;
        self.took_up = (std::time::Instant::now(), self.state.seconds);
        // The rate of the checkpoint may be another than the one that went wrong.
        let lower = divided(self.rate().min(rate), LOWER, 1);
        let reason = format!("went back from step {step}: {what}");
        if !self.note_edit(Change::Rate(lower), By::Watch, reason, String::new()) {
            return Err(
                Error::new(Kind::Runtime, "the journal cannot be written").help("make room on the disk")
            );
        }
        self.take_up()?;
        self.take_up_best(checkpoint.best)?;
        self.engine.load(&checkpoint.parameters)?;
        self.engine.load_velocities(&checkpoint.velocities)?;
        let advice = Advice { step, finding, cure };
        self.record.say(&format!(
            "goes back to step {} and on at a tenth of the rate, {lower} ({} of at most {MOST_ROLLBACKS} times)",
            grouped(self.state.step),
            self.state.rollbacks
        ));
        self.watch.note(advice);
        Ok(())
    }

    /// The newest checkpoint; the one before, if going back to the newest has led nowhere: numbers may be wrong in it.
    fn last_good_checkpoint(&mut self) -> Result<Checkpoint> {
        let folder = self.keeper.folder().to_path_buf();
        if let [(newest, path), _, ..] = &checkpoint::list(&folder)[..]
            && self.gone_back == Some(*newest)
        {
            std::fs::remove_file(path).map_err(|error| Error::io(path, "remove the checkpoint", &error))?;
        }
        let (found, _) = checkpoint::newest(&folder)?;
        found.ok_or_else(|| {
            Error::new(
                Kind::Diverged,
                "numbers are not finite any more, and there is no checkpoint to go back to",
            )
            .help("a lower rate: --set optimizer.rate=0.001")
        })
    }
}
