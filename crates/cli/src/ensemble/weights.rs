//! The weights of an ensemble.

use super::search::Search;
use alexnet::model::{WeightChoice, equal_weights};

/// Where the weights come from.
pub(super) enum Weights {
    Equal,
    Specified(Vec<f64>),
    Searched(Box<Search>),
}

impl Weights {
    pub(super) fn values(&self, models: usize) -> Vec<f64> {
        match self {
            Self::Equal => equal_weights(models),
            Self::Specified(weights) => weights.clone(),
            Self::Searched(search) => search.found.weights.clone(),
        }
    }

    pub(super) fn choice(&self) -> WeightChoice {
        match self {
            Self::Equal => WeightChoice::Equal,
            Self::Specified(_) => WeightChoice::Specified,
            Self::Searched(search) => search.choice(),
        }
    }
}
