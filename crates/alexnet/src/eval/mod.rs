//! How good a model is, and what it sees in an image.
//!
//! | file | what it does |
//! |---|---|
//! | [`topk`] | softmax, and which classes come first |
//! | [`evaluate`](evaluate()) | top-1, top-5 and loss of one model or an ensemble on a split |
//! | [`Predictor`] | a model file with an engine that holds it |
//! | [`classify`] | the likeliest classes of images |

pub mod classify;
mod evaluate;
mod predictor;
pub mod topk;

pub use evaluate::{Evaluation, Judge, ensemble, evaluate};
pub use predictor::{Predictor, model_path, same_classes};

#[cfg(test)]
mod tests;
