//! The lock of a run folder: one training at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Kind, shell};
use crate::model::layout::LOCK;
use crate::{Error, Result};

/// Locks the folder for this training, as long as the returned file is open; the system releases it however the program
/// ends.
///
/// # Errors
/// Returns an error if another process has locked it; `help` says what to do about the folder, quoted for a shell.
pub(crate) fn lock(folder: &Path, help: impl FnOnce(&str) -> String) -> Result<File> {
    let path = folder.join(LOCK);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|error| cannot_create(folder, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.is_empty() { String::new() } else { format!(" ({})", holder.trim()) };
            let (shown, quoted) = (folder.display(), shell(folder));
            return Err(Error::new(Kind::Runtime, format!("{shown} is in use by another training{holder}"))
                .help(help(&quoted)));
        }
        // Some file systems have no locks; training without one is better than not training.
        Err(TryLockError::Error(_)) => {}
    }
    // For people only: the lock itself is the system's.
    let holder = format!("process {}\n", std::process::id());
    let _ = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(holder.as_bytes()));
    Ok(file)
}

/// Whether a training is using the folder.
pub fn is_in_use(folder: &Path) -> bool {
    let file = File::open(folder.join(LOCK));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

pub(super) fn cannot_create(folder: &Path, error: &std::io::Error) -> Error {
    Error::io(folder, "create the run folder", error).help("choose a writable folder with --run DIR")
}
