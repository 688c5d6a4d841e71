//! Models as files: one safetensors file that holds all that judging a picture needs.
//!
//! | file | what it does |
//! |---|---|
//! | [`atomic`] | files that are there whole or not at all |
//! | `container` | safetensors: named arrays and string metadata |
//! | [`Model`] | what stands in the file |
//! | `load` | reading it, with every way in which it can be malformed |
//! | [`Golden`] | sample pictures with their logits, which tell whether this machine computes the same numbers |

pub mod atomic;
mod container;
mod golden;
mod load;
mod model;

pub use golden::Golden;
pub use model::{FORMAT_VERSION, Model, Summary};

#[cfg(test)]
pub(crate) mod tests;
