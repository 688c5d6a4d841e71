//! What the numbers in lists stand for, if class folders name the classes.

use std::collections::{BTreeSet, HashMap};

use super::part::Flat;
use crate::data::source::labels::ClassList;
use crate::data::source::lists::numbers_of;
use crate::data::source::text::Text;
use crate::format::first_few;
use crate::{Error, Result};

/// Files that list the names of numbered classes, in order.
const NUMBERED: [&str; 3] = ["synsets.txt", "wnids.txt", "classes.txt"];

impl Flat<'_> {
    /// Maps the numbers in lists to the folders of these names: by a file of names, by a list of the images in the folders, by the
    /// names if some are numbers, or by their order. Numbers without a folder may be missing.
    ///
    /// # Errors
    /// Returns an error if the files contradict each other, or if a number is beyond the lines or folders that it counts.
    pub(super) fn numbers(
        &mut self,
        names: &[String],
        said: &BTreeSet<&str>,
    ) -> Result<HashMap<String, String>> {
        for file in NUMBERED {
            let path = self.root.join(file);
            let listed = match file {
                "classes.txt" => ClassList::of(self.root)?,
                _ if path.is_file() => {
                    Some(ClassList { names: Text::read(&path)?.words(), first: 0, notes: Vec::new() })
                }
                _ => None,
            };
            if let Some(ClassList { names, first, notes }) = listed {
                self.notes.extend(notes);
                let meaning = format!("numbers in lists are line numbers of {file}, counted from {first}");
                let numbers = self.in_order(&names, first, said, &meaning, file)?;
                self.notes.push(meaning);
                return Ok(numbers);
            }
        }
        let train = self.parts.iter().find(|part| part.split == Some("train"));
        let mut lists = self.lists.iter();
        if let Some(list) = lists.find(|list| list.split == Some("train") && !list.said.is_empty()) {
            let folder = |image: usize| train.and_then(|part| self.class_folder(part, image));
            let Some(numbers) = numbers_of(list, folder) else {
                return Err(Error::data(format!("{}: {} assigns several numbers to a folder of train/, or several folders to a number", self.root.display(), list.path))
                    .help("add classes.txt with the folder names of train/, one per line, in the order of their numbers"));
            };
            self.notes
                .push(format!("numbers in lists stand for the folders to which {} assigns them", list.path));
            return Ok(numbers);
        }
        if names.iter().any(|name| name.parse::<usize>().is_ok()) {
            return Ok(self.by_value(names, said));
        }
        let meaning = format!(
            "numbers in lists are taken as indices of the sorted folders of train/, from 0 (`{}`) to {} (`{}`)",
            names.first().map_or("", String::as_str),
            names.len() - 1,
            names.last().map_or("", String::as_str)
        );
        let numbers = self.in_order(names, 0, said, &meaning, "classes.txt")?;
        self.notes.push(format!("{meaning}; to change that, add classes.txt with one name per line"));
        Ok(numbers)
    }

    /// Maps numbers to names in order, the first of which has the number `first`.
    ///
    /// # Errors
    /// Returns an error if a number has no name, also in a check: all numbers may be counted from elsewhere and mean other classes.
    fn in_order(
        &self,
        names: &[String],
        first: usize,
        said: &BTreeSet<&str>,
        meaning: &str,
        file: &str,
    ) -> Result<HashMap<String, String>> {
        let name = |class: &str| names.get(class.parse::<usize>().ok()?.checked_sub(first)?);
        let beyond: Vec<&str> = said.iter().copied().filter(|class| name(class).is_none()).collect();
        if !beyond.is_empty() {
            let and = match file {
                "classes.txt" => String::new(),
                _ => format!(", and remove {file}"),
            };
            return Err(Error::data(format!(
                "{}: classes that train/ does not have: {}; {meaning}",
                self.root.display(),
                first_few(beyond.iter())
            ))
            .help(format!(
                "correct the numbers; or, if they are counted from elsewhere, list the folder names of train/ in classes.txt, each \
                 after its number (`1 cat`, `2 dog`){and}"
            )));
        }
        Ok(said.iter().filter_map(|class| Some(((*class).to_owned(), name(class)?.clone()))).collect())
    }

    /// Maps numbers to the only folder whose name is the same number, as it is or with zeros before it.
    fn by_value(&mut self, names: &[String], said: &BTreeSet<&str>) -> HashMap<String, String> {
        let mut values: HashMap<usize, Vec<&String>> = HashMap::new();
        for name in names {
            if let Ok(value) = name.parse::<usize>() {
                values.entry(value).or_default().push(name);
            }
        }
        let folder = |class: &str| match values.get(&class.parse::<usize>().ok()?)?.as_slice() {
            [only] => Some(*only),
            several => several.iter().copied().find(|name| *name == class),
        };
        let numbers: HashMap<String, String> =
            said.iter().filter_map(|class| Some(((*class).to_owned(), folder(class)?.clone()))).collect();
        let other =
            said.iter().find_map(|class| Some((class, numbers.get(*class).filter(|name| name != class)?)));
        if let Some((class, folder)) = other {
            self.notes.push(format!(
                "numbers in lists stand for the folders of train/ of the same value, such as {class} for `{folder}`"
            ));
        }
        numbers
    }
}
