//! Where the time of a step goes.

use serde::Serialize;
use std::time::Instant;

/// One way through a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Outputs from inputs.
    Forward,
    /// The gradient of weights and biases.
    WeightGradient,
    /// The gradient of what entered the layer.
    InputGradient,
    /// The weights' change.
    Update,
}

impl Pass {
    /// What a table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::WeightGradient => "weight gradient",
            Self::InputGradient => "input gradient",
            Self::Update => "update",
        }
    }
}

/// How long one pass through one layer took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lap {
    /// Position of the layer in the network.
    pub layer: usize,
    /// Which pass.
    pub pass: Pass,
    /// Its duration.
    pub seconds: f64,
}

/// The passes of a call, one after another.
#[derive(Clone, Debug)]
pub struct Laps {
    last: Instant,
    laps: Vec<Lap>,
}

impl Laps {
    /// Begins now, with no laps.
    pub(super) fn start() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    /// Goes on now: what happened since the last lap belongs to none.
    pub(super) fn go_on(&mut self) {
        self.last = Instant::now();
    }

    /// Ends a lap, or a part of one that a micro-batch before began.
    pub(super) fn lap(&mut self, layer: usize, pass: Pass) {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        match self.laps.iter_mut().find(|lap| lap.layer == layer && lap.pass == pass) {
            Some(lap) => lap.seconds += seconds,
            None => self.laps.push(Lap { layer, pass, seconds }),
        }
        self.last = now;
    }

    /// The laps, in the order in which they were run.
    pub fn laps(&self) -> &[Lap] {
        &self.laps
    }
}
