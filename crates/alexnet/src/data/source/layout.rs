//! Which folders are classes, which are splits, and which only wrap those.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Listing, some};
use crate::{Error, Result};

/// Names of folders and archives that hold a split, in any case, and the split's name here. Of two for one split, the
/// first in this order is used.
const SPLITS: [(&str, &str); 13] = [
    ("train", "train"),
    ("training", "train"),
    ("trn", "train"),
    ("val", "val"),
    ("valid", "val"),
    ("validation", "val"),
    ("dev", "val"),
    ("eval", "val"),
    ("evaluation", "val"),
    ("test", "test"),
    ("testing", "test"),
    ("tst", "test"),
    ("tests", "test"),
];

/// What may follow such a name: `training_set`, `test-images`.
const SPLIT_ENDINGS: [&str; 4] = ["set", "images", "imgs", "data"];

/// Folders that are neither splits nor classes when they lie beside `train/`.
const BESIDE: [&str; 40] = [
    "unlabeled",
    "unlabeled",
    "unlabeled_data",
    "unsup",
    "unsupervised",
    "extra",
    "extras",
    "holdout",
    "hold_out",
    "unused",
    "rejected",
    "old",
    "backup",
    "raw",
    "original",
    "originals",
    "misc",
    "other",
    "others",
    "images",
    "annotations",
    "annotation",
    "labels",
    "label",
    "masks",
    "mask",
    "bbox",
    "docs",
    "doc",
    "scripts",
    "tools",
    "src",
    "tmp",
    "temp",
    "samples",
    "examples",
    "demo",
    "predictions",
    "submission",
    "results",
];

/// Folders inside a split that only wrap the class folders.
const WRAPPERS: [&str; 8] = ["images", "image", "imgs", "img", "data", "pictures", "photos", "jpegimages"];

/// The split that a name stands for, in any case.
pub(super) fn split_name(name: &str) -> Option<&'static str> {
    Some(SPLITS[split_rank(name)?].1)
}

/// The row of [`SPLITS`] for a name.
fn split_rank(name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    let row = |name: &str| SPLITS.iter().position(|(known, _)| *known == name);
    let without = |end: &&str| row(name.strip_suffix(*end)?.trim_end_matches(['_', '-', ' ', '.']));
    row(&name).or_else(|| SPLIT_ENDINGS.iter().find_map(without))
}

fn is_beside(name: &str) -> bool {
    BESIDE.contains(&name.to_lowercase().as_str())
}

/// What the folders of a source stand for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Folders of classes.
    Classes,
    /// Folders of splits, with their names here, the training images first.
    Splits(Vec<(String, &'static str)>),
}

/// The layout of a listing, and what the user should know about it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) layout: Layout,
    /// The folders, each in the one before, that wrap everything; empty or with a `/` at the end.
    pub(super) below: String,
    /// Folders with images that are not used, and why.
    pub(super) unused: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
}

/// A folder right below some place, with the images in it.
#[derive(Debug, Default)]
struct Child<'a> {
    /// Images right in it.
    direct: usize,
    /// Images in its folders.
    nested: usize,
    /// Its folders with images.
    inner: BTreeSet<&'a str>,
    /// Files in it that are not images.
    others: usize,
    /// Images in it whose formats are not decoded.
    unsupported: usize,
}

impl Child<'_> {
    fn has_images(&self) -> bool {
        self.direct > 0 || !self.inner.is_empty()
    }
}

/// What is right below a place, and how many images lie loose there.
fn children<'a>(listing: &'a Listing, below: &str) -> (BTreeMap<&'a str, Child<'a>>, usize) {
    let mut found: BTreeMap<&str, Child> = BTreeMap::new();
    for folder in listing.folders.iter().filter_map(|path| path.strip_prefix(below)) {
        found.entry(folder.split_once('/').map_or(folder, |(top, _)| top)).or_default();
    }
    let mut loose = 0;
    for file in listing.files.iter().filter_map(|(path, _)| path.strip_prefix(below)) {
        let Some((top, rest)) = file.split_once('/') else {
            loose += 1;
            continue;
        };
        let child = found.entry(top).or_default();
        match rest.split_once('/') {
            None => child.direct += 1,
            Some((inner, _)) => {
                child.nested += 1;
                child.inner.insert(inner);
            }
        }
    }
    let top = |path: &str| Some(path.strip_prefix(below)?.split_once('/')?.0.to_owned());
    for top in listing.skipped.others.iter().filter_map(|path| top(path)) {
        found.get_mut(top.as_str()).into_iter().for_each(|child| child.others += 1);
    }
    for top in listing.skipped.unsupported.iter().filter_map(|(path, _)| top(path)) {
        found.get_mut(top.as_str()).into_iter().for_each(|child| child.unsupported += 1);
    }
    (found, loose)
}

/// Finds out what the folders stand for.
///
/// # Errors
/// When a folder may be a split or a class: guessing would give wrong labels.
pub(super) fn find(listing: &Listing, origin: &str) -> Result<Found> {
    let below = wrapped(listing, "", |name| split_name(name).is_none());
    let (children, _) = children(listing, &below);
    let mut found = Found { layout: Layout::Classes, below, unused: Vec::new(), notes: Vec::new() };
    if !found.below.is_empty() {
        let folder = found.below.trim_end_matches('/');
        found.notes.push(format!("using the folder {folder}/: it holds all class folders"));
    }
    let with_images = children.iter().filter(|(_, child)| child.has_images());
    let (mut splits, others): (Vec<_>, Vec<_>) =
        with_images.map(|(&name, child)| (name, child)).partition(|(name, _)| split_name(name).is_some());
    splits.sort_by_key(|(name, _)| split_rank(name));
    let kinds: BTreeSet<&str> = splits.iter().filter_map(|(name, _)| split_name(name)).collect();
    let unknown: Vec<&str> = others.iter().map(|(name, _)| *name).filter(|name| !is_beside(name)).collect();
    match &splits[..] {
        [] => return Ok(found),
        [(name, child), ..] if kinds.len() == 1 && !unknown.is_empty() => {
            let numbered = |name: &&str| name.chars().all(|c| c.is_ascii_digit() || "-_. ".contains(c));
            let is_class = child.inner.is_empty() || child.inner.iter().all(numbered);
            // A vehicle may be called `train`; nobody calls a class `validation`.
            if kinds.contains("train") && is_class && splits.len() == 1 {
                let others = some(&unknown);
                found.notes.push(format!(
                    "{name}/ is read as a class, not as the training images: it is one of several folders ({others}) \
                     and has no class folders in it"
                ));
                return Ok(found);
            }
            return Err(is_it_a_class(origin, &found.below, name, &unknown));
        }
        _ => {}
    }
    for (name, _) in others {
        let why = format!("not used: it is beside {}/", splits[0].0);
        found.unused.push((name.to_owned(), why));
    }
    let mut used: Vec<(String, &'static str)> = Vec::new();
    for (folder, name) in splits.iter().filter_map(|(folder, _)| Some((*folder, split_name(folder)?))) {
        match used.iter().find(|(_, other)| *other == name) {
            Some((other, _)) => {
                let why = format!("not used: {other}/ holds the {name} images");
                found.unused.push((folder.to_owned(), why));
            }
            None => used.push((folder.to_owned(), name)),
        }
    }
    found.layout = Layout::Splits(used);
    Ok(found)
}

fn is_it_a_class(origin: &str, below: &str, name: &str, others: &[&str]) -> Error {
    let split = split_name(name).unwrap_or_default();
    let others = some(others);
    Error::data(format!(
        "{origin}: {below}{name}/ may be a class or the {split} images: it is beside {others}"
    ))
    .help(format!(
        "if it is a class, rename the folder, to `{name}s` for example; if it holds the {split} images, \
         move {others} out of {origin}{}",
        if split == "train" {
            format!(", or use {origin}/{below}{name}")
        } else {
            ", into a folder called train".to_owned()
        }
    ))
}

/// The folders below `below` that do nothing but hold the next one, as far as `may_wrap` lets them.
pub(super) fn wrapped(listing: &Listing, below: &str, may_wrap: impl Fn(&str) -> bool) -> String {
    let mut below = below.to_owned();
    loop {
        let (children, _) = children(listing, &below);
        let mut with_images = children.iter().filter(|(_, child)| child.has_images());
        let (Some((name, child)), None) = (with_images.next(), with_images.next()) else { return below };
        // Where other folders are empty, or hold images that are not decoded, this one is a class of several.
        let no_class = |child: &Child| child.others > 0 && child.unsupported == 0;
        let alone = children.values().all(|child| child.has_images() || no_class(child));
        // A logo beside the folder of a data set makes no class; a folder beside many images does not end one.
        let holds = child.inner.len() > 1 || child.inner.len() == 1 && 4 * child.direct <= child.nested;
        if !alone || !holds || !may_wrap(name) {
            return below;
        }
        below = format!("{below}{name}/");
    }
}

/// The folder of a split in which its class folders are: the split's own, or one in it.
pub(super) fn split_folder(listing: &Listing, folder: &str) -> String {
    let inside = |name: &str| {
        name.eq_ignore_ascii_case(folder)
            || split_name(name).is_some() && split_name(name) == split_name(folder)
            || WRAPPERS.contains(&name.to_lowercase().as_str())
    };
    wrapped(listing, &format!("{folder}/"), inside)
}

/// What makes class folders doubtful.
pub(super) fn doubts(listing: &Listing, classes: &[String]) -> Vec<String> {
    let (children, _) = children(listing, "");
    let inner = |name: &String| {
        children.get(name.as_str()).filter(|child| child.direct == 0 && child.inner.len() > 1)
    };
    let mut doubts = Vec::new();
    if let [first, ..] = classes
        && classes.iter().all(|name| inner(name).is_some())
    {
        let shown: Vec<String> = inner(first)
            .into_iter()
            .flat_map(|child| &child.inner)
            .map(|inner| format!("{first}/{inner}"))
            .collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        doubts.push(format!(
            "check the classes: each class folder holds folders itself ({}); if those are the classes, \
             name the folder that they are in",
            some(&shown)
        ));
    }
    let odd = |name: &&str| is_beside(name) || WRAPPERS.contains(&name.to_lowercase().as_str());
    let odd: Vec<&str> = classes.iter().map(String::as_str).filter(odd).collect();
    if !odd.is_empty() {
        doubts.push(format!("check the classes: {} is an unusual name for a class", some(&odd)));
    }
    doubts
}

/// Whether a folder without images, called `name`, is known not to be an emptied class: it holds annotations or the like.
pub(super) fn is_no_class(listing: &Listing, name: &str) -> bool {
    children(listing, "").0.get(name).is_some_and(|child| {
        is_beside(name) && !child.has_images() && child.others > 0 && child.unsupported == 0
    })
}

/// The listing of what is below a folder.
pub(super) fn cut(listing: Listing, below: &str) -> Listing {
    if below.is_empty() {
        return listing;
    }
    let cut = |path: &str| path.strip_prefix(below).map(str::to_owned);
    let (files, outside): (Vec<_>, Vec<_>) =
        listing.files.into_iter().partition(|(path, _)| path.starts_with(below));
    Listing {
        files: files.into_iter().filter_map(|(path, place)| Some((cut(&path)?, place))).collect(),
        folders: listing.folders.iter().filter_map(|path| cut(path)).collect(),
        outside: outside.into_iter().map(|(path, _)| path).collect(),
        ..listing
    }
}
