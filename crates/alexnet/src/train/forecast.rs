//! What a training will need, from its first steps.

use std::fmt;

use serde::Serialize;

use crate::data::loader::STAGES;
use crate::engine::{LayerTimings, Pass};
use crate::format::{duration, grouped, significant};

/// Steps that are measured.
pub const STEPS: usize = 20;

/// Of these, those that only warm up.
const WARMING: usize = 2;

/// A measuring under way.
#[derive(Clone, Debug, Default)]
pub struct Measuring {
    steps: usize,
    measured: usize,
    images: usize,
    seconds: f64,
    waiting: f64,
    forward: f64,
    backward: f64,
    /// The update by itself, in the steps that had it so, and their number.
    update: (f64, usize),
}

/// What the first steps say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Training images a second.
    pub images_per_second: f64,
    /// Seconds of a step.
    pub step_seconds: f64,
    /// Of these: the forward pass.
    pub forward_seconds: f64,
    /// The backward pass, and the update where both are one.
    pub backward_seconds: f64,
    /// The update, where it was seen by itself; most of it is part of the backward pass otherwise.
    pub update_seconds: f64,
    /// Waiting for images.
    pub waiting_seconds: f64,
    /// What one image takes of one loading thread, in the order of [`STAGES`]: read, decode, square, augment.
    pub image_seconds: [f64; STAGES.len()],
    /// Threads that load.
    pub workers: usize,
    /// Seconds of an epoch, its validation included.
    pub epoch_seconds: f64,
    /// Seconds until the end, if all epochs are run.
    pub total_seconds: f64,
    /// Epochs until then.
    pub epochs: usize,
    /// Memory that the engine has planned.
    pub planned_bytes: u64,
    /// Memory that the program has resident.
    pub resident_bytes: u64,
    /// A checkpoint on disk; two are kept, and a third is written before one goes.
    pub checkpoint_bytes: u64,
    /// What else the run leaves: the best and the last model.
    pub model_bytes: u64,
    /// Free space where the run folder is, if the system tells.
    pub free_bytes: Option<u64>,
}

/// What is known beside the measured steps.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Training images of an epoch, and validation images.
    pub images: [usize; 2],
    /// Training images that are left of this epoch.
    pub left: usize,
    /// Epochs to come, this one included.
    pub epochs: usize,
    /// As in [`Forecast`].
    pub workers: usize,
    /// As in [`Forecast`].
    pub planned_bytes: u64,
    /// As in [`Forecast`].
    pub checkpoint_bytes: u64,
    /// As in [`Forecast`].
    pub model_bytes: u64,
    /// As in [`Forecast`].
    pub free_bytes: Option<u64>,
}

impl Measuring {
    /// Takes a step; tells whether there have been enough.
    pub fn add(&mut self, images: usize, seconds: f64, waiting: f64, timings: &LayerTimings) -> bool {
        self.steps += 1;
        if self.steps <= WARMING {
            return false;
        }
        let sum = |wanted: &dyn Fn(Pass) -> bool| -> f64 {
            timings.entries().iter().filter(|entry| wanted(entry.pass)).map(|entry| entry.seconds).sum()
        };
        self.measured += 1;
        self.images += images;
        self.seconds += seconds;
        self.waiting += waiting;
        self.forward += sum(&|pass| pass == Pass::Forward);
        self.backward += sum(&|pass| matches!(pass, Pass::InputGradient | Pass::WeightGradient));
        let update = sum(&|pass| pass == Pass::Update);
        if update > 0.0 {
            self.update = (self.update.0 + update, self.update.1 + 1);
        }
        self.steps >= STEPS
    }

    /// The forecast. `stages` are the seconds of a loading thread that an image takes.
    pub fn forecast(&self, stages: [f64; STAGES.len()], known: Known) -> Forecast {
        let steps = self.measured.max(1) as f64;
        let rate = self.images as f64 / self.seconds.max(1e-9);
        let [training, validation] = known.images.map(|images| images as f64);
        let validating = validation * self.forward / (self.images.max(1) as f64);
        let epoch = training / rate.max(1e-9) + validating;
        let now = known.left as f64 / rate.max(1e-9) + validating;
        Forecast {
            images_per_second: rate,
            step_seconds: self.seconds / steps,
            forward_seconds: self.forward / steps,
            backward_seconds: self.backward / steps,
            update_seconds: self.update.0 / self.update.1.max(1) as f64,
            waiting_seconds: self.waiting / steps,
            image_seconds: stages,
            workers: known.workers,
            epoch_seconds: epoch,
            total_seconds: now + epoch * known.epochs.saturating_sub(1) as f64,
            epochs: known.epochs,
            planned_bytes: known.planned_bytes,
            resident_bytes: super::bench::peak_resident_bytes(),
            checkpoint_bytes: known.checkpoint_bytes,
            model_bytes: known.model_bytes,
            free_bytes: known.free_bytes,
        }
    }
}

impl Forecast {
    /// The most that the run takes on disk.
    pub fn disk_bytes(&self) -> u64 {
        3 * self.checkpoint_bytes + 2 * self.model_bytes
    }

    /// Whether the disk has no room for the run.
    pub fn lacks_space(&self) -> bool {
        self.free_bytes.is_some_and(|free| free < self.disk_bytes())
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = match self.epochs {
            1 => String::new(),
            epochs => format!(", what is left of {epochs} epochs at most {}", duration(self.total_seconds)),
        };
        let (rate, epoch) = (significant(self.images_per_second), duration(self.epoch_seconds));
        writeln!(f, "forecast from {STEPS} steps: {rate} images/s; an epoch takes {epoch}{rest}")?;
        let share = |seconds: f64| 100.0 * seconds / self.step_seconds.max(1e-12);
        writeln!(
            f,
            "  a step of {} ms: forward {:.0} %, backward and update {:.0} % (an update by itself {} ms), waiting for images {:.0} %",
            significant(1e3 * self.step_seconds),
            share(self.forward_seconds),
            share(self.backward_seconds),
            significant(1e3 * self.update_seconds),
            share(self.waiting_seconds)
        )?;
        let stages = STAGES
            .iter()
            .zip(self.image_seconds)
            .map(|(name, seconds)| format!("{name} {:.2} ms", 1e3 * seconds));
        let each: f64 = self.image_seconds.iter().sum();
        let rate = self.workers.max(1) as f64 / each.max(1e-9);
        let threads = if self.workers == 1 { "thread loads" } else { "threads load" };
        writeln!(
            f,
            "  an image takes of a loading thread: {}; {} {threads} at most {} a second beside the training",
            stages.collect::<Vec<_>>().join(", "),
            grouped(self.workers.max(1)),
            significant(rate)
        )?;
        let mebi = |bytes: u64| grouped((bytes >> 20) as usize);
        write!(
            f,
            "  memory: {} MiB, of which the network has {}; disk: {} MiB for checkpoints and models",
            mebi(self.resident_bytes),
            mebi(self.planned_bytes),
            mebi(self.disk_bytes())
        )?;
        match self.free_bytes {
            Some(free) => write!(f, ", {} are free", mebi(free)),
            None => Ok(()),
        }
    }
}
