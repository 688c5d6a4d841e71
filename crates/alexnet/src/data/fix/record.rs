//! The record of what a plan changes in a folder, written before each change, so that it can be undone even after a crash.

use std::fs::{self, File, OpenOptions};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::own_files::FIX_RECORD;
use crate::files::append::{Append, complete_lines};
use crate::format::hex;
use crate::{Error, Result};

/// An entry of the record: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordEntry {
    /// A new file.
    Made {
        /// Its path relative to the folder.
        file: String,
        /// Its contents.
        holds: FileContents,
    },
    /// An original, by its path relative to the folder, that was moved to the same path in the set-aside folder.
    SetAside(String),
    /// The plan was applied completely.
    Complete,
}

/// The contents of a new file, to detect later changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileContents {
    /// A link to or a copy of this file, by its path relative to the source.
    CopyOf(String),
    /// Bytes with this SHA-256 in hexadecimal.
    Sha256(String),
    /// Not recorded, as in version 0.1.0.
    Unknown,
}

impl FileContents {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::Sha256(hex(&Sha256::digest(bytes)))
    }
}

/// A record that is being written.
#[derive(Debug)]
pub(super) struct FixRecord {
    path: PathBuf,
    file: Append<File>,
}

impl FixRecord {
    /// Creates the record in a folder that has none.
    pub(super) fn begin(folder: &Path) -> Result<Self> {
        let path = folder.join(FIX_RECORD);
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|error| Error::io(&path, "create the record", &error))?;
        Ok(Self { path, file: Append::new(file) })
    }

    /// Adds an entry, before the change that it describes.
    pub(super) fn add(&mut self, entry: &RecordEntry) -> Result<()> {
        self.file.add(&line(entry)).map_err(|error| Error::io(&self.path, "write the record", &error))
    }

    /// Flushes the entries to disk.
    pub(super) fn flush(&self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io(&self.path, "write the record", &error))
    }
}

pub(super) fn line(entry: &RecordEntry) -> Vec<u8> {
    let mut line = serde_json::to_vec(entry).expect("strings are JSON");
    line.push(b'\n');
    line
}

/// The record found in a folder.
#[derive(Debug)]
pub(super) struct FoundRecord {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<RecordEntry>,
}

impl FoundRecord {
    /// Reads the record, if there is one.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, is not a record, or names a file outside the folder.
    pub(super) fn find(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FIX_RECORD);
        if !path.is_file() {
            return Ok(None);
        }
        let found = Self { entries: read(&path)?, path };
        let outside = found.entries.iter().find_map(|entry| match entry {
            RecordEntry::Made { file, .. } | RecordEntry::SetAside(file) => {
                (!is_inside(file)).then_some(file)
            }
            RecordEntry::Complete => None,
        });
        match outside {
            None => Ok(Some(found)),
            Some(file) => Err(Error::data(format!("{}: {file} is outside the folder", found.path.display()))),
        }
    }

    /// Returns whether the plan was applied completely.
    pub(super) fn is_complete(&self) -> bool {
        self.entries.contains(&RecordEntry::Complete)
    }
}

/// The record of version 0.1.0: one JSON object.
#[derive(Deserialize)]
struct Earlier {
    made: Vec<String>,
    set_aside: Vec<String>,
}

fn read(path: &Path) -> Result<Vec<RecordEntry>> {
    let failed = |error| Error::io(path, "read the record", &error);
    let bytes = fs::read(path).map_err(failed)?;
    if let Ok(Earlier { made, set_aside }) = serde_json::from_slice(&bytes) {
        let made = made.into_iter().map(|file| RecordEntry::Made { file, holds: FileContents::Unknown });
        return Ok(made
            .chain(set_aside.into_iter().map(RecordEntry::SetAside))
            .chain([RecordEntry::Complete])
            .collect());
    }
    // After a crash the last line may be incomplete: its change was not made.
    let whole = complete_lines(bytes).map_err(failed)?;
    let entry = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            Error::data(format!("{}:{}: not a record of `data fix`: {error}", path.display(), number + 1))
        })
    };
    whole.lines().enumerate().map(entry).collect()
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Returns whether the path exists, broken links included.
pub(super) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Moves a file, without following links, and creates the target folder.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create the folder", &error))?;
    }
    fs::rename(from, to).map_err(|error| Error::io(from, "move the file", &error))
}
