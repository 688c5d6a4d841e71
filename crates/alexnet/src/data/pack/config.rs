//! Settings of a packing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::manifest::Storage;
use crate::net::Orientation;

/// What to pack, and how.
#[derive(Clone, Debug)]
pub struct PackConfig {
    /// The output folder.
    pub out: PathBuf,
    /// How squares are stored.
    pub store: Storage,
    /// Side of the squares (the paper's is 256).
    pub side: usize,
    /// Whether the EXIF orientation of users' own images is applied. ImageNet's archives are always packed as stored.
    pub orientation: Orientation,
    /// The number of threads.
    pub workers: usize,
}

/// Settings that are fixed when packing starts; it only resumes with the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackSettings {
    pub(super) format_version: u32,
    pub(super) store: Storage,
    pub(super) side: usize,
    /// Absent if packing was started by an earlier version.
    #[serde(default)]
    pub(super) orientation: Orientation,
    pub(super) source: String,
    pub(super) source_digest: String,
}
