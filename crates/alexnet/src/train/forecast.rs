//! What a training run will need, measured in its first steps.

use std::fmt;

use serde::Serialize;

use crate::data::loader::STAGES;
use crate::engine::{LayerTimings, Pass};
use crate::format::{duration, grouped, significant};

/// Steps that are measured.
pub const STEPS: usize = 20;

/// Of these, steps that are not measured: they warm up.
const WARMUP: usize = 2;

/// Measurements of the first steps.
#[derive(Clone, Debug, Default)]
pub struct Measuring {
    steps: usize,
    measured: usize,
    images: usize,
    seconds: f64,
    waiting: f64,
    forward: f64,
    backward: f64,
    update: f64,
    /// Steps whose update was separate from the backward pass.
    updates: usize,
}

/// A forecast from the first steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Training images per second.
    pub images_per_second: f64,
    /// Seconds per step.
    pub step_seconds: f64,
    /// Of these, the forward pass.
    pub forward_seconds: f64,
    /// The backward pass, including fused updates.
    pub backward_seconds: f64,
    /// The update, in steps where it was separate; otherwise most of it is part of the backward pass.
    pub update_seconds: f64,
    /// Waiting for images.
    pub waiting_seconds: f64,
    /// Seconds of a loading thread per image, in the order of [`STAGES`]: read, decode, square, augment.
    pub image_seconds: [f64; STAGES.len()],
    /// Loading threads.
    pub workers: usize,
    /// Seconds per epoch, including its validation.
    pub epoch_seconds: f64,
    /// Seconds until the end, if all epochs run.
    pub total_seconds: f64,
    /// Epochs until then.
    pub epochs: usize,
    /// Memory that the engine has allocated.
    pub planned_bytes: u64,
    /// Peak resident memory of the program.
    pub resident_bytes: u64,
    /// Size of a checkpoint; two are kept, and a third is written before one is removed.
    pub checkpoint_bytes: u64,
    /// Size of a model. The last, the best, and the best before it that each checkpoint refers to are kept, and another is written
    /// before one is removed.
    pub model_bytes: u64,
    /// Free space on the disk of the run folder, if known.
    pub free_bytes: Option<u64>,
}

/// What a forecast needs besides the measurements.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Training images per epoch.
    pub training_images: usize,
    /// Validation images per epoch.
    pub validation_images: usize,
    /// Training images that remain in this epoch.
    pub left: usize,
    /// Remaining epochs, including this one.
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
    /// Adds a step; returns whether there are enough.
    pub fn add(&mut self, images: usize, seconds: f64, waiting: f64, timings: &LayerTimings) -> bool {
        self.steps += 1;
        if self.steps <= WARMUP {
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
            self.update += update;
            self.updates += 1;
        }
        self.steps >= STEPS
    }

    /// Computes the forecast. `stages` are the seconds of a loading thread per image.
    pub fn forecast(&self, stages: [f64; STAGES.len()], known: Known) -> Forecast {
        let steps = self.measured.max(1) as f64;
        let throughput = self.images as f64 / self.seconds.max(1e-9);
        let (training, validation) = (known.training_images as f64, known.validation_images as f64);
        let validating = validation * self.forward / (self.images.max(1) as f64);
        let epoch = training / throughput.max(1e-9) + validating;
        let now = known.left as f64 / throughput.max(1e-9) + validating;
        Forecast {
            images_per_second: throughput,
            step_seconds: self.seconds / steps,
            forward_seconds: self.forward / steps,
            backward_seconds: self.backward / steps,
            update_seconds: self.update / self.updates.max(1) as f64,
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
    /// The most disk space that the run needs.
    pub fn disk_bytes(&self) -> u64 {
        3 * self.checkpoint_bytes + 5 * self.model_bytes
    }

    /// Whether the disk has too little space for the run.
    pub fn lacks_space(&self) -> bool {
        self.free_bytes.is_some_and(|free| free < self.disk_bytes())
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = match self.epochs {
            1 => String::new(),
            epochs => format!("; the remaining {epochs} epochs: at most {}", duration(self.total_seconds)),
        };
        let (throughput, epoch) = (significant(self.images_per_second), duration(self.epoch_seconds));
        writeln!(f, "forecast from {STEPS} steps: {throughput} images/s; {epoch} per epoch{rest}")?;
        let share = |seconds: f64| 100.0 * seconds / self.step_seconds.max(1e-12);
        writeln!(
            f,
            "  step: {} ms; forward {:.0} %, backward and update {:.0} % (a separate update: {} ms), waiting for images {:.0} %",
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
        let workers = self.workers.max(1);
        let throughput = significant(workers as f64 / each.max(1e-9));
        let threads = if workers == 1 { "thread loads" } else { "threads load" };
        writeln!(
            f,
            "  loading, per image and thread: {}; {} {threads} at most {throughput} images/s",
            stages.collect::<Vec<_>>().join(", "),
            grouped(workers)
        )?;
        let mebibytes = |bytes: u64| grouped((bytes >> 20) as usize);
        write!(
            f,
            "  memory: {} MiB, {} MiB of it for the network; disk: {} MiB for checkpoints and models",
            mebibytes(self.resident_bytes),
            mebibytes(self.planned_bytes),
            mebibytes(self.disk_bytes())
        )?;
        match self.free_bytes {
            Some(free) => write!(f, ", {} MiB free", mebibytes(free)),
            None => Ok(()),
        }
    }
}
