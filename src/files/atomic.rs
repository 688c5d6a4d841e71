//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Writes the file at `path` so that, whatever happens, it holds either what it held before or all of what
/// `write` writes: a new file beside it, flushed to the disk, takes its name, and the folder is flushed too.
///
/// # Errors
/// When the folder is missing, not writable or full, or `write` fails. What was at `path` is then unchanged, and
/// the half-written file is gone.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let beside = beside(path);
    let result = write_whole(&beside, write).and_then(|()| fs::rename(&beside, path));
    if result.is_err() {
        // Best effort: the first failure is the one to report.
        let _ = fs::remove_file(&beside);
    }
    result.and_then(|()| flush_folder(folder(path))).map_err(|error| {
        Error::io(path, "write the file", &error).help(format!(
            "what was there before is unchanged; is there space and permission in {}?",
            folder(path).display()
        ))
    })
}

/// Removes what was being written into a folder when an earlier program was killed.
///
/// # Errors
/// When a file cannot be removed.
pub fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_leftover(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|error| Error::io(&path, "remove it", &error))?;
        }
    }
    Ok(())
}

/// Whether a file of this name was being written by [`replace`].
pub fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// A hidden name in the same folder, so that the rename stays within one file system; no two calls share one.
fn beside(path: &Path) -> PathBuf {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{call}.tmp", std::process::id()))
}

fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A rename is on the disk only when its folder is. Elsewhere than on Unix, folders cannot be opened.
fn flush_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        replace(&path, |out| out.write_all(b"old")).unwrap();
        let error = replace(&path, |out| {
            out.write_all(&[0; 3 << 20])?;
            Err(io::Error::other("no space left"))
        })
        .unwrap_err();
        assert!(error.message.contains("best.safetensors") && error.message.contains("no space left"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = replace(Path::new("/nowhere/at/all.safetensors"), |_| Ok(())).unwrap_err();
        assert!(error.message.contains("/nowhere/at/all.safetensors"), "{error}");
    }
}
