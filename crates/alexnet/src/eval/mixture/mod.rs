//! The weights of an ensemble, searched on labeled images.
//!
//! | file | contents |
//! |---|---|
//! | `predictions` | [`Predictions`]: the probabilities of a model for all images of a split |
//! | `score` | [`Score`]: the accuracy of an ensemble with given weights |
//! | `search` | [`search_weights`] |

mod predictions;
mod score;
mod search;
#[cfg(test)]
mod tests;

pub use predictions::{Predictions, predict};
pub use score::Score;
pub use search::{MIN_IMAGES, WeightSearch, search_weights};
