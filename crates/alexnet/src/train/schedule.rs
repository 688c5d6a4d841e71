//! The learning rate from epoch to epoch, and when training ends.

use serde::{Deserialize, Serialize};

use crate::format::decimal;
use crate::net::Schedule;

/// The state of a training's [`Schedule`], from which it can be resumed.
///
/// The learning rate is divided after fixed epochs (`at_epochs`), or when the validation error has not improved for
/// `patience` epochs (`plateau`), which is what the authors did by hand: "divide the learning rate by 10 when
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

/// A learning rate that was set by an edit. Serialized as a pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f32, usize)", into = "(f32, usize)")]
pub struct EditedLr {
    /// The learning rate.
    pub lr: f32,
    /// How often the schedule had divided the learning rate before the edit.
    pub divided_before: usize,
}

impl From<(f32, usize)> for EditedLr {
    fn from((lr, divided_before): (f32, usize)) -> Self {
        Self { lr, divided_before }
    }
}

impl From<EditedLr> for (f32, usize) {
    fn from(edited: EditedLr) -> Self {
        (edited.lr, edited.divided_before)
    }
}

/// A step and its epoch.
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
    /// Sets the learning rate; the schedule will divide this one.
    pub fn set_lr(&mut self, lr: f32) {
        self.edited = Some(EditedLr { lr, divided_before: self.divided });
        self.epochs_without_improvement = 0;
    }

    /// Returns the learning rate of the current epoch without warm-up, where `initial` is that of the first. The divisions
    /// are carried out one by one in double precision: .01 becomes .001 and not .00099999994.
    pub fn lr(&self, schedule: &Schedule, initial: f32) -> f32 {
        let start = self.edited.unwrap_or(EditedLr { lr: initial, divided_before: 0 });
        divided(start.lr, schedule.divide_by, self.divided.saturating_sub(start.divided_before))
    }

    /// Returns the learning rate of a step of the current epoch. It rises linearly in the warm-up: in step `t` of its `n`
    /// steps, counted from 1, it is `t / n` of that of [`LrState::lr`]. An edit of the learning rate ends the warm-up.
    pub fn step_lr(&self, schedule: &Schedule, initial: f32, at: EpochStep) -> f32 {
        let lr = self.lr(schedule, initial);
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
        let is_due = match &schedule.plateau {
            Some(plateau) => self.epochs_without_improvement >= plateau.patience.max(1),
            None => schedule.at_epochs.contains(&self.epochs),
        };
        if !is_due {
            return Next::Same;
        }
        self.divided += 1;
        self.epochs_without_improvement = 0;
        Next::Divided
    }

    /// Why no further epoch follows; `None` if one does.
    pub fn end(&self, schedule: &Schedule) -> Option<End> {
        if self.epochs >= schedule.epochs {
            return Some(End::Epochs);
        }
        let plateau = schedule.plateau.as_ref()?;
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
    use crate::net::Plateau;

    fn schedule(epochs: usize, at_epochs: Vec<usize>, plateau: Option<Plateau>) -> Schedule {
        Schedule { epochs, warm_up_epochs: None, divide_by: 10.0, at_epochs, plateau }
    }

    /// The learning rate of every epoch, for the given validation errors.
    fn rates(schedule: &Schedule, errors: &[f64]) -> (Vec<f32>, Option<End>) {
        let (mut state, mut rates) = (LrState::default(), Vec::new());
        for &error in errors {
            rates.push(state.lr(schedule, 0.01));
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
        assert_eq!(state.lr(&schedule, 0.01), 0.001);
        state.set_lr(0.05);
        assert_eq!(state.lr(&schedule, 0.01), 0.05);
        state.finish_epoch(&schedule, 0.5);
        state.finish_epoch(&schedule, 0.5);
        assert_eq!(state.lr(&schedule, 0.01), 0.005);
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
        state.set_lr(0.05);
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
}
