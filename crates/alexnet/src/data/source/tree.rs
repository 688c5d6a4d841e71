//! Class folders, wherever they are listed from: a disk or an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) use super::layout::split_name;
use super::layout::{self, Layout};
pub(super) use super::listing::Listing;
use super::naming;
use super::{Dataset, Findings, Item, Place, Split, Store};
use crate::data::{Problem, ProblemKind};
use crate::random::{Purpose, key};
use crate::{Error, Result};

/// What a source of class folders looks like.
const LAYOUT: &str = "one folder of images for each class: cats/1.jpg, cats/2.jpg, dogs/1.jpg";

/// One image in how many is held out for validation when no split is given.
const HELD_OUT: usize = 10;

/// Makes a dataset of class folders, with or without split folders above them.
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
            let classes = Classes::of(&listing, "", &origin, &mut notes, findings)?;
            let names = classes.names();
            notes.extend(layout::doubts(&listing, &names));
            let all = classes.items(&names);
            Ok(held_out_dataset(names, all, &store, origin, notes))
        }
        Layout::Splits(splits) => in_splits(&listing, &splits, &store, origin, notes, findings),
    }
}

/// The error for a source without images: what there is instead.
fn no_images(listing: &Listing, origin: &str, notes: &[String]) -> Error {
    let nothing = notes.is_empty() && listing.folders.is_empty();
    let found = match (nothing, notes.is_empty()) {
        (true, _) => "it is empty".to_owned(),
        (false, true) => {
            let folders: Vec<&str> = listing.folders.iter().map(String::as_str).collect();
            format!("no images in it, only {}: {}", naming::count(folders.len(), "folder"), some(&folders))
        }
        (false, false) => format!("no images in it: {}", notes.join("; ")),
    };
    Error::data(format!("{origin}: {found}")).help(match listing.skipped.made.keys().next() {
        Some(made) => format!("to use what alexnet made, name it: {origin}/{made}; expected is {LAYOUT}"),
        None => format!("expected is {LAYOUT}"),
    })
}

/// Reports folders with images, and images outside all folders, that are not used.
fn leave_out(
    listing: &Listing,
    below: &str,
    unused: Vec<(String, String)>,
    notes: &mut Vec<String>,
    findings: &mut Findings,
) {
    for (folder, why) in unused {
        let prefix = format!("{folder}/");
        let images = listing.files.iter().filter(|(path, _)| path.starts_with(&prefix)).count();
        notes.push(format!("{below}{folder}/ ({}): {why}", naming::count(images, "image")));
        findings.tell(ProblemKind::NotUsed, format!("{below}{folder}"), why);
    }
    let outside: Vec<&str> = listing.outside.iter().map(String::as_str).collect();
    outside.iter().for_each(|&path| findings.tell(ProblemKind::Loose, path, "in no class folder"));
    if !outside.is_empty() {
        let images = naming::count(outside.len(), "image");
        notes.push(format!("skipped {images} outside {below}: {}", some(&outside)));
    }
}

/// A dataset without splits of its own: a part of each class is held out.
pub(super) fn held_out_dataset(
    names: Vec<String>,
    all: Vec<Item>,
    store: &Arc<Store>,
    origin: String,
    mut notes: Vec<String>,
) -> Dataset {
    let held = held_out(&all, names.len());
    let part = |val: bool| -> Vec<Item> {
        all.iter().zip(&held).filter(|(_, held)| **held == val).map(|(item, _)| item.clone()).collect()
    };
    let (train, val) = (part(false), part(true));
    notes.push(format!(
        "no train/ and val/ folders: {} of {} images, one in {HELD_OUT} of each class, are held out for validation",
        val.len(),
        all.len()
    ));
    let splits = [("train", train), ("val", val), ("all", all)];
    let splits = splits.into_iter().map(|(name, items)| Split::new(name, items, Arc::clone(store))).collect();
    Dataset { classes: names, splits, origin, notes }
}

fn in_splits(
    listing: &Listing,
    splits: &[(String, &str)],
    store: &Arc<Store>,
    origin: String,
    mut notes: Vec<String>,
    findings: &mut Findings,
) -> Result<Dataset> {
    let loose: Vec<&str> =
        listing.files.iter().map(|(path, _)| path.as_str()).filter(|path| !path.contains('/')).collect();
    report_loose(&loose, &mut notes, findings);
    let mut parts: Vec<(&str, &str, Classes)> = Vec::new();
    for (folder, name) in splits {
        let below = layout::split_folder(listing, folder);
        let place = format!("{origin}, {below}");
        if *name != "train" && !has_class_folders(listing, &below) {
            let why = "it has no class folders, so nothing says what its images show";
            notes.push(format!("{below} is not used: {why}"));
            findings.tell(ProblemKind::NotUsed, folder.as_str(), why);
            continue;
        }
        parts.push((folder, name, Classes::of(listing, &below, &place, &mut notes, findings)?));
    }
    let Some((first, ..)) = parts.first() else {
        return Err(Error::data(format!("{origin}: {}", notes.join("; "))).help(LAYOUT));
    };
    let names = match parts.iter().find(|(_, name, _)| *name == "train") {
        Some((.., classes)) => classes.names(),
        None => {
            notes.push(format!("there is no train/ folder: {first}/ can be evaluated on, not trained on"));
            let all: BTreeSet<String> = parts.iter().flat_map(|(.., classes)| classes.names()).collect();
            all.into_iter().collect()
        }
    };
    let mut made: Vec<Split> = Vec::new();
    for (folder, name, mut classes) in parts {
        let unknown: Vec<&str> = classes.0.keys().copied().filter(|class| !is_among(class, &names)).collect();
        if !unknown.is_empty() {
            let error = || {
                Error::data(format!(
                    "{origin}: {folder}/ has classes that train/ does not have: {}",
                    some(&unknown)
                ))
                .help("use the same class folders in both, with the same names")
            };
            let detail = "the training images do not have this class";
            findings.refuse(
                error,
                unknown.iter().map(|class| problem(folder, class, ProblemKind::UnknownClass, detail)),
            )?;
        }
        classes.0.retain(|class, _| is_among(class, &names));
        let missing: Vec<&str> =
            names.iter().map(String::as_str).filter(|n| !classes.0.contains_key(n)).collect();
        for class in &missing {
            let file = format!("{folder}/{class}");
            findings.tell(ProblemKind::MissingClass, file, format!("{folder}/ has no images of this class"));
        }
        if !missing.is_empty() {
            let classes = if missing.len() == 1 { "class" } else { "classes" };
            notes.push(format!("{folder}/ has no images of {} {classes}: {}", missing.len(), some(&missing)));
        }
        made.push(Split::new(name, classes.items(&names), Arc::clone(store)));
    }
    if made.len() == 1 && made[0].name == "train" {
        notes.push("there is no val/ or test/ folder, so nothing to validate on".to_owned());
    }
    Ok(Dataset { classes: names, splits: made, origin, notes })
}

/// Whether any image below a prefix is in a folder there.
fn has_class_folders(listing: &Listing, below: &str) -> bool {
    listing.files.iter().filter_map(|(path, _)| path.strip_prefix(below)).any(|path| path.contains('/'))
}

fn report_loose(loose: &[&str], notes: &mut Vec<String>, findings: &mut Findings) {
    loose.iter().for_each(|&path| findings.tell(ProblemKind::Loose, path, "in no class folder"));
    match loose.len() {
        0 => {}
        1 => notes.push(format!("skipped 1 image that is in no class folder: {}", loose[0])),
        n => notes.push(format!("skipped {n} images that are in no class folder: {}", some(loose))),
    }
}

/// The class folders below a prefix, with their images.
struct Classes<'a>(BTreeMap<&'a str, Vec<&'a (String, Place)>>);

impl<'a> Classes<'a> {
    fn of(
        listing: &'a Listing,
        prefix: &str,
        origin: &str,
        notes: &mut Vec<String>,
        findings: &mut Findings,
    ) -> Result<Self> {
        let below = |path: &'a str| path.strip_prefix(prefix);
        let folders =
            listing.folders.iter().filter_map(|path| below(path)).filter(|path| !path.contains('/'));
        let mut classes: BTreeMap<&str, Vec<_>> = folders.map(|name| (name, Vec::new())).collect();
        let mut loose = Vec::new();
        for file in &listing.files {
            let Some(path) = below(&file.0) else { continue };
            match path.split_once('/') {
                None => loose.push(file.0.as_str()),
                Some((class, _)) => classes.entry(class).or_default().push(file),
            }
        }
        if classes.is_empty() {
            let found = match loose.len() {
                0 => "no images in it".to_owned(),
                1 => "its image has no class folders, so nothing says what it shows".to_owned(),
                n => format!("its {n} images have no class folders, so nothing says what they show"),
            };
            return Err(Error::data(format!("{origin}: {found}")).help(format!(
                "{LAYOUT}; or, beside images in one folder, labels.csv with `FILE,CLASS` a line"
            )));
        }
        report_loose(&loose, notes, findings);
        let empty: Vec<&str> =
            classes.iter().filter(|(_, files)| files.is_empty()).map(|(name, _)| *name).collect();
        let (beside, empty): (Vec<&str>, Vec<&str>) =
            empty.into_iter().partition(|name| prefix.is_empty() && layout::is_no_class(listing, name));
        for name in beside {
            notes.push(format!("{name}/ has no images and is not used as a class"));
            findings.tell(ProblemKind::NotUsed, name, "it has no images");
        }
        if !empty.is_empty() {
            let each: Vec<String> =
                empty.iter().map(|name| listing.skipped.instead(name, &format!("{prefix}{name}/"))).collect();
            let each: Vec<&str> = each.iter().map(String::as_str).collect();
            let error = || {
                Error::data(format!("{origin}: class folders with no images: {}", some(&each)))
                    .help(format!("remove them, or put images into them; expected is {LAYOUT}"))
            };
            let detail = "a class folder without images";
            let prefix = prefix.trim_end_matches('/');
            findings.refuse(
                error,
                empty.iter().map(|class| problem(prefix, class, ProblemKind::EmptyClass, detail)),
            )?;
        }
        classes.retain(|_, files| !files.is_empty());
        if classes.is_empty() {
            return Err(Error::data(format!("{origin}: no class folder has images")).help(LAYOUT));
        }
        Ok(Self(classes))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().map(|&name| name.to_owned()).collect()
    }

    fn items(&self, names: &[String]) -> Vec<Item> {
        let labeled =
            names.iter().zip(0u32..).filter_map(|(name, label)| Some((self.0.get(name.as_str())?, label)));
        labeled
            .flat_map(|(files, label)| {
                files.iter().map(move |(file, place)| Item { file: file.clone(), label, place: *place })
            })
            .collect()
    }
}

/// Which images are held out: of each class the tenth with the smallest hash of their names, at least one of two.
/// An image keeps its side when others come or go, as far as the share allows.
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

/// Whether a name is among names in the order of their bytes.
fn is_among(name: &str, names: &[String]) -> bool {
    names.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
}

fn problem(folder: &str, class: &str, kind: ProblemKind, detail: &str) -> Problem {
    let file = if folder.is_empty() { class.to_owned() } else { format!("{folder}/{class}") };
    Problem { file, kind, detail: detail.to_owned() }
}

/// The first few names of a list.
pub(super) fn some(names: &[&str]) -> String {
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
