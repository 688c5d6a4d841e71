//! Atomic replacement of files.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::{Error, Result};

/// The longest chain of symbolic links that is followed, as on Linux.
const MAX_LINKS: usize = 40;

/// How many bytes of a file name the name of its temporary file contains. File systems allow 255 bytes in total.
const MAX_NAME: usize = 180;

/// Temporary files being written, for [`remove_unfinished`].
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Replaces the file at `path` atomically: after a crash or power failure, it has either its old content or everything that
/// `write` writes. A temporary file in the same folder is written, flushed to the disk and renamed, and the folder is
/// flushed.
///
/// The permissions of an existing file are kept. For a symbolic link, the file it points to is replaced. Pipes and devices
/// are written to directly.
///
/// # Errors
/// Returns an error if the folder is missing, not writable or full, if the existing file is read-only, or if `write` fails.
/// An existing file is then unchanged, and the temporary file is removed. Also returns an error if the folder cannot be
/// flushed; the message then says that the file has been written.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let failed = |error: &io::Error| Error::io(path, "write the file", error);
    let (file, before) = match target(path).map_err(|error| failed(&error))? {
        Target::File { path, before } => (path, before),
        Target::Stream => return write_stream(path, write).map_err(|error| failed(&error)),
    };
    let folder = folder(&file);
    if before.as_ref().is_some_and(|before| before.permissions().readonly()) {
        let command = format!("chmod u+w {}", crate::error::shell(path));
        return Err(Error::io(path, "replace the file", &io::Error::other("it is read-only"))
            .help(format!("to allow it: `{command}`")));
    }
    let temporary = Temporary::new(&file);
    let written = temporary.write(before.as_ref(), write).and_then(|()| fs::rename(&temporary.path, &file));
    if let Err(error) = written {
        // Best effort: the first error is the one to report.
        let _ = fs::remove_file(&temporary.path);
        let help = match &before {
            Some(_) => "the file is unchanged; check free space and permissions of",
            None => "nothing was written; check free space and permissions of",
        };
        return Err(failed(&error).help(format!("{help} {}", folder.display())));
    }
    drop(temporary);
    log::trace!("{}: replaced", path.display());
    flush_folder(folder).map_err(|error| {
        let what = "flush the folder to the disk";
        Error::io(folder, what, &error)
            .help(format!("{} has been written, but a power failure could undo that", path.display()))
    })
}

/// Removes temporary files that a killed process left in a folder.
///
/// # Errors
/// Returns an error if a file cannot be removed.
pub fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_leftover(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|error| Error::io(&path, "remove the file", &error))?;
        }
    }
    Ok(())
}

/// Removes the temporary files of all running calls of [`replace`], and blocks further calls. For a process that is about
/// to exit.
pub fn remove_unfinished() {
    let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    for path in unfinished.iter() {
        let _ = fs::remove_file(path);
    }
    std::mem::forget(unfinished);
}

/// What a path refers to.
enum Target {
    /// A regular file, with links resolved, which may not exist yet.
    File { path: PathBuf, before: Option<Metadata> },
    /// A pipe, a device, or an open file of this process: it cannot be replaced, only written to.
    Stream,
}

/// Whether a path is a pipe, a device, or an open file of this process.
pub(crate) fn is_stream(path: &Path) -> bool {
    matches!(target(path), Ok(Target::Stream))
}

fn target(path: &Path) -> io::Result<Target> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Target::File { path, before: None });
            }
            found => found?,
        };
        if found.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        if found.is_file() {
            return Ok(Target::File { path, before: Some(found) });
        }
        // `/dev/stdout` resolves to a link there that is not a path.
        if !found.is_symlink() || folder(&path).canonicalize()?.starts_with("/proc") {
            return Ok(Target::Stream);
        }
        path = folder(&path).join(fs::read_link(&path)?);
    }
    Err(io::Error::other(format!("more than {MAX_LINKS} levels of symbolic links")))
}

fn write_stream(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(OpenOptions::new().write(true).open(path)?);
    write(&mut out)?;
    out.flush()
}

/// A temporary file with a unique hidden name, in the same folder and so on the same file system as its target.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn new(file: &Path) -> Self {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let (process, call) = (process_number(&KEYS), CALLS.fetch_add(1, Ordering::Relaxed));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let name = &name[..name.floor_char_boundary(MAX_NAME)];
        let path = file.with_file_name(format!(".{name}.{process}-{call}.tmp"));
        UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        Self { path }
    }

    fn write(
        &self,
        before: Option<&Metadata>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        private(&mut options, before);
        let mut out = BufWriter::with_capacity(1 << 20, options.open(&self.path)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        if let Some(before) = before {
            // Some file systems do not support permissions.
            let _ = file.set_permissions(before.permissions());
        }
        flush(&file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// Returns a number that no other process has, on any machine that shares the folder: process IDs are unique on one machine only, and
/// a forked process has the keys of the first.
fn process_number(keys: &RandomState) -> u64 {
    keys.hash_one(std::process::id())
}

/// Returns whether this is the name of a temporary file of [`replace`]: `.NAME.PROCESS-CALL.tmp`, where earlier versions had the
/// process ID.
pub fn is_leftover(name: &str) -> bool {
    let numbers = name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(".tmp"))
        .and_then(|name| name.rsplit_once('.')?.1.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, call)| is_number(process) && is_number(call))
}

/// Restricts a temporary file to the permissions of its target from the start.
#[cfg(unix)]
fn private(options: &mut OpenOptions, before: Option<&Metadata>) {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    if let Some(before) = before {
        options.mode(before.permissions().mode() & 0o777);
    }
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions, _: Option<&Metadata>) {}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Flushes a file to the disk. File systems that do not support this, such as some network file systems, are ignored.
pub(crate) fn flush(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Flushes a file to the disk by its path, as [`flush`].
pub(crate) fn flush_path(path: &Path) -> io::Result<()> {
    // Windows flushes only files that are open for writing.
    match OpenOptions::new().read(true).write(cfg!(windows)).open(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        opened => flush(&opened?),
    }
}

/// Flushes a folder to the disk, which makes new files and renames in it durable.
#[cfg(unix)]
pub(crate) fn flush_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        // A folder can be writable without being readable.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        opened => flush(&opened?),
    }
}

/// Folders cannot be opened on this system.
#[cfg(not(unix))]
pub(crate) fn flush_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) -> Result<()> {
        replace(path, |out| out.write_all(text.as_bytes()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let fail = || {
            replace(&path, |out| {
                out.write_all(&[0; 3 << 20])?;
                Err(io::Error::other("no space left"))
            })
            .unwrap_err()
        };
        assert!(fail().help.unwrap().starts_with("nothing was written"));
        write(&path, "old").unwrap();
        let error = fail();
        assert!(error.message.contains("best.safetensors") && error.message.contains("no space left"));
        assert!(error.help.unwrap().starts_with("the file is unchanged"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["best.safetensors"]);
    }

    #[test]
    fn a_missing_folder_and_a_folder_as_target_are_errors() {
        let error = write(Path::new("/nowhere/at/all.safetensors"), "").unwrap_err();
        assert!(error.message.contains("/nowhere/at/all.safetensors"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), "").unwrap_err();
        assert!(error.message.contains("directory") && names(folder.path()).is_empty(), "{error}");
    }

    #[test]
    fn only_temporary_files_are_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.txt.12-0.tmp", ".mine.tmp", "a.tmp", ".a.12-.tmp", ".12-0.tmp"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let temporary = Temporary::new(&folder.path().join("model é.safetensors"));
        fs::write(&temporary.path, "").unwrap();
        remove_leftovers(folder.path()).unwrap();
        assert_eq!(names(folder.path()), [".12-0.tmp", ".a.12-.tmp", ".mine.tmp", "a.tmp"]);
    }

    /// In containers on several machines, processes often have the same ID.
    #[test]
    fn processes_with_the_same_id_have_different_numbers() {
        let [one, other] = [RandomState::new(), RandomState::new()];
        assert_ne!(process_number(&one), process_number(&other));
        assert_eq!(process_number(&one), process_number(&one));
    }

    #[test]
    fn the_longest_names_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a".repeat(255), "é".repeat(127)] {
            write(&folder.path().join(&name), "whole").unwrap();
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"whole");
        }
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        #[test]
        fn permissions_are_kept() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("plan.json");
            write(&path, "one").unwrap();
            for bits in [0o600, 0o664, 0o666, 0o755] {
                fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
                write(&path, "two").unwrap();
                assert_eq!(mode(&path), bits);
            }
        }

        #[test]
        fn a_read_only_file_is_not_replaced() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("my best.safetensors");
            write(&path, "keep").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
            let error = write(&path, "other").unwrap_err();
            assert!(error.message.ends_with("it is read-only"), "{error}");
            let shown = path.display();
            assert_eq!(error.help.unwrap(), format!("to allow it: `chmod u+w '{shown}'`"));
            assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"keep".to_vec(), 0o444));
        }

        #[test]
        fn a_link_stays_and_its_file_is_replaced() {
            let folder = tempfile::tempdir().unwrap();
            let (link, second) = (folder.path().join("best"), folder.path().join("second"));
            fs::create_dir(folder.path().join("large")).unwrap();
            symlink("second", &link).unwrap();
            symlink("large/model", &second).unwrap();
            // First the target of the link does not exist, then it does.
            for text in ["one", "two"] {
                write(&link, text).unwrap();
                assert_eq!(fs::read_to_string(folder.path().join("large/model")).unwrap(), text);
                assert_eq!(fs::read_link(&link).unwrap(), Path::new("second"));
                assert_eq!(names(&folder.path().join("large")), ["model"]);
            }
            symlink("loop", folder.path().join("loop")).unwrap();
            let error = write(&folder.path().join("loop"), "").unwrap_err();
            assert!(error.message.contains("symbolic links"), "{error}");
        }

        #[test]
        fn devices_and_pipes_are_written_to() {
            write(Path::new("/dev/null"), "gone").unwrap();
            assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
            let folder = tempfile::tempdir().unwrap();
            let pipe = folder.path().join("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            let reader = std::thread::spawn({
                let pipe = pipe.clone();
                move || fs::read_to_string(pipe).unwrap()
            });
            write(&pipe, "through").unwrap();
            assert_eq!(reader.join().unwrap(), "through");
            assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        }
    }
}
