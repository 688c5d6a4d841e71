//! Labels all images by folders, lists or the development kit, and builds the data set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::labeled::{Class, Labeled};
use super::part::{By, Flat, number};
use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::catalog::Item;
use crate::data::source::dataset::Dataset;
use crate::data::source::lists::ListEntry;
use crate::data::source::naming::ListedFile;
use crate::data::source::split::Split;
use crate::data::source::store::Store;
use crate::data::source::tree::dataset_of_splits;
use crate::format::counted;
use crate::{Error, Result};

impl Flat<'_> {
    /// Returns every image with its class.
    pub(super) fn labeled(&self, how: &[By]) -> Vec<Labeled> {
        let mut all = Vec::new();
        for (part, by) in self.parts.iter().zip(how) {
            for &image in &part.images {
                let mut add = |split, class, list| all.push(Labeled { split, image, class, list });
                match by {
                    By::Nothing => {}
                    By::Folders => {
                        if let Some(folder) = self.class_folder(part, image) {
                            add(part.split, Class::Folder(folder.to_owned()), None);
                        }
                    }
                    By::Kit => {
                        let kit = self.kit.as_ref().map_or(&[][..], |kit| &kit.validation);
                        let place =
                            number(self.path(image)).and_then(|number| kit.get(number.checked_sub(1)?));
                        if let Some(&place) = place {
                            add(part.split.or(Some("val")), Class::Kit(place), None);
                        }
                    }
                    By::Lists(lists) => {
                        let several = lists.len() > 1;
                        for &at in lists {
                            let list = &self.lists[at];
                            if let Some(said) = list.said.get(&image) {
                                let split = part.split.or(said.split).or(list.split.filter(|_| several));
                                add(split, Class::Said(said.class.clone()), Some(at));
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
        let (names, labels) = match (trained.is_empty(), by_kit) {
            (false, _) => self.by_folder(&labeled, trained.into_iter().collect())?,
            (true, true) => {
                self.check_numbers(how, &labeled)?;
                self.by_kit(&labeled)?
            }
            (true, false) => self.by_name(&labeled)?,
        };
        let doubted = self.contradictions(&labeled, &labels)?;
        self.report_repeated(&labeled, &doubted);
        let mut splits: BTreeMap<Option<&str>, Vec<Item>> = BTreeMap::new();
        for (labeled, label) in labeled.iter().zip(labels) {
            let Some(label) = label.filter(|_| !doubted.contains(&labeled.image)) else { continue };
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
            let others = self.parts.iter().any(|part| part.split.is_some_and(|split| split != "train"));
            set.notes.push(match others {
                true => "no image of val/ or test/ has a label, so nothing to validate on".to_owned(),
                false => "no val/ or test/ folder, so nothing to validate on".to_owned(),
            });
        }
        Ok(set)
    }

    /// Rejects images with different classes in two lists, and returns them.
    fn contradictions(&mut self, labeled: &[Labeled], labels: &[Option<u32>]) -> Result<BTreeSet<usize>> {
        let said = |labeled: &Labeled| {
            let list = &self.lists[labeled.list?];
            let ListEntry { line, class, .. } = list.said.get(&labeled.image)?;
            Some(format!("`{class}` on line {line} of {}", list.path))
        };
        let mut found: BTreeMap<usize, String> = BTreeMap::new();
        // What lists say about an image is next to each other.
        for (pair, labels) in labeled.windows(2).zip(labels.windows(2)) {
            if let ([one, two], [Some(before), Some(label)]) = (pair, labels)
                && one.image == two.image
                && before != label
                && let (Some(one_said), Some(two_said)) = (said(one), said(two))
            {
                found.entry(one.image).or_insert_with(|| format!("two classes: {one_said} and {two_said}"));
            }
        }
        let Some((&first, what)) = found.first_key_value() else { return Ok(BTreeSet::new()) };
        let files = &self.listing.files;
        let error = || {
            let all = match found.len() {
                1 => String::new(),
                images => format!(" ({} in all)", counted(images, "image")),
            };
            let message = format!("{}: {} has {what}{all}", self.root.display(), files[first].path);
            Error::data(message).help("remove the wrong line")
        };
        let problems = found.iter().map(|(&image, what)| Problem {
            file: files[image].path.clone(),
            kind: ProblemKind::Loose,
            detail: format!("{what}; training refuses the lists"),
        });
        self.findings.reject(error, problems)?;
        Ok(found.into_keys().collect())
    }

    /// Checks that every numbered image has a line in the ground truth of the kit.
    fn check_numbers(&self, how: &[By], labeled: &[Labeled]) -> Result<()> {
        let has: BTreeSet<usize> = labeled.iter().map(|labeled| labeled.image).collect();
        let by_kit = self.parts.iter().zip(how).filter(|(_, by)| matches!(by, By::Kit));
        let without = by_kit.flat_map(|(part, _)| &part.images).find(|image| !has.contains(image));
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
}
