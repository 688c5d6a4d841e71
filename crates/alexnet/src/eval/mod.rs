//! Evaluation and classification.
//!
//! | file | contents |
//! |---|---|
//! | [`topk`] | softmax, and ranking of classes |
//! | [`evaluate`](evaluate()) | top-1, top-5 and loss of a model or an ensemble on a split |
//! | [`Predictor`] | a model loaded from a file |
//! | [`classify`] | the most probable classes of image files |

pub mod classify;
mod evaluate;
mod predictor;
pub mod topk;

pub use evaluate::{Classifier, Evaluation, ShareEvaluation, ShareResults, ensemble, evaluate};
pub use predictor::{Predictor, model_path, same_classes};

#[cfg(test)]
mod tests;
