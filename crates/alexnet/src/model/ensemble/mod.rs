//! Ensembles: several models, whose class probabilities are averaged with weights.
//!
//! | file | contents |
//! |---|---|
//! | `contents` | [`Ensemble`] |
//! | `member` | [`Member`] |
//! | `checks` | whether models and weights fit each other |
//! | `mixture` | [`GoldenMixture`]: sample images with the probabilities of the ensemble |
//! | `read`, `write` | the file |

mod checks;
mod contents;
mod member;
mod mixture;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use checks::{check_same_classes, check_weights, equal_weights};
pub use contents::{Ensemble, EnsembleSummary, WeightChoice};
pub use member::Member;
pub use mixture::GoldenMixture;
pub(super) use read::read;
