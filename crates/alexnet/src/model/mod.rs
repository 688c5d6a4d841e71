//! Models as files: one safetensors file that holds all that judging a picture needs.
//!
//! | file | what it does |
//! |---|---|
//! | [`Model`] | what stands in the file |
//! | `load` | reading it, with every way in which it can be malformed |
//! | [`Golden`] | sample pictures with their logits, which tell whether this machine computes the same numbers |

mod golden;
mod load;
mod file;

pub use golden::Golden;
pub use file::{FORMAT_VERSION, Model, Summary};

#[cfg(test)]
pub(crate) mod tests;
