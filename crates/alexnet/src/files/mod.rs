//! Reading and writing files.
//!
//! | file | contents |
//! |---|---|
//! | `append` | files that grow by records and survive a full disk |
//! | [`atomic`] | files that are replaced atomically |
//! | `container` | safetensors files |
//! | [`json`] | JSON files |
//! | `tf_record` | the checksums of TensorFlow's files |

pub(crate) mod append;
pub mod atomic;
pub(crate) mod container;
pub mod json;
pub(crate) mod tf_record;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Returns the absolute path with symbolic links resolved, for a path that may not exist yet.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match existing {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}

/// Reads the first bytes of a file: `most`, or all if there are fewer.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub(crate) fn head(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Fills `buffer` from the bytes of the file at `offset`, independent of the position of other readers.
///
/// # Errors
/// Returns an error if the file is too short or cannot be read.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Fills `buffer` from the bytes of the file at `offset`, independent of the position of other readers.
///
/// # Errors
/// Returns an error if the file is too short or cannot be read.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => (buffer, offset) = (&mut buffer[read..], offset + read as u64),
        }
    }
    Ok(())
}
