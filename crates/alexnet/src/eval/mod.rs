//! Evaluation and classification.
//!
//! | file | contents |
//! |---|---|
//! | [`topk`] | softmax, and ranking of classes |
//! | [`evaluate`](evaluate()) | top-1, top-5 and loss of a model or an ensemble on a split |
//! | [`evaluate_shared`] | the same by several processes |
//! | [`ImageResults`] | the results of each image |
//! | [`Analysis`] | intervals, confusion and calibration of these results |
//! | [`export`] | the same as CSV files and plots |
//! | [`class_indices`] | the classes of one list in another |
//! | [`statistics`] | intervals, tests, calibration and confusion |
//! | [`Predictor`], [`LoadedModel`] | a model or an ensemble loaded from a file |
//! | [`mixture`] | the weights of an ensemble, searched on images |
//! | [`notes`] | what limits the results of an evaluation |
//! | [`classify`] | the most probable classes of image files |

mod analysis;
mod classes;
pub mod classify;
mod evaluate;
pub mod export;
mod jobs;
mod loaded;
pub mod mixture;
pub mod notes;
mod predictor;
mod results;
mod shared;
pub mod statistics;
pub mod topk;

pub use analysis::Analysis;
pub use classes::{ClassDifference, class_indices};
pub use evaluate::{Classifier, ensemble, evaluate, results};
pub use loaded::LoadedModel;
pub use predictor::{Predictor, PredictorOptions, model_path, same_classes};
pub use results::{Evaluation, ImageResult, ImageResults, Keep};
pub use shared::{Part, evaluate_shared, results_shared};

#[cfg(test)]
mod tests;
