//! The learning rate from epoch to epoch, and when training ends.

use serde::{Deserialize, Serialize};

use crate::net::Schedule;

/// Where a training stands in its [`Schedule`]: enough to go on after a stop.
///
/// The rate is divided after fixed epochs (`at_epochs`), or when the validation error has not improved for
/// `patience` epochs (`plateau`), which is what the authors did by hand: "divide the learning rate by 10 when
/// the validation error rate stopped improving with the current learning rate ... reduced three times prior to
/// termination" (paper, section 5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Epochs finished.
    pub epochs: usize,
    /// How often the rate has been divided.
    pub divided: usize,
    /// Lowest validation error so far, if any.
    pub best_error: Option<f64>,
    /// Epochs since the error or the rate last got lower.
    pub waited: usize,
    /// A rate that was set by hand, and how often the rate had been divided before.
    #[serde(default)]
    pub edited: Option<(f32, usize)>,
}

/// What the end of an epoch means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another epoch at the same rate.
    Same,
    /// Another epoch at a lower rate.
    Divided,
    /// Training ends.
    End(End),
}

/// Why training ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All the epochs of the schedule are done.
    Epochs,
    /// The error stopped improving at the lowest rate.
    Plateau,
}

impl Pace {
    /// The start of a training.
    pub const fn new() -> Self {
        Self { epochs: 0, divided: 0, best_error: None, waited: 0, edited: None }
    }

    /// Sets the rate by hand; the schedule goes on dividing it.
    pub fn set_rate(&mut self, rate: f32) {
        self.edited = Some((rate, self.divided));
        self.waited = 0;
    }

    /// The rate of the step to come, `first` being that of the first. The divisions are carried out one
    /// after the other in double precision: .01 becomes .001 and not .00099999994.
    pub fn rate(&self, schedule: &Schedule, first: f32) -> f32 {
        let (first, before) = self.edited.unwrap_or((first, 0));
        divided(first, schedule.divide_by, self.divided.saturating_sub(before))
    }

    /// Takes note of a finished epoch and its validation error (share of images wrong, 0 to 1).
    pub fn finish_epoch(&mut self, schedule: &Schedule, error: f64) -> Next {
        self.epochs += 1;
        let improved = self.best_error.is_none_or(|best| error < best);
        if improved {
            self.best_error = Some(error);
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        if let Some(end) = self.ended(schedule) {
            return Next::End(end);
        }
        match &schedule.plateau {
            Some(plateau) if self.waited >= plateau.patience.max(1) => self.divide(),
            None if schedule.at_epochs.contains(&self.epochs) => self.divide(),
            _ => Next::Same,
        }
    }

    /// Why there is no further epoch, if there is none.
    pub fn ended(&self, schedule: &Schedule) -> Option<End> {
        let plateau = schedule.plateau.as_ref();
        let out_of_patience =
            plateau.is_some_and(|p| self.waited >= p.patience.max(1) && self.divided >= p.times);
        match self.epochs >= schedule.epochs {
            true => Some(End::Epochs),
            false => out_of_patience.then_some(End::Plateau),
        }
    }

    fn divide(&mut self) -> Next {
        self.divided += 1;
        self.waited = 0;
        Next::Divided
    }
}

/// `rate`, divided so many times. The shortest decimal that names an f32 is what people wrote; its f64 divides without a
/// trace.
pub fn divided(rate: f32, by: f32, times: usize) -> f32 {
    let rate: f64 = rate.to_string().parse().unwrap_or_else(|_| f64::from(rate));
    (0..times).fold(rate, |rate, _| rate / f64::from(by)) as f32
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Plateau;

    fn schedule(epochs: usize, at_epochs: Vec<usize>, plateau: Option<Plateau>) -> Schedule {
        Schedule { epochs, divide_by: 10.0, at_epochs, plateau }
    }

    /// The rate of every epoch, for the given validation errors.
    fn rates(schedule: &Schedule, errors: &[f64]) -> (Vec<f32>, Option<End>) {
        let (mut pace, mut rates) = (Pace::new(), Vec::new());
        for &error in errors {
            rates.push(pace.rate(schedule, 0.01));
            if let Next::End(end) = pace.finish_epoch(schedule, error) {
                return (rates, Some(end));
            }
        }
        (rates, None)
    }

    #[test]
    fn divides_after_the_epochs_named() {
        let (rates, end) = rates(&schedule(5, vec![2, 3], None), &[0.5; 9]);
        assert_eq!(rates, [0.01, 0.01, 0.001, 0.0001, 0.0001]);
        assert_eq!(end, Some(End::Epochs));
    }

    #[test]
    fn divides_when_the_error_stops_improving_and_then_ends() {
        let plateau = Plateau { patience: 2, times: 1 };
        let errors = [0.9, 0.8, 0.8, 0.85, 0.7, 0.71, 0.7, 0.1];
        let (rates, end) = rates(&schedule(90, vec![], Some(plateau)), &errors);
        // No new best in epochs 3 and 4: divided. 0.7 is one; none in epochs 6 and 7: the end.
        assert_eq!(rates, [0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001]);
        assert_eq!(end, Some(End::Plateau));
    }

    #[test]
    fn a_plateau_still_ends_with_the_epochs() {
        let plateau = Plateau { patience: 5, times: 3 };
        assert_eq!(rates(&schedule(3, vec![], Some(plateau)), &[0.5; 9]).1, Some(End::Epochs));
    }

    #[test]
    fn an_error_that_is_not_a_number_is_no_improvement() {
        let mut pace = Pace::new();
        let schedule = schedule(9, vec![], None);
        pace.finish_epoch(&schedule, 0.5);
        pace.finish_epoch(&schedule, f64::NAN);
        assert_eq!((pace.best_error, pace.waited), (Some(0.5), 1));
    }

    #[test]
    fn a_rate_set_by_hand_is_divided_further() {
        let schedule = schedule(9, vec![1, 3], None);
        let mut pace = Pace::new();
        pace.finish_epoch(&schedule, 0.5);
        assert_eq!(pace.rate(&schedule, 0.01), 0.001);
        pace.set_rate(0.05);
        assert_eq!(pace.rate(&schedule, 0.01), 0.05);
        pace.finish_epoch(&schedule, 0.5);
        pace.finish_epoch(&schedule, 0.5);
        assert_eq!(pace.rate(&schedule, 0.01), 0.005);
    }

    #[test]
    fn goes_on_after_a_stop() {
        let schedule = schedule(90, vec![], Some(Plateau { patience: 2, times: 3 }));
        let mut pace = Pace::new();
        for error in [0.5, 0.6, 0.6, 0.4] {
            pace.finish_epoch(&schedule, error);
        }
        let saved = serde_json::to_string(&pace).unwrap();
        let mut resumed: Pace = serde_json::from_str(&saved).unwrap();
        assert_eq!(resumed, pace);
        assert_eq!(resumed.finish_epoch(&schedule, 0.5), pace.finish_epoch(&schedule, 0.5));
    }
}
