//! Class folders, on disk or in an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::catalog::{Item, Location};
use super::dataset::{Advice, Dataset};
use super::layout::{self, Layout, SplitFolder, UnusedFolder};
use super::listing::{ClosedFolder, Listing};
use super::naming::ListedFile;
use super::split::Split;
use super::store::Store;
use crate::data::problem::{Findings, Problem, ProblemKind};
use crate::error::shell;
use crate::format::{counted, first_few};
use crate::random::{Purpose, key};
use crate::{Error, Result};

/// The expected layout.
const LAYOUT: &str = "one folder of images for each class: cats/1.jpg, cats/2.jpg, dogs/1.jpg";

/// One image in this many is held out for validation if there are no splits.
pub(super) const HELD_OUT: usize = 10;

/// Builds a data set from class folders, with or without split folders above them.
pub(super) fn dataset(
    listing: Listing,
    store: Store,
    origin: String,
    findings: &mut Findings,
) -> Result<Dataset> {
    findings.order_by_folders();
    let mut notes = listing.report(findings);
    if listing.files.is_empty() {
        return Err(no_images(&listing, &origin, &notes));
    }
    let found = layout::find(&listing, &origin)?;
    notes.extend(found.notes);
    let listing = layout::cut(listing, &found.below);
    let store = Arc::new(match (store, found.below.trim_end_matches('/')) {
        (Store::Folder(root), below) if !below.is_empty() => Store::Folder(root.join(below)),
        (store, _) => store,
    });
    leave_out(&listing, &found.below, found.unused, &mut notes, findings);
    match found.layout {
        Layout::Classes => {
            let classes = Classes::of(&listing, "", &origin, store.folder(), &mut notes, findings)?;
            let names = classes.names();
            notes.extend(layout::doubts(&listing, &names));
            let all = classes.items(&names);
            Ok(held_out_dataset(names, all, &store, origin, notes))
        }
        Layout::Splits(splits) => in_splits(&listing, &splits, &store, origin, notes, findings),
    }
}

/// Returns the error for a source without images, which says what it holds instead.
fn no_images(listing: &Listing, origin: &str, notes: &[String]) -> Error {
    let nothing = notes.is_empty() && listing.folders.is_empty();
    let found = match (nothing, notes.is_empty()) {
        (true, _) => "it is empty".to_owned(),
        (false, true) => {
            let folders: Vec<&str> = listing.folders.iter().map(String::as_str).collect();
            format!("no images, only {}: {}", counted(folders.len(), "folder"), first_few(folders.iter()))
        }
        (false, false) => format!("no images: {}", notes.join("; ")),
    };
    Error::data(format!("{origin}: {found}")).help(match listing.skipped.made.keys().next() {
        Some(made) => {
            format!("to use a folder made by alexnet, name it: {origin}/{made}; otherwise use {LAYOUT}")
        }
        None => listing
            .skipped
            .conversion("")
            .or_else(|| permission_help(listing, Some(Path::new(origin)), &listing.closed.first()?.path))
            .unwrap_or_else(|| format!("use {LAYOUT}")),
    })
}

/// Says how to make a folder readable that cannot be listed; `None` if it can.
fn permission_help(listing: &Listing, root: Option<&Path>, folder: &str) -> Option<String> {
    let ClosedFolder { path, .. } = listing.closed.iter().find(|closed| closed.path == folder)?;
    let path = root.map_or_else(|| path.into(), |root| root.join(path));
    Some(format!("allow reading the folder: `chmod -R u+rX {}`", shell(path)))
}

/// Describes a class folder without images, at this path, by what it holds instead.
fn empty_class(listing: &Listing, name: &str, path: &str) -> String {
    match listing.closed.iter().find(|closed| closed.path == path) {
        Some(ClosedFolder { reason, .. }) => format!("{name} (cannot be listed: {reason})"),
        None => listing.skipped.instead(name, &format!("{path}/")),
    }
}

/// Says what to do about class folders without images, at these paths.
fn empty_classes_help(listing: &Listing, root: Option<&Path>, paths: &[String]) -> String {
    let mut help: BTreeSet<String> = BTreeSet::new();
    for path in paths {
        let known = permission_help(listing, root, path);
        let known = known.or_else(|| listing.skipped.conversion(&format!("{path}/")));
        help.insert(known.unwrap_or_else(|| {
            format!("add images to the empty folders, or move them elsewhere; expected {LAYOUT}")
        }));
    }
    help.into_iter().rev().collect::<Vec<_>>().join("; ")
}

/// Reports folders and images that are not used.
fn leave_out(
    listing: &Listing,
    below: &str,
    unused: Vec<UnusedFolder>,
    notes: &mut Vec<String>,
    findings: &mut Findings,
) {
    for UnusedFolder { folder, reason } in unused {
        let prefix = format!("{folder}/");
        let images = listing.files.iter().filter(|file| file.path.starts_with(&prefix)).count();
        notes.push(format!("{below}{folder}/ ({}): {reason}", counted(images, "image")));
        findings.report(ProblemKind::NotUsed, format!("{below}{folder}"), reason);
    }
    let outside: Vec<&str> = listing.outside.iter().map(String::as_str).collect();
    outside.iter().for_each(|&path| findings.report(ProblemKind::Loose, path, "in no class folder"));
    if !outside.is_empty() {
        let images = counted(outside.len(), "image");
        notes.push(format!("skipped {images} outside {below}: {}", first_few(outside.iter())));
    }
}

/// Builds a data set without its own splits: a part of each class is held out.
fn held_out_dataset(
    names: Vec<String>,
    all: Vec<Item>,
    store: &Arc<Store>,
    origin: String,
    mut notes: Vec<String>,
) -> Dataset {
    let splits = held_out_splits(names.len(), all, store);
    let [_, val, all] = &splits;
    notes.push(format!(
        "no train/ and val/ folders: {} of {} images are held out for validation, one in {HELD_OUT} of each class, at least one",
        val.len(),
        all.len()
    ));
    Dataset { classes: names, splits: splits.into(), origin, notes, advice: Advice::default() }
}

/// Builds a data set of splits, `train` first; `None` are the images that have none. If no image has a split, a part is held out;
/// otherwise those without are skipped, with a note that ends with `why`.
pub(super) fn dataset_of_splits(
    mut splits: BTreeMap<Option<&str>, Vec<Item>>,
    names: Vec<String>,
    store: &Arc<Store>,
    origin: String,
    mut notes: Vec<String>,
    why: &str,
) -> Dataset {
    if splits.len() == 1 && splits.contains_key(&None) {
        let all = splits.into_values().flatten().collect();
        return held_out_dataset(names, all, store, origin, notes);
    }
    if let Some(rest) = splits.remove(&None) {
        notes.push(format!("skipped {}{why}", counted(rest.len(), "image")));
    }
    let split = |(name, items): (Option<&str>, Vec<Item>)| {
        Split::new(name.unwrap_or_default(), items, Arc::clone(store))
    };
    let mut splits: Vec<Split> = splits.into_iter().map(split).collect();
    splits.sort_by_key(|split| (split.name != "train", split.name != "val"));
    Dataset { classes: names, splits, origin, notes, advice: Advice::default() }
}

/// Divides the images of a set without its own splits: the splits `train`, `val`, and `all`.
pub(super) fn held_out_splits(classes: usize, all: Vec<Item>, store: &Arc<Store>) -> [Split; 3] {
    let held = held_out(&all, classes);
    let part = |val: bool| -> Vec<Item> {
        all.iter().zip(&held).filter(|(_, held)| **held == val).map(|(item, _)| item.clone()).collect()
    };
    [("train", part(false)), ("val", part(true)), ("all", all)]
        .map(|(name, items)| Split::new(name, items, Arc::clone(store)))
}

fn in_splits(
    listing: &Listing,
    splits: &[SplitFolder],
    store: &Arc<Store>,
    origin: String,
    mut notes: Vec<String>,
    findings: &mut Findings,
) -> Result<Dataset> {
    let loose: Vec<&str> =
        listing.files.iter().map(|file| file.path.as_str()).filter(|path| !path.contains('/')).collect();
    report_loose(&loose, &mut notes, findings);
    let mut parts: Vec<SplitClasses> = Vec::new();
    for SplitFolder { folder, split: name } in splits {
        let below = layout::split_folder(listing, folder);
        let place = format!("{origin}, {below}");
        if *name != "train" && !has_class_folders(listing, &below) {
            let why = "it has no class folders, so its images have no labels";
            notes.push(format!("{below} is not used: {why}"));
            findings.report(ProblemKind::NotUsed, folder.as_str(), why);
            continue;
        }
        let classes = Classes::of(listing, &below, &place, store.folder(), &mut notes, findings)?;
        parts.push(SplitClasses { folder, name, classes });
    }
    let Some(SplitClasses { folder: first, .. }) = parts.first() else {
        return Err(Error::data(format!("{origin}: {}", notes.join("; "))).help(format!("use {LAYOUT}")));
    };
    let names = match parts.iter().find(|part| part.name == "train") {
        Some(train) => train.classes.names(),
        None => {
            notes.push(format!("no train/ folder, so {first}/ can be evaluated on, but not trained on"));
            let all: BTreeSet<String> = parts.iter().flat_map(|part| part.classes.names()).collect();
            all.into_iter().collect()
        }
    };
    let mut made: Vec<Split> = Vec::new();
    for SplitClasses { folder, name, mut classes } in parts {
        let unknown: Vec<&str> =
            classes.files.keys().copied().filter(|class| !is_among(class, &names)).collect();
        if !unknown.is_empty() {
            let error = || {
                Error::data(format!(
                    "{origin}: {folder}/ has classes that train/ does not have: {}",
                    first_few(unknown.iter())
                ))
                .help("use the same class folders in both, with the same names")
            };
            let detail = "not a class of the training images";
            findings.reject(
                error,
                unknown.iter().map(|class| problem(folder, class, ProblemKind::UnknownClass, detail)),
            )?;
        }
        classes.files.retain(|class, _| is_among(class, &names));
        let missing: Vec<&str> =
            names.iter().map(String::as_str).filter(|n| !classes.files.contains_key(n)).collect();
        for class in &missing {
            let file = format!("{folder}/{class}");
            findings.report(ProblemKind::MissingClass, file, format!("no images of this class in {folder}/"));
        }
        if !missing.is_empty() {
            notes.push(format!(
                "no images of {} in {folder}/: {}",
                counted(missing.len(), "class"),
                first_few(missing.iter())
            ));
        }
        made.push(Split::new(name, classes.items(&names), Arc::clone(store)));
    }
    if made.len() == 1 && made[0].name == "train" {
        notes.push("no val/ or test/ folder, so nothing to validate on".to_owned());
    }
    Ok(Dataset { classes: names, splits: made, origin, notes, advice: Advice::default() })
}

/// Returns whether any image below a prefix is in a folder there.
fn has_class_folders(listing: &Listing, below: &str) -> bool {
    listing.files.iter().filter_map(|file| file.path.strip_prefix(below)).any(|path| path.contains('/'))
}

fn report_loose(loose: &[&str], notes: &mut Vec<String>, findings: &mut Findings) {
    loose.iter().for_each(|&path| findings.report(ProblemKind::Loose, path, "in no class folder"));
    if !loose.is_empty() {
        let images = counted(loose.len(), "image");
        notes.push(format!("skipped {images} in no class folder: {}", first_few(loose.iter())));
    }
}

/// The class folders below a prefix, with their images.
struct Classes<'a> {
    files: BTreeMap<&'a str, Vec<&'a ListedFile<Location>>>,
}

/// The class folders of a split.
struct SplitClasses<'a> {
    folder: &'a str,
    name: &'static str,
    classes: Classes<'a>,
}

impl<'a> Classes<'a> {
    fn of(
        listing: &'a Listing,
        prefix: &str,
        origin: &str,
        root: Option<&Path>,
        notes: &mut Vec<String>,
        findings: &mut Findings,
    ) -> Result<Self> {
        let below = |path: &'a str| path.strip_prefix(prefix);
        let folders =
            listing.folders.iter().filter_map(|path| below(path)).filter(|path| !path.contains('/'));
        let mut classes: BTreeMap<&str, Vec<_>> = folders.map(|name| (name, Vec::new())).collect();
        let mut loose = Vec::new();
        for file in &listing.files {
            let Some(path) = below(&file.path) else { continue };
            match path.split_once('/') {
                None => loose.push(file.path.as_str()),
                Some((class, _)) => classes.entry(class).or_default().push(file),
            }
        }
        if classes.is_empty() {
            let found = match loose.len() {
                0 => "no images".to_owned(),
                1 => "its image is in no class folder, so it has no label".to_owned(),
                n => format!("its {n} images are in no class folders, so they have no labels"),
            };
            return Err(Error::data(format!("{origin}: {found}")).help(format!(
                "use {LAYOUT}; or add labels.csv with `FILE,CLASS` lines next to images in one folder"
            )));
        }
        report_loose(&loose, notes, findings);
        let empty: Vec<&str> =
            classes.iter().filter(|(_, files)| files.is_empty()).map(|(name, _)| *name).collect();
        let (beside, empty): (Vec<&str>, Vec<&str>) =
            empty.into_iter().partition(|name| prefix.is_empty() && layout::is_no_class(listing, name));
        for name in beside {
            notes.push(format!("{name}/ has no images and is not used as a class"));
            findings.report(ProblemKind::NotUsed, name, "no images");
        }
        if !empty.is_empty() {
            let paths: Vec<String> = empty.iter().map(|name| format!("{prefix}{name}")).collect();
            let each = empty.iter().zip(&paths).map(|(name, path)| empty_class(listing, name, path));
            let each = first_few(each);
            let error = || {
                Error::data(format!("{origin}: class folders with no images: {each}"))
                    .help(empty_classes_help(listing, root, &paths))
            };
            let closed = |path: &str| listing.closed.iter().any(|closed| closed.path == path);
            let problems = paths.iter().map(|path| Problem {
                file: path.clone(),
                kind: ProblemKind::EmptyClass,
                detail: match closed(path) {
                    true => "class folder that cannot be listed".to_owned(),
                    false => "class folder without images".to_owned(),
                },
            });
            findings.reject(error, problems)?;
        }
        classes.retain(|_, files| !files.is_empty());
        if classes.is_empty() {
            return Err(
                Error::data(format!("{origin}: no class folder has images")).help(format!("use {LAYOUT}"))
            );
        }
        Ok(Self { files: classes })
    }

    fn names(&self) -> Vec<String> {
        self.files.keys().map(|&name| name.to_owned()).collect()
    }

    fn items(&self, names: &[String]) -> Vec<Item> {
        let labeled = names
            .iter()
            .zip(0u32..)
            .filter_map(|(name, label)| Some((self.files.get(name.as_str())?, label)));
        labeled
            .flat_map(|(files, label)| {
                files.iter().map(move |file| Item { file: file.path.clone(), label, location: file.location })
            })
            .collect()
    }
}

/// Selects the images to hold out: of each class the tenth with the smallest hash of their names, at least one of two. An image
/// stays on its side when others come or go, as far as the share allows.
fn held_out(items: &[Item], classes: usize) -> Vec<bool> {
    let mut by_class: Vec<Vec<(u64, usize)>> = vec![Vec::new(); classes];
    for (index, item) in items.iter().enumerate() {
        let hash = item.file.bytes().fold(0, |hash, byte| key(hash, 0, u64::from(byte), Purpose::HeldOut));
        by_class[item.label as usize].push((hash, index));
    }
    let mut held = vec![false; items.len()];
    for mut class in by_class {
        class.sort_unstable();
        let share = if class.len() < 2 { 0 } else { (class.len() / HELD_OUT).max(1) };
        class[..share].iter().for_each(|&(_, index)| held[index] = true);
    }
    held
}

/// Returns whether a name is among sorted names.
fn is_among(name: &str, names: &[String]) -> bool {
    names.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
}

fn problem(folder: &str, class: &str, kind: ProblemKind, detail: &str) -> Problem {
    let file = if folder.is_empty() { class.to_owned() } else { format!("{folder}/{class}") };
    Problem { file, kind, detail: detail.to_owned() }
}
