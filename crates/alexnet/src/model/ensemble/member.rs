//! A model in an ensemble.

use crate::model::any::AnyModel;

/// A model in an ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The model.
    pub model: AnyModel,
    /// The weight of its probabilities, above 0. The weights of all members sum to 1.
    pub weight: f64,
    /// The digest of the file that the model was read from; see [`Model::digest`](crate::model::Model::digest).
    pub digest: String,
}
