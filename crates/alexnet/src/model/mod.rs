//! Trained models: the model file with everything needed to classify images, and the layout of run folders.
//!
//! | file | contents |
//! |---|---|
//! | `contents` | [`Model`], [`Summary`] |
//! | `load`, `save` | reading and writing the file |
//! | `check` | whether the parts of a model fit each other |
//! | [`Golden`] | sample images with their logits, to verify that this machine computes the same |
//! | [`layout`] | the names of the files in a run folder |

mod check;
mod contents;
mod golden;
pub mod layout;
mod load;
mod save;

pub use contents::{FORMAT_VERSION, Model, Summary};
pub use golden::Golden;

#[cfg(test)]
pub(crate) mod tests;
