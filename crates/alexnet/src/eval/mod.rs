//! Evaluation and classification.
//!
//! | file | contents |
//! |---|---|
//! | [`topk`] | softmax, and ranking of classes |
//! | [`evaluate`](evaluate()) | top-1, top-5 and loss of a model or an ensemble on a split |
//! | [`evaluate_shared`] | the same by several processes |
//! | [`statistics`] | intervals, tests, calibration and confusion |
//! | [`Predictor`] | a model loaded from a file |
//! | [`classify`] | the most probable classes of image files |

pub mod classify;
mod evaluate;
mod predictor;
mod shared;
pub mod statistics;
pub mod topk;

pub use evaluate::{Classifier, Evaluation, ensemble, evaluate};
pub use predictor::{Predictor, PredictorOptions, model_path, same_classes};
pub use shared::{Part, evaluate_shared};

#[cfg(test)]
mod tests;
