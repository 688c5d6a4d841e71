//! Chooses how each part of a source is labeled.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::part::{By, Flat, Part, number};
use crate::data::source::labels::ClassList;
use crate::data::source::lists::List;
use crate::{Error, Result};

impl Flat<'_> {
    /// Chooses how a part is labeled. `trained` are the class folders of the training images, and `stores` their folders that are no
    /// classes.
    pub(super) fn by(
        &self,
        part: &Part,
        trained: &BTreeSet<String>,
        stores: &BTreeSet<String>,
    ) -> Result<By> {
        let lists = self.lists_of(part);
        let covers = |lists: &[usize]| {
            lists
                .iter()
                .any(|&list| part.images.iter().any(|image| self.lists[list].said.contains_key(image)))
        };
        if let Some(folders) = self.folders(part) {
            let known = !trained.is_empty() && folders.iter().all(|folder| trained.contains(*folder));
            let several = folders.len() > 1 || part.images.is_empty();
            let store = self.folders_only_store(part, &lists) || self.store_too(&folders, stores)?;
            if known || several && !store {
                return Ok(By::Folders);
            }
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

    /// Returns the lists that may label a part.
    fn lists_of(&self, part: &Part) -> Vec<usize> {
        let fits = |list: &List| !list.said.is_empty() && may_label(&self.parts, list, part);
        self.lists.iter().zip(0..).filter(|(list, _)| fits(list)).map(|(_, at)| at).collect()
    }

    /// Selects the lists of a part that are used: one for each split.
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
                "{}: several files may label the images: {}",
                self.root.display(),
                names.join(", ")
            ))
            .help(
                "keep one list next to the images, or one per split (train.txt, val.txt), and move the others away",
            ));
        }
        Ok(lists)
    }

    /// Returns whether folders only store images, as those of the training images, `stores`, do: they have the same names, or names that
    /// are not those of classes.
    fn store_too(&self, folders: &BTreeSet<&str>, stores: &BTreeSet<String>) -> Result<bool> {
        if stores.is_empty() || folders.iter().any(|folder| stores.contains(*folder)) {
            return Ok(!stores.is_empty());
        }
        let listed = self.lists.iter().flat_map(|list| list.said.values()).map(|said| said.class.as_str());
        let named = ClassList::of(self.root)?.map_or(Vec::new(), |list| list.names);
        let classes: BTreeSet<&str> = listed.chain(named.iter().map(String::as_str)).collect();
        Ok(folders.is_disjoint(&classes))
    }

    /// Returns whether the folders are unrelated to the classes of a list that covers nearly all images: `part_1`, `part_2`. Texts
    /// that differ for nearly all images, such as captions, are no classes.
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
        2 * agree < said.len() && classes.len() > 1 && 10 * classes.len() < 9 * said.len()
    }
}

/// Returns whether a list may label a part, because it does not belong to another one.
pub(super) fn may_label(parts: &[Part], list: &List, part: &Part) -> bool {
    let is_in = |part: &Part| part.split.is_some() && list.path.starts_with(&part.prefix);
    match parts.iter().find(|part| is_in(part)) {
        Some(other) => other.prefix == part.prefix,
        None => part.split.is_none() || list.split.is_none() || list.split == part.split,
    }
}

/// Filters lists that are inside the folder of a part.
fn lists_inside(lists: &[usize], all: &[List], part: &Part) -> Vec<usize> {
    lists
        .iter()
        .copied()
        .filter(|&list| !part.prefix.is_empty() && all[list].path.starts_with(&part.prefix))
        .collect()
}
