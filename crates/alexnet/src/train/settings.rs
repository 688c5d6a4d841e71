//! What has been changed in a training since its start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What edits have changed, beside the rate, which is the schedule's ([`super::schedule::Pace`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Layers that were frozen (`true`) or let loose (`false`) by their names.
    pub frozen: BTreeMap<String, bool>,
    /// Deviation of the color noise.
    pub color_noise: Option<f64>,
    /// The last epoch.
    pub stop_after: Option<usize>,
}
