//! Images that are not, or not all, in class folders, and what says what they show: lists, or, for ImageNet's validation images,
//! the development kit.
//!
//! A part of the folder, all of it or a split's folder, is labelled by class folders if it has those, and else by a list in it,
//! by the kit, by a list beside it. Tiny ImageNet, Caffe's and Kaggle's layouts are made of such parts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::ilsvrc::Devkit;
use super::labels::{ClassList, Labels};
use super::layout::{self, Layout};
use super::lists::{List, may_be_list, numbers_of};
use super::naming::count;
use super::text::Text;
use super::tree::{Listing, held_out_dataset, some};
use super::{Dataset, Findings, Item, Split, Store};
use crate::data::{Problem, ProblemKind};
use crate::{Error, Result};

/// Lists of the names that numbers stand for, in their order.
const NUMBERED: [&str; 3] = ["synsets.txt", "wnids.txt", "classes.txt"];

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

/// An image with what is said of it.
struct Labelled {
    split: Option<&'static str>,
    image: usize,
    class: Class,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The class of this name.
    Folder(String),
    /// What a list says: a name or a number.
    Said(String),
    /// The place of a class among the kit's.
    Kit(u32),
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
    let kit = if candidates.is_empty() && !Devkit::is_in(root) { None } else { Devkit::find(root)? };
    if candidates.is_empty() && kit.is_none() {
        return Ok(None);
    }
    let mut source = Flat { root, listing, parts, lists: Vec::new(), kit, notes: found.notes, findings };
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
        let unlabelled =
            how.iter().zip(&self.parts).filter(|(by, _)| matches!(by, By::Nothing)).map(|(_, part)| part);
        let broken =
            |part: &Part| self.lists.iter().filter(|list| self.may_label(list, part)).find_map(List::broken);
        if let Some(error) = unlabelled.filter_map(broken).next() {
            return Err(error.clone());
        }
        let listed = how.iter().any(|by| matches!(by, By::Lists(_) | By::Kit));
        if !listed {
            return self.nothing(&how, candidates).map_or(Ok(None), Err);
        }
        let labelled = self.labelled(&how);
        self.tell_lists(&how, candidates)?;
        self.tell_unlabelled(&how, &labelled);
        let dataset = self.dataset(labelled, &how, trained)?;
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
        let fits = |list: &List| !list.said.is_empty() && self.may_label(list, part);
        self.lists.iter().zip(0..).filter(|(list, _)| fits(list)).map(|(_, at)| at).collect()
    }

    /// Whether a list is not about another part.
    fn may_label(&self, list: &List, part: &Part) -> bool {
        let is_in = |part: &Part| part.split.is_some() && list.path.starts_with(&part.prefix);
        match self.parts.iter().find(|part| is_in(part)) {
            Some(other) => other.prefix == part.prefix,
            None => part.split.is_none() || list.split.is_none() || list.split == part.split,
        }
    }

    /// Those of a part's lists that are used: one for each split.
    fn chosen(&self, part: &Part, lists: Vec<usize>) -> Result<Vec<usize>> {
        let inside = lists_inside(&lists, &self.lists, part);
        let of_split: Vec<usize> =
            lists.iter().copied().filter(|&list| self.lists[list].split.is_some()).collect();
        let lists = match (part.split, inside.is_empty(), of_split.is_empty()) {
            (Some(_), false, _) => inside,
            (Some(_), true, false) => of_split,
            (Some(_), true, true) | (None, ..) => lists,
        };
        let splits: BTreeSet<Option<&str>> = lists.iter().map(|&list| self.lists[list].split).collect();
        if splits.len() < lists.len() {
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

    /// Every image with what is said of it.
    fn labelled(&self, how: &[By]) -> Vec<Labelled> {
        let mut all = Vec::new();
        for (part, by) in self.parts.iter().zip(how) {
            for &image in &part.images {
                let mut add = |split, class| all.push(Labelled { split, image, class });
                match by {
                    By::Nothing => {}
                    By::Folders => {
                        if let Some(folder) = self.class_folder(part, image) {
                            add(part.split, Class::Folder(folder.to_owned()));
                        }
                    }
                    By::Kit => {
                        let kit = self.kit.as_ref().map_or(&[][..], |kit| &kit.validation);
                        let place =
                            number(self.path(image)).and_then(|number| kit.get(number.checked_sub(1)?));
                        if let Some(&place) = place {
                            add(part.split.or(Some("val")), Class::Kit(place));
                        }
                    }
                    By::Lists(lists) => {
                        let several = lists.len() > 1;
                        for list in lists.iter().map(|&list| &self.lists[list]) {
                            if let Some(said) = list.said.get(&image) {
                                let named = list.split.filter(|_| several);
                                add(part.split.or(said.split).or(named), Class::Said(said.class.clone()));
                            }
                        }
                    }
                }
            }
        }
        all
    }

    fn tell_lists(&mut self, how: &[By], candidates: &[String]) -> Result<()> {
        let used: BTreeSet<usize> = how
            .iter()
            .filter_map(|by| if let By::Lists(lists) = by { Some(lists) } else { None })
            .flatten()
            .copied()
            .collect();
        for &list in &used {
            self.lists[list].check(self.root, self.findings)?;
            self.lists[list].tell(self.findings, &mut self.notes);
        }
        let names: BTreeSet<&str> = used.iter().map(|&list| self.lists[list].path.as_str()).collect();
        let unused: Vec<&str> =
            candidates.iter().map(String::as_str).filter(|path| !names.contains(path)).collect();
        if !unused.is_empty() {
            self.notes.push(format!("not used to label images: {}", some(&unused)));
        }
        Ok(())
    }

    /// Images that nothing is said of: single ones, and whole parts.
    fn tell_unlabelled(&mut self, how: &[By], labelled: &[Labelled]) {
        let has: BTreeSet<usize> = labelled.iter().map(|labelled| labelled.image).collect();
        for (part, by) in self.parts.iter().zip(how) {
            let without: Vec<&str> = part
                .images
                .iter()
                .filter(|image| !has.contains(image))
                .map(|&image| self.listing.files[image].0.as_str())
                .collect();
            if without.is_empty() {
                continue;
            }
            let images = count(without.len(), "image");
            let (kind, detail, note) = match by {
                By::Nothing => (
                    ProblemKind::NotUsed,
                    "nothing says what it shows",
                    format!("{} is not used: nothing says what its {images} show", part.prefix),
                ),
                By::Folders | By::Lists(_) | By::Kit => (
                    ProblemKind::Loose,
                    "no line says what it shows",
                    format!("skipped {images} that no line of a list names: {}", some(&without)),
                ),
            };
            without.iter().for_each(|&file| self.findings.tell(kind, file, detail));
            self.notes.push(note);
        }
        let outside: Vec<&str> = self
            .listing
            .files
            .iter()
            .map(|file| file.0.as_str())
            .filter(|path| !self.parts.iter().any(|part| path.starts_with(&part.prefix)))
            .collect();
        if !outside.is_empty() {
            outside.iter().for_each(|&file| {
                self.findings.tell(ProblemKind::NotUsed, file, "beside the folders of the splits")
            });
            self.notes.push(format!(
                "skipped {} beside the folders of the splits: {}",
                count(outside.len(), "image"),
                some(&outside)
            ));
        }
        let twice = labelled.len() - has.len();
        if twice > 0 {
            self.notes.push(format!(
                "{} in several lists, and so in several splits",
                count(twice, "image is").replace("image iss", "images are")
            ));
        }
        let listed: BTreeSet<&str> = self.lists.iter().map(|list| list.path.as_str()).collect();
        self.listing.skipped.others.retain(|path| !listed.contains(path.as_str()));
        self.notes.extend(self.listing.report(self.findings));
    }

    fn dataset(mut self, labelled: Vec<Labelled>, how: &[By], trained: BTreeSet<String>) -> Result<Dataset> {
        let by_kit = how.iter().any(|by| matches!(by, By::Kit));
        if let Some(kit) = self.kit.as_ref().filter(|_| by_kit) {
            self.notes.extend(kit.notes.iter().cloned());
        }
        let (names, labels) = match (trained.is_empty(), &self.kit) {
            (false, _) => self.by_folder(&labelled, trained.into_iter().collect())?,
            (true, Some(kit)) if by_kit => {
                let label = |class: &Class| if let Class::Kit(place) = class { Some(*place) } else { None };
                self.check_numbers(&labelled)?;
                (kit.names(), labelled.iter().map(|labelled| label(&labelled.class)).collect())
            }
            (true, _) => self.by_name(&labelled)?,
        };
        let mut splits: BTreeMap<Option<&str>, Vec<Item>> = BTreeMap::new();
        for (labelled, label) in labelled.iter().zip(labels) {
            let Some(label) = label else { continue };
            let (file, place) = &self.listing.files[labelled.image];
            splits.entry(labelled.split).or_default().push(Item { file: file.clone(), label, place: *place });
        }
        let store = Arc::new(Store::Folder(self.root.to_owned()));
        let origin = self.root.display().to_string();
        if splits.len() == 1 && splits.contains_key(&None) {
            let all = splits.into_values().flatten().collect();
            return Ok(held_out_dataset(names, all, &store, origin, self.notes));
        }
        if let Some(rest) = splits.remove(&None) {
            self.notes
                .push(format!("skipped {} that no list assigns to a split", count(rest.len(), "image")));
        }
        let mut made: Vec<Split> = Vec::new();
        for (name, items) in splits {
            let split = Split::new(name.unwrap_or_default(), items, Arc::clone(&store));
            // What comes with the kit is ImageNet, whose images are never rotated.
            made.push(if by_kit { split.as_stored() } else { split });
        }
        made.sort_by_key(|split| (split.name != "train", split.name != "val"));
        if made.len() == 1 && made[0].name == "train" {
            self.notes.push("there is no val/ or test/ folder: nothing to validate on".to_owned());
        }
        Ok(Dataset { classes: names, splits: made, origin, notes: self.notes })
    }

    /// Every image with a number has to have a line in the kit's ground truth.
    fn check_numbers(&self, labelled: &[Labelled]) -> Result<()> {
        let has: BTreeSet<usize> = labelled.iter().map(|labelled| labelled.image).collect();
        let without = self.parts.iter().flat_map(|part| &part.images).find(|image| !has.contains(image));
        let lines = self.kit.as_ref().map_or(0, |kit| kit.validation.len());
        without.map_or(Ok(()), |&image| {
            Err(Error::data(format!(
                "{}: the ground truth, {lines} lines, has none for {}",
                self.root.display(),
                self.path(image)
            ))
            .help("files called as ImageNet calls them: ILSVRC2012_val_00000001.JPEG"))
        })
    }

    /// Labels where nothing but lists names classes.
    fn by_name(&mut self, labelled: &[Labelled]) -> Result<(Vec<String>, Vec<Option<u32>>)> {
        let said = |labelled: &Labelled| {
            if let Class::Said(class) = &labelled.class { Some(class.clone()) } else { None }
        };
        let said: Vec<Option<String>> = labelled.iter().map(said).collect();
        let labels = Labels::of(self.root, &said.iter().flatten().map(String::as_str).collect())?;
        self.notes.extend(labels.notes(self.root));
        let found = said.iter().map(|class| labels.label(class.as_deref()?)).collect();
        Ok((labels.names, found))
    }

    /// Labels where class folders name the classes.
    fn by_folder(
        &mut self,
        labelled: &[Labelled],
        names: Vec<String>,
    ) -> Result<(Vec<String>, Vec<Option<u32>>)> {
        let place =
            |name: &str| names.binary_search_by(|other| other.as_str().cmp(name)).ok().map(|at| at as u32);
        let said: BTreeSet<&str> = labelled
            .iter()
            .filter_map(
                |labelled| if let Class::Said(class) = &labelled.class { Some(class.as_str()) } else { None },
            )
            .collect();
        let numbered = !said.is_empty()
            && said.iter().all(|class| class.parse::<usize>().is_ok())
            && said.iter().any(|class| place(class).is_none());
        let numbers = if numbered { self.numbers(&names)? } else { HashMap::new() };
        let label = |class: &Class| match class {
            Class::Folder(name) => place(name),
            Class::Said(class) if numbered => place(numbers.get(class.as_str())?),
            Class::Said(class) => place(class),
            Class::Kit(at) => place(self.kit.as_ref()?.wnid(*at)),
        };
        let labels: Vec<Option<u32>> = labelled.iter().map(|labelled| label(&labelled.class)).collect();
        let unknown =
            labelled.iter().zip(&labels).filter(|(_, label)| label.is_none()).map(|(labelled, _)| labelled);
        let (by_kit, others): (Vec<&Labelled>, Vec<&Labelled>) =
            unknown.partition(|labelled| matches!(labelled.class, Class::Kit(_)));
        if !by_kit.is_empty() {
            by_kit.iter().for_each(|labelled| {
                self.findings.tell(
                    ProblemKind::UnknownClass,
                    &self.listing.files[labelled.image].0,
                    "of a class that train/ does not have",
                );
            });
            self.notes.push(format!(
                "skipped {} of classes that train/ does not have",
                count(by_kit.len(), "validation image")
            ));
        }
        if !others.is_empty() {
            let classes: BTreeSet<String> = others
                .iter()
                .map(|labelled| match &labelled.class {
                    Class::Said(class) | Class::Folder(class) => class.clone(),
                    Class::Kit(at) => at.to_string(),
                })
                .collect();
            let list: Vec<&str> = classes.iter().map(String::as_str).collect();
            let error = || {
                Error::data(format!("{}: {} of classes that train/ does not have: {}", self.root.display(), count(others.len(), "image"), some(&list)))
                .help("the same classes in both: names of train/'s folders in the list, or numbers of lines in classes.txt")
            };
            let problems = list.iter().map(|class| Problem {
                file: (*class).to_owned(),
                kind: ProblemKind::UnknownClass,
                detail: "a class that train/ does not have".to_owned(),
            });
            self.findings.refuse(error, problems)?;
        }
        Ok((names, labels))
    }

    /// The folders that numbers stand for: by a list of names, by a list of the images in the folders, or in their order.
    fn numbers(&mut self, names: &[String]) -> Result<HashMap<String, String>> {
        for file in NUMBERED {
            let path = self.root.join(file);
            let listed = match file {
                "classes.txt" => ClassList::of(self.root)?.map(|list| list.names),
                _ if path.is_file() => Some(Text::read(&path)?.words()),
                _ => None,
            };
            if let Some(listed) = listed {
                self.notes.push(format!("numbers in lists are lines of {file}, counted from 0"));
                return Ok(listed
                    .into_iter()
                    .zip(0usize..)
                    .map(|(name, number)| (number.to_string(), name))
                    .collect());
            }
        }
        let train = self.parts.iter().find(|part| part.split == Some("train"));
        for list in self.lists.iter().filter(|list| list.split == Some("train") && !list.said.is_empty()) {
            let folder = |image: usize| train.and_then(|part| self.class_folder(part, image));
            let Some(numbers) = numbers_of(list, folder) else {
                return Err(Error::data(format!("{}: {} gives images of one folder of train/ several numbers, or several folders one", self.root.display(), list.path))
                    .help("classes.txt with the names of train/'s folders, one a line, in the order of their numbers"));
            };
            self.notes
                .push(format!("numbers in lists stand for the folders in which {} has them", list.path));
            return Ok(numbers);
        }
        self.notes.push(format!(
            "numbers in lists are taken for places in the sorted list of train/'s folders, from 0 (`{}`) to {} (`{}`); classes.txt, one name a line, says otherwise",
            names.first().map_or("", String::as_str),
            names.len() - 1,
            names.last().map_or("", String::as_str)
        ));
        Ok(names.iter().zip(0usize..).map(|(name, number)| (number.to_string(), name.clone())).collect())
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
