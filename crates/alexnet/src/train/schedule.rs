//! The learning rate from step to step, and when training ends.

use serde::{Deserialize, Serialize};

use crate::format::decimal;
use crate::net::{LrSchedule, Schedule};

/// The state of a training run's [`Schedule`], from which it can be resumed.
///
/// The learning rate follows a curve ([`LrSchedule::Curve`]), or it is divided after fixed epochs (`at_epochs`), or when the
/// validation error has not improved for `patience` epochs (`plateau`), which is what the authors did by hand: "divide the learning rate by 10 when
/// the validation error rate stopped improving with the current learning rate ... reduced three times prior to
/// termination" (paper, section 5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LrState {
    /// Completed epochs.
    pub epochs: usize,
    /// How often the learning rate has been divided.
    pub divided: usize,
    /// Lowest validation error so far, if any.
    pub best_error: Option<f64>,
    /// Epochs since the error or the learning rate last decreased.
    #[serde(rename = "waited")]
    pub epochs_without_improvement: usize,
    /// A learning rate that was set by an edit.
    #[serde(default)]
    pub edited: Option<EditedLr>,
}

/// A learning rate that was set by an edit. Serialized as a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "EditedFields", into = "EditedFields")]
pub struct EditedLr {
    /// The learning rate.
    pub lr: f32,
    /// How often the schedule had divided the learning rate before the edit.
    pub divided_before: usize,
    /// The number of steps before the edit.
    pub steps_before: usize,
}

/// The fields of an [`EditedLr`]. Checkpoints from before curves lack the steps, which divisions do not need.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum EditedFields {
    All(f32, usize, usize),
    Divisions(f32, usize),
}

impl From<EditedFields> for EditedLr {
    fn from(fields: EditedFields) -> Self {
        match fields {
            EditedFields::All(lr, divided_before, steps_before) => Self { lr, divided_before, steps_before },
            EditedFields::Divisions(lr, divided_before) => Self { lr, divided_before, steps_before: 0 },
        }
    }
}

impl From<EditedLr> for EditedFields {
    fn from(edited: EditedLr) -> Self {
        Self::All(edited.lr, edited.divided_before, edited.steps_before)
    }
}

/// A step of the current epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStep {
    /// Its number in the epoch, counted from 1.
    pub step: usize,
    /// Steps per epoch.
    pub steps: usize,
}

/// What follows an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another epoch at the same learning rate.
    Same,
    /// Another epoch at a lower learning rate.
    Divided,
    /// The end of the training.
    End(End),
}

/// Why a schedule is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All its epochs are done.
    Epochs,
    /// The error stopped improving at the lowest learning rate.
    Plateau,
}

impl LrState {
    /// Sets the learning rate from the step `next` on. The schedule continues from there: it divides this learning rate, or
    /// reduces it in proportion to its curve.
    pub fn set_lr(&mut self, lr: f32, next: EpochStep) {
        let steps_before = self.steps_before(next);
        self.edited = Some(EditedLr { lr, divided_before: self.divided, steps_before });
        self.epochs_without_improvement = 0;
    }

    /// Returns the learning rate of a step of the current epoch without warm-up, where `initial` is that of the first step.
    /// The divisions are carried out one by one in double precision: .01 becomes .001 and not .00099999994.
    pub fn full_lr(&self, schedule: &Schedule, initial: f32, at: EpochStep) -> f32 {
        match &schedule.lr {
            LrSchedule::Curve(curve) => {
                let warm_up = schedule.warm_up_epochs.unwrap_or(0) * at.steps;
                let steps = (schedule.epochs * at.steps).saturating_sub(warm_up);
                let factor = |done: usize| curve.factor(done.saturating_sub(warm_up), steps);
                let now = factor(self.steps_before(at));
                match self.edited {
                    None => (decimal(initial) * now) as f32,
                    Some(edited) => (decimal(edited.lr) * now / factor(edited.steps_before)) as f32,
                }
            }
            LrSchedule::Constant { .. } => self.edited.map_or(initial, |edited| edited.lr),
            LrSchedule::AtEpochs { divide_by, .. } | LrSchedule::Plateau { divide_by, .. } => {
                let (start, before) =
                    self.edited.map_or((initial, 0), |edited| (edited.lr, edited.divided_before));
                divided(start, *divide_by, self.divided.saturating_sub(before))
            }
        }
    }

    /// Returns the number of steps of the training before a step of the current epoch.
    fn steps_before(&self, at: EpochStep) -> usize {
        (self.epochs * at.steps + at.step).saturating_sub(1)
    }

    /// Returns the learning rate of a step of the current epoch. It rises linearly in the warm-up: in step `t` of its `n`
    /// steps, counted from 1, it is `t / n` of that of [`LrState::full_lr`]. An edit of the learning rate ends the warm-up.
    pub fn step_lr(&self, schedule: &Schedule, initial: f32, at: EpochStep) -> f32 {
        let lr = self.full_lr(schedule, initial, at);
        let (Some(warm_up), None) = (schedule.warm_up_epochs, self.edited) else { return lr };
        let (step, steps) = (self.epochs * at.steps + at.step, warm_up * at.steps);
        if step >= steps { lr } else { (decimal(lr) * step as f64 / steps as f64) as f32 }
    }

    /// Records a completed epoch and its validation error (share of images classified wrong, 0 to 1).
    pub fn finish_epoch(&mut self, schedule: &Schedule, error: f64) -> Next {
        self.epochs += 1;
        if self.best_error.is_none_or(|best| error < best) {
            self.best_error = Some(error);
            self.epochs_without_improvement = 0;
        } else {
            self.epochs_without_improvement += 1;
        }
        if let Some(end) = self.end(schedule) {
            return Next::End(end);
        }
        let is_due = match &schedule.lr {
            LrSchedule::Plateau { plateau, .. } => self.epochs_without_improvement >= plateau.patience.max(1),
            LrSchedule::AtEpochs { at_epochs, .. } => at_epochs.contains(&self.epochs),
            LrSchedule::Constant { .. } | LrSchedule::Curve(_) => false,
        };
        if !is_due {
            return Next::Same;
        }
        self.divided += 1;
        self.epochs_without_improvement = 0;
        Next::Divided
    }

    /// Lets a training run that has ended at a plateau wait for an improvement again, if its schedule has more epochs now.
    pub fn go_on(&mut self, schedule: &Schedule) {
        if self.end(schedule) == Some(End::Plateau) {
            self.epochs_without_improvement = 0;
        }
    }

    /// Why no further epoch follows; `None` if one does.
    pub fn end(&self, schedule: &Schedule) -> Option<End> {
        if self.epochs >= schedule.epochs {
            return Some(End::Epochs);
        }
        let plateau = schedule.lr.plateau()?;
        let out_of_patience = self.epochs_without_improvement >= plateau.patience.max(1);
        (out_of_patience && self.divided >= plateau.times).then_some(End::Plateau)
    }
}

/// Divides a learning rate `times` times, in double precision, starting from the decimal that names it.
pub fn divided(lr: f32, by: f32, times: usize) -> f32 {
    (0..times).fold(decimal(lr), |lr, _| lr / f64::from(by)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LrCurve, Plateau};

    fn schedule(epochs: usize, at_epochs: Vec<usize>, plateau: Option<Plateau>) -> Schedule {
        let divide_by = 10.0;
        let lr = match plateau {
            Some(plateau) => LrSchedule::Plateau { divide_by, plateau },
            None => LrSchedule::AtEpochs { divide_by, at_epochs },
        };
        Schedule { epochs, warm_up_epochs: None, lr }
    }

    /// The first step of an epoch of 4.
    const FIRST: EpochStep = EpochStep { step: 1, steps: 4 };

    #[test]
    fn a_run_that_ended_at_a_plateau_goes_on_if_it_has_epochs() {
        let schedule = |epochs| schedule(epochs, Vec::new(), Some(Plateau { patience: 1, times: 0 }));
        let mut state = LrState::default();
        for error in [0.5, 0.5] {
            state.finish_epoch(&schedule(9), error);
        }
        assert_eq!(state.end(&schedule(9)), Some(End::Plateau));
        let ended = state.clone();
        state.go_on(&schedule(2));
        assert_eq!(state, ended, "no epochs are left");
        state.go_on(&schedule(9));
        assert_eq!(state.end(&schedule(9)), None);
    }

    /// The learning rate of every epoch, for the given validation errors.
    fn rates(schedule: &Schedule, errors: &[f64]) -> (Vec<f32>, Option<End>) {
        let (mut state, mut rates) = (LrState::default(), Vec::new());
        for &error in errors {
            rates.push(state.full_lr(schedule, 0.01, FIRST));
            if let Next::End(end) = state.finish_epoch(schedule, error) {
                return (rates, Some(end));
            }
        }
        (rates, None)
    }

    #[test]
    fn divides_after_the_given_epochs() {
        let (rates, end) = rates(&schedule(5, vec![2, 3], None), &[0.5; 9]);
        assert_eq!(rates, [0.01, 0.01, 0.001, 0.0001, 0.0001]);
        assert_eq!(end, Some(End::Epochs));
    }

    #[test]
    fn divides_when_the_error_stops_improving_and_then_ends() {
        let plateau = Plateau { patience: 2, times: 1 };
        let errors = [0.9, 0.8, 0.8, 0.85, 0.7, 0.71, 0.7, 0.1];
        let (rates, end) = rates(&schedule(90, vec![], Some(plateau)), &errors);
        // No improvement in epochs 3 and 4: divided. 0.7 is one; none in epochs 6 and 7: the end.
        assert_eq!(rates, [0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001]);
        assert_eq!(end, Some(End::Plateau));
    }

    #[test]
    fn a_plateau_schedule_ends_with_its_epochs() {
        let plateau = Plateau { patience: 5, times: 3 };
        assert_eq!(rates(&schedule(3, vec![], Some(plateau)), &[0.5; 9]).1, Some(End::Epochs));
    }

    #[test]
    fn a_nan_error_is_no_improvement() {
        let mut state = LrState::default();
        let schedule = schedule(9, vec![], None);
        state.finish_epoch(&schedule, 0.5);
        state.finish_epoch(&schedule, f64::NAN);
        assert_eq!((state.best_error, state.epochs_without_improvement), (Some(0.5), 1));
    }

    #[test]
    fn an_edited_learning_rate_is_divided_further() {
        let schedule = schedule(9, vec![1, 3], None);
        let mut state = LrState::default();
        state.finish_epoch(&schedule, 0.5);
        assert_eq!(state.full_lr(&schedule, 0.01, FIRST), 0.001);
        state.set_lr(0.05, FIRST);
        assert_eq!(state.full_lr(&schedule, 0.01, FIRST), 0.05);
        state.finish_epoch(&schedule, 0.5);
        state.finish_epoch(&schedule, 0.5);
        assert_eq!(state.full_lr(&schedule, 0.01, FIRST), 0.005);
        let json = serde_json::to_value(&state).unwrap();
        assert_eq!((&json["edited"][1], &json["waited"]), (&1.into(), &0.into()));
        assert_eq!(serde_json::from_value::<LrState>(json).unwrap(), state);
    }

    /// The learning rates of the first `count` steps, 4 per epoch, with errors that do not improve.
    fn step_rates(state: &mut LrState, schedule: &Schedule, count: usize) -> Vec<f32> {
        let mut rates = Vec::new();
        for i in 0..count {
            rates.push(state.step_lr(schedule, 0.08, EpochStep { step: i % 4 + 1, steps: 4 }));
            if i % 4 == 3 {
                state.finish_epoch(schedule, 0.5);
            }
        }
        rates
    }

    #[test]
    fn a_warm_up_rises_in_every_step_to_the_full_learning_rate() {
        let schedule = Schedule { warm_up_epochs: Some(2), ..schedule(9, vec![3], None) };
        let rates = step_rates(&mut LrState::default(), &schedule, 14);
        let rising = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08];
        assert_eq!(
            (&rates[..8], &rates[8..12], &rates[12..]),
            (&rising[..], &[0.08; 4][..], &[0.008; 2][..])
        );
    }

    #[test]
    fn divisions_apply_within_a_warm_up() {
        let schedule = Schedule { warm_up_epochs: Some(2), ..schedule(9, vec![1], None) };
        let rates = step_rates(&mut LrState::default(), &schedule, 9);
        assert_eq!(rates, [0.01, 0.02, 0.03, 0.04, 0.005, 0.006, 0.007, 0.008, 0.008]);
    }

    #[test]
    fn without_a_warm_up_every_step_has_the_learning_rate_of_its_epoch() {
        let schedule = schedule(9, vec![1], None);
        assert_eq!(step_rates(&mut LrState::default(), &schedule, 5), [0.08, 0.08, 0.08, 0.08, 0.008]);
    }

    #[test]
    fn an_edit_ends_the_warm_up() {
        let schedule = Schedule { warm_up_epochs: Some(2), ..schedule(9, vec![], None) };
        let mut state = LrState::default();
        state.set_lr(0.05, FIRST);
        assert_eq!(step_rates(&mut state, &schedule, 5), [0.05; 5]);
    }

    #[test]
    fn a_resumed_schedule_continues_the_same() {
        let schedule = schedule(90, vec![], Some(Plateau { patience: 2, times: 3 }));
        let mut state = LrState::default();
        for error in [0.5, 0.6, 0.6, 0.4] {
            state.finish_epoch(&schedule, error);
        }
        let saved = serde_json::to_string(&state).unwrap();
        let mut resumed: LrState = serde_json::from_str(&saved).unwrap();
        assert_eq!(resumed, state);
        assert_eq!(resumed.finish_epoch(&schedule, 0.5), state.finish_epoch(&schedule, 0.5));
    }

    fn curve(curve: LrCurve, epochs: usize, warm_up_epochs: Option<usize>) -> Schedule {
        Schedule { epochs, warm_up_epochs, lr: LrSchedule::Curve(curve) }
    }

    #[test]
    fn curves_fall_in_every_step() {
        for (shape, expected) in [
            (LrCurve::Linear { to: 0.0 }, [0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01]),
            (LrCurve::Linear { to: 0.5 }, [0.08, 0.075, 0.07, 0.065, 0.06, 0.055, 0.05, 0.045]),
            (
                LrCurve::Exponential { to: 1.0 / 256.0 },
                [0.08, 0.04, 0.02, 0.01, 0.005, 0.0025, 0.00125, 0.000625],
            ),
            (
                // 0.08 (1 + cos(pi i / 8)) / 2.
                LrCurve::Cosine { to: 0.0 },
                [0.08, 0.076955184, 0.06828427, 0.055307337, 0.04, 0.024692662, 0.011715729, 0.0030448188],
            ),
            // After 4 of 8 steps, at the border, the first level still applies, as in the 2012 program.
            (LrCurve::Staircase { to: 0.25, levels: 2 }, [0.08, 0.08, 0.08, 0.08, 0.08, 0.02, 0.02, 0.02]),
            // Parts of 2, 2 2/3 and 2 2/3 steps.
            (LrCurve::Staircase { to: 0.25, levels: 3 }, [0.08, 0.08, 0.08, 0.04, 0.04, 0.04, 0.02, 0.02]),
        ] {
            assert_eq!(step_rates(&mut LrState::default(), &curve(shape, 2, None), 8), expected, "{shape:?}");
        }
    }

    #[test]
    fn more_epochs_stretch_a_curve() {
        let linear = LrCurve::Linear { to: 0.0 };
        let short = step_rates(&mut LrState::default(), &curve(linear, 2, None), 8);
        let long = step_rates(&mut LrState::default(), &curve(linear, 4, None), 16);
        assert_eq!(long.iter().step_by(2).copied().collect::<Vec<_>>(), short);
    }

    #[test]
    fn a_curve_starts_after_the_warm_up() {
        let schedule = curve(LrCurve::Linear { to: 0.0 }, 3, Some(1));
        let rates = step_rates(&mut LrState::default(), &schedule, 12);
        assert_eq!(rates, [0.02, 0.04, 0.06, 0.08, 0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01]);
    }

    #[test]
    fn a_curve_continues_in_proportion_to_an_edited_learning_rate() {
        let schedule = curve(LrCurve::Linear { to: 0.0 }, 2, None);
        let mut state = LrState::default();
        assert_eq!(step_rates(&mut state, &schedule, 4), [0.08, 0.07, 0.06, 0.05]);
        state.set_lr(0.1, FIRST);
        // The scheduled ones are 0.04, 0.03, 0.02, 0.01.
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(step_rates(&mut state, &schedule, 4), [0.1, 0.075, 0.05, 0.025]);
        let mut resumed: LrState = serde_json::from_str(&json).unwrap();
        assert_eq!(step_rates(&mut resumed, &schedule, 4), [0.1, 0.075, 0.05, 0.025]);
    }

    #[test]
    fn an_edit_in_the_warm_up_of_a_curve_ends_it() {
        let schedule = curve(LrCurve::Linear { to: 0.0 }, 3, Some(1));
        let mut state = LrState::default();
        state.set_lr(0.04, EpochStep { step: 3, steps: 4 });
        let rates = step_rates(&mut state, &schedule, 12);
        assert_eq!(rates[2..], [0.04, 0.04, 0.04, 0.035, 0.03, 0.025, 0.02, 0.015, 0.01, 0.005]);
    }

    #[test]
    fn a_training_that_is_extended_keeps_the_last_learning_rate_of_its_curve() {
        let schedule = curve(LrCurve::Linear { to: 0.0 }, 1, None);
        assert_eq!(
            step_rates(&mut LrState::default(), &schedule, 8),
            [0.08, 0.06, 0.04, 0.02, 0.02, 0.02, 0.02, 0.02]
        );
    }

    #[test]
    fn states_from_before_curves_are_read() {
        let json = r#"{"epochs":1,"divided":1,"best_error":0.5,"waited":0,"edited":[0.05,1]}"#;
        let state: LrState = serde_json::from_str(json).unwrap();
        assert_eq!(state.edited, Some(EditedLr { lr: 0.05, divided_before: 1, steps_before: 0 }));
    }
}
