//! WebDataset: tars in which the class of an image `name.jpg` is in a file next to it, as a number or a name: in `name.cls` or a
//! similar file, under a key of `name.json`, or in `name.txt`.
//!
//! `classes.txt` next to the tars names the classes, one per line; a class that is a word is its own name. The split is in the
//! name of the tar or its folder: `train-000000.tar`, `val/0001.tar`.
//!
//! | file | what it does |
//! |---|---|
//! | `reader` | the images and labels of one tar |
//! | `gathered` | those of all tars, and what is skipped |
//! | `samples` | which label belongs to which image |

mod gathered;
mod reader;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Archives, Contents};
use super::catalog::Item;
use super::dataset::Dataset;
use super::labels::Labels;
use super::naming::{self, FileKind};
use super::raw::not_used;
use super::store::Store;
use super::tar_files::{TarFile, tar_files};
use super::tree::dataset_of_splits;
use super::{foreign, index};
use crate::data::problem::{Findings, ProblemKind};
use crate::format::{counted, first_few};
use crate::{Error, Result};
use gathered::Gathered;
use reader::Reader;
use samples::{Belongs, LabelKind, Sample};

/// More distinct texts than this, in more than half of the samples, are captions.
const CLASSES_OF_TEXTS: usize = 20;

/// A tar with its contents.
struct Shard {
    split: Option<&'static str>,
    path: PathBuf,
    contents: Contents,
}

/// Returns whether the images of an archive have label files next to them.
pub(super) fn has_classes(contents: &Contents) -> bool {
    source(contents).is_some()
}

/// Returns the most specific kind of label in an archive. In class folders, JSON and text files are something else.
fn source(contents: &Contents) -> Option<LabelKind> {
    let visible = || {
        contents
            .files
            .iter()
            .map(|file| file.name.as_str())
            .filter(|name| naming::hidden_part(name).is_none())
    };
    let labels = visible().filter_map(|name| LabelKind::of(name));
    let mut by_source: BTreeMap<LabelKind, Vec<&str>> = BTreeMap::new();
    labels.for_each(|(source, name)| by_source.entry(source).or_default().push(name));
    if by_source.is_empty() {
        return None;
    }
    let images: Vec<&str> = visible().filter(|name| FileKind::of_name(name) == FileKind::Image).collect();
    let folders: BTreeSet<&str> =
        images.iter().map(|name| name.rsplit_once('/').map_or("", |(start, _)| start)).collect();
    by_source.into_iter().find_map(|(source, labels)| match source {
        LabelKind::Class | LabelKind::Index => {
            (!images.is_empty() || source == LabelKind::Class).then_some(source)
        }
        LabelKind::Json | LabelKind::Text => {
            let found = samples::pair(&images, &labels).unwrap_or_default();
            let labeled = found.iter().filter(|belongs| matches!(belongs, Belongs::To(_))).count();
            (folders.len() < 2 && 2 * labeled > images.len()).then_some(source)
        }
    })
}

/// Returns whether a folder has tars whose images have label files.
pub(super) fn is_webdataset(folder: &Path) -> bool {
    let has_classes = |path: &Path| index::kept(path, index::Depth::Plain).is_ok_and(|all| has_classes(&all));
    tar_files(folder).iter().any(|tar| has_classes(&tar.path))
}

/// Opens a single tar.
pub(super) fn single(path: &Path, contents: Contents, findings: &mut Findings) -> Result<Dataset> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    dataset(path, folder, vec![Shard { split: None, path: path.to_owned(), contents }], findings)
}

pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Dataset> {
    let list = |TarFile { split, path }: TarFile| {
        let contents =
            index::kept(&path, index::Depth::Plain).map_err(|error| foreign::not_a_tar(&path, &error))?;
        Ok(Shard { split, path, contents })
    };
    let shards: Vec<Shard> = tar_files(folder).into_iter().map(list).collect::<Result<_>>()?;
    let has_shards = |below: &Path| shards.iter().any(|shard| shard.path.starts_with(below));
    let unused = not_used(folder, &[], |name| {
        let path = folder.join(name);
        !path.is_dir() || has_shards(&path)
    });
    let mut dataset = dataset(folder, folder, shards, findings)?;
    dataset.notes.extend(unused);
    Ok(dataset)
}

fn dataset(origin: &Path, folder: &Path, shards: Vec<Shard>, findings: &mut Findings) -> Result<Dataset> {
    let origin = origin.display().to_string();
    let several = shards.len() > 1;
    let archives = Archives::new(shards.iter().map(|shard| shard.path.clone()));
    let source = shards.iter().filter_map(|shard| source(&shard.contents)).min().unwrap_or(LabelKind::Class);
    let mut all = Gathered::default();
    let mut notes = Vec::new();
    for (Shard { split, path, contents }, archive) in shards.into_iter().zip(0..) {
        // If there are several tars, members are prefixed with the tar's name, since their names may collide.
        let prefix = path.strip_prefix(folder).ok().filter(|_| several);
        let prefix = prefix.map_or(String::new(), |tar| format!("{}/", tar.display()));
        notes.extend(contents.notes(&path));
        contents.odd.iter().for_each(|name| findings.report(ProblemKind::Junk, name, "not a regular file"));
        if !contents.odd.is_empty() {
            let odd: Vec<&str> = contents.odd.iter().map(String::as_str).collect();
            notes.push(format!(
                "{}: skipped {}, not regular files: {}",
                path.display(),
                counted(odd.len(), "member"),
                first_few(odd.iter())
            ));
        }
        let reader = Reader { archives: &archives, archive, prefix, source };
        reader.read(split, contents.files, &mut all).map_err(|error| error.context(path.display()))?;
    }
    all.choose_key(source);
    all.report(source, findings, &mut notes);
    let said: BTreeSet<&str> =
        all.splits.values().flatten().filter_map(|sample| sample.label.class()).collect();
    if said.is_empty() {
        return Err(no_labels(&origin, source, &all));
    }
    let samples: usize = all.splits.values().map(Vec::len).sum();
    if source == LabelKind::Text && said.len() > CLASSES_OF_TEXTS && 2 * said.len() > samples {
        return Err(Error::data(format!(
            "{origin}: the .txt files hold {} different texts for {samples} images: these are captions, not classes",
            said.len()
        ))
        .help("add a .cls file with the class next to each image: 0001.jpg, 0001.cls"));
    }
    let classes = Labels::of(folder, &said)?;
    notes.extend(classes.notes(folder));
    let splits = all.splits.into_iter().filter(|(_, samples)| !samples.is_empty());
    // All have a class that is among them.
    let item = |Sample { label, file, location }: Sample| {
        Some(Item { file, label: classes.label(label.class()?)?, location })
    };
    let splits: BTreeMap<Option<&str>, Vec<Item>> =
        splits.map(|(split, samples)| (split, samples.into_iter().filter_map(item).collect())).collect();
    let why = ": the names of their tars do not contain a split";
    Ok(dataset_of_splits(splits, classes.names, &Arc::new(Store::Archives(archives)), origin, notes, why))
}

fn no_labels(origin: &str, source: LabelKind, all: &Gathered) -> Error {
    let reasons =
        all.left_out.iter().map(|(reason, files)| format!("{reason}: {}", counted(files.len(), "image")));
    let reasons: Vec<String> = reasons.collect();
    let why = if reasons.is_empty() { "no images".to_owned() } else { reasons.join("; ") };
    let error = Error::data(format!("{origin}: no image has a class ({why})"));
    match source {
        LabelKind::Json => error.help(format!(
            "use one of the keys {} in each .json, or add a .cls file next to each image",
            gathered::KEYS[..4].join(", ")
        )),
        LabelKind::Class | LabelKind::Index | LabelKind::Text => {
            error.help("add a .cls file with the class next to each image: 0001.jpg, 0001.cls")
        }
    }
}
