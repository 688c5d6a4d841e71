//! The lock of a run folder: one training run at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::error::{Kind, shell};
use crate::model::layout::{LOCK, ORIGIN};

/// How often a lock that is held is tried, and the time between.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Locks the folder for this training, as long as the returned file is open; the system releases it however the program
/// ends.
///
/// # Errors
/// Returns an error if another process has locked it: `help` says what to do about the folder, quoted for a shell. If the file
/// cannot be opened, the error is that of `cannot_write`.
pub(crate) fn lock(
    folder: &Path,
    help: impl FnOnce(&str) -> String,
    cannot_write: impl FnOnce(&std::io::Error) -> Error,
) -> crate::Result<File> {
    let path = folder.join(LOCK);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|error| cannot_write(&error))?;
    match try_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.is_empty() { String::new() } else { format!(" ({})", holder.trim()) };
            let (shown, quoted) = (folder.display(), shell(folder));
            return Err(Error::new(
                Kind::Runtime,
                format!("{shown} is in use by another training run{holder}"),
            )
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

/// Tries to lock the file, for as long as [`is_in_use`] of another process may hold it.
fn try_lock(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 1..ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            locked => return locked,
        }
    }
    file.try_lock()
}

/// Whether a training run is using the folder.
pub fn is_in_use(folder: &Path) -> bool {
    let file = File::open(folder.join(LOCK));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The error for a run folder whose lock cannot be opened: it may be read-only.
pub(super) fn cannot_write(folder: &Path, error: &std::io::Error) -> Error {
    match folder.join(ORIGIN).is_file() {
        true => Error::io(folder, "write to the run folder", error)
            .help(format!("check its permissions: `ls -la {}`", shell(folder))),
        false => cannot_create(folder, error),
    }
}

pub(super) fn cannot_create(folder: &Path, error: &std::io::Error) -> Error {
    Error::io(folder, "create the run folder", error).help("choose a writable folder with --run DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever asks whether a folder is in use holds its lock for a moment.
    #[test]
    fn a_lock_that_is_held_for_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let asking = File::create(folder.path().join(LOCK)).unwrap();
        asking.try_lock_shared().unwrap();
        let lock = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(PAUSE);
                drop(asking);
            });
            lock(folder.path(), |_| String::new(), |error| cannot_write(folder.path(), error))
        });
        lock.unwrap();
    }
}
