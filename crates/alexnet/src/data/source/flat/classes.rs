//! The classes of a source, and which of them each image has.

use std::collections::{BTreeSet, HashMap};

use super::labeled::{Class, Labeled};
use super::part::Flat;
use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::ilsvrc::Devkit;
use crate::data::source::labels::{ClassList, Labels};
use crate::format::{counted, first_few};
use crate::{Error, Result};

/// The class names, and the label of each image.
type Labeling = (Vec<String>, Vec<Option<u32>>);

impl Flat<'_> {
    /// Labels the images if lists name the classes. Class folders, such as those of another split, must have the same names.
    pub(super) fn by_name(&mut self, labeled: &[Labeled]) -> Result<Labeling> {
        let listed: BTreeSet<&str> = labeled.iter().filter_map(|labeled| said(&labeled.class)).collect();
        // Then a class needs no list that names it.
        let has_names = ClassList::of(self.root)?.is_some();
        let used: BTreeSet<&str> = match has_names {
            true => labeled.iter().filter_map(|labeled| word(&labeled.class)).collect(),
            false => listed.clone(),
        };
        let labels = Labels::of(self.root, &used)?;
        self.notes.extend(labels.notes(self.root));
        let label = |class: &Class| {
            let word = word(class).filter(|word| has_names || listed.contains(*word))?;
            labels.label(word)
        };
        let found: Vec<Option<u32>> = labeled.iter().map(|labeled| label(&labeled.class)).collect();
        self.reject(
            unlabeled(labeled, &found),
            "no list names",
            "use the same names for the classes in lists and for the folders; or name all classes in classes.txt, one per line",
        )?;
        Ok((labels.names, found))
    }

    /// Labels the images if the development kit has the classes. Lists and folders may name them by their WNIDs or by their words.
    pub(super) fn by_kit(&mut self, labeled: &[Labeled]) -> Result<Labeling> {
        let names = self.kit.as_ref().map(Devkit::names).unwrap_or_default();
        let places: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let label = |class: &Class| match class {
            Class::Kit(place) => Some(*place),
            Class::Folder(name) | Class::Said(name) => {
                self.kit.as_ref()?.label(name).or_else(|| places.get(name.as_str()).copied())
            }
        };
        let found: Vec<Option<u32>> = labeled.iter().map(|labeled| label(&labeled.class)).collect();
        self.reject(
            unlabeled(labeled, &found),
            "the development kit does not have",
            "name the classes by their WNIDs, such as n01440764",
        )?;
        Ok((names, found))
    }

    /// Labels the images if class folders name the classes.
    pub(super) fn by_folder(&mut self, labeled: &[Labeled], names: Vec<String>) -> Result<Labeling> {
        let place =
            |name: &str| names.binary_search_by(|other| other.as_str().cmp(name)).ok().map(|at| at as u32);
        let listed: BTreeSet<&str> = labeled.iter().filter_map(|labeled| said(&labeled.class)).collect();
        let numbered = !listed.is_empty()
            && listed.iter().all(|class| class.parse::<usize>().is_ok())
            && listed.iter().any(|class| place(class).is_none());
        let numbers = if numbered { self.numbers(&names, &listed)? } else { HashMap::new() };
        let label = |class: &Class| match class {
            Class::Folder(name) => place(name),
            Class::Said(class) if numbered => place(numbers.get(class.as_str())?),
            Class::Said(class) => place(class),
            Class::Kit(at) => place(self.kit.as_ref()?.wnid(*at)),
        };
        let found: Vec<Option<u32>> = labeled.iter().map(|labeled| label(&labeled.class)).collect();
        let (by_kit, others): (Vec<&Labeled>, Vec<&Labeled>) = unlabeled(labeled, &found)
            .into_iter()
            .partition(|labeled| matches!(labeled.class, Class::Kit(_)));
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
        self.reject(
            others,
            "train/ does not have",
            "use the names of the folders in train/ in the list, or numbers of lines in classes.txt",
        )?;
        Ok((names, found))
    }

    /// Rejects images of unknown classes. `lacking` is what does not have these classes.
    fn reject(&mut self, images: Vec<&Labeled>, lacking: &str, help: &str) -> Result<()> {
        if images.is_empty() {
            return Ok(());
        }
        let class = |labeled: &&Labeled| match &labeled.class {
            Class::Said(class) | Class::Folder(class) => class.clone(),
            Class::Kit(at) => at.to_string(),
        };
        let classes: BTreeSet<String> = images.iter().map(class).collect();
        let error = || {
            Error::data(format!(
                "{}: {} of classes that {lacking}: {}",
                self.root.display(),
                counted(images.len(), "image"),
                first_few(classes.iter())
            ))
            .help(help)
        };
        let problems = classes.iter().map(|class| Problem {
            file: class.clone(),
            kind: ProblemKind::UnknownClass,
            detail: format!("class that {lacking}"),
        });
        self.findings.reject(error, problems)
    }
}

/// Returns the images without a label.
fn unlabeled<'a>(labeled: &'a [Labeled], labels: &[Option<u32>]) -> Vec<&'a Labeled> {
    let without = labeled.iter().zip(labels).filter(|(_, label)| label.is_none());
    without.map(|(labeled, _)| labeled).collect()
}

/// Returns the name or number in a list.
fn said(class: &Class) -> Option<&str> {
    if let Class::Said(class) = class { Some(class) } else { None }
}

/// Returns the name or number in a list, or the name of the folder.
fn word(class: &Class) -> Option<&str> {
    match class {
        Class::Said(word) | Class::Folder(word) => Some(word),
        Class::Kit(_) => None,
    }
}
