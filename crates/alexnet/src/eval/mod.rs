//! Evaluation and classification.
//!
//! | file | contents |
//! |---|---|
//! | [`topk`] | softmax, and ranking of classes |
//! | [`evaluate`](evaluate()) | top-1, top-5 and loss of a model or an ensemble on a split |
//! | [`evaluate_shared`] | the same by several processes |
//! | [`Predictor`] | a model or an ensemble loaded from a file |
//! | [`mixture`] | the weights of an ensemble, searched on images |
//! | [`classify`] | the most probable classes of image files |

pub mod classify;
mod evaluate;
pub mod mixture;
mod predictor;
mod shared;
pub mod topk;

pub use evaluate::{Classifier, Evaluation, ensemble, evaluate};
pub use predictor::{LoadedModel, Predictor, PredictorOptions, model_path, same_classes};
pub use shared::{Part, evaluate_shared};

#[cfg(test)]
mod tests;
