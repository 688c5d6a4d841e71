//! A folder of tars, each of one class (`cat.tar`, `dog.tar`, possibly in `train/` and `val/`), or each of class folders
//! (`part1.tar`, `part2.tar`, or with splits in their names: `train.tar`, `val-000.tar`). Read in place as one tree.

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
use crate::data::problem::{Findings, ProblemKind};
use crate::format::{counted, first_few};
use crate::{Error, Result};

/// Opens a folder of tars; `None` if it has none.
///
/// # Errors
/// Returns an error if a tar is incomplete, if some are classes and others have class folders, or if only some belong to a split.
pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Option<Dataset>> {
    let files: Vec<TarFile> = tar_files(folder);
    if files.is_empty() {
        return Ok(None);
    }
    let archives = Archives::new(files.iter().map(|file| file.path.clone()));
    let read = |(file, archive): (&TarFile, u32)| Tar::read(folder, file, &archives, archive);
    let mut all: Vec<Tar> = files.iter().zip(0..).map(read).collect::<Result<_>>()?;
    let mut notes = Vec::new();
    all.iter().for_each(|tar| notes.extend(tar.contents.notes(&folder.join(&tar.name))));
    let trees = all.iter().any(|tar| tar.shape == Shape::Folders);
    let by_folders = name_by_folders(&mut all, trees);
    refuse_mixture(folder, &all)?;
    let wrapper = splits_by_name(folder, &mut all, &mut notes, findings)?;
    let mut listing = Listing::default();
    for (tar, archive) in all.iter().zip(0..) {
        tar.add_to(&mut listing, archive, wrapper.as_deref());
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
    let (empty, unsplit) = (named(&all, Shape::Empty), named(&all, Shape::NoSplit));
    if !empty.is_empty() {
        notes.push(format!("not used, because they hold no images: {}", first_few(empty.iter())));
    }
    notes.extend(by_folders);
    let what = if trees { "read as one tree" } else { "each of one class" };
    notes.push(format!("{}, {what}", counted(all.len() - empty.len() - unsplit.len(), "tar")));
    dataset.notes.splice(..0, notes);
    Ok(Some(dataset))
}

/// Returns the names of the tars of a shape.
fn named(tars: &[Tar], shape: Shape) -> Vec<&str> {
    tars.iter().filter(|tar| tar.shape == shape).map(|tar| tar.name.as_str()).collect()
}

fn refuse_mixture(folder: &Path, tars: &[Tar]) -> Result<()> {
    let (classes, folders) = (named(tars, Shape::Class), named(tars, Shape::Folders));
    if classes.is_empty() || folders.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!(
        "{}: {} hold images of one class, but {} hold class folders: expected one or the other",
        folder.display(),
        first_few(classes.iter()),
        first_few(folders.iter())
    ))
    .help("move one kind to another folder"))
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

/// Finds out whether tars of class folders are splits by their names or folders. Then it returns the folder in them that holds the class
/// folders: empty, or with a trailing `/`.
fn splits_by_name(
    folder: &Path,
    tars: &mut [Tar],
    notes: &mut Vec<String>,
    findings: &mut Findings,
) -> Result<Option<String>> {
    if tars.iter().all(|tar| tar.shape != Shape::Folders || tar.split.is_none()) {
        return Ok(None);
    }
    leave_out_others(folder, tars, notes, findings)?;
    let wrapper = wrapper_of_splits(tars);
    if !wrapper.is_empty() {
        notes.push(format!("using the folder {wrapper}, which holds all class folders"));
    }
    Ok(Some(wrapper))
}

/// Leaves out tars of class folders that belong to no split, next to those of several, as folders next to `train/` and `val/` are.
///
/// # Errors
/// Returns an error if the others belong to only one: these may be another, or the name of that one may say something else.
fn leave_out_others(
    folder: &Path,
    tars: &mut [Tar],
    notes: &mut Vec<String>,
    findings: &mut Findings,
) -> Result<()> {
    let is_other = |tar: &Tar| tar.shape == Shape::Folders && tar.split.is_none() && !tar.has_splits();
    let others: Vec<&str> = tars.iter().filter(|tar| is_other(tar)).map(|tar| tar.name.as_str()).collect();
    let Some(first) = others.first() else { return Ok(()) };
    let names = first_few(others.iter());
    let of_split = tars.iter().filter(|tar| tar.shape == Shape::Folders && tar.split.is_some());
    let splits: BTreeSet<&str> = of_split.clone().filter_map(|tar| tar.split).collect();
    if splits.len() == 1 {
        let known = first_few(of_split.map(|tar| tar.name.as_str()));
        return Err(Error::data(format!(
            "{}: no split in the names of {names}, unlike those of {known}: expected one in all names or in none",
            folder.display()
        ))
        .help(format!(
            "to use the splits, put one into each name, for example `train-{first}`, or move tars without one to another folder; \
             to use all images as one set, rename {known}"
        )));
    }
    notes.push(format!("not used, because their names contain no split, unlike those of others: {names}"));
    for tar in tars.iter_mut().filter(|tar| is_other(tar)) {
        let why = "its name contains no split, unlike those of others";
        findings.report(ProblemKind::NotUsed, tar.name.as_str(), why);
        tar.shape = Shape::NoSplit;
    }
    Ok(())
}

/// Returns the folder that holds the class folders in all tars of a split: `pets/` if their images are in `pets/cat/` and `pets/dog/`.
/// Tars with split folders inside say themselves where these are.
fn wrapper_of_splits(tars: &[Tar]) -> String {
    let trees = tars.iter().filter(|tar| tar.shape == Shape::Folders && !tar.has_splits());
    let folders: BTreeSet<&str> = trees.flat_map(|tar| &tar.folders).map(String::as_str).collect();
    let mut wrapper = String::new();
    loop {
        let inside = folders.iter().map(|folder| &folder[wrapper.len()..]);
        // A class folder, or none, holds no others.
        let tops = inside.map(|folder| folder.split_once('/').map(|(top, _)| top));
        let mut tops: BTreeSet<Option<&str>> = tops.collect();
        let Some(top) = tops.pop_first().flatten().filter(|_| tops.is_empty()) else { break };
        wrapper.push_str(top);
        wrapper.push('/');
    }
    // The folder above a single one may be the class.
    if folders.len() > 1 { wrapper } else { String::new() }
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
