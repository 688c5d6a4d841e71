//! The options of a run that are not part of the experiment.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::checkpoint_writer::Frequency;
use super::watch::{OnDivergence, OnPlateau};
use crate::parallel::{ExchangePrecision, Scheme};
use crate::{Error, Result};

/// Options of a run that are not part of the experiment. `None` stands for the default. They are recorded in `run.json`, and a
/// resumed run keeps them unless they are given again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// Steps after which training ends. Default: the whole schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Compute threads. Default: [`Config::cores`](super::Config::cores).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Image loading threads; 0 to load on the training's own thread. Default: as many as compute threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Images per pass through the network, if fewer than a batch: less memory, the same bits. Default: the whole batch.
    pub micro_batch: Option<usize>,
    /// Minutes between two checkpoints. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_minutes: Option<Minutes>,
    /// Steps between two checkpoints. Default: only the time counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_steps: Option<usize>,
    /// What to do when values become non-finite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_divergence: Option<OnDivergence>,
    /// What to do when the loss stays at chance level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_plateau: Option<OnPlateau>,
    /// How processes share the training. Default: [`Scheme::Data`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Number of leaves that gradients are summed in: see [`Options::leaves`](crate::engine::Options::leaves). Default: the
    /// number of processes that share batches, which is recorded if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves: Option<usize>,
    /// The precision of exchanged gradients. Default: single.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange_precision: Option<ExchangePrecision>,
}

impl Requests {
    /// Returns these options, completed by those of `before`.
    #[must_use]
    pub fn or(self, before: &Self) -> Self {
        Self {
            steps: self.steps.or(before.steps),
            threads: self.threads.or(before.threads),
            workers: self.workers.or(before.workers),
            micro_batch: self.micro_batch.or(before.micro_batch),
            checkpoint_minutes: self.checkpoint_minutes.or(before.checkpoint_minutes),
            checkpoint_steps: self.checkpoint_steps.or(before.checkpoint_steps),
            on_divergence: self.on_divergence.or(before.on_divergence),
            on_plateau: self.on_plateau.or(before.on_plateau),
            scheme: self.scheme.or(before.scheme),
            leaves: self.leaves.or(before.leaves),
            exchange_precision: self.exchange_precision.or(before.exchange_precision),
        }
    }

    /// How often checkpoints are written.
    pub fn checkpoints(&self) -> Frequency {
        let time = self.checkpoint_minutes.map(Minutes::duration).or(Frequency::default().time);
        Frequency { time, steps: self.checkpoint_steps }
    }

    /// Describes how `now` differs from these options; `None` if it does not.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let differences: Vec<String> = self
            .shown()
            .into_iter()
            .zip(now.shown())
            .filter(|((_, before), (_, after))| before != after)
            .map(|((name, before), (_, after))| {
                let shown = |value: Option<String>, instead: &str| value.unwrap_or(instead.into());
                format!("--{name} {} -> {}", shown(before, "not given"), shown(after, "none"))
            })
            .collect();
        (!differences.is_empty()).then(|| differences.join(", "))
    }

    /// Each option's name and value.
    fn shown(&self) -> [(&'static str, Option<String>); 11] {
        fn text(value: Option<impl fmt::Display>) -> Option<String> {
            value.map(|value| value.to_string())
        }
        [
            ("steps", text(self.steps)),
            ("threads", text(self.threads)),
            ("workers", text(self.workers)),
            ("micro-batch", text(self.micro_batch)),
            ("checkpoint-minutes", text(self.checkpoint_minutes)),
            ("checkpoint-steps", text(self.checkpoint_steps)),
            ("on-divergence", text(self.on_divergence.map(OnDivergence::name))),
            ("on-plateau", text(self.on_plateau.map(OnPlateau::name))),
            ("parallel", text(self.scheme)),
            ("leaves", text(self.leaves)),
            ("exchange-precision", text(self.exchange_precision)),
        ]
    }
}

/// Minutes between two checkpoints: above 0, and not more than a [`Duration`] can hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Minutes(f64);

impl Minutes {
    /// As a duration, which is not zero.
    pub fn duration(self) -> Duration {
        duration(self.0).expect("checked when it was made")
    }
}

impl TryFrom<f64> for Minutes {
    type Error = Error;

    /// # Errors
    /// Returns an error unless the number is above 0, finite, and small enough for a [`Duration`].
    fn try_from(minutes: f64) -> Result<Self> {
        duration(minutes).map(|_| Self(minutes)).ok_or_else(|| {
            Error::usage(format!("checkpoint_minutes={minutes}: expected a number above 0, as in 10"))
        })
    }
}

impl From<Minutes> for f64 {
    fn from(minutes: Minutes) -> Self {
        minutes.0
    }
}

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn duration(minutes: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(60.0 * minutes).ok().filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> serde_json::Result<Requests> {
        serde_json::from_str(text)
    }

    #[test]
    fn options_that_are_given_again_replace_those_of_the_run() {
        let before = Requests {
            steps: Some(100),
            workers: Some(2),
            checkpoint_minutes: Some(Minutes(0.5)),
            ..Requests::default()
        };
        assert_eq!(before.difference(&before), None);
        let now = Requests { workers: Some(0), threads: Some(4), ..Requests::default() }.or(&before);
        assert_eq!((now.steps, now.workers), (Some(100), Some(0)));
        assert_eq!(now.checkpoint_minutes, Some(Minutes(0.5)));
        assert_eq!(before.difference(&now).unwrap(), "--threads not given -> 4, --workers 2 -> 0");
    }

    #[test]
    fn numbers_that_are_no_time_between_checkpoints_are_refused() {
        for text in ["-1", "0", "-0.0", "1e-12", "1e300"] {
            let error = read(&format!(r#"{{"checkpoint_minutes": {text}}}"#)).unwrap_err().to_string();
            assert!(error.contains("expected a number above 0"), "{text}: {error}");
        }
        for minutes in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Minutes::try_from(minutes).is_err(), "{minutes}");
        }
        let half = read(r#"{"checkpoint_minutes": 0.5, "checkpoint_steps": 7}"#).unwrap();
        let frequency = Frequency { time: Some(Duration::from_secs(30)), steps: Some(7) };
        assert_eq!(half.checkpoints(), frequency);
        assert_eq!(Requests::default().checkpoints(), Frequency::default());
    }

    /// As the program has always written them.
    #[test]
    fn actions_are_recorded_by_their_names() {
        for action in OnDivergence::ALL {
            let read = read(&format!(r#"{{"on_divergence": "{}"}}"#, action.name())).unwrap();
            assert_eq!(read.on_divergence, Some(action));
        }
        for action in OnPlateau::ALL {
            let requests = read(&format!(r#"{{"on_plateau": "{}"}}"#, action.name())).unwrap();
            assert_eq!(requests.on_plateau, Some(action));
            assert_eq!(serde_json::to_value(&requests).unwrap()["on_plateau"], action.name());
        }
        assert_eq!(read(r#"{"on_plateau": "tell"}"#).unwrap().on_plateau, Some(OnPlateau::Advise));
        let error = read(r#"{"on_plateau": "wait"}"#).unwrap_err().to_string();
        assert!(error.contains("`wait`") && error.contains("`advise`"), "{error}");
    }
}
