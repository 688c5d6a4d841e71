//! Labels all images by folders, lists or the development kit, and builds the data set.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::part::{By, Flat, number};
use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::catalog::Item;
use crate::data::source::dataset::Dataset;
use crate::data::source::labels::Labels;
use crate::data::source::naming::ListedFile;
use crate::data::source::split::Split;
use crate::data::source::store::Store;
use crate::data::source::tree::dataset_of_splits;
use crate::format::{counted, first_few};
use crate::{Error, Result};

/// An image with its class.
pub(super) struct Labeled {
    split: Option<&'static str>,
    pub(super) image: usize,
    class: Class,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The name of a class folder.
    Folder(String),
    /// The name or number in a list.
    Said(String),
    /// The index of a class in the development kit.
    Kit(u32),
}

impl Flat<'_> {
    /// Returns every image with its class.
    pub(super) fn labeled(&self, how: &[By]) -> Vec<Labeled> {
        let mut all = Vec::new();
        for (part, by) in self.parts.iter().zip(how) {
            for &image in &part.images {
                let mut add = |split, class| all.push(Labeled { split, image, class });
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

    pub(super) fn dataset(
        mut self,
        labeled: Vec<Labeled>,
        how: &[By],
        trained: BTreeSet<String>,
    ) -> Result<Dataset> {
        let by_kit = how.iter().any(|by| matches!(by, By::Kit));
        if let Some(kit) = self.kit.as_ref().filter(|_| by_kit) {
            self.notes.extend(kit.notes.iter().cloned());
        }
        let (names, labels) = match (trained.is_empty(), &self.kit) {
            (false, _) => self.by_folder(&labeled, trained.into_iter().collect())?,
            (true, Some(kit)) if by_kit => {
                let label = |class: &Class| if let Class::Kit(place) = class { Some(*place) } else { None };
                self.check_numbers(&labeled)?;
                (kit.names(), labeled.iter().map(|labeled| label(&labeled.class)).collect())
            }
            (true, _) => self.by_name(&labeled)?,
        };
        let mut splits: BTreeMap<Option<&str>, Vec<Item>> = BTreeMap::new();
        for (labeled, label) in labeled.iter().zip(labels) {
            let Some(label) = label else { continue };
            let ListedFile { path: file, location } = &self.listing.files[labeled.image];
            splits.entry(labeled.split).or_default().push(Item {
                file: file.clone(),
                label,
                location: *location,
            });
        }
        let store = Arc::new(Store::Folder(self.root.to_owned()));
        let origin = self.root.display().to_string();
        let why = " that no list assigns to a split";
        let mut set = dataset_of_splits(splits, names, &store, origin, self.notes, why);
        if by_kit && set.split("all").is_err() {
            // With the development kit it is ImageNet, whose EXIF orientation is not applied.
            set.splits = set.splits.into_iter().map(Split::ignoring_exif).collect();
        }
        if let [split] = &set.splits[..]
            && split.name == "train"
        {
            set.notes.push("no val/ or test/ folder, so nothing to validate on".to_owned());
        }
        Ok(set)
    }

    /// Checks that every numbered image has a line in the ground truth of the kit.
    fn check_numbers(&self, labeled: &[Labeled]) -> Result<()> {
        let has: BTreeSet<usize> = labeled.iter().map(|labeled| labeled.image).collect();
        let without = self.parts.iter().flat_map(|part| &part.images).find(|image| !has.contains(image));
        let lines = self.kit.as_ref().map_or(0, |kit| kit.validation.len());
        without.map_or(Ok(()), |&image| {
            Err(Error::data(format!(
                "{}: the ground truth has {lines} lines, but none for {}",
                self.root.display(),
                self.path(image)
            ))
            .help("name the files as ImageNet does: ILSVRC2012_val_00000001.JPEG"))
        })
    }

    /// Labels the images if only lists name classes.
    fn by_name(&mut self, labeled: &[Labeled]) -> Result<(Vec<String>, Vec<Option<u32>>)> {
        let said = |labeled: &Labeled| {
            if let Class::Said(class) = &labeled.class { Some(class.clone()) } else { None }
        };
        let said: Vec<Option<String>> = labeled.iter().map(said).collect();
        let labels = Labels::of(self.root, &said.iter().flatten().map(String::as_str).collect())?;
        self.notes.extend(labels.notes(self.root));
        let found = said.iter().map(|class| labels.label(class.as_deref()?)).collect();
        Ok((labels.names, found))
    }

    /// Labels the images if class folders name the classes.
    fn by_folder(
        &mut self,
        labeled: &[Labeled],
        names: Vec<String>,
    ) -> Result<(Vec<String>, Vec<Option<u32>>)> {
        let place =
            |name: &str| names.binary_search_by(|other| other.as_str().cmp(name)).ok().map(|at| at as u32);
        let said: BTreeSet<&str> = labeled
            .iter()
            .filter_map(
                |labeled| if let Class::Said(class) = &labeled.class { Some(class.as_str()) } else { None },
            )
            .collect();
        let numbered = !said.is_empty()
            && said.iter().all(|class| class.parse::<usize>().is_ok())
            && said.iter().any(|class| place(class).is_none());
        let numbers = if numbered { self.numbers(&names, &said)? } else { HashMap::new() };
        let label = |class: &Class| match class {
            Class::Folder(name) => place(name),
            Class::Said(class) if numbered => place(numbers.get(class.as_str())?),
            Class::Said(class) => place(class),
            Class::Kit(at) => place(self.kit.as_ref()?.wnid(*at)),
        };
        let labels: Vec<Option<u32>> = labeled.iter().map(|labeled| label(&labeled.class)).collect();
        let unknown =
            labeled.iter().zip(&labels).filter(|(_, label)| label.is_none()).map(|(labeled, _)| labeled);
        let (by_kit, others): (Vec<&Labeled>, Vec<&Labeled>) =
            unknown.partition(|labeled| matches!(labeled.class, Class::Kit(_)));
        if !by_kit.is_empty() {
            by_kit.iter().for_each(|labeled| {
                self.findings.report(
                    ProblemKind::UnknownClass,
                    &self.listing.files[labeled.image].path,
                    "class that train/ does not have",
                );
            });
            self.notes.push(format!(
                "skipped {} of classes that train/ does not have",
                counted(by_kit.len(), "validation image")
            ));
        }
        if !others.is_empty() {
            let classes: BTreeSet<String> = others
                .iter()
                .map(|labeled| match &labeled.class {
                    Class::Said(class) | Class::Folder(class) => class.clone(),
                    Class::Kit(at) => at.to_string(),
                })
                .collect();
            let list: Vec<&str> = classes.iter().map(String::as_str).collect();
            let error = || {
                Error::data(format!(
                    "{}: {} of classes that train/ does not have: {}",
                    self.root.display(),
                    counted(others.len(), "image"),
                    first_few(list.iter())
                ))
                .help(
                    "use the names of the folders in train/ in the list, or numbers of lines in classes.txt",
                )
            };
            let problems = list.iter().map(|class| Problem {
                file: (*class).to_owned(),
                kind: ProblemKind::UnknownClass,
                detail: "class that train/ does not have".to_owned(),
            });
            self.findings.reject(error, problems)?;
        }
        Ok((names, labels))
    }
}
