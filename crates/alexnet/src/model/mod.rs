//! Trained models: the model file with everything needed to classify images, and the layout of run folders.
//!
//! | file | contents |
//! |---|---|
//! | `contents` | [`Model`], [`Summary`] |
//! | `load`, `save` | reading and writing the file |
//! | `metadata`, `parts` | what f32 and quantized models have in common in a file |
//! | `check` | whether the parts of a model fit each other |
//! | `quantized` | [`QuantizedModel`] |
//! | `any` | [`AnyModel`]: a model of either kind |
//! | `ensemble` | [`Ensemble`]: several models and their weights |
//! | `file` | [`ModelFile`]: a single model or an ensemble |
//! | `foreign` | files of other formats that are given as models |
//! | [`Golden`] | sample images with their logits, to verify that this machine computes the same |
//! | [`layout`] | the names of the files in a run folder |

mod any;
mod check;
mod contents;
mod ensemble;
mod file;
mod foreign;
mod golden;
pub mod layout;
mod load;
mod metadata;
mod parts;
mod quantized;
mod save;

pub use any::{AnyModel, WeightPrecision};
pub(crate) use check::check_preprocess;
pub use contents::{FORMAT_VERSION, Model, Summary};
pub use ensemble::{
    Ensemble, EnsembleSummary, GoldenMixture, Member, WeightChoice, check_same_classes, check_weights,
    equal_weights,
};
pub use file::ModelFile;
pub use golden::Golden;
pub use metadata::{ENSEMBLE_FORMAT_VERSION, QUANTIZED_FORMAT_VERSION};
pub use quantized::QuantizedModel;

#[cfg(test)]
pub(crate) mod tests;
