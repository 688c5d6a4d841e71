//! A folder of tars, each of one class (`cat.tar`, `dog.tar`, possibly in `train/` and `val/`), or each of class folders
//! (`train.tar`, `val.tar`, or `part1.tar`, `part2.tar`). Read in place as one tree.

use std::collections::BTreeSet;
use std::path::Path;

use super::archive::{Archives, Contents};
use super::catalog::{ByteRange, Location};
use super::dataset::Dataset;
use super::listing::Listing;
use super::naming::{self, FileKind};
use super::split_names::split_name;
use super::store::Store;
use super::tar_files::{TarFile, tar_files};
use super::{foreign, index, tree};
use crate::data::problem::Findings;
use crate::format::{counted, first_few};
use crate::{Error, Result};

/// A tar of the folder.
struct Tar {
    /// Its path relative to the source folder.
    name: String,
    /// The split of its folder, or of its own name.
    split: Option<&'static str>,
    /// Its name without the extension.
    stem: String,
    contents: Contents,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Images of one class, in no folder or in one.
    Class,
    /// Class folders.
    Folders,
    /// No images.
    Empty,
}

/// Opens a folder of tars; `None` if it has none.
///
/// # Errors
/// Returns an error if a tar is incomplete, or some are classes and others have class folders.
pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Option<Dataset>> {
    let files: Vec<TarFile> = tar_files(folder);
    if files.is_empty() {
        return Ok(None);
    }
    let all: Vec<Tar> = files.iter().map(|file| Tar::read(folder, &file.path)).collect::<Result<_>>()?;
    let of = |shape: Shape| all.iter().filter(move |tar| tar.shape == shape).map(|tar| tar.name.as_str());
    let (classes, folders): (Vec<&str>, Vec<&str>) =
        (of(Shape::Class).collect(), of(Shape::Folders).collect());
    if !classes.is_empty() && !folders.is_empty() {
        return Err(Error::data(format!(
            "{}: {} hold images of one class, but {} hold class folders: expected one or the other",
            folder.display(),
            first_few(classes.iter()),
            first_few(folders.iter())
        ))
        .help("move one kind to another folder"));
    }
    let mut listing = Listing::default();
    let mut notes = Vec::new();
    for (tar, archive) in all.iter().zip(0..) {
        notes.extend(tar.contents.notes(&folder.join(&tar.name)));
        tar.add_to(&mut listing, archive);
    }
    let renamed = rename_equal(&mut listing, &all);
    if !renamed.is_empty() {
        let members = counted(renamed.len(), "member");
        let names = first_few(renamed.iter());
        notes.push(format!("{members} with the path of another tar's member, renamed: {names}"));
    }
    let archives = Archives::new(files.into_iter().map(|file| file.path));
    let listing = listing.sort(&|_, location| archives.head(location));
    let mut dataset =
        tree::dataset(listing, Store::Archives(archives), folder.display().to_string(), findings)?;
    let empty: Vec<&str> = of(Shape::Empty).collect();
    if !empty.is_empty() {
        notes.push(format!("not used, because they hold no images: {}", first_few(empty.iter())));
    }
    let what = if folders.is_empty() { "each of one class" } else { "read as one tree" };
    notes.push(format!("{}, {what}", counted(all.len() - empty.len(), "tar")));
    dataset.notes.splice(..0, notes);
    Ok(Some(dataset))
}

impl Tar {
    fn read(folder: &Path, path: &Path) -> Result<Self> {
        let contents =
            index::kept(path, index::Depth::Plain).map_err(|error| foreign::not_a_tar(path, &error))?;
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let split = match name.split_once('/') {
            Some((part, _)) => split_name(part),
            None => split_name(&stem),
        };
        let shape = Shape::of(&contents, split.is_some() && !name.contains('/'));
        Ok(Self { name, split, stem, contents, shape })
    }

    /// Adds the members under the paths that they would have in class folders.
    fn add_to(&self, listing: &mut Listing, archive: u32) {
        if self.shape == Shape::Empty {
            return;
        }
        let whole_split = self.split.is_some() && !self.name.contains('/');
        let top = top(&self.contents);
        let prefix = match (self.split, self.shape) {
            (split, Shape::Class) => {
                format!("{}{}/", split.map_or(String::new(), |split| format!("{split}/")), self.stem)
            }
            (Some(split), Shape::Folders | Shape::Empty) => format!("{split}/"),
            (None, Shape::Folders | Shape::Empty) => String::new(),
        };
        // The top folder of an archive is not a class in it.
        let is_own = |top: &str| self.shape == Shape::Class || whole_split && split_name(top) == self.split;
        let own = top.filter(|top| is_own(top)).map(|top| format!("{top}/"));
        for file in &self.contents.files {
            let name = naming::plain(&file.name);
            let below = own.as_deref().and_then(|own| name.strip_prefix(own)).unwrap_or(&name);
            let range = ByteRange { archive, offset: file.offset, len: file.len };
            listing.add_file(&format!("{prefix}{below}"), Location::Bytes(range));
        }
        listing.odd.extend(self.contents.odd.iter().map(|name| format!("{}/{name}", self.name)));
    }
}

impl Shape {
    fn of(contents: &Contents, is_split: bool) -> Self {
        let images: Vec<String> = images(contents).collect();
        let folder =
            |name: &String| name.rsplit_once('/').map_or(String::new(), |(start, _)| start.to_owned());
        let folders: BTreeSet<String> = images.iter().map(folder).collect();
        match folders.len() {
            0 => Self::Empty,
            // `cat.tar` with `cat/1.jpg` is a class; `train.tar` with `cat/1.jpg` is a split with one class.
            1 if !is_split => Self::Class,
            _ => Self::Folders,
        }
    }
}

/// Renames members with the paths of members of earlier tars: these are other images, where shards are numbered from 1 each. Of
/// `part2.tar`, `cat/1.jpg` becomes `cat/1 (part2.tar).jpg`. Returns the new paths.
fn rename_equal(listing: &mut Listing, tars: &[Tar]) -> Vec<String> {
    let mut renamed = Vec::new();
    // The order is stable: of equal paths, the first is that of the first tar.
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    for equal in listing.files.chunk_by_mut(|a, b| a.path == b.path) {
        for file in &mut equal[1..] {
            let Location::Bytes(ByteRange { archive, .. }) = file.location else { continue };
            file.path = marked(&file.path, &tars[archive as usize].name.replace('/', "-"));
            renamed.push(file.path.clone());
        }
    }
    renamed
}

/// Adds a mark to the file name in a path, before its extension.
fn marked(path: &str, mark: &str) -> String {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let end = path[name..].rfind('.').map_or(path.len(), |dot| name + dot);
    format!("{} ({mark}){}", &path[..end], &path[end..])
}

fn images(contents: &Contents) -> impl Iterator<Item = String> {
    let names = contents.files.iter().map(|file| naming::plain(&file.name));
    names
        .filter(|name| matches!(FileKind::of_name(name), FileKind::Image))
        .filter(|name| naming::hidden_part(name).is_none())
}

/// Returns the top folder of an archive, if all images are in one.
fn top(contents: &Contents) -> Option<String> {
    let mut tops: BTreeSet<Option<String>> =
        images(contents).map(|name| name.split_once('/').map(|(start, _)| start.to_owned())).collect();
    tops.pop_first().flatten().filter(|_| tops.is_empty())
}
