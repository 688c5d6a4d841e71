//! Trained models: the model file with everything needed to classify images, and the layout of run folders.
//!
//! | file | contents |
//! |---|---|
//! | `contents` | [`Model`], [`Summary`] |
//! | `load`, `save` | reading and writing the file |
//! | `check` | whether the parts of a model fit each other |
//! | [`Golden`] | sample images with their logits, to verify that this machine computes the same |
//! | [`RunLayout`] | the names of the files in a run folder |

mod check;
mod contents;
mod golden;
mod load;
mod run_layout;
mod save;

pub use contents::{FORMAT_VERSION, Model, Summary};
pub use golden::Golden;
pub use run_layout::RunLayout;

#[cfg(test)]
pub(crate) mod tests;
