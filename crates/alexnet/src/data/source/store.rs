//! Where the images of a split are stored.

use std::path::{Path, PathBuf};

use super::archive::Archives;
use super::raw::RawImages;
use crate::data::{Image, decode};
use crate::{Error, Result};

/// What the locations of a split refer to.
#[derive(Debug)]
pub(super) enum Store {
    /// Files below a folder.
    Folder(PathBuf),
    /// Image files in archives.
    Archives(Archives),
    /// Squares as raw pixels in files.
    Squares {
        files: Archives,
        side: usize,
    },
    Raw(RawImages),
}

impl Store {
    /// Returns the folder of the files, if they are in one.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Archives(_) | Self::Squares { .. } | Self::Raw(_) => None,
        }
    }
}

/// An image as stored.
#[derive(Debug)]
pub enum Stored {
    /// An image file.
    File(Vec<u8>),
    /// Raw pixels.
    Pixels(Image),
    /// A file that is too large to read, with its size in bytes.
    TooLarge(u64),
}

impl Stored {
    /// The maximum size of an image file.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// Decodes the image, without applying its EXIF orientation.
    ///
    /// # Errors
    /// Returns an error if the bytes do not decode.
    pub fn decode(self) -> Result<Image> {
        match self {
            Self::Pixels(image) => Ok(image),
            Self::File(bytes) => Ok(decode::decode(&bytes)?),
            Self::TooLarge(bytes) => Err(Self::too_large(bytes)),
        }
    }

    /// The error for a file of so many bytes.
    pub(crate) fn too_large(bytes: u64) -> Error {
        Error::data(format!("file of {bytes} bytes: expected at most {} for an image", Self::MAX_BYTES))
    }
}
