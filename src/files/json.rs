//! Values as JSON files.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic;
use crate::{Error, Result};

/// Reads a value; `what` says what the file should be.
///
/// # Errors
/// When the file cannot be read, or is not that.
pub fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| Error::data(format!("{shown}: cannot be read: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::data(format!("{shown}: not {what}: {error}")))
}

/// Writes a value, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).expect("strings and numbers are JSON");
    atomic::replace(path, |out| out.write_all(text.as_bytes()))
}
