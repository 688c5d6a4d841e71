//! Classes as lists and small files give them: by number or by name.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::{Error, Result};

/// Largest number of a class where nothing names the classes: a number that is no class would make names without end.
const MOST: usize = 1_000_000;

/// What classes are called, and the label of each way to say one.
pub(super) struct Labels {
    /// Their names.
    pub(super) names: Vec<String>,
    /// Whether these are bare numbers, because nothing says more.
    pub(super) numbered: bool,
    by_name: HashMap<String, u32>,
    /// Whether classes are said by number.
    by_number: bool,
}

impl Labels {
    /// The names in `classes.txt` of a folder, one a line; without it, the `said` words in the order of their bytes, or the
    /// numbers up to the largest that is said.
    ///
    /// # Errors
    /// When there are fewer names than numbers, or one that is said is not among them.
    pub(super) fn of(folder: &Path, said: &BTreeSet<&str>) -> Result<Self> {
        let numbers: Option<Vec<usize>> = said.iter().map(|class| class.parse().ok()).collect();
        let most = numbers.and_then(|numbers| numbers.into_iter().max());
        let list = class_list(folder);
        let (names, numbered) = match (&list, most) {
            (Some(names), _) => (names.clone(), false),
            (None, None) => (said.iter().map(|&class| class.to_owned()).collect(), false),
            (None, Some(most)) if most <= MOST => ((0..=most).map(|label| label.to_string()).collect(), true),
            (None, Some(most)) => {
                let folder = folder.display();
                return Err(Error::data(format!(
                    "{folder}: a picture's class is {most}, expected at most {MOST}"
                )));
            }
        };
        let by_name = names.iter().cloned().zip(0..).collect();
        let labels = Self { names, numbered, by_name, by_number: most.is_some() };
        match said.iter().find(|class| labels.label(class).is_none()) {
            None => Ok(labels),
            Some(class) => Err(Error::data(format!(
                "{}: a picture's class is `{class}`, which is none of the {} in classes.txt",
                folder.display(),
                labels.names.len()
            ))
            .help("one class name a line, in the order of their numbers")),
        }
    }

    /// The label of a class that is a number counted from zero, or a name. Where all are numbers, they are no names, even
    /// if a class is called as one.
    pub(super) fn label(&self, class: &str) -> Option<u32> {
        let number = class.parse().ok().filter(|&number: &u32| (number as usize) < self.names.len());
        let name = self.by_name.get(class).copied();
        if self.by_number { number } else { name.or(number) }
    }

    /// What to tell where classes have no names.
    pub(super) fn note(&self, folder: &Path) -> Option<String> {
        let file = folder.join("classes.txt");
        let note =
            || format!("classes are numbers without names: {}, one name a line, gives them", file.display());
        self.numbered.then(note)
    }
}

/// The lines of `classes.txt`, if there is one.
pub(super) fn class_list(folder: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("classes.txt")).ok()?;
    Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
