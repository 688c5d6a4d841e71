//! A solver definition as optimizer and schedule.

use std::ops::RangeInclusive;

use super::message::Message;
use super::origin::{Origin, short};
use crate::Result;
use crate::format::grouped;
use crate::net::{Algorithm, Difference, LrCurve, LrSchedule, Optimizer, Schedule};

/// The settings of Caffe's own solvers for this network, for what no file states.
const RATE: f64 = 0.01;
const MOMENTUM: f64 = 0.9;
const DECAY: f64 = 0.0005;
const BATCH: usize = 256;
const EPOCHS: usize = 90;

/// The most levels of a staircase.
const MAX_LEVELS: usize = 1000;

/// How a network is trained.
pub(super) struct Training {
    pub(super) optimizer: Optimizer,
    pub(super) schedule: Schedule,
    pub(super) gaps: Vec<Difference>,
}

/// The numbers of a solver.
struct Solver<'m> {
    message: &'m Message,
    origin: &'m Origin,
    /// The images of a step and of an epoch.
    batch: usize,
    images: usize,
    gaps: Vec<Difference>,
}

/// Returns how a solver trains. `batch` is that of the network's training data, if stated; `images` the number of training
/// images.
///
/// # Errors
/// Returns an error if a value is out of range.
pub(super) fn training(
    solver: Option<(&Message, &Origin)>,
    batch: Option<usize>,
    images: usize,
) -> Result<Training> {
    let Some((message, origin)) = solver else { return Ok(assumed(batch)) };
    let accumulated = integer(message, origin, "iter_size", 1..=65536)?.unwrap_or(1);
    let stated = batch.map(|batch| batch.saturating_mul(accumulated));
    let batch = stated.filter(|batch| (1..=65536).contains(batch)).unwrap_or(BATCH);
    let mut solver = Solver { message, origin, batch, images, gaps: Vec::new() };
    if stated != Some(batch) {
        solver.gap(
            format!("Assumed: batches of {batch} images"),
            "The training data of the definition state no batch size that recipes can have",
        );
    }
    let optimizer = Optimizer {
        algorithm: Algorithm::Sgd,
        batch,
        rate: solver.number("base_lr", RATE, 1e-30..=1e6)? as f32,
        rate_for_batch: None,
        momentum: solver.number("momentum", 0.0, 0.0..=0.999_999)? as f32,
        decay: solver.number("weight_decay", 0.0, 0.0..=1e6)? as f32,
    };
    let schedule = solver.schedule()?;
    solver.others();
    Ok(Training { optimizer, schedule, gaps: solver.gaps })
}

/// How Caffe's own networks are trained.
fn assumed(batch: Option<usize>) -> Training {
    let batch = batch.filter(|batch| (1..=65536).contains(batch)).unwrap_or(BATCH);
    let gap = Difference {
        what: format!(
            "Assumed: {EPOCHS} epochs of batches of {batch} images, learning rate {RATE} divided by 10 every 20 epochs, momentum {MOMENTUM}, weight decay {DECAY}"
        ),
        why: "The definition of the solver has these; without it they are those of Caffe's AlexNet"
            .to_owned(),
    };
    Training {
        optimizer: Optimizer {
            algorithm: Algorithm::Sgd,
            batch,
            rate: RATE as f32,
            rate_for_batch: None,
            momentum: MOMENTUM as f32,
            decay: DECAY as f32,
        },
        schedule: Schedule {
            epochs: EPOCHS,
            warm_up_epochs: None,
            lr: LrSchedule::AtEpochs { divide_by: 10.0, at_epochs: vec![20, 40, 60, 80] },
        },
        gaps: vec![gap],
    }
}

fn integer(
    message: &Message,
    origin: &Origin,
    name: &str,
    range: RangeInclusive<usize>,
) -> Result<Option<usize>> {
    let Some(value) = message.int(name) else { return Ok(None) };
    match usize::try_from(value).ok().filter(|value| range.contains(value)) {
        Some(value) => Ok(Some(value)),
        None => Err(origin
            .refuse(
                message.line_of(name),
                format!("`{name}` is {value}, expected {} to {}", range.start(), range.end()),
            )
            .help(format!("correct `{name}`"))),
    }
}

/// The most steps of a training run.
const STEPS: RangeInclusive<usize> = 1..=1 << 40;

impl Solver<'_> {
    fn gap(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.gaps.push(Difference { what: what.into(), why: why.into() });
    }

    fn number(&mut self, name: &str, default: f64, range: RangeInclusive<f64>) -> Result<f64> {
        let Some(value) = self.message.float(name) else {
            self.gap(format!("`{name}` {default}"), "The solver does not set it");
            return Ok(default);
        };
        match range.contains(&value) {
            true => Ok(value),
            false => Err(self
                .origin
                .refuse(
                    self.message.line_of(name),
                    format!("`{name}` is {value}, expected {} to {}", range.start(), range.end()),
                )
                .help(format!("correct `{name}`"))),
        }
    }

    fn integer(&self, name: &str) -> Result<Option<usize>> {
        integer(self.message, self.origin, name, STEPS)
    }

    /// Returns the nearest number of whole epochs.
    fn epochs(&self, steps: usize) -> usize {
        let epochs = steps as f64 * self.batch as f64 / self.images as f64;
        (epochs.round() as usize).clamp(1, 100_000)
    }

    fn schedule(&mut self) -> Result<Schedule> {
        let steps = self.integer("max_iter")?;
        let epochs = match steps {
            Some(steps) => {
                let epochs = self.epochs(steps);
                self.gap(
                    format!("{epochs} epochs for {} steps of {} images", grouped(steps), self.batch),
                    format!("Of {} training images; `--images` states another number", grouped(self.images)),
                );
                epochs
            }
            None => {
                self.gap(format!("Assumed: {EPOCHS} epochs"), "The solver has no `max_iter`");
                EPOCHS
            }
        };
        let lr = self.lr(steps, epochs)?;
        Ok(Schedule { epochs, warm_up_epochs: None, lr })
    }

    fn lr(&mut self, steps: Option<usize>, epochs: usize) -> Result<LrSchedule> {
        let policy = self.message.text("lr_policy").unwrap_or("fixed");
        let gamma = self.message.float("gamma").unwrap_or(0.0);
        let power = self.message.float("power").unwrap_or(0.0);
        let found = match (policy, steps) {
            ("fixed", _) => Some(LrSchedule::Constant { divide_by: None }),
            ("step", _) => {
                let Some(size) = self.integer("stepsize")? else {
                    return Err(self.missing("stepsize", "100000"));
                };
                let total = steps.unwrap_or_else(|| epochs.saturating_mul(self.images) / self.batch);
                let levels = total.div_ceil(size);
                let at: Vec<usize> = (1..levels.min(MAX_LEVELS)).map(|i| i * size).collect();
                match levels <= MAX_LEVELS {
                    true => self.divided(gamma, &at, epochs).or_else(|| staircase(gamma, size, steps?)),
                    false => None,
                }
            }
            ("multistep", _) => {
                let at = self.message.ints("stepvalue").into_iter().filter_map(|at| usize::try_from(at).ok());
                let at: Vec<usize> = at.filter(|at| steps.is_none_or(|steps| *at < steps)).collect();
                self.divided(gamma, &at, epochs)
            }
            ("exp", Some(steps)) => {
                let to = gamma.powf(steps as f64);
                (1e-9..=1.0).contains(&to).then_some(LrSchedule::Curve(LrCurve::Exponential { to }))
            }
            ("poly", Some(_)) if power == 1.0 => Some(LrSchedule::Curve(LrCurve::Linear { to: 0.0 })),
            ("poly", Some(_)) if power == 0.0 => Some(LrSchedule::Constant { divide_by: None }),
            ("exp" | "poly" | "inv" | "sigmoid", _) => None,
            (other, _) => {
                let known = "fixed, step, multistep, exp, poly, inv or sigmoid";
                return Err(self
                    .origin
                    .refuse(
                        self.message.line_of("lr_policy"),
                        format!("`lr_policy` is \"{}\", expected {known}", short(other)),
                    )
                    .help("write `lr_policy: \"step\"` with `gamma` and `stepsize`"));
            }
        };
        if let Some(lr) = found {
            return Ok(lr);
        }
        let settings: Vec<String> = ["gamma", "power", "stepsize", "stepvalue", "max_iter"]
            .iter()
            .flat_map(|name| self.message.all(name).map(|entry| (*name, &entry.value)))
            .filter_map(|(name, value)| {
                Some(format!("{name} {}", value.as_float().or(value.as_int().map(|v| v as f64))?))
            })
            .take(8)
            .collect();
        self.gap(
            "A constant learning rate",
            format!(
                "`lr_policy` \"{policy}\" with {} has no counterpart; see `schedule.exponential`, `schedule.linear` and `schedule.cosine`",
                settings.join(", ")
            ),
        );
        Ok(LrSchedule::Constant { divide_by: None })
    }

    fn missing(&self, name: &str, example: &str) -> crate::Error {
        self.origin
            .refuse(self.message.line_of("lr_policy"), format!("`{name}` is missing"))
            .help(format!("write `{name}: {example}`"))
    }

    /// The learning rate is multiplied by `gamma` after these steps, which become epochs; `None` if two fall into one epoch.
    fn divided(&mut self, gamma: f64, at: &[usize], epochs: usize) -> Option<LrSchedule> {
        let divide_by = 1.0 / gamma;
        if !(1.0..=1e6).contains(&divide_by) {
            return None;
        }
        let epoch = |steps: &usize| (*steps as f64 * self.batch as f64 / self.images as f64).round() as usize;
        let at_epochs: Vec<usize> = at.iter().map(epoch).filter(|at| *at < epochs).collect();
        let is_ascending = at_epochs.first() != Some(&0) && at_epochs.is_sorted_by(|a, b| a < b);
        if !is_ascending {
            return None;
        }
        if at_epochs.is_empty() {
            return Some(LrSchedule::Constant { divide_by: None });
        }
        Some(LrSchedule::AtEpochs { divide_by: divide_by as f32, at_epochs })
    }

    /// Names settings that recipes lack.
    fn others(&mut self) {
        let kind = self.message.text("type").or(self.message.choice("solver_type")).unwrap_or("SGD");
        if kind != "SGD" {
            self.gap(
                "Stochastic gradient descent",
                format!("The solver \"{}\" has no counterpart in recipes", short(kind)),
            );
        }
        let regularization = self.message.text("regularization_type").unwrap_or("L2");
        if regularization != "L2" {
            self.gap(
                "L2 weight decay",
                format!("\"{}\" has no counterpart in recipes", short(regularization)),
            );
        }
        if let Some(clip) = self.message.float("clip_gradients").filter(|clip| *clip >= 0.0) {
            self.gap(
                "Gradients are not clipped",
                format!("`clip_gradients` {clip} has no counterpart in recipes"),
            );
        }
    }
}

/// Equal parts, each with `gamma` times the learning rate of the one before; `None` if the steps do not divide.
fn staircase(gamma: f64, size: usize, steps: usize) -> Option<LrSchedule> {
    let levels = steps / size;
    let to = gamma.powf(levels.saturating_sub(1) as f64);
    let fits = steps.is_multiple_of(size) && (2..=MAX_LEVELS).contains(&levels) && (1e-9..=1.0).contains(&to);
    fits.then_some(LrSchedule::Curve(LrCurve::Staircase { to, levels }))
}
