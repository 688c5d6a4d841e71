//! What a tar in a folder of tars holds, and where its members are in the tree of all tars.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::archive::{Archives, Contents, Member};
use super::catalog::{ByteRange, Location};
use super::listing::Listing;
use super::naming::{self, FileKind};
use super::split_names::{split_name, split_word};
use super::tar_files::TarFile;
use super::{foreign, index};
use crate::Result;

/// The number of members that are opened of each kind of name, unknown and other, in a folder where no name is that of an image.
const SAMPLE: usize = 16;

/// A tar of the folder.
pub(super) struct Tar {
    /// Its path relative to the source folder.
    pub(super) name: String,
    /// The split of its folder, or in its name.
    pub(super) split: Option<&'static str>,
    /// Its name without the extension.
    pub(super) stem: String,
    pub(super) contents: Contents,
    /// The folders of its images; that of images in no folder is empty.
    pub(super) folders: BTreeSet<String>,
    pub(super) shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Images of the class that the tar is named after, in no folder or in one.
    Class,
    /// Class folders, or one of them.
    Folders,
    /// Class folders that belong to no split, next to tars of several splits: not used.
    NoSplit,
    /// No images: not used.
    Empty,
}

impl Tar {
    /// Reads a tar, which has this index among the archives.
    ///
    /// # Errors
    /// Returns an error if it is incomplete.
    pub(super) fn read(folder: &Path, file: &TarFile, archives: &Archives, archive: u32) -> Result<Self> {
        let path = &file.path;
        let contents =
            index::kept(path, index::Depth::Plain).map_err(|error| foreign::not_a_tar(path, &error))?;
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // A member that cannot be read counts as an image: reading it later reports the error.
        let by_bytes = |member: &Member| {
            let range = ByteRange { archive, offset: member.offset, len: member.len };
            let head = archives.head(&Location::Bytes(range));
            head.map_or(FileKind::Image, |head| FileKind::of_bytes(&head))
        };
        let folders = image_folders(&contents, by_bytes);
        let shape = match folders.len() {
            0 => Shape::Empty,
            // `cat.tar` with `cat/1.jpg` is a class; `train.tar` with `cat/1.jpg` is a split with one class.
            1 if split_name(&stem).is_none() || name.contains('/') => Shape::Class,
            _ => Shape::Folders,
        };
        Ok(Self { name, split: file.split, stem, contents, folders, shape })
    }

    /// Returns whether the class folders are in split folders inside the tar.
    pub(super) fn has_splits(&self) -> bool {
        self.folders.iter().all(|folder| above_split(folder).is_some())
    }

    /// Adds the members under the paths that they would have in class folders. If tars are splits by their names, `wrapper` is the folder
    /// in them that holds the class folders: empty, or with a trailing `/`.
    pub(super) fn add_to(&self, listing: &mut Listing, archive: u32, wrapper: Option<&str>) {
        if matches!(self.shape, Shape::NoSplit | Shape::Empty) {
            return;
        }
        let (above, own) = self.place(wrapper);
        for file in &self.contents.files {
            let name = naming::plain(&file.name);
            let below = name.strip_prefix(own.as_str()).unwrap_or(&name);
            let range = ByteRange { archive, offset: file.offset, len: file.len };
            listing.add_file(&format!("{above}{below}"), Location::Bytes(range));
        }
        listing.odd.extend(self.contents.odd.iter().map(|name| format!("{}/{name}", self.name)));
    }

    /// Returns what is put in front of the members, and what is removed there.
    fn place(&self, wrapper: Option<&str>) -> (String, String) {
        if self.shape == Shape::Class {
            // The words in the name of the tar are those of a class; its top folder is not a class in it.
            let split = self.split.filter(|_| self.name.contains('/'));
            let split = split.map_or(String::new(), |split| format!("{split}/"));
            let own = self.top("").map_or(String::new(), |top| format!("{top}/"));
            return (format!("{split}{}/", self.stem), own);
        }
        match (wrapper, self.split) {
            (Some(_), _) if self.has_splits() => {
                let above = self.folders.first().and_then(|folder| above_split(folder));
                (String::new(), above.unwrap_or_default().to_owned())
            }
            (Some(wrapper), Some(split)) => {
                (format!("{split}/"), format!("{wrapper}{}", self.split_folder(wrapper)))
            }
            (None, _) | (_, None) => (String::new(), String::new()),
        }
    }

    /// Returns the folder below a path that stands for the split of the tar, as in `train.tar` with `train/`, or an empty string.
    fn split_folder(&self, below: &str) -> String {
        let Some(top) = self.top(below) else { return String::new() };
        let has_classes = self.folders.iter().all(|folder| folder.len() > below.len() + top.len());
        // Without class folders in it, the folder may be a class: a shard `train-1.tar` with images in `train/`.
        let split = match has_classes {
            true => split_word(top),
            false => split_name(top).filter(|_| split_name(&self.stem).is_some()),
        };
        if split == self.split { format!("{top}/") } else { String::new() }
    }

    /// Returns the folder below a path that holds all images, if there is one.
    fn top(&self, below: &str) -> Option<&str> {
        let inside = self.folders.iter().map(|folder| folder.strip_prefix(below).unwrap_or_default());
        let mut tops: BTreeSet<&str> =
            inside.map(|folder| folder.split('/').next().unwrap_or_default()).collect();
        tops.pop_first().filter(|top| tops.is_empty() && !top.is_empty())
    }
}

/// Returns the part of a path above a split folder that holds other folders: `pets/` of `pets/train/cat`.
fn above_split(folder: &str) -> Option<&str> {
    let mut start = 0;
    for (end, _) in folder.match_indices('/') {
        if split_name(&folder[start..end]).is_some() {
            return Some(&folder[..start]);
        }
        start = end + 1;
    }
    None
}

/// Returns the folders of the images in an archive. In folders where no name is that of an image, `by_bytes` returns what the first
/// bytes of a member say.
fn image_folders(contents: &Contents, by_bytes: impl Fn(&Member) -> FileKind) -> BTreeSet<String> {
    let mut folders: BTreeSet<String> = BTreeSet::new();
    let mut unsure = Vec::new();
    for member in &contents.files {
        let name = naming::plain(&member.name);
        match FileKind::of_name(&name) {
            FileKind::Image if folders.contains(folder_of(&name)) => {}
            FileKind::Image => {
                folders.insert(folder_of(&name).to_owned());
            }
            by_name @ (FileKind::Unknown | FileKind::Other) => unsure.push((by_name, name, member)),
            FileKind::Hidden | FileKind::Unsupported(_) => {}
        }
    }
    // Files of a known type are rarely images, so they are opened last.
    for by_name in [FileKind::Unknown, FileKind::Other] {
        let mut opened: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, name, member) in unsure.iter().filter(|(kind, ..)| *kind == by_name) {
            let folder = folder_of(name);
            let count = opened.entry(folder).or_default();
            if *count < SAMPLE && !folders.contains(folder) {
                *count += 1;
                if by_bytes(member) == FileKind::Image {
                    folders.insert(folder.to_owned());
                }
            }
        }
    }
    folders
}

/// Returns the folder of a path; empty if it is in none.
fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
