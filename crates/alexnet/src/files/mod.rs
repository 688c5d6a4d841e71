//! Files as this program keeps them.
//!
//! | file | what it does |
//! |---|---|
//! | `append` | files that grow record by record and outlive a full disk |
//! | [`atomic`] | files that are there whole or not at all |
//! | `container` | safetensors: named arrays and string metadata |
//! | [`json`] | values as JSON |

pub(crate) mod append;
pub mod atomic;
pub(crate) mod container;
pub mod json;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The path from the root, links followed, of what may not be there yet.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}

/// Fills `buffer` from the file's bytes at `offset`, wherever others read it.
///
/// # Errors
/// When the file ends before, or cannot be read.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Fills `buffer` from the file's bytes at `offset`, wherever others read it.
///
/// # Errors
/// When the file ends before, or cannot be read.
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
