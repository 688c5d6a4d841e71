//! WebDataset: tars in which a picture `name.jpg` has its class beside it, as a number or a name in `name.cls`.
//!
//! Classes are called as `classes.txt` beside the tars says, one a line; a class that is a word is its own name. Which split
//! a tar belongs to, its name or its folder says: `train-000000.tar`, `val/0001.tar`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Archives, Contents, Member};
use super::labels::Labels;
use super::tree::{held_out_dataset, may_be_picture, some, split_name};
use super::{Dataset, Findings, Item, Place, Split, Store, index, tarball};
use crate::data::ProblemKind;
use crate::{Error, Result};

/// Most bytes of a file that names a class.
const MOST_CLASS: u32 = 4096;

/// A picture whose class is known by what its file says.
struct Sample {
    class: String,
    file: String,
    place: Place,
}

/// Whether an archive's pictures have their classes beside them.
pub(super) fn has_classes(contents: &Contents) -> bool {
    contents.files.iter().any(|file| is_class(&file.name))
}

fn is_class(name: &str) -> bool {
    name.ends_with(".cls")
}

/// Whether a folder has tars whose pictures have their classes beside them.
pub(super) fn is_webdataset(folder: &Path) -> bool {
    let has_classes =
        |path: &Path| index::kept(path, index::Listing::Plain).is_ok_and(|all| has_classes(&all));
    tars(folder).iter().any(|(_, path)| has_classes(path))
}

/// The tars right in a folder, and in folders in it that are called as a split is; with the split of each.
fn tars(folder: &Path) -> Vec<(Option<&'static str>, PathBuf)> {
    let tars_in = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_tar = |path: &PathBuf| path.extension().is_some_and(|end| end == "tar") && path.is_file();
        let mut found: Vec<PathBuf> = entries.filter(is_tar).collect();
        found.sort();
        found
    };
    let own = tars_in(folder).into_iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        (name.split(|c: char| !c.is_alphabetic()).find_map(split_name), path)
    });
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let below = folders.into_iter().flat_map(|path| {
        let split = path.file_name().and_then(|name| split_name(name.to_str()?));
        let tars = split.map(|_| tars_in(&path)).unwrap_or_default();
        tars.into_iter().map(move |path| (split, path))
    });
    own.chain(below).collect()
}

/// One tar by itself.
pub(super) fn single(path: &Path, contents: Contents, findings: &mut Findings) -> Result<Dataset> {
    let folder = path.parent().unwrap_or(Path::new("."));
    dataset(path, folder, vec![(None, path.to_owned(), contents)], findings)
}

pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Dataset> {
    let list = |(split, path): (Option<&'static str>, PathBuf)| {
        let contents = index::kept(&path, index::Listing::Plain)
            .map_err(|error| Error::data(format!("{}: not a whole tar archive: {error}", path.display())))?;
        Ok((split, path, contents))
    };
    dataset(folder, folder, tars(folder).into_iter().map(list).collect::<Result<_>>()?, findings)
}

type Shard = (Option<&'static str>, PathBuf, Contents);

fn dataset(origin: &Path, folder: &Path, shards: Vec<Shard>, findings: &mut Findings) -> Result<Dataset> {
    let origin = origin.display().to_string();
    let several = shards.len() > 1;
    let archives = Archives::new(shards.iter().map(|(_, path, _)| path.clone()));
    let mut splits: BTreeMap<Option<&str>, Vec<Sample>> = BTreeMap::new();
    let (mut notes, mut unlabelled) = (Vec::new(), Vec::new());
    for ((split, path, contents), archive) in shards.into_iter().zip(0..) {
        let samples = splits.entry(split).or_default();
        // Tars may have members of the same names: each is called after its tar too, where there are several.
        let prefix = path.strip_prefix(folder).ok().filter(|_| several);
        let prefix = prefix.map_or(String::new(), |tar| format!("{}/", tar.display()));
        read_shard(&archives, archive, &prefix, &contents.files, samples, &mut unlabelled)?;
        contents.odd.iter().for_each(|name| findings.tell(ProblemKind::Junk, name, "no plain file"));
        if !contents.odd.is_empty() {
            notes.push(format!(
                "{}: {} entries are no plain files and left out",
                path.display(),
                contents.odd.len()
            ));
        }
        if contents.unended {
            notes.push(tarball::unended(&path));
        }
    }
    for file in &unlabelled {
        findings.tell(ProblemKind::Loose, file, "no .cls beside it says what it shows");
    }
    if !unlabelled.is_empty() {
        let names: Vec<&str> = unlabelled.iter().map(String::as_str).collect();
        notes.push(format!(
            "{} pictures have no .cls beside them and are left out: {}",
            names.len(),
            some(&names)
        ));
    }
    let said: BTreeSet<&str> = splits.values().flatten().map(|sample| sample.class.as_str()).collect();
    if said.is_empty() {
        return Err(Error::data(format!("{origin}: no picture has a class")));
    }
    let classes = Labels::of(folder, &said)?;
    notes.extend(classes.note(folder));
    let store = Arc::new(Store::Archives(archives));
    let items = |samples: Vec<Sample>| -> Vec<Item> {
        let item = |Sample { class, file, place }: Sample| Item {
            file,
            label: classes.label(&class).unwrap_or(0),
            place,
        };
        samples.into_iter().map(item).collect()
    };
    if splits.len() == 1 && splits.contains_key(&None) {
        let all = items(splits.into_values().flatten().collect());
        return Ok(held_out_dataset(classes.names, all, &store, origin, notes));
    }
    if let Some(rest) = splits.remove(&None) {
        notes.push(format!(
            "{} pictures are in tars that no split's name is part of, and left out",
            rest.len()
        ));
    }
    let mut made = Vec::new();
    for (name, samples) in splits {
        made.push(Split::new(name.unwrap_or_default(), items(samples), Arc::clone(&store)));
    }
    made.sort_by_key(|split| (split.name != "train", split.name != "val"));
    Ok(Dataset { classes: classes.names, splits: made, origin, notes })
}

/// The pictures of one tar with what their `.cls` says.
fn read_shard(
    archives: &Archives,
    archive: u32,
    prefix: &str,
    files: &[Member],
    samples: &mut Vec<Sample>,
    unlabelled: &mut Vec<String>,
) -> Result<()> {
    let mut classes = BTreeMap::new();
    for file in files.iter().filter(|file| is_class(&file.name)) {
        let path = archives.path(archive).display();
        if file.len > MOST_CLASS {
            return Err(Error::data(format!(
                "{path}: {} has {} bytes, expected a class",
                file.name, file.len
            )));
        }
        let bytes = archives.read(archive, file.offset, file.len);
        let bytes = bytes.map_err(|error| Error::data(format!("{path}: {}: {error}", file.name)))?;
        classes.insert(key(&file.name), String::from_utf8_lossy(&bytes).trim().to_owned());
    }
    let pictures = files.iter().filter(|file| file.name.contains('.') && may_be_picture(&file.name));
    for file in pictures {
        let name = format!("{prefix}{}", file.name);
        let Some(class) = classes.get(key(&file.name)) else {
            unlabelled.push(name);
            continue;
        };
        let place = Place::Bytes { archive, offset: file.offset, len: file.len };
        samples.push(Sample { class: class.clone(), file: name, place });
    }
    Ok(())
}

/// What the files of one sample have in common: the path up to the first dot of its last part.
fn key(name: &str) -> &str {
    let part = name.rfind('/').map_or(0, |slash| slash + 1);
    name[part..].find('.').map_or(name, |dot| &name[..part + dot])
}
