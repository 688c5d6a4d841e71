//! WebDataset: tars in which an image `name.jpg` has its class beside it, as a number or a name, in `name.cls` or its like, as a
//! key of `name.json`, or in `name.txt`.
//!
//! Classes are called as `classes.txt` beside the tars says, one a line; a class that is a word is its own name. Which split
//! a tar belongs to, its name or its folder says: `train-000000.tar`, `val/0001.tar`.
//!
//! | file | what it does |
//! |---|---|
//! | `reader` | the images and the labels of one tar |
//! | `gathered` | those of all tars, and what is not used of them |
//! | `samples` | which label belongs to which image |

mod gathered;
mod reader;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Archives, Contents};
use super::labels::Labels;
use super::naming::{self, Kind, count};
use super::tree::{held_out_dataset, some, split_name};
use super::{Dataset, Findings, Item, Place, Split, Store, foreign, index};
use crate::data::ProblemKind;
use crate::{Error, Result};
use gathered::Gathered;
use reader::Reader;
use samples::{Belongs, Source};

/// More different texts than this, in more than half of the samples, are captions.
const CLASSES_OF_TEXTS: usize = 20;

type Shard = (Option<&'static str>, PathBuf, Contents);

/// An image whose class is known by what its file says.
struct Sample {
    class: String,
    file: String,
    place: Place,
}

/// Whether an archive's images have their classes beside them.
pub(super) fn has_classes(contents: &Contents) -> bool {
    source(contents).is_some()
}

/// The surest kind of label that is beside an image of an archive. In class folders, JSON and texts are something else.
fn source(contents: &Contents) -> Option<Source> {
    let visible = || {
        contents
            .files
            .iter()
            .map(|file| file.name.as_str())
            .filter(|name| naming::hidden_part(name).is_none())
    };
    let labels = visible().filter_map(|name| Source::of(name));
    let mut by_source: BTreeMap<Source, Vec<&str>> = BTreeMap::new();
    labels.for_each(|(source, name)| by_source.entry(source).or_default().push(name));
    if by_source.is_empty() {
        return None;
    }
    let images: Vec<&str> = visible().filter(|name| Kind::of_name(name) == Kind::Image).collect();
    let folders: BTreeSet<&str> =
        images.iter().map(|name| name.rsplit_once('/').map_or("", |parts| parts.0)).collect();
    by_source.into_iter().find_map(|(source, labels)| match source {
        Source::Class | Source::Index => (!images.is_empty() || source == Source::Class).then_some(source),
        Source::Json | Source::Text => {
            let found = samples::pair(&images, &labels).unwrap_or_default();
            let labeled = found.iter().filter(|belongs| matches!(belongs, Belongs::To(_))).count();
            (folders.len() < 2 && 2 * labeled > images.len()).then_some(source)
        }
    })
}

/// Whether a folder has tars whose images have their classes beside them.
pub(super) fn is_webdataset(folder: &Path) -> bool {
    let has_classes =
        |path: &Path| index::kept(path, index::Listing::Plain).is_ok_and(|all| has_classes(&all));
    tars(folder).iter().any(|(_, path)| has_classes(path))
}

/// The tars right in a folder, and in folders in it that are called as a split is; with the split of each.
pub(super) fn tars(folder: &Path) -> Vec<(Option<&'static str>, PathBuf)> {
    let entries = |folder: &Path| {
        let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> = listed.collect();
        found.sort();
        found
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_tar = |path: &PathBuf| {
        let is_tar = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"));
        is_tar && naming::hidden_part(&name(path)).is_none() && path.is_file()
    };
    let own = entries(folder).into_iter().filter(is_tar).map(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (split_word(&stem), path)
    });
    let parts = entries(folder).into_iter().filter_map(|path| Some((split_name(&name(&path))?, path)));
    let below = parts.flat_map(|(split, path)| {
        entries(&path).into_iter().filter(is_tar).map(move |path| (Some(split), path))
    });
    own.chain(below).collect()
}

/// The split that a word of a name says: `toy-train-000000`, `trainLabels`.
pub(super) fn split_word(name: &str) -> Option<&'static str> {
    let words = name.split(|c: char| !c.is_alphabetic());
    words
        .flat_map(|word| {
            [word, &word[..word.find(|c: char| c.is_uppercase()).filter(|&at| at > 0).unwrap_or(0)]]
        })
        .find_map(split_name)
}

/// One tar by itself.
pub(super) fn single(path: &Path, contents: Contents, findings: &mut Findings) -> Result<Dataset> {
    let folder = path.parent().unwrap_or(Path::new("."));
    dataset(path, folder, vec![(None, path.to_owned(), contents)], findings)
}

pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Dataset> {
    let list = |(split, path): (Option<&'static str>, PathBuf)| {
        let contents =
            index::kept(&path, index::Listing::Plain).map_err(|error| foreign::not_a_tar(&path, &error))?;
        Ok((split, path, contents))
    };
    dataset(folder, folder, tars(folder).into_iter().map(list).collect::<Result<_>>()?, findings)
}

fn dataset(origin: &Path, folder: &Path, shards: Vec<Shard>, findings: &mut Findings) -> Result<Dataset> {
    let origin = origin.display().to_string();
    let several = shards.len() > 1;
    let archives = Archives::new(shards.iter().map(|(_, path, _)| path.clone()));
    let source = shards.iter().filter_map(|(.., contents)| source(contents)).min().unwrap_or(Source::Class);
    let mut all = Gathered::default();
    let mut notes = Vec::new();
    for ((split, path, contents), archive) in shards.into_iter().zip(0..) {
        // Tars may have members of the same names: each is called after its tar too, where there are several.
        let prefix = path.strip_prefix(folder).ok().filter(|_| several);
        let prefix = prefix.map_or(String::new(), |tar| format!("{}/", tar.display()));
        notes.extend(contents.notes(&path));
        contents.odd.iter().for_each(|name| findings.tell(ProblemKind::Junk, name, "not a plain file"));
        if !contents.odd.is_empty() {
            let odd: Vec<&str> = contents.odd.iter().map(String::as_str).collect();
            notes.push(format!(
                "{}: skipped {} that are not plain files: {}",
                path.display(),
                count(odd.len(), "member"),
                some(&odd)
            ));
        }
        let shard = Reader { archives: &archives, archive, prefix, source };
        shard.read(split, contents.files, &mut all).map_err(|error| error.context(path.display()))?;
    }
    all.choose_key(source);
    all.tell(source, findings, &mut notes);
    let said: BTreeSet<&str> = all.splits.values().flatten().map(|sample| sample.class.as_str()).collect();
    if said.is_empty() {
        return Err(no_labels(&origin, source, &all));
    }
    let samples: usize = all.splits.values().map(Vec::len).sum();
    if source == Source::Text && said.len() > CLASSES_OF_TEXTS && 2 * said.len() > samples {
        return Err(Error::data(format!(
            "{origin}: the .txt files hold {} different texts for {samples} images: captions, not classes",
            said.len()
        ))
        .help("a .cls with the class beside each image: 0001.jpg, 0001.cls"));
    }
    let classes = Labels::of(folder, &said)?;
    notes.extend(classes.notes(folder));
    let splits = all.splits.into_iter().filter(|(_, samples)| !samples.is_empty());
    let item = |Sample { class, file, place }: Sample| Item {
        file,
        label: classes.label(&class).unwrap_or(0),
        place,
    };
    let splits: BTreeMap<Option<&str>, Vec<Item>> =
        splits.map(|(split, samples)| (split, samples.into_iter().map(item).collect())).collect();
    Ok(assemble(splits, classes.names, Store::Archives(archives), origin, notes))
}

/// The dataset of what is in splits, or else has a part held out.
fn assemble(
    mut splits: BTreeMap<Option<&str>, Vec<Item>>,
    names: Vec<String>,
    store: Store,
    origin: String,
    mut notes: Vec<String>,
) -> Dataset {
    let store = Arc::new(store);
    if splits.len() == 1 && splits.contains_key(&None) {
        let all = splits.into_values().flatten().collect();
        return held_out_dataset(names, all, &store, origin, notes);
    }
    if let Some(rest) = splits.remove(&None) {
        notes.push(format!(
            "skipped {}: the names of their tars do not say which split they belong to",
            count(rest.len(), "image")
        ));
    }
    let mut made: Vec<Split> = Vec::new();
    for (name, items) in splits {
        made.push(Split::new(name.unwrap_or_default(), items, Arc::clone(&store)));
    }
    made.sort_by_key(|split| (split.name != "train", split.name != "val"));
    Dataset { classes: names, splits: made, origin, notes }
}

fn no_labels(origin: &str, source: Source, all: &Gathered) -> Error {
    let reasons =
        all.left_out.iter().map(|(reason, files)| format!("{reason}: {}", count(files.len(), "image")));
    let reasons: Vec<String> = reasons.collect();
    let why = if reasons.is_empty() { "no image".to_owned() } else { reasons.join("; ") };
    let error = Error::data(format!("{origin}: no image has a class ({why})"));
    match source {
        Source::Json => error.help(format!(
            "one of the keys {} in each .json, or a .cls beside each image",
            gathered::KEYS[..4].join(", ")
        )),
        Source::Class | Source::Index | Source::Text => {
            error.help("a .cls with the class beside each image: 0001.jpg, 0001.cls")
        }
    }
}
