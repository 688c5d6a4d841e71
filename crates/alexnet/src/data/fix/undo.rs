//! Reverts the changes in a record.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::Sha256;

use super::record::{FileContents, FoundRecord, RecordEntry, exists, line, rename};
use crate::data::digest::FileDigest;
use crate::files::atomic;
use crate::{Error, Result};

/// The result of undoing a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// The number of originals restored and new files removed.
    pub undone: usize,
    /// Files that could not be restored or removed. Nothing is lost.
    pub left: Vec<Remaining>,
}

/// A file that could not be restored or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remaining {
    /// Its path relative to the folder.
    pub file: String,
    /// The reason, and where its contents are.
    pub reason: String,
}

/// Where a plan was applied.
#[derive(Clone, Debug)]
pub(super) struct FixTarget<'a> {
    /// The folder of the record.
    pub(super) folder: PathBuf,
    /// The folder of the new files and the originals.
    pub(super) root: &'a Path,
    /// The source of the plan.
    pub(super) source: &'a Path,
    /// Whether class folders were created too.
    pub(super) makes_folders: bool,
}

impl FixTarget<'_> {
    /// Removes new files and restores originals as far as nothing is lost. Afterwards the record holds what is left to do, or is
    /// removed.
    ///
    /// # Errors
    /// Returns an error if the record cannot be written.
    pub(super) fn undo(&self, found: &FoundRecord) -> Result<Undone> {
        let mut undone = Undone::default();
        let set_aside: HashSet<&str> = found
            .entries
            .iter()
            .filter_map(|entry| match entry {
                RecordEntry::SetAside(file) => Some(file.as_str()),
                RecordEntry::Made { .. } | RecordEntry::Complete => None,
            })
            .collect();
        let mut rest = Vec::new();
        let mut finish = |entry: &RecordEntry, file: &str, outcome: UndoOutcome| match outcome {
            UndoOutcome::Done => undone.undone += 1,
            UndoOutcome::Nothing => {}
            UndoOutcome::Left(reason) => undone.left.push(Remaining { file: file.to_owned(), reason }),
            UndoOutcome::Again(reason) => {
                undone.left.push(Remaining { file: file.to_owned(), reason });
                rest.push(entry.clone());
            }
        };
        for (number, entry) in found.entries.iter().enumerate() {
            if let RecordEntry::Made { file, holds } = entry {
                // Files written in place are complete or absent.
                let is_last = self.makes_folders && number + 1 == found.entries.len();
                finish(entry, file, self.unmake(file, holds, set_aside.contains(file.as_str()), is_last));
            }
        }
        for entry in &found.entries {
            if let RecordEntry::SetAside(file) = entry {
                finish(entry, file, self.bring_back(file));
            }
        }
        self.keep(found, &rest)?;
        Ok(undone)
    }

    /// Removes a new file if it is unchanged. `is_last`: no entry follows, so the file may be incomplete.
    fn unmake(&self, file: &str, holds: &FileContents, has_original: bool, is_last: bool) -> UndoOutcome {
        let path = self.root.join(file);
        if !exists(&path) || has_original && !exists(&self.folder.join(file)) {
            // Never made, or removed since; or the original of that name is still in place.
            return UndoOutcome::Nothing;
        }
        let is_own = match self.is_unchanged(&path, holds) {
            Ok(is_own) => is_own || is_last,
            Err(error) => return UndoOutcome::Again(format!("cannot read the file: {error}")),
        };
        match is_own {
            true => match fs::remove_file(&path) {
                Ok(()) => {
                    if self.makes_folders {
                        remove_empty(path.parent(), self.root);
                    }
                    UndoOutcome::Done
                }
                Err(error) => UndoOutcome::Again(format!("cannot remove the file: {error}")),
            },
            // Restoring the original reports that the name is taken.
            false if has_original => UndoOutcome::Nothing,
            false => UndoOutcome::Left(match holds {
                FileContents::CopyOf(original) if !self.source.join(original).exists() => {
                    "kept: its original no longer exists, so this may be the only copy".to_owned()
                }
                FileContents::CopyOf(_) | FileContents::Sha256(_) | FileContents::Unknown => {
                    "kept: it has been changed since".to_owned()
                }
            }),
        }
    }

    fn is_unchanged(&self, path: &Path, holds: &FileContents) -> std::io::Result<bool> {
        if !fs::symlink_metadata(path)?.is_file() {
            return Ok(false);
        }
        match holds {
            FileContents::Unknown => Ok(true),
            FileContents::Sha256(expected) => {
                let found =
                    FileDigest::of::<Sha256>(path).map_err(|error| std::io::Error::other(error.message))?;
                Ok(found.hex == *expected)
            }
            FileContents::CopyOf(original) => {
                let original = self.source.join(original);
                Ok(original.exists() && holds_the_same(path, &original)?)
            }
        }
    }

    /// Moves an original back, if its name is free.
    fn bring_back(&self, file: &str) -> UndoOutcome {
        let (from, to) = (self.folder.join(file), self.root.join(file));
        match (exists(&from), exists(&to)) {
            // Not moved before the interruption, or restored by the user.
            (false, true) => UndoOutcome::Nothing,
            (false, false) => UndoOutcome::Left(format!("not found: it is no longer at {}", from.display())),
            (true, true) => UndoOutcome::Again(format!(
                "a file of that name exists, or was changed since; the original stays at {}",
                from.display()
            )),
            (true, false) => match rename(&from, &to) {
                Ok(()) => {
                    remove_empty(from.parent(), &self.folder);
                    UndoOutcome::Done
                }
                Err(error) => UndoOutcome::Again(format!("{}; the original stays there", error.message)),
            },
        }
    }

    /// Replaces the record by what is left to do, or removes it.
    fn keep(&self, found: &FoundRecord, rest: &[RecordEntry]) -> Result<()> {
        let path = &found.path;
        if !rest.is_empty() {
            let lines: Vec<u8> = rest.iter().chain([&RecordEntry::Complete]).flat_map(line).collect();
            return atomic::replace(path, |out| out.write_all(&lines));
        }
        fs::remove_file(path).map_err(|error| Error::io(path, "remove the record", &error))?;
        // Fails if the user has put files there, which stay.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

/// The result of undoing one change.
enum UndoOutcome {
    Done,
    /// The change was not made, or is already undone.
    Nothing,
    /// It cannot be undone, and trying again would not help.
    Left(String),
    /// It cannot be undone now.
    Again(String),
}

/// Removes empty folders up to `root`.
fn remove_empty(folder: Option<&Path>, root: &Path) {
    let mut folder = folder;
    while let Some(empty) = folder.filter(|folder| *folder != root && fs::remove_dir(folder).is_ok()) {
        folder = empty.parent();
    }
}

/// Returns whether two paths are the same file or have the same bytes.
fn holds_the_same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (a, b) = (one.metadata()?, other.metadata()?);
    if is_one_file(&a, &b) {
        return Ok(true);
    }
    if a.len() != b.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = match one.read(&mut left) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok(true);
        }
        match other.read_exact(&mut right[..read]) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            done => done?,
        }
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}

#[cfg(unix)]
fn is_one_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}
