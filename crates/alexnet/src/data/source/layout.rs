//! Recognizes which folders are classes, which are splits, and which only wrap others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::listing::{ClosedFolder, Listing};
use super::naming::ListedFile;
use super::split_names::{split_name, split_rank};
use crate::error::shell;
use crate::format::first_few;
use crate::{Error, Result};

/// Folders that are neither splits nor classes when they are next to `train/`.
const BESIDE: [&str; 40] = [
    "unlabeled",
    "unlabelled",
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

fn is_beside(name: &str) -> bool {
    BESIDE.contains(&name.to_lowercase().as_str())
}

/// Returns whether a folder of this name only wraps others, or the images of a class.
pub(super) fn is_wrapper(name: &str) -> bool {
    WRAPPERS.contains(&name.to_lowercase().as_str())
}

/// What the folders of a source are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Folders of classes.
    Classes,
    /// Folders of splits, with the names of the splits, `train` first.
    Splits(Vec<SplitFolder>),
}

/// A folder of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SplitFolder {
    pub(super) folder: String,
    /// The name of the split.
    pub(super) split: &'static str,
}

/// A folder with images that are not used.
#[derive(Debug)]
pub(super) struct UnusedFolder {
    pub(super) folder: String,
    pub(super) reason: String,
}

/// The layout of a listing.
#[derive(Debug)]
pub(super) struct FoundLayout {
    pub(super) layout: Layout,
    /// The nested folders that wrap everything; empty or with a trailing `/`.
    pub(super) below: String,
    /// Folders with images that are not used, and why.
    pub(super) unused: Vec<UnusedFolder>,
    pub(super) notes: Vec<String>,
}

/// A folder at some level.
#[derive(Debug, Default)]
struct Child<'a> {
    /// The number of images directly in it.
    direct: usize,
    /// The number of images in its subfolders.
    nested: usize,
    /// Its subfolders with images.
    inner: BTreeSet<&'a str>,
    /// The number of files that are not images.
    others: usize,
    /// The number of images in unsupported formats.
    unsupported: usize,
}

impl Child<'_> {
    fn has_images(&self) -> bool {
        self.direct > 0 || !self.inner.is_empty()
    }
}

/// Returns the folders directly below a path.
fn children<'a>(listing: &'a Listing, below: &str) -> BTreeMap<&'a str, Child<'a>> {
    let mut found: BTreeMap<&str, Child> = BTreeMap::new();
    for folder in listing.folders.iter().filter_map(|path| path.strip_prefix(below)) {
        found.entry(folder.split_once('/').map_or(folder, |(top, _)| top)).or_default();
    }
    for file in listing.files.iter().filter_map(|file| file.path.strip_prefix(below)) {
        let Some((top, rest)) = file.split_once('/') else { continue };
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
    for top in listing.skipped.unsupported.iter().filter_map(|file| top(&file.path)) {
        found.get_mut(top.as_str()).into_iter().for_each(|child| child.unsupported += 1);
    }
    found
}

/// Recognizes the layout of a listing.
///
/// # Errors
/// Returns an error if a folder may be a split or a class: guessing could produce wrong labels.
pub(super) fn find(listing: &Listing, origin: &str) -> Result<FoundLayout> {
    let below = wrapped(listing, "", |name| split_name(name).is_none());
    let children = children(listing, &below);
    let mut found = FoundLayout { layout: Layout::Classes, below, unused: Vec::new(), notes: Vec::new() };
    if !found.below.is_empty() {
        let folder = found.below.trim_end_matches('/');
        found.notes.push(format!("using the folder {folder}/, which holds all class folders"));
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
            // A vehicle class may be named `train`, but no class is named `validation`.
            if kinds.contains("train") && is_class && splits.len() == 1 {
                let others = first_few(unknown.iter());
                found.notes.push(format!(
                    "{name}/ is used as a class, not as the training split: it is one of several folders ({others}) and has no \
                     class folders in it"
                ));
                return Ok(found);
            }
            let error = is_it_a_class(origin, &found.below, name, &unknown);
            let alike: Vec<&str> =
                unknown.iter().copied().filter(|other| have_same_classes(child, &children[other])).collect();
            return Err(match rename_help(origin, &found.below, name, &alike) {
                Some(help) => error.help(help),
                None => error,
            });
        }
        _ => {}
    }
    for (name, _) in others {
        let reason = format!("not used: it is next to {}/", splits[0].0);
        found.unused.push(UnusedFolder { folder: name.to_owned(), reason });
    }
    let mut used: Vec<SplitFolder> = Vec::new();
    for (folder, name) in splits.iter().filter_map(|(folder, _)| Some((*folder, split_name(folder)?))) {
        match used.iter().find(|other| other.split == name) {
            Some(SplitFolder { folder: other, .. }) => {
                let reason = format!("not used: {other}/ holds the {name} split");
                found.unused.push(UnusedFolder { folder: folder.to_owned(), reason });
            }
            None => used.push(SplitFolder { folder: folder.to_owned(), split: name }),
        }
    }
    found.layout = Layout::Splits(used);
    Ok(found)
}

/// Returns whether two folders hold at least two folders of the same names, which are not only numbers: both may be splits.
fn have_same_classes(one: &Child<'_>, other: &Child<'_>) -> bool {
    let named = |name: &&&str| name.chars().any(char::is_alphabetic);
    one.inner.intersection(&other.inner).filter(named).count() > 1
}

/// Suggests names for folders with the same class folders as the split `name`, such as `Validierung` next to `Training`.
fn rename_help(origin: &str, below: &str, name: &str, alike: &[&str]) -> Option<String> {
    // Folders in an archive cannot be renamed.
    let known = split_name(name).filter(|_| Path::new(origin).is_dir())?;
    let free = ["train", "val", "test"].into_iter().filter(|split| *split != known);
    let mut free: Vec<&str> = free.collect();
    let mut commands = Vec::new();
    for folder in alike {
        // `Testdaten` and `teste`; any other folder is the first split that is missing.
        let is_test = folder.to_lowercase().starts_with("test");
        let place = free.iter().position(|split| is_test && *split == "test");
        let place = place.or((!free.is_empty()).then_some(0))?;
        let path = |name: &str| shell(Path::new(origin).join(format!("{below}{name}")));
        commands.push(format!("mv {} {}", path(folder), path(free.remove(place))));
    }
    (!commands.is_empty()).then(|| {
        format!(
            "{} has the same class folders as {name}: if it is another split, name it so: `{}`; if {name} is a class, rename \
             that, for example to `{name}_class`",
            first_few(alike.iter()),
            commands.join(" && ")
        )
    })
}

fn is_it_a_class(origin: &str, below: &str, name: &str, others: &[&str]) -> Error {
    let split = split_name(name).unwrap_or_default();
    let others = first_few(others.iter());
    Error::data(format!(
        "{origin}: {below}{name}/ may be a class or the {split} split: it is next to {others}"
    ))
    .help(format!(
        "if it is a class, rename the folder, for example to `{name}_class`; if it holds the {split} split, \
         move {others} out of {origin}{}",
        if split == "train" {
            format!(", or use {origin}/{below}{name}")
        } else {
            ", into a folder called train".to_owned()
        }
    ))
}

/// Descends through folders that only hold the next one, as far as `may_wrap` allows.
pub(super) fn wrapped(listing: &Listing, below: &str, may_wrap: impl Fn(&str) -> bool) -> String {
    let mut below = below.to_owned();
    loop {
        let children = children(listing, &below);
        let mut with_images = children.iter().filter(|(_, child)| child.has_images());
        let (Some((name, child)), None) = (with_images.next(), with_images.next()) else { return below };
        // If other folders are empty or hold unsupported images, this one is one of several classes.
        let no_class = |child: &Child| child.others > 0 && child.unsupported == 0;
        let alone = children.values().all(|child| child.has_images() || no_class(child));
        // A few images next to the folder of a data set do not make it a class.
        let holds = child.inner.len() > 1 || child.inner.len() == 1 && 4 * child.direct <= child.nested;
        if !alone || !holds || !may_wrap(name) {
            return below;
        }
        below = format!("{below}{name}/");
    }
}

/// Returns the folder that holds the class folders of a split: its own, or one inside.
pub(super) fn split_folder(listing: &Listing, folder: &str) -> String {
    let inside = |name: &str| {
        name.eq_ignore_ascii_case(folder)
            || split_name(name).is_some() && split_name(name) == split_name(folder)
            || is_wrapper(name)
    };
    wrapped(listing, &format!("{folder}/"), inside)
}

/// Returns notes on class folders that look wrong.
pub(super) fn doubts(listing: &Listing, classes: &[String]) -> Vec<String> {
    let children = children(listing, "");
    let inner = |name: &String| {
        children.get(name.as_str()).filter(|child| child.direct == 0 && child.inner.len() > 1)
    };
    let mut doubts = Vec::new();
    if let [first, second] = classes
        && let (Some(one), Some(other)) = (inner(first), inner(second))
        && have_same_classes(one, other)
    {
        doubts.push(format!(
            "check the classes: {first}/ and {second}/ have the same subfolders; if they are the training and validation images, name \
             them train/ and val/"
        ));
    } else if let [first, ..] = classes
        && classes.iter().all(|name| inner(name).is_some())
    {
        let shown: Vec<String> = inner(first)
            .into_iter()
            .flat_map(|child| &child.inner)
            .map(|inner| format!("{first}/{inner}"))
            .collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        doubts.push(format!(
            "check the classes: each class folder has subfolders ({}); if those are the classes, use the folder that holds them",
            first_few(shown.iter())
        ));
    }
    let odd = |name: &&str| is_beside(name) || is_wrapper(name);
    let odd: Vec<&str> = classes.iter().map(String::as_str).filter(odd).collect();
    if !odd.is_empty() {
        doubts.push(format!("check the classes: {} is an unusual class name", first_few(odd.iter())));
    }
    doubts
}

/// Returns whether a folder without images is not an empty class, because it holds annotations or the like.
pub(super) fn is_no_class(listing: &Listing, name: &str) -> bool {
    children(listing, "").get(name).is_some_and(|child| {
        is_beside(name) && !child.has_images() && child.others > 0 && child.unsupported == 0
    })
}

/// Restricts a listing to what is below a folder.
pub(super) fn cut(listing: Listing, below: &str) -> Listing {
    if below.is_empty() {
        return listing;
    }
    let cut = |path: &str| path.strip_prefix(below).map(str::to_owned);
    let (files, outside): (Vec<_>, Vec<_>) =
        listing.files.into_iter().partition(|file| file.path.starts_with(below));
    Listing {
        files: files
            .into_iter()
            .filter_map(|file| Some(ListedFile { path: cut(&file.path)?, location: file.location }))
            .collect(),
        folders: listing.folders.iter().filter_map(|path| cut(path)).collect(),
        outside: outside.into_iter().map(|file| file.path).collect(),
        closed: listing
            .closed
            .into_iter()
            .filter_map(|closed| Some(ClosedFolder { path: cut(&closed.path)?, ..closed }))
            .collect(),
        skipped: listing.skipped.cut(below),
        ..listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of other people's folders, in every spelling that occurs.
    #[test]
    fn tables_list_each_name_once() {
        for table in [&BESIDE[..], &WRAPPERS] {
            let names: BTreeSet<&str> = table.iter().copied().collect();
            assert_eq!(names.len(), table.len(), "{table:?}");
            assert!(names.iter().all(|name| *name == name.to_lowercase()), "{table:?}");
        }
        assert!(["Unlabeled", "Unlabelled"].into_iter().all(is_beside));
    }
}
