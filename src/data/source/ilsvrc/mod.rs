//! ImageNet's challenges as they are handed out: archives of archives, read in place, and a development kit.
//!
//! `ILSVRC2012_img_train.tar` holds a tar for each class, `ILSVRC2012_img_val.tar` the validation pictures in the order
//! of their numbers; what those show stands in the kit. 2010's files have the same layout.

mod devkit;
mod mat;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tar::EntryType;

use super::tree::{leaves_root, some};
use super::{Dataset, Item, Place, Split, Store};
use crate::{Error, Result};
use devkit::Devkit;

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

/// A picture in an archive.
struct Member {
    name: String,
    offset: u64,
    len: usize,
}

fn year(folder: &Path) -> Option<&'static Year> {
    YEARS.iter().find(|year| [year.train.0, year.val.0].iter().any(|name| folder.join(name).is_file()))
}

/// Whether a folder holds a challenge's archives.
pub(super) fn is_ilsvrc(folder: &Path) -> bool {
    year(folder).is_some()
}

pub(super) fn open(folder: &Path) -> Result<Dataset> {
    let year = year(folder).ok_or_else(|| Error::data(format!("{}: no archives", folder.display())))?;
    let kit = Devkit::find(folder)?;
    let (mut notes, mut odd) = (Vec::new(), Vec::new());
    let mut splits = Vec::new();
    let mut classes = kit.as_ref().map(Devkit::names).unwrap_or_default();
    let train = folder.join(year.train.0);
    if train.is_file() {
        let members = classes_of(&train, year.train.1, &mut odd)?;
        if kit.is_none() {
            let wnids: BTreeSet<&str> = members.iter().map(|(wnid, _)| wnid.as_str()).collect();
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

/// The training pictures, with the WNID of the archive that each is in.
fn classes_of(path: &Path, expected: Option<u64>, odd: &mut Vec<String>) -> Result<Vec<(String, Member)>> {
    let mut members = Vec::new();
    for outer in members_of(path, expected, 0, None, odd)? {
        let Some(wnid) = outer.name.strip_suffix(".tar") else {
            odd.push(outer.name);
            continue;
        };
        let wnid = wnid.rsplit('/').next().unwrap_or(wnid).to_owned();
        let inner = members_of(path, expected, outer.offset, Some(outer.len as u64), odd)?;
        members.extend(inner.into_iter().map(|member| (wnid.clone(), member)));
    }
    if members.is_empty() {
        return Err(Error::data(format!("{}: it holds no archive of a class", path.display()))
            .help("the archive as ImageNet hands it out: a n01440764.tar and so on in it"));
    }
    Ok(members)
}

fn train_split(
    path: &Path,
    mut members: Vec<(String, Member)>,
    kit: Option<&Devkit>,
    classes: &[String],
) -> Result<Split> {
    members.sort_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
    let label = |wnid: &str| match kit {
        Some(kit) => kit.label(wnid),
        None => classes.binary_search_by(|class| class.as_str().cmp(wnid)).ok().map(|at| at as u32),
    };
    let unknown: BTreeSet<&str> =
        members.iter().map(|(wnid, _)| wnid.as_str()).filter(|wnid| label(wnid).is_none()).collect();
    if !unknown.is_empty() {
        let unknown: Vec<&str> = unknown.into_iter().collect();
        return Err(Error::data(format!(
            "{}: archives of classes that the development kit does not have: {}",
            path.display(),
            some(&unknown)
        ))
        .help("the development kit of the same year"));
    }
    let item = |(wnid, member): (String, Member)| Item {
        label: label(&wnid).unwrap_or(0),
        file: format!("{wnid}/{}", member.name),
        place: Place::Bytes { offset: member.offset, len: member.len },
    };
    Ok(Split::new("train", members.into_iter().map(item).collect(), store(path)?))
}

fn val_split(path: &Path, expected: Option<u64>, kit: &Devkit, odd: &mut Vec<String>) -> Result<Split> {
    let mut members = members_of(path, expected, 0, None, odd)?;
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
        file: member.name,
        label,
        place: Place::Bytes { offset: member.offset, len: member.len },
    };
    Ok(Split::new("val", members.into_iter().zip(&kit.validation).map(item).collect(), store(path)?))
}

fn store(path: &Path) -> Result<Arc<Store>> {
    let file = File::open(path).map_err(|error| not_whole(path, None, &error))?;
    Ok(Arc::new(Store::Archive(path.to_owned(), Mutex::new(file))))
}

/// The plain files of an archive, or of the archive in it that begins at `start` and has `len` bytes; what is neither file
/// nor folder, or has a name that leaves the archive, joins the `odd`.
fn members_of(
    path: &Path,
    expected: Option<u64>,
    start: u64,
    len: Option<u64>,
    odd: &mut Vec<String>,
) -> Result<Vec<Member>> {
    let failed = |error: std::io::Error| not_whole(path, expected, &error);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let part = Part { file, start, len: len.unwrap_or(size - start), at: 0 };
    let end = start + part.len;
    let mut members = Vec::new();
    for entry in tar::Archive::new(part).entries_with_seek().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() || matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            continue;
        }
        if !kind.is_file() || leaves_root(&name) {
            odd.push(name);
            continue;
        }
        let offset = start + entry.raw_file_position();
        if offset.checked_add(entry.size()).is_none_or(|last| last > end) {
            let cut = format!("{name} would end past the end of its archive");
            return Err(failed(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, cut)));
        }
        let len =
            usize::try_from(entry.size()).map_err(|_| Error::data(format!("{name}: too many bytes")))?;
        members.push(Member { name: name.trim_start_matches("./").to_owned(), offset, len });
    }
    Ok(members)
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

/// A part of a file, as a file of its own.
struct Part {
    file: File,
    start: u64,
    len: u64,
    at: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let read = self.file.read(&mut buffer[..most])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| std::io::Error::other("a place before the beginning"))?;
        Ok(self.at)
    }
}
