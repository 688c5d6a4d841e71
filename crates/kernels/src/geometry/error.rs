//! Invalid shapes.

use std::fmt;

/// An invalid shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeometryError {
    /// What is wrong, with the offending values.
    pub problem: String,
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for GeometryError {}
