//! ImageNet's challenges as they are handed out: archives of archives, read in place, and a development kit.
//!
//! `ILSVRC2012_img_train.tar` holds a tar for each class, `ILSVRC2012_img_val.tar` the validation pictures in the order
//! of their numbers; what those show stands in the kit. 2010's files have the same layout.

mod devkit;
mod mat;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::archive::{self, Archives, Member};
use super::tree::some;
use super::{Dataset, Findings, Item, Place, Split, Store, index};
use crate::data::Problems;
use crate::{Error, Result};
pub(super) use devkit::{Devkit, is_truth};

/// The archives of a year: its name, those of training and validation, and their sizes in bytes, where known.
struct Year {
    name: &'static str,
    train: (&'static str, Option<u64>),
    val: (&'static str, Option<u64>),
    kit: &'static str,
}

const YEARS: [Year; 2] = [
    Year {
        name: "ILSVRC2012",
        train: ("ILSVRC2012_img_train.tar", Some(147_897_477_120)),
        val: ("ILSVRC2012_img_val.tar", Some(6_744_924_160)),
        kit: "ILSVRC2012_devkit_t12.tar.gz",
    },
    Year {
        name: "ILSVRC2010",
        train: ("ILSVRC2010_images_train.tar", None),
        val: ("ILSVRC2010_images_val.tar", None),
        kit: "ILSVRC2010_devkit-1.0.tar.gz",
    },
];

fn year(folder: &Path) -> Option<&'static Year> {
    YEARS.iter().find(|year| [year.train.0, year.val.0].iter().any(|name| folder.join(name).is_file()))
}

/// Whether a folder holds a challenge's archives.
pub(super) fn is_ilsvrc(folder: &Path) -> bool {
    year(folder).is_some()
}

pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Dataset> {
    let year = year(folder).ok_or_else(|| Error::data(format!("{}: no archives", folder.display())))?;
    let kit = Devkit::find(folder)?;
    let (mut notes, mut odd) = (Vec::new(), Vec::new());
    let mut splits = Vec::new();
    let mut classes = kit.as_ref().map(Devkit::names).unwrap_or_default();
    let train = folder.join(year.train.0);
    if train.is_file() {
        let members = list(&train, year.train.1, &mut odd, true)?;
        if kit.is_none() {
            let wnids: BTreeSet<&str> = members.iter().map(wnid).collect();
            classes = wnids.into_iter().map(str::to_owned).collect();
            notes.push(format!(
                "no development kit, so classes have no names but their WNIDs: {} beside the archives",
                year.kit
            ));
        }
        let split = train_split(&train, members, kit.as_ref(), &classes)?;
        let present: BTreeSet<u32> = (0..split.len()).map(|index| split.label(index)).collect();
        let missing: Vec<&str> = (0..)
            .zip(&classes)
            .filter(|(label, _)| !present.contains(label))
            .map(|(_, name)| name.as_str())
            .collect();
        for class in &missing {
            findings.tell(Problems::MissingClass, *class, format!("{} has no pictures of it", year.train.0));
        }
        if !missing.is_empty() {
            notes.push(format!(
                "{} has no pictures of {} classes: {}",
                year.train.0,
                missing.len(),
                some(&missing)
            ));
        }
        splits.push(split);
    }
    let val = folder.join(year.val.0);
    match &kit {
        Some(kit) if val.is_file() && !kit.validation.is_empty() => {
            splits.push(val_split(&val, year.val.1, kit, &mut odd)?)
        }
        _ if val.is_file() => notes.push(format!(
            "{} is left out: nothing says what its pictures show. {} beside it, or unpacked, does",
            year.val.0, year.kit
        )),
        _ => notes.push(format!("there is no {}: nothing to validate on", year.val.0)),
    }
    odd.iter()
        .for_each(|name| findings.tell(Problems::Junk, name, "no plain file, or no archive of a class"));
    if !odd.is_empty() {
        let odd: Vec<&str> = odd.iter().map(String::as_str).collect();
        notes.push(format!("{} entries are no plain files and left out: {}", odd.len(), some(&odd)));
    }
    if splits.is_empty() {
        return Err(Error::data(format!("{}: {}", folder.display(), notes.join("; "))).help(format!(
            "{}, {} and {} in one folder, as ImageNet hands them out",
            year.train.0, year.val.0, year.kit
        )));
    }
    Ok(Dataset { classes, splits, origin: format!("{} in {}", year.name, folder.display()), notes })
}

/// What an archive holds: pictures, or archives of them.
fn list(path: &Path, expected: Option<u64>, odd: &mut Vec<String>, nested: bool) -> Result<Vec<Member>> {
    let list = if nested { archive::nested_contents } else { archive::contents };
    let contents = index::kept(path, list).map_err(|error| not_whole(path, expected, &error))?;
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if contents.unended && expected.is_some_and(|expected| size < expected) {
        return Err(not_whole(path, expected, &std::io::Error::other("it has no end")));
    }
    odd.extend(contents.odd);
    Ok(contents.files)
}

/// The WNID of a training picture: its archive's name.
fn wnid(member: &Member) -> &str {
    let archive = member.name.split_once(".tar/").map_or("", |parts| parts.0);
    archive.rsplit('/').next().unwrap_or(archive)
}

fn train_split(
    path: &Path,
    mut members: Vec<Member>,
    kit: Option<&Devkit>,
    classes: &[String],
) -> Result<Split> {
    if members.is_empty() {
        return Err(Error::data(format!("{}: it holds no archive of a class", path.display()))
            .help("the archive as ImageNet hands it out: a n01440764.tar and so on in it"));
    }
    members.sort_by(|a, b| (wnid(a), &a.name).cmp(&(wnid(b), &b.name)));
    let label = |wnid: &str| match kit {
        Some(kit) => kit.label(wnid),
        None => classes.binary_search_by(|class| class.as_str().cmp(wnid)).ok().map(|at| at as u32),
    };
    let unknown: BTreeSet<&str> = members.iter().map(wnid).filter(|wnid| label(wnid).is_none()).collect();
    if !unknown.is_empty() {
        let unknown: Vec<&str> = unknown.into_iter().collect();
        return Err(Error::data(format!(
            "{}: archives of classes that the development kit does not have: {}",
            path.display(),
            some(&unknown)
        ))
        .help("the development kit of the same year"));
    }
    let item = |member: Member| {
        let name = member.name.split_once(".tar/").map_or("", |parts| parts.1);
        Item {
            label: label(wnid(&member)).unwrap_or(0),
            file: format!("{}/{}", wnid(&member), name.trim_start_matches("./")),
            place: Place::Bytes { archive: 0, offset: member.offset, len: member.len },
        }
    };
    Ok(Split::new("train", members.into_iter().map(item), store(path)))
}

fn val_split(path: &Path, expected: Option<u64>, kit: &Devkit, odd: &mut Vec<String>) -> Result<Split> {
    let mut members = list(path, expected, odd, false)?;
    members.sort_by(|a, b| a.name.cmp(&b.name));
    if members.len() != kit.validation.len() {
        return Err(Error::data(format!(
            "{}: {} pictures, but the development kit's ground truth has {} lines",
            path.display(),
            members.len(),
            kit.validation.len()
        ))
        .help("the archive and the kit of the same year, both whole"));
    }
    let item = |(member, &label): (Member, &u32)| Item {
        file: member.name.trim_start_matches("./").to_owned(),
        label,
        place: Place::Bytes { archive: 0, offset: member.offset, len: member.len },
    };
    Ok(Split::new("val", members.into_iter().zip(&kit.validation).map(item), store(path)))
}

fn store(path: &Path) -> Arc<Store> {
    Arc::new(Store::Archives(Archives::new([path.to_owned()])))
}

fn not_whole(path: &Path, expected: Option<u64>, error: &std::io::Error) -> Error {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let message = format!("{}: not a whole tar archive: {error}", path.display());
    match expected {
        Some(expected) if expected != size => {
            Error::data(format!("{message}. It has {size} bytes; what ImageNet hands out has {expected}"))
                .help("download the rest: curl -C - -O URL goes on where it stopped")
        }
        _ => Error::data(message).help("download it again"),
    }
}

/// Reads the synsets of a `meta.mat`.
#[cfg(fuzzing)]
pub(super) fn fuzz_mat(bytes: &[u8]) -> Result<usize> {
    mat::structs(bytes, "synsets").map(|records| records.len())
}
