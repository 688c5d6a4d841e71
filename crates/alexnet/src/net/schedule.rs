//! The schedule of the learning rate.

use serde::Serialize;

use crate::error::shell_word;

/// How the learning rate changes, and when training ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// The number of passes over the training set.
    pub epochs: usize,
    /// The number of epochs in which the learning rate rises: in step `t` of the first `n`, counted from 1, it is `t / n` of
    /// the full one (Goyal et al. 2017, section 2.2, from 0 instead of the rate for a small batch).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up_epochs: Option<usize>,
    /// How the learning rate falls.
    #[serde(flatten)]
    pub lr: LrSchedule,
}

impl Schedule {
    /// Returns the option of `alexnet train` that divides the learning rate in proportion in a training run of another number of
    /// epochs; `None` if it is not divided after fixed epochs, or not within these epochs.
    pub fn in_proportion(&self, epochs: usize) -> Option<String> {
        if self.lr.at_epochs().iter().any(|&at| at >= self.epochs) {
            return None;
        }
        let scaled = |at: &usize| (at * epochs + self.epochs / 2) / self.epochs.max(1);
        let mut at: Vec<usize> = self.lr.at_epochs().iter().map(scaled).filter(|&at| at > 0).collect();
        at.dedup();
        let at: Vec<String> = at.iter().map(usize::to_string).collect();
        let setting = format!("schedule.at_epochs=[{}]", at.join(","));
        (!at.is_empty()).then(|| format!("--set {}", shell_word(setting)))
    }
}

/// How the learning rate falls from its initial value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LrSchedule {
    /// It does not.
    Constant {
        /// Without effect; recipes may have it for `--set`.
        #[serde(skip_serializing_if = "Option::is_none")]
        divide_by: Option<f32>,
    },
    /// It is divided after fixed epochs.
    AtEpochs {
        /// The number that it is divided by.
        divide_by: f32,
        /// The epochs, counted from 1 and ascending.
        at_epochs: Vec<usize>,
    },
    /// It is divided when the validation error stops improving.
    Plateau {
        /// The number that it is divided by.
        divide_by: f32,
        /// When it is divided.
        plateau: Plateau,
    },
    /// It follows a curve over all epochs.
    Curve(LrCurve),
}

/// A curve of the learning rate, from 1 to `to` times its initial value. It changes with every step: with `p`, the share
/// of completed steps, of those after the warm-up. A training run of more or fewer epochs stretches it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LrCurve {
    /// `1 - p (1 - to)`: `linear` in the 2012 program, whose `tgtFactor` is `1 / to`.
    Linear {
        /// The last value, as a fraction of the initial one.
        to: f64,
    },
    /// `to + (1 - to) (1 + cos(pi p)) / 2` (Loshchilov and Hutter 2017, "SGDR", without restarts).
    Cosine {
        /// The last value, as a fraction of the initial one.
        to: f64,
    },
    /// `to^p`: `exp` in the 2012 program.
    Exponential {
        /// The last value, as a fraction of the initial one.
        to: f64,
    },
    /// `to^(i / (levels - 1))` in the part `i`, counted from 0, of `levels` equal parts: `dexp` in the 2012 program, whose
    /// `numSteps` is `levels`.
    Staircase {
        /// The last value, as a fraction of the initial one.
        to: f64,
        /// The number of values.
        levels: usize,
    },
}

impl LrCurve {
    /// Returns the factor of the initial learning rate after `done` of `steps` steps. The last step's factor applies from
    /// there on.
    pub fn factor(self, done: usize, steps: usize) -> f64 {
        let done = done.min(steps.saturating_sub(1));
        let p = done as f64 / steps.max(1) as f64;
        match self {
            Self::Linear { to } => 1.0 - p * (1.0 - to),
            Self::Cosine { to } => to + (1.0 - to) * (1.0 + (std::f64::consts::PI * p).cos()) / 2.0,
            Self::Exponential { to } => to.powf(p),
            Self::Staircase { to, levels } => {
                // At the border of two parts, the earlier one's.
                let part = (done * levels).div_ceil(steps.max(1)).saturating_sub(1);
                to.powf(part as f64 / levels.saturating_sub(1).max(1) as f64)
            }
        }
    }

    /// Returns the name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear { .. } => "linear",
            Self::Cosine { .. } => "cosine",
            Self::Exponential { .. } => "exponential",
            Self::Staircase { .. } => "staircase",
        }
    }

    /// Returns the last value, as a fraction of the initial one.
    pub fn to(self) -> f64 {
        match self {
            Self::Linear { to }
            | Self::Cosine { to }
            | Self::Exponential { to }
            | Self::Staircase { to, .. } => to,
        }
    }
}

impl LrSchedule {
    /// Returns the epochs after which the learning rate is divided, if they are fixed.
    pub fn at_epochs(&self) -> &[usize] {
        match self {
            Self::AtEpochs { at_epochs, .. } => at_epochs,
            Self::Constant { .. } | Self::Plateau { .. } | Self::Curve(_) => &[],
        }
    }

    /// Returns when the learning rate is divided, if that depends on the validation error.
    pub fn plateau(&self) -> Option<&Plateau> {
        match self {
            Self::Plateau { plateau, .. } => Some(plateau),
            Self::Constant { .. } | Self::AtEpochs { .. } | Self::Curve(_) => None,
        }
    }
}

/// When to divide the learning rate because the validation error has stopped improving (by hand in the paper,
/// section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plateau {
    /// The number of epochs without improvement before the learning rate is divided.
    pub patience: usize,
    /// How many times the learning rate is divided. Training ends when patience runs out again after that.
    pub times: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_epochs_are_divided_in_proportion() {
        let lr = LrSchedule::AtEpochs { divide_by: 10.0, at_epochs: vec![8, 11] };
        let schedule = Schedule { epochs: 12, warm_up_epochs: None, lr };
        let option = |epochs: usize| schedule.in_proportion(epochs).unwrap();
        assert_eq!(option(40), "--set 'schedule.at_epochs=[27,37]'");
        assert_eq!(option(24), "--set 'schedule.at_epochs=[16,22]'");
        assert_eq!(option(1), "--set 'schedule.at_epochs=[1]'");
        let cut = Schedule { epochs: 11, ..schedule.clone() };
        assert_eq!(cut.in_proportion(22), None, "the second division is not reached");
        let constant = Schedule { lr: LrSchedule::Constant { divide_by: None }, ..schedule.clone() };
        assert_eq!(constant.in_proportion(24), None);
    }
}
