//! A folder of tars, each of one class (`cat.tar`, `dog.tar`, possibly in `train/` and `val/`), or each of class folders
//! (`train.tar`, `val.tar`, or `part1.tar`, `part2.tar`). Read in place as one tree.

use std::collections::BTreeSet;
use std::path::Path;

use super::archive::Archives;
use super::catalog::{ByteRange, Location};
use super::dataset::Dataset;
use super::layout::is_wrapper;
use super::listing::Listing;
use super::store::Store;
use super::tar_contents::{Shape, Tar};
use super::tar_files::{TarFile, tar_files};
use super::tree;
use crate::data::problem::Findings;
use crate::format::{counted, first_few};
use crate::{Error, Result};

/// Opens a folder of tars; `None` if it has none.
///
/// # Errors
/// Returns an error if a tar is incomplete, or some are classes and others have class folders.
pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Option<Dataset>> {
    let files: Vec<TarFile> = tar_files(folder);
    if files.is_empty() {
        return Ok(None);
    }
    let archives = Archives::new(files.iter().map(|file| file.path.clone()));
    let read = |(file, archive): (&TarFile, u32)| Tar::read(folder, file, &archives, archive);
    let mut all: Vec<Tar> = files.iter().zip(0..).map(read).collect::<Result<_>>()?;
    let trees = all.iter().any(|tar| tar.shape == Shape::Folders);
    let by_folders = name_by_folders(&mut all, trees);
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
    let listing = listing.sort(&|_, location| archives.head(location));
    let mut dataset =
        tree::dataset(listing, Store::Archives(archives), folder.display().to_string(), findings)?;
    let empty: Vec<&str> = of(Shape::Empty).collect();
    if !empty.is_empty() {
        notes.push(format!("not used, because they hold no images: {}", first_few(empty.iter())));
    }
    notes.extend(by_folders);
    let what = if trees { "read as one tree" } else { "each of one class" };
    notes.push(format!("{}, {what}", counted(all.len() - empty.len(), "tar")));
    dataset.notes.splice(..0, notes);
    Ok(Some(dataset))
}

/// Names the classes of tars with images of one class after the folders in them instead of after the tars, if all have such a folder and
/// it says more: shards such as `part1.tar` and `part2.tar` with images in `cat/`, and `part3.tar` with images in `dog/`, or tars of one
/// class next to `trees`, which have several. Returns a note if the folders have other names than the tars.
fn name_by_folders(tars: &mut [Tar], trees: bool) -> Option<String> {
    let single = || tars.iter().filter(|tar| tar.shape == Shape::Class);
    let paths: BTreeSet<&str> = single().flat_map(|tar| &tar.folders).map(String::as_str).collect();
    let names_a_class = |path: &&str| path.split('/').any(|part| !part.is_empty() && !is_wrapper(part));
    let is_named_so = |tar: &Tar| {
        let mut parts = tar.folders.iter().flat_map(|path| path.split('/'));
        parts.any(|part| part.eq_ignore_ascii_case(&tar.stem))
    };
    let others = single().filter(|tar| !is_named_so(tar));
    let others: Vec<String> =
        others.map(|tar| format!("{} ({})", tar.name, first_few(tar.folders.iter()))).collect();
    // A folder that all tars have, such as `photos`, does not tell their classes apart.
    let says_more = trees || paths.len() > 1 && !others.is_empty();
    if !says_more || !paths.iter().all(names_a_class) {
        return None;
    }
    tars.iter_mut().filter(|tar| tar.shape == Shape::Class).for_each(|tar| tar.shape = Shape::Folders);
    (!others.is_empty()).then(|| {
        format!("the classes are the folders in the tars, not the tars: {}", first_few(others.iter()))
    })
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
