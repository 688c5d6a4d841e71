//! The description of a packed folder.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::own_files::{MANIFEST, UNFINISHED_PACK};
use crate::data::skip::Skip;
use crate::files::json;
use crate::net::Orientation;
use crate::{Error, Result};

/// The format version that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The maximum number of images in a shard: 201 MB of raw pixels of 256 x 256.
pub const SHARD: usize = 1024;

/// The maximum number of raw pixels' bytes in a shard, two of which are in memory at once: [`SHARD`] images of 512 x 512.
const SHARD_BYTES: usize = SHARD * 3 * 512 * 512;

/// The number of images in a shard of squares of this side, apart from the last shard.
pub(super) fn images_per_shard(side: usize) -> usize {
    (SHARD_BYTES / (3 * side * side).max(1)).clamp(1, SHARD)
}

/// The largest supported side of squares.
pub const MAX_SIDE: usize = 4096;

/// How squares are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Raw pixels.
    Raw,
    /// JPEG files of quality 95.
    Jpeg,
}

/// The contents of a packed folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// How squares are stored.
    pub store: Storage,
    /// Side of the squares.
    pub side: usize,
    /// Whether EXIF orientations were applied; as stored if the file does not say.
    #[serde(default)]
    pub orientation: Orientation,
    /// The number of images for which `orientation` makes a difference. Absent in sets packed before it was counted; 0 for
    /// ImageNet's archives, whose EXIF orientation is never applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<usize>,
    /// How images were resized.
    pub resize: String,
    /// The decoders that were used.
    pub decoder: String,
    /// The source.
    pub source: String,
    /// SHA-256 of the class names, and the name and label of each image.
    pub source_digest: String,
    /// The class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The splits with their shards.
    pub splits: Vec<PackedSplit>,
    /// Images that could not be decoded.
    pub skipped: Vec<Skip>,
}

/// A split of packed squares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedSplit {
    /// `train`, `val` or `test`.
    pub name: String,
    /// The number of images.
    pub images: usize,
    /// Its files, in order.
    pub shards: Vec<PackedShard>,
}

/// A file of packed squares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedShard {
    /// Its file name.
    pub file: String,
    /// The number of images.
    pub images: usize,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl Manifest {
    /// The file name.
    pub const FILE: &'static str = MANIFEST;

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// Returns an error if packing was not finished, or the file is not a manifest.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::FILE);
        if !path.is_file() && folder.join(UNFINISHED_PACK).is_file() {
            return Err(Error::data(format!("{}: packing was not finished", folder.display()))
                .help("to resume it, run the same `alexnet data pack` command again"));
        }
        read_json(&path)
    }
}

/// Reads a JSON file of a packed folder.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let help = "pack the images again into a new folder";
    json::read(path, "file of `alexnet data pack`").map_err(|error| error.help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_of_large_squares_have_fewer_images() {
        let images = [1, 256, 512, 1024, MAX_SIDE, 1 << 20].map(images_per_shard);
        assert_eq!(images, [1024, 1024, 1024, 256, 16, 1]);
    }
}
