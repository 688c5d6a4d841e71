//! What a plan changes in a folder, written down before each change: to undo it, also after the program was killed half-way.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plan::RECORD;
use crate::data::digests;
use crate::files::append::Append;
use crate::files::atomic;
use crate::format::hex;
use crate::{Error, Result};

/// A line of the record, in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// A new file.
    Made {
        /// Its path below the folder.
        file: String,
        /// What it holds.
        holds: Holds,
    },
    /// An original, by its path below the folder, that was moved to the same path below the folder of what is set aside.
    SetAside(String),
    /// All that was planned is done.
    Complete,
}

/// The content of a new file, to detect later changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holds {
    /// The same as this file, by its path below the source: a link to it or a copy.
    CopyOf(String),
    /// Bytes with this SHA-256, in hexadecimal digits.
    Sha256(String),
    /// Not recorded: version 0.1.0 did not.
    Unknown,
}

impl Holds {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::Sha256(hex(&Sha256::digest(bytes)))
    }
}

/// The record as version 0.1.0 wrote it: one JSON object.
#[derive(Deserialize)]
struct Earlier {
    made: Vec<String>,
    set_aside: Vec<String>,
}

/// A record that is being written.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    file: Append<File>,
}

impl Record {
    /// Begins the record in a folder that has none.
    pub(super) fn begin(folder: &Path) -> Result<Self> {
        let path = folder.join(RECORD);
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|error| Error::io(&path, "create the record", &error))?;
        Ok(Self { path, file: Append::new(file) })
    }

    /// Adds an entry, before what it says is done.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<()> {
        self.file.add(&line(entry)).map_err(|error| Error::io(&self.path, "write the record", &error))
    }

    /// Flushes what was added to the disk.
    pub(super) fn flush(&self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io(&self.path, "write the record", &error))
    }
}

fn line(entry: &Entry) -> Vec<u8> {
    let mut line = serde_json::to_vec(entry).expect("strings are JSON");
    line.push(b'\n');
    line
}

/// What became of undoing a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Originals that are back, and new files that are gone.
    pub undone: usize,
    /// Files that could not be restored or removed, and why. Nothing of them is lost.
    pub left: Vec<Left>,
}

/// A file that could not be restored or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its path below the folder.
    pub file: String,
    /// Why, and where its contents are.
    pub reason: String,
}

/// Where a plan was carried out.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// The folder of the record.
    pub(super) folder: PathBuf,
    /// The folder of the new files and of the originals.
    pub(super) root: &'a Path,
    /// The source of the plan.
    pub(super) source: &'a Path,
    /// Whether folders that hold nothing but new files were made too.
    pub(super) makes_folders: bool,
}

/// What a folder's record says.
#[derive(Debug)]
pub(super) struct Found {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Found {
    /// Whether the plan was carried out to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.entries.contains(&Entry::Complete)
    }
}

impl Place<'_> {
    /// The record that is there, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, is no record, or names a file outside the folder.
    pub(super) fn record(&self) -> Result<Option<Found>> {
        let path = self.folder.join(RECORD);
        if !path.is_file() {
            return Ok(None);
        }
        let found = Found { entries: read(&path)?, path };
        let outside = found.entries.iter().find_map(|entry| match entry {
            Entry::Made { file, .. } | Entry::SetAside(file) => (!is_inside(file)).then_some(file),
            Entry::Complete => None,
        });
        match outside {
            None => Ok(Some(found)),
            Some(file) => Err(Error::data(format!("{}: {file} is not in the folder", found.path.display()))),
        }
    }

    /// Removes new files and brings originals back, as far as that loses nothing; the record then holds what is left to do, or
    /// is gone.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(super) fn undo(&self, found: &Found) -> Result<Undone> {
        let mut undone = Undone::default();
        let set_aside: HashSet<&str> = found
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::SetAside(file) => Some(file.as_str()),
                Entry::Made { .. } | Entry::Complete => None,
            })
            .collect();
        let mut rest = Vec::new();
        let mut finish = |entry: &Entry, file: &str, outcome: Outcome| match outcome {
            Outcome::Done => undone.undone += 1,
            Outcome::Nothing => {}
            Outcome::Left(reason) => undone.left.push(Left { file: file.to_owned(), reason }),
            Outcome::Again(reason) => {
                undone.left.push(Left { file: file.to_owned(), reason });
                rest.push(entry.clone());
            }
        };
        for (number, entry) in found.entries.iter().enumerate() {
            if let Entry::Made { file, holds } = entry {
                // In place, files are there whole or not at all.
                let is_last = self.makes_folders && number + 1 == found.entries.len();
                finish(entry, file, self.unmake(file, holds, set_aside.contains(file.as_str()), is_last));
            }
        }
        for entry in &found.entries {
            if let Entry::SetAside(file) = entry {
                finish(entry, file, self.bring_back(file));
            }
        }
        self.keep(found, &rest)?;
        Ok(undone)
    }

    /// Removes a new file, if it still is what was made. `is_last`: nothing is recorded after it, so that it may be half a file.
    fn unmake(&self, file: &str, holds: &Holds, has_original: bool, is_last: bool) -> Outcome {
        let path = self.root.join(file);
        if !is_there(&path) || has_original && !is_there(&self.folder.join(file)) {
            // Never made, or removed since; or the name is the original's, which is in its place.
            return Outcome::Nothing;
        }
        let is_own = match self.is_unchanged(&path, holds) {
            Ok(is_own) => is_own || is_last,
            Err(error) => return Outcome::Again(format!("cannot read the file: {error}")),
        };
        match is_own {
            true => match fs::remove_file(&path) {
                Ok(()) => {
                    if self.makes_folders {
                        remove_empty(path.parent(), self.root);
                    }
                    Outcome::Done
                }
                Err(error) => Outcome::Again(format!("cannot remove the file: {error}")),
            },
            // What becomes of its original tells that the name is taken.
            false if has_original => Outcome::Nothing,
            false => Outcome::Left(match holds {
                Holds::CopyOf(original) if !self.source.join(original).exists() => {
                    "kept: its original is gone, so this may be the only copy".to_owned()
                }
                _ => "kept: it was changed since".to_owned(),
            }),
        }
    }

    fn is_unchanged(&self, path: &Path, holds: &Holds) -> std::io::Result<bool> {
        if !fs::symlink_metadata(path)?.is_file() {
            return Ok(false);
        }
        match holds {
            Holds::Unknown => Ok(true),
            Holds::Sha256(expected) => {
                let found =
                    digests::of::<Sha256>(path).map_err(|error| std::io::Error::other(error.message))?;
                Ok(found.1 == *expected)
            }
            Holds::CopyOf(original) => match self.source.join(original) {
                original if original.exists() => holds_the_same(path, &original),
                _ => Ok(false),
            },
        }
    }

    /// Moves an original back to its name, if that is free.
    fn bring_back(&self, file: &str) -> Outcome {
        let (from, to) = (self.folder.join(file), self.root.join(file));
        match (is_there(&from), is_there(&to)) {
            // Not moved yet when the program ended, or brought back by the user.
            (false, true) => Outcome::Nothing,
            (false, false) => Outcome::Left(format!("gone: it is not at {} any more", from.display())),
            (true, true) => Outcome::Again(format!(
                "there is another file of that name, or it was changed since; the original stays at {}",
                from.display()
            )),
            (true, false) => match rename(&from, &to) {
                Ok(()) => {
                    remove_empty(from.parent(), &self.folder);
                    Outcome::Done
                }
                Err(error) => Outcome::Again(format!("{}; it stays where it is", error.message)),
            },
        }
    }

    /// Replaces the record by what is left to do, or removes it.
    fn keep(&self, found: &Found, rest: &[Entry]) -> Result<()> {
        let path = &found.path;
        if !rest.is_empty() {
            let lines: Vec<u8> = rest.iter().chain([&Entry::Complete]).flat_map(line).collect();
            return atomic::replace(path, |out| out.write_all(&lines));
        }
        fs::remove_file(path).map_err(|error| Error::io(path, "remove the record", &error))?;
        // Where the user has put something, it stays.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

/// What became of one change that was to be undone.
enum Outcome {
    Done,
    /// It had not been made, or was undone before.
    Nothing,
    /// It cannot be undone, and trying again would not help.
    Left(String),
    /// It cannot be undone now.
    Again(String),
}

fn read(path: &Path) -> Result<Vec<Entry>> {
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, "read the record", &error))?;
    if let Ok(Earlier { made, set_aside }) = serde_json::from_str(&text) {
        let made = made.into_iter().map(|file| Entry::Made { file, holds: Holds::Unknown });
        return Ok(made.chain(set_aside.into_iter().map(Entry::SetAside)).chain([Entry::Complete]).collect());
    }
    // A program that is killed may leave half a line: what it was to announce has not been done.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let entry = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            Error::data(format!("{}:{}: not a record of `data fix`: {error}", path.display(), number + 1))
        })
    };
    whole.enumerate().map(entry).collect()
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Whether anything has this name, a link that leads nowhere included.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Moves a file, links as they are, and makes the folder for it.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create the folder", &error))?;
    }
    fs::rename(from, to).map_err(|error| Error::io(from, "move the file", &error))
}

/// Removes folders that are empty now, up to `root`.
fn remove_empty(folder: Option<&Path>, root: &Path) {
    let mut folder = folder;
    while let Some(empty) = folder.filter(|folder| *folder != root && fs::remove_dir(folder).is_ok()) {
        folder = empty.parent();
    }
}

/// Whether two files are one, or hold the same bytes.
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
