//! Dropout.
pub mod reference;
pub use reference::{apply, scale};
