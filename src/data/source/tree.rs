//! Class folders, wherever they are listed from: a disk or an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::naming::{self, Kind, Marks, Skipped};
use super::{Dataset, Findings, Item, Place, Split, Store};
use crate::data::{Problem, ProblemKind};
use crate::random::{Purpose, key};
use crate::{Error, Result};

/// Names of folders that hold a split, and the split's name here.
pub(super) const SPLITS: [(&str, &str); 6] = [
    ("train", "train"),
    ("training", "train"),
    ("val", "val"),
    ("valid", "val"),
    ("validation", "val"),
    ("test", "test"),
];

/// One picture in how many is held out for validation when no split is given.
const HELD_OUT: usize = 10;

/// The files and folders below a root, by path, `/` between the parts.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// All files at first; after [`Listing::sort`] the images, by their paths.
    pub files: Vec<(String, Place)>,
    pub folders: BTreeSet<String>,
    /// What is neither: links that lead nowhere, pipes, names that leave an archive.
    pub odd: Vec<String>,
    /// What is not used, and why.
    pub skipped: Skipped,
    pub marks: Marks,
}

impl Listing {
    /// Adds a file and the folders above it, unless it is hidden.
    pub(super) fn add_file(&mut self, path: &str, place: Place) {
        self.marks.see(path);
        if let Some(path) = self.visible(path) {
            if let Some((folder, _)) = path.rsplit_once('/') {
                self.add_folder(folder);
            }
            self.files.push((path, place));
        }
    }

    /// Adds a folder and those above it. Returns whether it is to be looked into.
    pub(super) fn add_folder(&mut self, path: &str) -> bool {
        let Some(path) = self.visible(path) else { return false };
        for (end, _) in path.match_indices('/') {
            self.folders.insert(path[..end].to_owned());
        }
        self.folders.insert(path);
        true
    }

    /// The path without `.` parts; `None` when it is hidden or empty.
    fn visible(&mut self, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let path = parts.join("/");
        if naming::hidden_part(&path).is_some() {
            self.skipped.hide(&path);
            return None;
        }
        (!path.is_empty()).then_some(path)
    }

    /// Leaves the images in `files`; all else is counted in `skipped`. `head` reads the first bytes of a file.
    pub(super) fn sort(mut self, head: &dyn Fn(&str, &Place) -> std::io::Result<Vec<u8>>) -> Self {
        self.skipped.made = naming::without_made(&mut self.files, &mut self.folders, &self.marks);
        self.files.sort_by(|a, b| a.0.cmp(&b.0));
        self.files = naming::images(self.files, head, &mut self.skipped);
        self
    }
}

/// Makes a dataset of class folders, with or without split folders above them.
pub(super) fn dataset(
    listing: Listing,
    store: Store,
    origin: String,
    findings: &mut Findings,
) -> Result<Dataset> {
    findings.order_by_folders();
    let (listing, top) = without_common_top(listing);
    let store = Arc::new(match (store, top) {
        (Store::Folder(root), Some(top)) => Store::Folder(root.join(top)),
        (store, _) => store,
    });
    listing.skipped.tell(findings);
    listing
        .odd
        .iter()
        .for_each(|path| findings.tell(ProblemKind::Junk, path, "neither a plain file nor a folder"));
    let tops: Vec<&str> =
        listing.folders.iter().map(String::as_str).filter(|path| !path.contains('/')).collect();
    let named =
        |top: &&str| SPLITS.iter().find(|(folder, _)| folder.eq_ignore_ascii_case(top)).map(|split| split.1);
    let splits: Vec<(&str, &str)> = tops.iter().filter_map(|top| Some((*top, named(top)?))).collect();
    let mut notes = listing.skipped.notes();
    if !listing.odd.is_empty() {
        let odd: Vec<&str> = listing.odd.iter().map(String::as_str).collect();
        notes.push(format!("{} entries are no plain files and left out: {}", odd.len(), some(&odd)));
    }
    if splits.iter().any(|&(_, name)| name == "train") {
        return in_splits(&listing, &splits, &store, origin, notes, findings);
    }
    if !splits.is_empty() && splits.len() == tops.len() {
        return Err(Error::data(format!("{origin}: there is {} but no train/", tops.join("/ and ") + "/"))
            .help("a train/ folder beside it, or the folder inside it, whose folders are the classes"));
    }
    let classes = Classes::of(&listing, "", &origin, &mut notes, findings)?;
    let names = classes.names();
    let all = classes.items(&names);
    Ok(held_out_dataset(names, all, &store, origin, notes))
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
        "no train/ and val/ folders: {} of {} pictures, one in {HELD_OUT} of each class, are held out for validation",
        val.len(),
        all.len()
    ));
    let splits = [("train", train), ("val", val), ("all", all)];
    let splits = splits.into_iter().map(|(name, items)| Split::new(name, items, Arc::clone(store))).collect();
    Dataset { classes: names, splits, origin, notes }
}

fn in_splits(
    listing: &Listing,
    splits: &[(&str, &str)],
    store: &Arc<Store>,
    origin: String,
    mut notes: Vec<String>,
    findings: &mut Findings,
) -> Result<Dataset> {
    let mut names: Vec<String> = Vec::new();
    let mut made: Vec<Split> = Vec::new();
    // The training classes are the classes, so they come first.
    let mut splits = splits.to_vec();
    splits.sort_by_key(|&(_, name)| (name != "train", name != "val"));
    for (folder, name) in splits {
        if made.iter().any(|split| split.name == name) {
            notes.push(format!("{folder}/ is left alone: there is another folder of {name} pictures"));
            continue;
        }
        let mut classes = Classes::of(
            listing,
            &format!("{folder}/"),
            &format!("{origin}, {folder}/"),
            &mut notes,
            findings,
        )?;
        if name == "train" {
            names = classes.names();
        }
        let unknown: Vec<&str> = classes.0.keys().copied().filter(|class| !is_among(class, &names)).collect();
        if !unknown.is_empty() {
            let error = || {
                Error::data(format!(
                    "{origin}: {folder}/ has classes that train/ has not: {}",
                    some(&unknown)
                ))
                .help("the same class folders in both, with the same names")
            };
            let detail = "a class that the training pictures do not have";
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
            findings.tell(
                ProblemKind::MissingClass,
                file,
                format!("{folder}/ has no pictures of this class"),
            );
        }
        if !missing.is_empty() {
            notes.push(format!("{folder}/ has no pictures of {} classes: {}", missing.len(), some(&missing)));
        }
        made.push(Split::new(name, classes.items(&names), Arc::clone(store)));
    }
    if made.len() == 1 {
        notes.push("there is no val/ or test/ folder: nothing to validate on".to_owned());
    }
    Ok(Dataset { classes: names, splits: made, origin, notes })
}

/// The class folders below a prefix, with their pictures.
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
        if !loose.is_empty() && !classes.is_empty() {
            loose.iter().for_each(|&path| findings.tell(ProblemKind::Loose, path, "in no class folder"));
        }
        if !loose.is_empty() && !classes.is_empty() {
            notes.push(format!(
                "{} pictures are in no class folder and left out: {}",
                loose.len(),
                some(&loose)
            ));
        }
        let layout = "one folder of pictures for each class: cats/1.jpg, cats/2.jpg, dogs/1.jpg";
        if classes.is_empty() {
            let found = match loose.len() {
                0 => "it is empty".to_owned(),
                count => {
                    format!("its {count} pictures have no class folders, so nothing says what they show")
                }
            };
            return Err(Error::data(format!("{origin}: {found}")).help(format!(
                "{layout}; or, beside pictures in one folder, labels.csv with `FILE,CLASS` a line"
            )));
        }
        let empty: Vec<&str> =
            classes.iter().filter(|(_, files)| files.is_empty()).map(|(name, _)| *name).collect();
        if !empty.is_empty() {
            let error = || {
                Error::data(format!("{origin}: class folders with no pictures: {}", some(&empty)))
                    .help(format!("remove them, or put .jpg, .jpeg or .png files in; expected is {layout}"))
            };
            let detail = "a class folder without pictures";
            let prefix = prefix.trim_end_matches('/');
            findings.refuse(
                error,
                empty.iter().map(|class| problem(prefix, class, ProblemKind::EmptyClass, detail)),
            )?;
        }
        classes.retain(|_, files| !files.is_empty());
        if classes.is_empty() {
            return Err(Error::data(format!("{origin}: no class folder has pictures")).help(layout));
        }
        Ok(Self(classes))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().map(|&name| name.to_owned()).collect()
    }

    fn items(&self, names: &[String]) -> Vec<Item> {
        let labelled =
            names.iter().zip(0u32..).filter_map(|(name, label)| Some((self.0.get(name.as_str())?, label)));
        labelled
            .flat_map(|(files, label)| {
                files.iter().map(move |(file, place)| Item { file: file.clone(), label, place: *place })
            })
            .collect()
    }
}

/// Which pictures are held out: of each class the tenth with the smallest hash of their names, at least one of two.
/// A picture keeps its side when others come or go, as far as the share allows.
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

/// An archive often has all its files in one folder of its own: that folder is no class.
fn without_common_top(listing: Listing) -> (Listing, Option<String>) {
    let mut tops: BTreeSet<&str> = listing.folders.iter().filter_map(|path| path.split('/').next()).collect();
    tops.extend(listing.files.iter().filter_map(|(path, _)| path.split('/').next()));
    let [top] = tops.iter().copied().collect::<Vec<_>>()[..] else { return (listing, None) };
    let prefix = format!("{top}/");
    let holds_folders = listing.folders.iter().any(|path| path.starts_with(&prefix));
    if !holds_folders || SPLITS.iter().any(|&(folder, _)| folder.eq_ignore_ascii_case(top)) {
        return (listing, None);
    }
    let top = top.to_owned();
    let cut = |path: &str| path.strip_prefix(&prefix).map(str::to_owned);
    let cut = Listing {
        files: listing.files.iter().filter_map(|(path, place)| Some((cut(path)?, *place))).collect(),
        folders: listing.folders.iter().filter_map(|path| cut(path)).collect(),
        odd: listing.odd,
        ..listing
    };
    (cut, Some(top))
}

/// Whether a name is among names in the order of their bytes.
fn is_among(name: &str, names: &[String]) -> bool {
    names.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
}

fn problem(folder: &str, class: &str, kind: ProblemKind, detail: &str) -> Problem {
    let file = if folder.is_empty() { class.to_owned() } else { format!("{folder}/{class}") };
    Problem { file, kind, detail: detail.to_owned() }
}

/// Whether a name could be an image's.
pub(super) fn may_be_picture(path: &str) -> bool {
    matches!(Kind::of_name(path), Kind::Image | Kind::Unknown)
}

/// The first few names of a list.
pub(super) fn some(names: &[&str]) -> String {
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
