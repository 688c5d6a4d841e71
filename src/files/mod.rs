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
