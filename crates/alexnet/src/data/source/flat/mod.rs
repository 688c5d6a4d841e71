//! Images that are not, or not all, in class folders, and what says what they show: lists, or, for ImageNet's validation images,
//! the development kit.
//!
//! A part of the folder, all of it or a split's folder, is labeled by class folders if it has those, and else by a list in it,
//! by the kit, by a list beside it. Tiny ImageNet, Caffe's and Kaggle's layouts are made of such parts.
//!
//! | file | what it does |
//! |---|---|
//! | `report` | what was assumed, and what is not used |
//! | `labels` | the labels of all images, and the dataset |

mod labels;
mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::ilsvrc::Devkit;
use super::layout::{self, Layout};
use super::lists::{List, may_be_list};
use super::tree::Listing;
use super::{Dataset, Findings};
use crate::{Error, Result};

/// A part of the source in which all images get their labels in the same way.
#[derive(Debug)]
struct Part {
    /// The split whose folder it is, or none: then lists may say splits.
    split: Option<&'static str>,
    /// Its folder with a `/` behind it, or nothing for all of the source.
    prefix: String,
    /// Places of its images among all.
    images: Vec<usize>,
}

/// How a part's images get their labels.
#[derive(Debug)]
enum By {
    Folders,
    /// Lists, by their places among all.
    Lists(Vec<usize>),
    Kit,
    /// Nothing says what they show.
    Nothing,
}

/// Opens a folder in which not all images are in class folders; `None` when nothing but folders says what they show.
///
/// # Errors
/// When a list does not fit, or says two things of an image.
pub(super) fn open(root: &Path, listing: &mut Listing, findings: &mut Findings) -> Result<Option<Dataset>> {
    // Folders that may be splits or classes are asked about where class folders are read.
    let Ok(found) = layout::find(listing, &root.display().to_string()) else { return Ok(None) };
    let parts = parts(listing, &found);
    let may_label = |path: &&String| may_be_list(path) && is_near(path, &parts);
    let candidates: Vec<String> = listing.skipped.others.iter().filter(may_label).cloned().collect();
    // A broken kit matters only where nothing else says what images show.
    let numbered = listing.files.iter().any(|file| number(&file.0).is_some());
    let (kit, broken_kit) = match if numbered { Devkit::find(root) } else { Ok(None) } {
        Ok(kit) => (kit, None),
        Err(error) => (None, Some(error)),
    };
    if candidates.is_empty() && kit.is_none() && broken_kit.is_none() {
        return Ok(None);
    }
    let notes = found.notes;
    let mut source = Flat { root, listing, parts, lists: Vec::new(), kit, broken_kit, notes, findings };
    source.read_lists(&candidates);
    source.open(&candidates)
}

/// The split folders, or all of the source, without the folders that hold all images.
fn parts(listing: &Listing, found: &layout::Found) -> Vec<Part> {
    let paths: Vec<&str> = listing.files.iter().map(|file| file.0.as_str()).collect();
    let mut prefix = found.below.clone();
    match &found.layout {
        Layout::Splits(splits) => splits
            .iter()
            .map(|(folder, split)| Part::new(Some(split), format!("{prefix}{folder}/"), &paths))
            .collect(),
        Layout::Classes => loop {
            let below = paths.iter().filter_map(|path| path.strip_prefix(&prefix));
            let tops: BTreeSet<&str> =
                below.map(|path| path.split_once('/').map_or("", |parts| parts.0)).collect();
            match tops.iter().copied().collect::<Vec<_>>()[..] {
                [top] if !top.is_empty() => prefix = format!("{prefix}{top}/"),
                _ => return vec![Part::new(None, prefix, &paths)],
            }
        },
    }
}

impl Part {
    fn new(split: Option<&'static str>, prefix: String, paths: &[&str]) -> Self {
        let images = (0..paths.len()).filter(|&at| paths[at].starts_with(&prefix)).collect();
        Self { split, prefix, images }
    }
}

/// Whether a list is in the source's folder, in one that leads to its parts, or right in one of those.
fn is_near(path: &str, parts: &[Part]) -> bool {
    let folder = path.rsplit_once('/').map_or(String::new(), |parts| format!("{}/", parts.0));
    folder.is_empty() || parts.iter().any(|part| part.prefix.starts_with(&folder))
}

struct Flat<'a> {
    root: &'a Path,
    listing: &'a mut Listing,
    parts: Vec<Part>,
    lists: Vec<List>,
    kit: Option<Devkit>,
    broken_kit: Option<Error>,
    notes: Vec<String>,
    findings: &'a mut Findings,
}

impl Flat<'_> {
    fn path(&self, image: usize) -> &str {
        &self.listing.files[image].0
    }

    /// Reads each list against the images that it may name: those of the part that it is in or whose split its name says.
    fn read_lists(&mut self, candidates: &[String]) {
        for path in candidates {
            let inside =
                self.parts.iter().find(|part| !part.prefix.is_empty() && path.starts_with(&part.prefix));
            let word = super::webdataset::split_word(path.rsplit('/').next().unwrap_or(path));
            let of_split = || self.parts.iter().find(|part| part.split.is_some() && part.split == word);
            let files = &self.listing.files;
            let of = |parts: &[Part]| -> Vec<(usize, &str)> {
                parts
                    .iter()
                    .flat_map(|part| &part.images)
                    .map(|&image| (image, files[image].0.as_str()))
                    .collect()
            };
            let images = match inside.or_else(of_split) {
                Some(part) => of(std::slice::from_ref(part)),
                None => of(&self.parts),
            };
            let read = |images: &[(usize, &str)]| List::read(self.root, path, images);
            let mut list = read(&images);
            // Names that are in several splits' folders: meant are the training images, if all of those are there.
            let train = self.parts.iter().find(|part| part.split == Some("train"));
            if let (None, None, Some(train)) = (inside, word, train)
                && list.as_ref().is_some_and(|list| !list.is_whole())
                && let Some(only) = read(&of(std::slice::from_ref(train))).filter(List::is_whole)
            {
                self.notes.push(format!(
                    "{path} is taken to be about {}, where all of its files are",
                    train.prefix
                ));
                list = Some(only);
            }
            self.lists.extend(list);
        }
    }

    fn open(mut self, candidates: &[String]) -> Result<Option<Dataset>> {
        let mut trained: BTreeSet<String> = BTreeSet::new();
        let mut how: Vec<By> = Vec::new();
        for part in &self.parts {
            let by = self.by(part, &trained)?;
            if matches!(by, By::Folders) && (part.split == Some("train") || part.split.is_none()) {
                trained.extend(
                    part.images.iter().filter_map(|&image| self.class_folder(part, image)).map(str::to_owned),
                );
            }
            how.push(by);
        }
        for (_, part) in how.iter().zip(&self.parts).filter(|(by, _)| matches!(by, By::Nothing)) {
            for list in self.lists.iter().filter(|list| may_label(&self.parts, list, part)) {
                list.check(self.root, self.findings)?;
            }
        }
        let unlabeled = how.iter().any(|by| matches!(by, By::Nothing));
        if let Some(error) = self.broken_kit.take().filter(|_| unlabeled) {
            return Err(error);
        }
        let listed = how.iter().any(|by| matches!(by, By::Lists(_) | By::Kit));
        if !listed {
            return self.nothing(&how, candidates).map_or(Ok(None), Err);
        }
        let labeled = self.labeled(&how);
        self.tell_lists(&how, candidates)?;
        self.tell_unlabeled(&how, &labeled);
        let dataset = self.dataset(labeled, &how, trained)?;
        Ok(Some(dataset))
    }

    /// The error of lists that name no image; `None` where class folders say enough.
    fn nothing(&self, how: &[By], candidates: &[String]) -> Option<Error> {
        let loose = self.parts.first().is_some_and(|part| part.prefix.is_empty());
        let needed = loose
            && how.first().is_some_and(|by| matches!(by, By::Nothing))
            && self.parts.iter().any(|part| !part.images.is_empty());
        let list = self
            .lists
            .iter()
            .find(|list| list.said.is_empty() && !list.missing.is_empty())
            .filter(|_| needed && candidates.len() == 1)?;
        let (line, file) = &list.missing[0];
        let images = self.parts.first().map_or("", |part| self.path(part.images[0]));
        Some(
            Error::data(format!(
                "{}: none of its files is in the folder; line {line} names `{file}`, the first image is {images}",
                self.root.join(&list.path).display()
            ))
            .help("a list whose lines begin with the images' names: FILE,CLASS"),
        )
    }

    /// The folder right below a part's that an image is in.
    fn class_folder(&self, part: &Part, image: usize) -> Option<&str> {
        self.path(image)[part.prefix.len()..].split_once('/').map(|parts| parts.0)
    }

    fn by(&self, part: &Part, trained: &BTreeSet<String>) -> Result<By> {
        let folders: BTreeSet<&str> =
            part.images.iter().filter_map(|&image| self.class_folder(part, image)).collect();
        let loose = part.images.iter().filter(|&&image| self.class_folder(part, image).is_none()).count();
        let known = !trained.is_empty() && folders.iter().all(|folder| trained.contains(*folder));
        let classed = loose == 0 && (folders.len() > 1 || known || part.images.is_empty());
        let lists = self.lists_of(part);
        let covers = |lists: &[usize]| {
            lists
                .iter()
                .any(|&list| part.images.iter().any(|image| self.lists[list].said.contains_key(image)))
        };
        if classed && !(part.split.is_none() && self.folders_only_store(part, &lists)) {
            return Ok(By::Folders);
        }
        if self.kit.as_ref().is_some_and(|kit| !kit.validation.is_empty())
            && part.split.is_none_or(|split| split == "val")
        {
            let named = part.images.iter().filter(|&&image| number(self.path(image)).is_some()).count();
            if named > 0
                && (part.split.is_none() || named == part.images.len())
                && !covers(&lists_inside(&lists, &self.lists, part))
            {
                return Ok(By::Kit);
            }
        }
        Ok(if covers(&lists) { By::Lists(self.chosen(part, lists)?) } else { By::Nothing })
    }

    /// The lists that may label a part.
    fn lists_of(&self, part: &Part) -> Vec<usize> {
        let fits = |list: &List| !list.said.is_empty() && may_label(&self.parts, list, part);
        self.lists.iter().zip(0..).filter(|(list, _)| fits(list)).map(|(_, at)| at).collect()
    }

    /// Those of a part's lists that are used: one for each split.
    fn chosen(&self, part: &Part, lists: Vec<usize>) -> Result<Vec<usize>> {
        let inside = lists_inside(&lists, &self.lists, part);
        let of_split: Vec<usize> =
            lists.iter().copied().filter(|&list| self.lists[list].split.is_some()).collect();
        let splits = |lists: &[usize]| -> BTreeSet<Option<&str>> {
            lists.iter().map(|&list| self.lists[list].split).collect()
        };
        let lists = match part.split {
            Some(_) if !inside.is_empty() => inside,
            Some(_) if !of_split.is_empty() => of_split,
            None if splits(&of_split).len() > 1 => of_split,
            Some(_) | None => lists,
        };
        let different = splits(&lists);
        if lists.len() > 1 && (different.len() < lists.len() || different.contains(&None)) {
            let names: Vec<&str> = lists.iter().map(|&list| self.lists[list].path.as_str()).collect();
            return Err(Error::data(format!(
                "{}: which file says what the images show? {}",
                self.root.display(),
                names.join(", ")
            ))
            .help(
                "one list beside the images, or one for each split: train.txt, val.txt; move the others away",
            ));
        }
        Ok(lists)
    }

    /// Whether folders have nothing to do with the classes of a list that has nearly all images: `part_1`, `part_2`.
    fn folders_only_store(&self, part: &Part, lists: &[usize]) -> bool {
        let said: HashMap<usize, &str> = lists
            .iter()
            .flat_map(|&list| &self.lists[list].said)
            .map(|(&image, said)| (image, said.class.as_str()))
            .collect();
        if part.images.is_empty() || 10 * said.len() < 9 * part.images.len() {
            return false;
        }
        let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for (&image, class) in &said {
            if let Some(folder) = self.class_folder(part, image) {
                *counts.entry(folder).or_default().entry(class).or_default() += 1;
            }
        }
        let main = |classes: &BTreeMap<&str, usize>| classes.values().copied().max().unwrap_or(0);
        let agree: usize = counts.values().map(main).sum();
        let classes: BTreeSet<&str> = said.values().copied().collect();
        2 * agree < said.len() && classes.len() > 1
    }
}

/// Whether a list is not about another part.
fn may_label(parts: &[Part], list: &List, part: &Part) -> bool {
    let is_in = |part: &Part| part.split.is_some() && list.path.starts_with(&part.prefix);
    match parts.iter().find(|part| is_in(part)) {
        Some(other) => other.prefix == part.prefix,
        None => part.split.is_none() || list.split.is_none() || list.split == part.split,
    }
}

/// Those of some lists that are in a part's folder.
fn lists_inside(lists: &[usize], all: &[List], part: &Part) -> Vec<usize> {
    lists
        .iter()
        .copied()
        .filter(|&list| !part.prefix.is_empty() && all[list].path.starts_with(&part.prefix))
        .collect()
}

/// The number in a name such as `ILSVRC2012_val_00000001.JPEG`.
fn number(path: &str) -> Option<usize> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |parts| parts.0);
    stem.strip_prefix("ILSVRC")?.rsplit_once("_val_")?.1.parse().ok()
}
