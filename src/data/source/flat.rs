//! A folder of pictures without class folders, and what says what they show: a file of labels, or, for ImageNet's validation
//! pictures, the development kit.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ilsvrc::{self, Devkit};
use super::labels::Labels;
use super::tree::{Listing, held_out_dataset, may_be_picture, some};
use super::{Dataset, Findings, Item, Place, Split, Store, folder};
use crate::data::ProblemKind;
use crate::{Error, Result};

/// Most bytes of a file of labels.
const MOST: u64 = 1 << 30;

/// Files beside the pictures that are text, but no labels.
const OTHERS: [&str; 4] = ["classes.txt", "readme.txt", "license.txt", "synset_words.txt"];

/// Whether a folder has pictures right in it and something that says what they show.
pub(super) fn is_flat(path: &Path) -> bool {
    let entries = || std::fs::read_dir(path).into_iter().flatten().flatten();
    let has_picture = entries().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.contains('.') && !name.starts_with('.') && may_be_picture(&name) && entry.path().is_file()
    });
    has_picture && (!label_files(path).is_empty() || Devkit::is_in(path))
}

fn label_files(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_labels = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let text = [".txt", ".csv", ".tsv"].iter().any(|end| name.ends_with(end));
        text && !OTHERS.contains(&name.as_str()) && !ilsvrc::is_truth(&name) && path.is_file()
    };
    let mut found: Vec<PathBuf> = entries.filter(is_labels).collect();
    found.sort();
    found
}

pub(super) fn open(path: &Path, findings: &mut Findings) -> Result<Dataset> {
    let listing = folder::list(path)?;
    if let Some(kit) = Devkit::find(path)? {
        return validation(path, listing, &kit);
    }
    let origin = path.display();
    let files = label_files(path);
    let [labels] = &files[..] else {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        return Err(Error::data(format!("{origin}: which file says what the pictures show? {}", names.join(", ")))
            .help("one .txt, .csv or .tsv beside the pictures, with `FILE CLASS` a line; class names, if those are numbers, in classes.txt"));
    };
    let pairs = read(labels)?;
    let pictures: BTreeMap<&str, Place> = listing
        .files
        .iter()
        .filter(|file| may_be_picture(&file.0))
        .map(|file| (file.0.as_str(), file.1))
        .collect();
    let found = Names::of(pictures.keys().copied());
    // A table's heading is no picture, and no class.
    let heading = pairs.len() > 1 && found.path(&pairs[0].0).is_none() && !pairs[0].0.contains('.');
    let pairs = &pairs[usize::from(heading)..];
    let classes = Labels::of(path, &pairs.iter().map(|pair| pair.1.as_str()).collect())?;
    let mut notes: Vec<String> = classes.note(path).into_iter().collect();
    let (mut items, mut lost) = (BTreeMap::new(), Vec::new());
    for (file, class) in pairs {
        let Some(path) = found.path(file) else {
            lost.push(file.as_str());
            continue;
        };
        let label = classes.label(class).unwrap_or(0);
        let before = items.insert(path, label);
        if before.is_some_and(|before| before != label) {
            return Err(Error::data(format!("{}: {file} has two classes", labels.display())));
        }
    }
    let without: Vec<&str> = pictures.keys().copied().filter(|path| !items.contains_key(path)).collect();
    without.iter().for_each(|&file| findings.tell(ProblemKind::Loose, file, "no line says what it shows"));
    lost.iter().for_each(|&file| findings.tell(ProblemKind::Missing, file, "listed, but not there"));
    if !without.is_empty() {
        notes.push(format!(
            "{} pictures are in no line of {} and left out: {}",
            without.len(),
            labels.display(),
            some(&without)
        ));
    }
    if !lost.is_empty() {
        notes.push(format!(
            "{} lists {} files that are not there: {}",
            labels.display(),
            lost.len(),
            some(&lost)
        ));
    }
    if items.is_empty() {
        return Err(Error::data(format!("{}: none of its files is in the folder", labels.display())));
    }
    let item = |(file, label): (&str, u32)| Item { file: file.to_owned(), label, place: Place::Named };
    let items = items.into_iter().map(item).collect();
    let store = Arc::new(Store::Folder(path.to_owned()));
    Ok(held_out_dataset(classes.names, items, &store, origin.to_string(), notes))
}

/// Pictures by the ways in which a list may call them.
struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    /// Their paths; without the folders; and without the ending.
    fn of(paths: impl Iterator<Item = &'a str> + Clone) -> Self {
        let name = |path: &'a str| path.rsplit('/').next().unwrap_or(path);
        let stem = |path: &'a str| name(path).rsplit_once('.').map_or(path, |parts| parts.0);
        // The last to say a name is meant: a whole path is surer than a part of one.
        let ways = paths.clone().map(|path| (stem(path), path));
        let ways = ways.chain(paths.clone().map(|path| (name(path), path)));
        Self(ways.chain(paths.map(|path| (path, path))).collect())
    }

    fn path(&self, file: &str) -> Option<&'a str> {
        let name = file.rsplit('/').next().unwrap_or(file);
        self.0.get(file).or_else(|| self.0.get(name)).copied()
    }
}

/// ImageNet's validation pictures in a folder, their classes by the kit.
fn validation(path: &Path, listing: Listing, kit: &Devkit) -> Result<Dataset> {
    let mut items = Vec::new();
    for (file, place) in listing.files.into_iter().filter(|file| may_be_picture(&file.0)) {
        let number = file.rsplit('/').next().unwrap_or(&file).rsplit_once('.').map_or("", |parts| parts.0);
        let number = number.rsplit('_').next().and_then(|digits| digits.parse::<usize>().ok());
        let label = number.and_then(|number| kit.validation.get(number.checked_sub(1)?));
        let Some(&label) = label else {
            return Err(Error::data(format!(
                "{}: the ground truth, {} lines, has none for {file}",
                path.display(),
                kit.validation.len()
            ))
            .help("files called as ImageNet calls them: ILSVRC2012_val_00000001.JPEG"));
        };
        items.push(Item { file, label, place });
    }
    items.sort_by(|a, b| a.file.cmp(&b.file));
    let origin = path.display().to_string();
    let split = Split::new("val", items, Arc::new(Store::Folder(path.to_owned()))).as_stored();
    Ok(Dataset { classes: kit.names(), splits: vec![split], origin, notes: kit.notes.clone() })
}

/// File and class of each line: the first and the last word, between spaces, tabs or commas.
fn read(path: &Path) -> Result<Vec<(String, String)>> {
    let failed = |what: &dyn std::fmt::Display| Error::data(format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MOST {
        return Err(failed(&format!("{size} bytes, expected a list of files with their classes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let mut pairs = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let line = line.trim();
        let cut = |by: &[char]| line.rsplit_once(by).or_else(|| line.rsplit_once(char::is_whitespace));
        let pair = if line.contains(['\t', ',']) { cut(&['\t', ',']) } else { cut(&[' ']) };
        let (file, class) =
            pair.ok_or_else(|| failed(&format!("line {number}, `{line}`: expected a file and its class")))?;
        let plain = |word: &str| word.trim().trim_matches('"').to_owned();
        pairs.push((plain(file), plain(class)));
    }
    Ok(pairs)
}
