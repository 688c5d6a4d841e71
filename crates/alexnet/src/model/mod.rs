//! Models as files: one safetensors file that holds all that judging an image needs.
//!
//! | file | what it does |
//! |---|---|
//! | [`Model`] | what stands in the file |
//! | `load` | reading it, with every way in which it can be malformed |
//! | [`Golden`] | sample images with their logits, which tell whether this machine computes the same numbers |

mod file;
mod golden;
mod load;

pub use file::{FORMAT_VERSION, Model, Summary};
pub use golden::Golden;

#[cfg(test)]
pub(crate) mod tests;
