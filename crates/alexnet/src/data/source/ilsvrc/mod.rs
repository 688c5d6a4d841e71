//! ImageNet's challenges as they are handed out: archives of archives, read in place, and a development kit.
//!
//! `ILSVRC2012_img_train.tar` holds a tar for each class, `ILSVRC2012_img_val.tar` the validation images in the order
//! of their numbers; what those show stands in the kit. 2010's files have the same layout; their test images are public,
//! and `patch_images.tar` replaces some that were blank.

mod devkit;
mod mat;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Archives, Member};
use super::index::Listing;
use super::naming::hidden_part;
use super::text::Text;
use super::tree::some;
use super::{Dataset, Findings, Item, Place, Split, Store, index};
use crate::data::ProblemKind;
use crate::{Error, Result};
pub(super) use devkit::{Devkit, is_truth};

/// The archives of a year: its name, those of training and validation, and their sizes in bytes, where known.
struct Year {
    name: &'static str,
    train: (&'static str, Option<u64>),
    val: (&'static str, Option<u64>),
    /// Test images, and the file that says what they show, where that is public.
    test: Option<(&'static str, &'static str)>,
    kit: &'static str,
}

const YEARS: [Year; 2] = [
    Year {
        name: "ILSVRC2012",
        train: ("ILSVRC2012_img_train.tar", Some(147_897_477_120)),
        val: ("ILSVRC2012_img_val.tar", Some(6_744_924_160)),
        test: None,
        kit: "ILSVRC2012_devkit_t12.tar.gz",
    },
    Year {
        name: "ILSVRC2010",
        train: ("ILSVRC2010_images_train.tar", None),
        val: ("ILSVRC2010_images_val.tar", None),
        test: Some(("ILSVRC2010_images_test.tar", "ILSVRC2010_test_ground_truth.txt")),
        kit: "ILSVRC2010_devkit-1.0.tar.gz",
    },
];

/// 2010's images that take the place of blank ones of the same names.
const PATCHES: &str = "patch_images.tar";

/// A challenge that is being opened.
struct Challenge<'a> {
    folder: &'a Path,
    year: &'static Year,
    kit: Option<Devkit>,
    /// Where the images of [`PATCHES`] are, by name.
    patches: HashMap<String, Member>,
    classes: Vec<String>,
    notes: Vec<String>,
    /// Entries that are no plain files, or no archives of a class.
    odd: Vec<String>,
    /// Members that a system added, such as `._n01440764.tar`.
    hidden: Vec<String>,
}

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
    let classes = kit.as_ref().map(Devkit::names).unwrap_or_default();
    let notes = kit.as_ref().map(|kit| kit.notes.clone()).unwrap_or_default();
    let (patches, odd, hidden) = (HashMap::new(), Vec::new(), Vec::new());
    let mut challenge = Challenge { folder, year, kit, patches, classes, notes, odd, hidden };
    challenge.find_patches()?;
    let mut splits = Vec::new();
    splits.extend(challenge.train()?);
    splits.extend(challenge.val()?);
    splits.extend(challenge.test()?);
    challenge.finish(splits, findings)
}

impl Challenge<'_> {
    fn find_patches(&mut self) -> Result<()> {
        let path = self.folder.join(PATCHES);
        if path.is_file() {
            let members = self.list(&path, None, Listing::Plain)?;
            let name = |member: &Member| member.name.rsplit('/').next().unwrap_or_default().to_owned();
            self.patches = members.into_iter().map(|member| (name(&member), member)).collect();
        }
        Ok(())
    }

    /// The training images, if they are there.
    fn train(&mut self) -> Result<Option<Split>> {
        let path = self.folder.join(self.year.train.0);
        if !path.is_file() {
            return Ok(None);
        }
        let mut members = self.list(&path, self.year.train.1, Listing::Nested)?;
        if members.is_empty() {
            return Err(Error::data(format!("{}: it holds no archive of a class", path.display()))
                .help("the archive as ImageNet hands it out: a n01440764.tar and so on in it"));
        }
        if self.kit.is_none() {
            let wnids: BTreeSet<&str> = members.iter().map(wnid).collect();
            self.classes = wnids.into_iter().map(str::to_owned).collect();
            self.notes.push(format!(
                "no development kit, so classes have no names but their WNIDs: {} beside the archives",
                self.year.kit
            ));
        }
        members.sort_by(|a, b| (wnid(a), &a.name).cmp(&(wnid(b), &b.name)));
        let label = |wnid: &str| match &self.kit {
            Some(kit) => kit.label(wnid),
            None => self.classes.binary_search_by(|class| class.as_str().cmp(wnid)).ok().map(|at| at as u32),
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
            let file = format!("{}/{}", wnid(&member), name.trim_start_matches("./"));
            Item { label: label(wnid(&member)).unwrap_or(0), place: self.place(&member), file }
        };
        Ok(Some(Split::new("train", members.into_iter().map(item), self.store(path)).never_turned()))
    }

    /// The validation images, if they are there and the kit says what they show.
    fn val(&mut self) -> Result<Option<Split>> {
        let (name, expected) = self.year.val;
        let path = self.folder.join(name);
        let labels = self.kit.as_mut().map(|kit| std::mem::take(&mut kit.validation)).unwrap_or_default();
        if !path.is_file() {
            self.notes.push(format!("there is no {name}: nothing to validate on"));
            return Ok(None);
        }
        if labels.is_empty() {
            let way_out = match self.kit {
                Some(_) => "The development kit has no ground truth: unpack it again".to_owned(),
                None => format!("{} beside it, or unpacked, does", self.year.kit),
            };
            self.notes.push(format!("{name} is left out: nothing says what its images show. {way_out}"));
            return Ok(None);
        }
        self.numbered("val", path, expected, labels, "the development kit's ground truth").map(Some)
    }

    /// The test images, where what they show is public and there.
    fn test(&mut self) -> Result<Option<Split>> {
        let Some((name, truth)) = self.year.test else { return Ok(None) };
        let (path, truth) = (self.folder.join(name), self.folder.join(truth));
        let Some(kit) = self.kit.as_ref().filter(|_| path.is_file() && truth.is_file()) else {
            return Ok(None);
        };
        let labels = kit.labels(&Text::read(&truth)?.text).map_err(|error| error.context(truth.display()))?;
        self.numbered("test", path, None, labels, &truth.display().to_string()).map(Some)
    }

    /// A split whose images are numbered, and their labels in that order, which `truth` gave.
    fn numbered(
        &mut self,
        name: &str,
        path: PathBuf,
        expected: Option<u64>,
        labels: Vec<u32>,
        truth: &str,
    ) -> Result<Split> {
        let mut members = self.list(&path, expected, Listing::Plain)?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        if members.len() != labels.len() {
            return Err(Error::data(format!(
                "{}: {} images, but {truth} has {} lines",
                path.display(),
                members.len(),
                labels.len()
            ))
            .help("the archive and the kit of the same year, both whole"));
        }
        let item = |(member, label): (Member, u32)| Item {
            place: self.place(&member),
            file: member.name.trim_start_matches("./").to_owned(),
            label,
        };
        Ok(Split::new(name, members.into_iter().zip(labels).map(item), self.store(path)).never_turned())
    }

    /// Where an image's bytes are, or those of the one that replaces it.
    fn place(&self, member: &Member) -> Place {
        let patch = self.patches.get(member.name.rsplit('/').next().unwrap_or_default());
        let (archive, Member { offset, len, .. }) = patch.map_or((0, member), |patch| (1, patch));
        Place::Bytes { archive, offset: *offset, len: *len }
    }

    /// What an archive holds: images, or archives of them.
    fn list(&mut self, path: &Path, expected: Option<u64>, listing: Listing) -> Result<Vec<Member>> {
        let contents = index::kept(path, listing).map_err(|error| not_whole(path, expected, &error))?;
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if contents.unended && expected.is_some_and(|expected| size < expected) {
            return Err(not_whole(path, expected, &std::io::Error::other("it has no end")));
        }
        self.notes.extend(contents.oddities.notes(path));
        let (hidden, odd): (Vec<String>, Vec<String>) =
            contents.odd.into_iter().partition(|name| hidden_part(name).is_some());
        self.odd.extend(odd);
        self.hidden.extend(hidden);
        let (hidden, files): (Vec<Member>, Vec<Member>) =
            contents.files.into_iter().partition(|member| hidden_part(&member.name).is_some());
        self.hidden.extend(hidden.into_iter().map(|member| member.name));
        Ok(files)
    }

    fn store(&self, path: PathBuf) -> Arc<Store> {
        Arc::new(Store::Archives(Archives::new([path, self.folder.join(PATCHES)])))
    }

    fn finish(mut self, splits: Vec<Split>, findings: &mut Findings) -> Result<Dataset> {
        if let Some(train) = splits.iter().find(|split| split.name == "train") {
            self.tell_missing(train, findings);
        }
        let Self { folder, year, patches, classes, mut notes, odd, hidden, .. } = self;
        if !patches.is_empty() {
            notes.push(format!(
                "{} images of {PATCHES} take the place of others of their names",
                patches.len()
            ));
        }
        odd.iter().for_each(|name| {
            findings.tell(ProblemKind::Junk, name, "no plain file, or no archive of a class")
        });
        if !odd.is_empty() {
            let odd: Vec<&str> = odd.iter().map(String::as_str).collect();
            notes.push(format!("{} entries are no plain files and left out: {}", odd.len(), some(&odd)));
        }
        hidden.iter().for_each(|name| {
            findings.tell(ProblemKind::Junk, name, "hidden, or left by a system or an editor; skipped")
        });
        if !hidden.is_empty() {
            let names: Vec<&str> = hidden.iter().map(String::as_str).collect();
            notes.push(format!("skipped {} hidden or system files: {}", hidden.len(), some(&names)));
        }
        if splits.is_empty() {
            return Err(Error::data(format!("{}: {}", folder.display(), notes.join("; "))).help(format!(
                "{}, {} and {} in one folder, as ImageNet hands them out",
                year.train.0, year.val.0, year.kit
            )));
        }
        Ok(Dataset { classes, splits, origin: format!("{} in {}", year.name, folder.display()), notes })
    }

    /// Classes without training images.
    fn tell_missing(&mut self, train: &Split, findings: &mut Findings) {
        let present: BTreeSet<u32> = (0..train.len()).map(|index| train.label(index)).collect();
        let classes = (0..).zip(&self.classes);
        let missing: Vec<&str> =
            classes.filter(|(label, _)| !present.contains(label)).map(|(_, name)| name.as_str()).collect();
        let archive = self.year.train.0;
        for class in &missing {
            findings.tell(ProblemKind::MissingClass, *class, format!("{archive} has no images of it"));
        }
        if !missing.is_empty() {
            self.notes.push(format!(
                "{archive} has no images of {} classes: {}",
                missing.len(),
                some(&missing)
            ));
        }
    }
}

/// The WNID of a training image: its archive's name.
fn wnid(member: &Member) -> &str {
    let archive = member.name.split_once(".tar/").map_or("", |parts| parts.0);
    archive.rsplit('/').next().unwrap_or(archive)
}

fn not_whole(path: &Path, expected: Option<u64>, error: &std::io::Error) -> Error {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let message = format!("{}: not a whole tar archive: {error}", path.display());
    match expected {
        Some(expected) if expected > size => {
            Error::data(format!("{message}. It has {size} bytes; what ImageNet hands out has {expected}"))
                .help("to download the rest: `curl -C - -O URL`")
        }
        _ => Error::data(message).help("download it again"),
    }
}

/// Reads the synsets of a `meta.mat`.
#[cfg(fuzzing)]
pub(super) fn fuzz_mat(bytes: &[u8]) -> Result<usize> {
    mat::structs(bytes, "synsets").map(|records| records.len())
}
