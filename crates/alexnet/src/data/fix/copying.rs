//! Applies a plan to a new folder: links to unchanged images, repaired copies of the others.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::mend::{ending_kept, mend};
use super::plan::{Action, FixCounts, FixStep};
use super::record::{FileContents, FixRecord, RecordEntry};
use crate::data::encode;
use crate::data::source::{Split, Stored};
use crate::files::atomic;
use crate::{Error, Result};

/// A folder that is being filled.
pub(super) struct CopyWriter<'a> {
    source: &'a Path,
    out: &'a Path,
    record: FixRecord,
    /// Names in use, relative to the folder.
    taken: BTreeSet<String>,
    /// Files with new bytes, which are not on the disk yet.
    written: Vec<PathBuf>,
    /// The folders of the files.
    folders: BTreeSet<PathBuf>,
    done: FixCounts,
}

impl<'a> CopyWriter<'a> {
    /// Starts filling an empty folder.
    pub(super) fn begin(source: &'a Path, out: &'a Path) -> Result<Self> {
        let record = FixRecord::begin(out)?;
        Ok(Self {
            source,
            out,
            record,
            taken: BTreeSet::new(),
            written: Vec::new(),
            folders: BTreeSet::new(),
            done: FixCounts::default(),
        })
    }

    /// Records that everything is done, once everything is on the disk: after a power failure, a complete record must not stand
    /// beside incomplete files.
    ///
    /// # Errors
    /// Returns an error if a file, a folder or the record cannot be flushed to the disk.
    pub(super) fn finish(mut self) -> Result<FixCounts> {
        // In parallel: a file system writes the files of many calls at once.
        self.written.par_iter().try_for_each(|path| {
            atomic::flush_path(path).map_err(|error| Error::io(path, "flush the file to the disk", &error))
        })?;
        for folder in self.folders.iter().flat_map(|folder| folder.ancestors()).collect::<BTreeSet<_>>() {
            if folder.starts_with(self.out) {
                atomic::flush_folder(folder)
                    .map_err(|error| Error::io(folder, "flush the folder to the disk", &error))?;
            }
        }
        self.record.flush()?;
        self.record.add(&RecordEntry::Complete)?;
        self.record.flush()?;
        Ok(self.done)
    }

    /// Adds an image to a class folder, as its step demands.
    pub(super) fn copy(
        &mut self,
        split: &Split,
        index: usize,
        step: Option<&FixStep>,
        folder: &str,
    ) -> Result<()> {
        let file = split.file(index);
        let (name, content) = match step.map(|step| step.action) {
            Some(Action::LeaveOut) => {
                self.done.left_out += 1;
                return Ok(());
            }
            Some(Action::Mend) => {
                self.done.mended += 1;
                let (bytes, ending) = mend(split, index)?;
                (self.name(folder, file, Some(ending)), Content::Bytes(bytes))
            }
            None => {
                self.done.kept += 1;
                match split.path(index) {
                    Some(original) => (self.name(folder, file, None), Content::Original(original)),
                    None => match split.stored(index)? {
                        Stored::Pixels(image) => {
                            (self.name(folder, file, Some("png")), Content::Bytes(encode::png(&image)?))
                        }
                        Stored::File(bytes) => (self.name(folder, file, None), Content::Bytes(bytes)),
                        Stored::TooLarge(bytes) => {
                            return Err(Error::data(format!(
                                "{file}: {bytes} bytes is too large for an image"
                            ))
                            .help("set its action to `leave-out` in the plan"));
                        }
                    },
                }
            }
        };
        self.make(name, &content)
    }

    /// Returns a unique name for a file, relative to the folder.
    fn name(&mut self, folder: &str, file: &str, ending: Option<&str>) -> String {
        let name = file.rsplit('/').next().unwrap_or(file);
        let (stem, old) = name.rsplit_once('.').unwrap_or((name, "jpg"));
        let ending = ending.filter(|ending| ending_kept(name, ending).is_none()).unwrap_or(old);
        let candidate = |n: usize| match n {
            1 => format!("{folder}/{stem}.{ending}"),
            n => format!("{folder}/{stem}-{n}.{ending}"),
        };
        let is_free = |name: &String| !self.taken.contains(&folded(name));
        let free = (1..).map(candidate).find(is_free).expect("numbers do not end");
        self.taken.insert(folded(&free));
        free
    }

    fn make(&mut self, name: String, content: &Content) -> Result<()> {
        let path = self.out.join(&name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::io(folder, "create the folder", &error))?;
            if !self.folders.contains(folder) {
                self.folders.insert(folder.to_owned());
            }
        }
        let holds = match content {
            Content::Bytes(bytes) => FileContents::of(bytes),
            Content::Original(original) => {
                let below = original.strip_prefix(self.source).ok().and_then(Path::to_str);
                below.map_or(FileContents::Unknown, |below| FileContents::CopyOf(below.to_owned()))
            }
        };
        self.record.add(&RecordEntry::Made { file: name, holds })?;
        let made = match content {
            // A file that exists may be a link to an original.
            Content::Bytes(bytes) => File::create_new(&path).and_then(|mut file| file.write_all(bytes)),
            Content::Original(original) => {
                // If the image is a symbolic link, link to its target: a relative link would not work elsewhere.
                match original.canonicalize().and_then(|original| std::fs::hard_link(original, &path)) {
                    Ok(()) => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
                    Err(_) => std::fs::copy(original, &path).map(drop),
                }
            }
        };
        made.map_err(|error| Error::io(&path, "write the file", &error))?;
        self.written.push(path);
        Ok(())
    }
}

/// A name without what some file systems do not distinguish: case, and the two Unicode forms of an accented letter.
pub(super) fn folded(name: &str) -> String {
    name.nfc().collect::<String>().to_lowercase()
}

/// The contents of a new file.
enum Content {
    Bytes(Vec<u8>),
    /// Same as this file.
    Original(PathBuf),
}

/// Returns a valid, unique folder name for each class.
pub(super) fn class_folders(classes: &[String]) -> Result<Vec<String>> {
    let plain = |class: &String| -> String {
        let name: String =
            class.chars().map(|c| if c.is_control() || "/\\:".contains(c) { '-' } else { c }).collect();
        match name.trim_start_matches('.').trim() {
            "" => "-".to_owned(),
            name => name.to_owned(),
        }
    };
    let folders: Vec<String> = classes.iter().map(plain).collect();
    let different: BTreeSet<&String> = folders.iter().collect();
    if different.len() < folders.len() {
        return Err(Error::data(
            "two classes would get the same folder: their names differ only in characters that folder names cannot contain",
        ));
    }
    Ok(folders)
}
