//! What a tar in a folder of tars holds, and where its members are in the tree of all tars.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::archive::{Archives, Contents, Member};
use super::catalog::{ByteRange, Location};
use super::listing::Listing;
use super::naming::{self, FileKind};
use super::split_names::split_name;
use super::tar_files::TarFile;
use super::{foreign, index};
use crate::Result;

/// The number of members that are opened of each kind of name, unknown and other, in a folder where no name is that of an image.
const SAMPLE: usize = 16;

/// A tar of the folder.
pub(super) struct Tar {
    /// Its path relative to the source folder.
    pub(super) name: String,
    /// The split of its folder, or of its own name.
    split: Option<&'static str>,
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
    /// No images.
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
        let split = match name.split_once('/') {
            Some((part, _)) => split_name(part),
            None => split_name(&stem),
        };
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
            1 if split.is_none() || name.contains('/') => Shape::Class,
            _ => Shape::Folders,
        };
        Ok(Self { name, split, stem, contents, folders, shape })
    }

    /// Adds the members under the paths that they would have in class folders.
    pub(super) fn add_to(&self, listing: &mut Listing, archive: u32) {
        if self.shape == Shape::Empty {
            return;
        }
        let whole_split = self.split.is_some() && !self.name.contains('/');
        let prefix = match (self.split, self.shape) {
            (split, Shape::Class) => {
                format!("{}{}/", split.map_or(String::new(), |split| format!("{split}/")), self.stem)
            }
            (Some(split), Shape::Folders | Shape::Empty) => format!("{split}/"),
            (None, Shape::Folders | Shape::Empty) => String::new(),
        };
        // The top folder of an archive is not a class in it.
        let is_own = |top: &str| self.shape == Shape::Class || whole_split && split_name(top) == self.split;
        let own = self.top().filter(|top| is_own(top)).map(|top| format!("{top}/"));
        for file in &self.contents.files {
            let name = naming::plain(&file.name);
            let below = own.as_deref().and_then(|own| name.strip_prefix(own)).unwrap_or(&name);
            let range = ByteRange { archive, offset: file.offset, len: file.len };
            listing.add_file(&format!("{prefix}{below}"), Location::Bytes(range));
        }
        listing.odd.extend(self.contents.odd.iter().map(|name| format!("{}/{name}", self.name)));
    }

    /// Returns the top folder, if all images are in one.
    fn top(&self) -> Option<&str> {
        let tops = self.folders.iter().map(|folder| folder.split('/').next().unwrap_or_default());
        let mut tops: BTreeSet<&str> = tops.collect();
        tops.pop_first().filter(|top| tops.is_empty() && !top.is_empty())
    }
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
