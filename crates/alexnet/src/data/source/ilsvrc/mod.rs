//! ImageNet's challenges as distributed: archives of archives, read in place, and a development kit.
//!
//! `ILSVRC2012_img_train.tar` holds a tar per class, `ILSVRC2012_img_val.tar` the validation images in the order of their numbers;
//! their classes are in the kit. The files of 2010 have the same layout; their test labels are public, and `patch_images.tar`
//! replaces some images that were blank.

mod devkit;
mod mat;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Archives, Member};
use super::catalog::{ByteRange, Item, Location};
use super::dataset::{Advice, Dataset};
use super::index::{self, Depth};
use super::naming::hidden_part;
use super::split::Split;
use super::store::Store;
use super::text::Text;
use crate::data::problem::{Findings, ProblemKind};
use crate::format::{counted, first_few};
use crate::{Error, Result};
pub(super) use devkit::{Devkit, is_truth};

/// The archives of a year: names and, if known, sizes in bytes.
struct Year {
    name: &'static str,
    train: ImageArchive,
    val: ImageArchive,
    /// The test images and the file of their labels, if that is public.
    test: Option<TestFiles>,
    kit: &'static str,
}

#[derive(Clone, Copy)]
struct ImageArchive {
    file: &'static str,
    bytes: Option<u64>,
}

#[derive(Clone, Copy)]
struct TestFiles {
    images: &'static str,
    labels: &'static str,
}

const YEARS: [Year; 2] = [
    Year {
        name: "ILSVRC2012",
        train: ImageArchive { file: "ILSVRC2012_img_train.tar", bytes: Some(147_897_477_120) },
        val: ImageArchive { file: "ILSVRC2012_img_val.tar", bytes: Some(6_744_924_160) },
        test: None,
        kit: "ILSVRC2012_devkit_t12.tar.gz",
    },
    Year {
        name: "ILSVRC2010",
        train: ImageArchive { file: "ILSVRC2010_images_train.tar", bytes: None },
        val: ImageArchive { file: "ILSVRC2010_images_val.tar", bytes: None },
        test: Some(TestFiles {
            images: "ILSVRC2010_images_test.tar",
            labels: "ILSVRC2010_test_ground_truth.txt",
        }),
        kit: "ILSVRC2010_devkit-1.0.tar.gz",
    },
];

/// Images of 2010 that replace blank ones of the same names.
const PATCHES: &str = "patch_images.tar";

/// A challenge that is being opened.
struct Challenge<'a> {
    folder: &'a Path,
    year: &'static Year,
    kit: Option<Devkit>,
    /// The images in [`PATCHES`], by name.
    patches: HashMap<String, Member>,
    classes: Vec<String>,
    notes: Vec<String>,
    /// Entries that are not regular files, or not archives of a class.
    odd: Vec<String>,
    /// System files in the archives, such as `._n01440764.tar`.
    hidden: Vec<String>,
}

fn year(folder: &Path) -> Option<&'static Year> {
    YEARS
        .iter()
        .find(|year| [&year.train, &year.val].iter().any(|archive| folder.join(archive.file).is_file()))
}

/// Returns whether a folder holds the archives of a challenge.
pub(super) fn is_ilsvrc(folder: &Path) -> bool {
    year(folder).is_some()
}

pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Dataset> {
    let year =
        year(folder).ok_or_else(|| Error::data(format!("{}: no ImageNet archives", folder.display())))?;
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
            let members = self.list(&path, None, Depth::Plain)?;
            let name = |member: &Member| member.name.rsplit('/').next().unwrap_or_default().to_owned();
            self.patches = members.into_iter().map(|member| (name(&member), member)).collect();
        }
        Ok(())
    }

    /// Opens the training images, if they exist.
    fn train(&mut self) -> Result<Option<Split>> {
        let path = self.folder.join(self.year.train.file);
        if !path.is_file() {
            return Ok(None);
        }
        let mut members = self.list(&path, self.year.train.bytes, Depth::Nested)?;
        if members.is_empty() {
            return Err(Error::data(format!("{}: no class archives in it", path.display()))
                .help("use the archive as distributed by ImageNet, which holds n01440764.tar and so on"));
        }
        if self.kit.is_none() {
            let wnids: BTreeSet<&str> = members.iter().map(wnid).collect();
            self.classes = wnids.into_iter().map(str::to_owned).collect();
            self.notes.push(format!(
                "no development kit, so classes are named by their WNIDs; to get names, put {} next to the archives",
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
                "{}: archives of classes that are not in the development kit: {}",
                path.display(),
                first_few(unknown.iter())
            ))
            .help("use the development kit of the same year"));
        }
        let item = |member: Member| {
            let name = member.name.split_once(".tar/").map_or("", |(_, end)| end);
            let file = format!("{}/{}", wnid(&member), name.trim_start_matches("./"));
            Item { label: label(wnid(&member)).unwrap_or(0), location: self.location(&member), file }
        };
        Ok(Some(Split::new("train", members.into_iter().map(item), self.store(path)).ignoring_exif()))
    }

    /// Opens the validation images, if they exist and the kit has their labels.
    fn val(&mut self) -> Result<Option<Split>> {
        let ImageArchive { file: name, bytes: expected } = self.year.val;
        let path = self.folder.join(name);
        let labels = self.kit.as_mut().map(|kit| std::mem::take(&mut kit.validation)).unwrap_or_default();
        if !path.is_file() {
            self.notes.push(format!("no {name}, so nothing to validate on"));
            return Ok(None);
        }
        if labels.is_empty() {
            let help = match self.kit {
                Some(_) => "the development kit has no ground truth: unpack it again".to_owned(),
                None => format!("put {} next to it, or unpack it there", self.year.kit),
            };
            self.notes.push(format!("{name} is not used: its images have no labels; {help}"));
            return Ok(None);
        }
        self.numbered("val", path, expected, labels, "the development kit's ground truth").map(Some)
    }

    /// Opens the test images, if they and their labels exist.
    fn test(&mut self) -> Result<Option<Split>> {
        let Some(TestFiles { images: name, labels: truth }) = self.year.test else { return Ok(None) };
        let (path, truth) = (self.folder.join(name), self.folder.join(truth));
        let Some(kit) = self.kit.as_ref().filter(|_| path.is_file() && truth.is_file()) else {
            return Ok(None);
        };
        let labels = kit.labels(&Text::read(&truth)?.text).map_err(|error| error.context(truth.display()))?;
        self.numbered("test", path, None, labels, &truth.display().to_string()).map(Some)
    }

    /// Builds a split of numbered images with labels in that order, read from `truth`.
    fn numbered(
        &mut self,
        name: &str,
        path: PathBuf,
        expected: Option<u64>,
        labels: Vec<u32>,
        truth: &str,
    ) -> Result<Split> {
        let mut members = self.list(&path, expected, Depth::Plain)?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        if members.len() != labels.len() {
            return Err(Error::data(format!(
                "{}: {} images, but {truth} has {} lines",
                path.display(),
                members.len(),
                labels.len()
            ))
            .help("use the complete archive and the kit of the same year"));
        }
        let item = |(member, label): (Member, u32)| Item {
            location: self.location(&member),
            file: member.name.trim_start_matches("./").to_owned(),
            label,
        };
        Ok(Split::new(name, members.into_iter().zip(labels).map(item), self.store(path)).ignoring_exif())
    }

    /// Returns the location of an image, or of the one that replaces it.
    fn location(&self, member: &Member) -> Location {
        let patch = self.patches.get(member.name.rsplit('/').next().unwrap_or_default());
        let (archive, Member { offset, len, .. }) = patch.map_or((0, member), |patch| (1, patch));
        Location::Bytes(ByteRange { archive, offset: *offset, len: *len })
    }

    /// Lists the images in an archive.
    fn list(&mut self, path: &Path, expected: Option<u64>, depth: Depth) -> Result<Vec<Member>> {
        let contents = index::kept(path, depth).map_err(|error| incomplete(path, expected, &error))?;
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if contents.unended && expected.is_some_and(|expected| size < expected) {
            return Err(incomplete(path, expected, &std::io::Error::other("no end-of-archive mark")));
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
            self.report_missing(train, findings);
        }
        let Self { folder, year, patches, classes, mut notes, odd, hidden, .. } = self;
        if !patches.is_empty() {
            notes.push(format!("{PATCHES} replaces {}", counted(patches.len(), "image")));
        }
        odd.iter().for_each(|name| {
            findings.report(ProblemKind::Junk, name, "not a regular file, or not the archive of a class")
        });
        if !odd.is_empty() {
            let odd: Vec<&str> = odd.iter().map(String::as_str).collect();
            notes.push(format!(
                "skipped {}, not regular files: {}",
                counted(odd.len(), "entry"),
                first_few(odd.iter())
            ));
        }
        hidden.iter().for_each(|name| {
            findings.report(ProblemKind::Junk, name, "hidden, system or editor file; ignored")
        });
        if !hidden.is_empty() {
            let names: Vec<&str> = hidden.iter().map(String::as_str).collect();
            notes.push(format!(
                "skipped {}: {}",
                counted(hidden.len(), "hidden or system file"),
                first_few(names.iter())
            ));
        }
        if splits.is_empty() {
            return Err(Error::data(format!("{}: {}", folder.display(), notes.join("; "))).help(format!(
                "put {}, {} and {} as distributed by ImageNet in one folder",
                year.train.file, year.val.file, year.kit
            )));
        }
        let to_train = format!("add {}, which is missing, to {}", year.train.file, folder.display());
        let advice = Advice { to_train: Some(to_train), ..Advice::default() };
        let origin = format!("{} in {}", year.name, folder.display());
        Ok(Dataset { classes, splits, origin, notes, advice })
    }

    /// Reports classes without training images.
    fn report_missing(&mut self, train: &Split, findings: &mut Findings) {
        let present: BTreeSet<u32> = (0..train.len()).map(|index| train.label(index)).collect();
        let classes = (0..).zip(&self.classes);
        let missing: Vec<&str> =
            classes.filter(|(label, _)| !present.contains(label)).map(|(_, name)| name.as_str()).collect();
        let archive = self.year.train.file;
        for class in &missing {
            findings.report(
                ProblemKind::MissingClass,
                *class,
                format!("no images of this class in {archive}"),
            );
        }
        if !missing.is_empty() {
            self.notes.push(format!(
                "no images of {} in {archive}: {}",
                counted(missing.len(), "class"),
                first_few(missing.iter())
            ));
        }
    }
}

/// Returns the WNID of a training image: the name of its archive.
fn wnid(member: &Member) -> &str {
    let archive = member.name.split_once(".tar/").map_or("", |(start, _)| start);
    archive.rsplit('/').next().unwrap_or(archive)
}

fn incomplete(path: &Path, expected: Option<u64>, error: &std::io::Error) -> Error {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let message = format!("{}: not a complete tar archive: {error}", path.display());
    match expected {
        Some(expected) if expected > size => {
            Error::data(format!("{message}. It has {size} bytes, expected {expected}"))
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
