//! A plan carried out into a new folder: links to the good images, mended copies of the others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::plan::{Action, Done, Step, ending_kept, mended};
use super::record::{Entry, Holds, Record};
use crate::data::{Split, Stored, encode};
use crate::{Error, Result};

/// A folder that is being filled.
pub(super) struct Making<'a> {
    source: &'a Path,
    out: &'a Path,
    record: Record,
    /// Names that are taken, below the folder.
    taken: BTreeSet<String>,
    done: Done,
}

impl<'a> Making<'a> {
    /// Begins a folder, which is empty.
    pub(super) fn begin(source: &'a Path, out: &'a Path) -> Result<Self> {
        let record = Record::begin(out)?;
        Ok(Self { source, out, record, taken: BTreeSet::new(), done: Done::default() })
    }

    /// Everything is made.
    pub(super) fn finish(mut self) -> Result<Done> {
        self.record.add(&Entry::Complete)?;
        Ok(self.done)
    }

    /// Makes what an image becomes, if anything, in a folder below.
    pub(super) fn copy(
        &mut self,
        split: &Split,
        index: usize,
        step: Option<&Step>,
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
                let (bytes, ending) = mended(split, index)?;
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
                                "{file}: {bytes} bytes are too many for an image"
                            ))
                            .help("`leave-out` for it in the plan"));
                        }
                    },
                }
            }
        };
        self.make(name, &content)
    }

    /// A name of its own for a file, below the folder.
    fn name(&mut self, folder: &str, file: &str, ending: Option<&str>) -> String {
        let name = file.rsplit('/').next().unwrap_or(file);
        let (stem, old) = name.rsplit_once('.').unwrap_or((name, "jpg"));
        let ending = ending.filter(|ending| ending_kept(name, ending).is_none()).unwrap_or(old);
        let candidate = |n: usize| match n {
            1 => format!("{folder}/{stem}.{ending}"),
            n => format!("{folder}/{stem}-{n}.{ending}"),
        };
        let free = (1..).map(candidate).find(|name| !self.taken.contains(name)).expect("numbers do not end");
        self.taken.insert(free.clone());
        free
    }

    fn make(&mut self, name: String, content: &Content) -> Result<()> {
        let path = self.out.join(&name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::io(folder, "create the folder", &error))?;
        }
        let holds = match content {
            Content::Bytes(bytes) => Holds::of(bytes),
            Content::Original(original) => {
                let below = original.strip_prefix(self.source).ok().and_then(Path::to_str);
                below.map_or(Holds::Unknown, |below| Holds::CopyOf(below.to_owned()))
            }
        };
        self.record.add(&Entry::Made { file: name, holds })?;
        let made = match content {
            Content::Bytes(bytes) => std::fs::write(&path, bytes),
            Content::Original(original) => {
                // Where the image is a link itself, what it leads to is meant: it may not lead there from elsewhere.
                let linked = original.canonicalize().and_then(|original| std::fs::hard_link(original, &path));
                linked.or_else(|_| std::fs::copy(original, &path).map(drop))
            }
        };
        made.map_err(|error| Error::io(&path, "write the file", &error))
    }
}

/// What a new file holds.
enum Content {
    Bytes(Vec<u8>),
    /// What this file does.
    Original(PathBuf),
}

/// Folders that can be called as the classes are.
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
            "two classes would have the same folder: their names differ in characters that folders cannot have",
        ));
    }
    Ok(folders)
}
