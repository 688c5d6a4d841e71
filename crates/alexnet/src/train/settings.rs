//! Settings that edits have changed since the start of a training run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What edits have changed, besides the learning rate ([`super::schedule::LrState`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Layers that were frozen (`true`) or unfrozen (`false`), by name.
    pub frozen: BTreeMap<String, bool>,
    /// Standard deviation of the color noise.
    pub color_noise: Option<f64>,
    /// The last epoch.
    pub stop_after: Option<usize>,
}
