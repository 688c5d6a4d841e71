//! Digests of bytes and files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::digest::Digest;

use crate::format::hex;
use crate::{Error, Result};

/// The size and digest of a file.
pub(in crate::data) struct FileDigest {
    /// The size in bytes.
    pub(in crate::data) bytes: u64,
    /// The digest in hexadecimal.
    pub(in crate::data) hex: String,
}

impl FileDigest {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(in crate::data) fn of<D: Digest>(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| Error::io(path, "read the file", &error);
        let mut file = File::open(path).map_err(failed)?;
        let (mut digest, mut buffer, mut bytes) = (D::new(), vec![0; 1 << 20], 0);
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(Self { bytes, hex: hex(&digest.finalize()) }),
                read => {
                    digest.update(&buffer[..read]);
                    bytes += read as u64;
                }
            }
        }
    }
}
