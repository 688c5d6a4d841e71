//! Class names and labels from lists and small files, by number or by name.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::text::Text;
use crate::{Error, Result};

/// The maximum class number without class names: a wrong number must not create names without end.
const MAX_NUMBER: usize = 1_000_000;

/// The file of class names.
const FILE: &str = "classes.txt";

/// The class names, and the label for each way to refer to a class.
pub(super) struct Labels {
    /// The class names.
    pub(super) names: Vec<String>,
    /// Whether the names are numbers, because there are no others.
    numbered: bool,
    by_name: HashMap<String, u32>,
    /// Whether lists refer to classes by number.
    by_number: bool,
    /// The number of the first class.
    first: usize,
    /// The smallest number in use.
    least: usize,
    notes: Vec<String>,
}

impl Labels {
    /// Returns the names in `classes.txt` of a folder, one per line. Without this file, returns the words in `used` in the order of
    /// their bytes, or the numbers up to the largest in use.
    ///
    /// # Errors
    /// Returns an error if a class in use is not among the names.
    pub(super) fn of(folder: &Path, used: &BTreeSet<&str>) -> Result<Self> {
        let numbers: Option<Vec<usize>> = used.iter().map(|class| class.parse().ok()).collect();
        let most = numbers.as_ref().and_then(|numbers| numbers.iter().max().copied());
        let least = numbers.and_then(|numbers| numbers.into_iter().min()).unwrap_or(0);
        let list = ClassList::of(folder)?;
        let (first, notes) = list.as_ref().map_or((0, Vec::new()), |list| (list.first, list.notes.clone()));
        let (names, numbered) = match (list, most) {
            (Some(list), _) => (list.names, false),
            (None, None) => (used.iter().map(|&class| class.to_owned()).collect(), false),
            (None, Some(most)) if most <= MAX_NUMBER => {
                ((0..=most).map(|label| label.to_string()).collect(), true)
            }
            (None, Some(most)) => {
                let folder = folder.display();
                return Err(Error::data(format!(
                    "{folder}: class number {most}, expected at most {MAX_NUMBER}"
                )));
            }
        };
        let by_name = names.iter().cloned().zip(0..).collect();
        let labels = Self { names, numbered, by_name, by_number: most.is_some(), first, least, notes };
        match used.iter().find(|class| labels.label(class).is_none()) {
            None => Ok(labels),
            Some(class) => {
                let help = match (labels.by_number, labels.first, least) {
                    (true, 0, 1) => {
                        "numbers are counted from 0; to count from 1, number the lines of classes.txt: `1 cat`, `2 dog`"
                    }
                    (true, 1, 0) => {
                        "the lines of classes.txt are numbered from 1, the classes from 0: number the lines from 0: `0 cat`, `1 dog`"
                    }
                    _ => "list one class name per line, in the order of their numbers",
                };
                Err(Error::data(format!(
                    "{}: class `{class}` is not one of the {} in {FILE}",
                    folder.display(),
                    labels.names.len()
                ))
                .help(help))
            }
        }
    }

    /// Returns the label of a class, by number counted from zero or by name. If all classes in use are numbers, a name that is a
    /// number does not count.
    pub(super) fn label(&self, class: &str) -> Option<u32> {
        let number = class.parse::<usize>().ok().and_then(|number| number.checked_sub(self.first));
        let number = number.filter(|&number| number < self.names.len()).map(|number| number as u32);
        let name = self.by_name.get(class).copied();
        if self.by_number { number } else { name.or(number) }
    }

    /// Returns notes for the user.
    pub(super) fn notes(&self, folder: &Path) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.numbered {
            let file = folder.join(FILE);
            notes.push(format!(
                "classes have no names, only numbers; to name them, add {} with one name per line",
                file.display()
            ));
        }
        if self.by_number && self.least > self.first {
            notes.push(format!(
                "no image has class {}: the smallest number is {}, but classes are counted from {}",
                self.first, self.least, self.first
            ));
        }
        notes
    }
}

/// The class names of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClassList {
    pub(super) names: Vec<String>,
    /// The number of the first class: 0 unless the lines are numbered.
    pub(super) first: usize,
    pub(super) notes: Vec<String>,
}

impl ClassList {
    /// Reads `classes.txt`, if it exists.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or names a class twice.
    pub(super) fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let text = Text::read(&path)?;
        Self::parse(&text).map(Some).map_err(|error| error.context(path.display()))
    }

    fn parse(text: &Text) -> Result<Self> {
        let lines =
            text.lines().map(|(number, line)| (number, line.trim())).filter(|(_, line)| !line.is_empty());
        let (numbers, names): (Vec<usize>, Vec<String>) =
            lines.map(|(number, line)| (number, line.to_owned())).unzip();
        let mut notes: Vec<String> = text.note(FILE).into_iter().collect();
        let (first, names) = match without_numbers(&names) {
            Some((first, names)) => {
                notes.push(format!(
                    "{FILE}: lines start with numbers from {first}, which are not part of the names"
                ));
                (first, names)
            }
            None => (0, names),
        };
        let mut lines: HashMap<&str, usize> = HashMap::new();
        for (name, &number) in names.iter().zip(&numbers) {
            if let Some(before) = lines.insert(name, number) {
                return Err(Error::data(format!("lines {before} and {number} are the same class, `{name}`"))
                    .help("list each class once"));
            }
        }
        Ok(Self { names, first, notes })
    }
}

/// Splits numbers that count up from 0 or 1 off the names: `0 cat`, `1: dog`.
fn without_numbers(lines: &[String]) -> Option<(usize, Vec<String>)> {
    let split = |line: &String| {
        let end = line.find(|c: char| !c.is_ascii_digit())?;
        let name = line[end..].trim_start_matches([':', ',', ';', '\t', ' ']);
        (name.len() < line.len() - end && !name.is_empty())
            .then(|| Some((line[..end].parse::<usize>().ok()?, name.to_owned())))?
    };
    let pairs: Vec<(usize, String)> = lines.iter().map(split).collect::<Option<_>>()?;
    let first = pairs.first()?.0;
    let counts = first < 2
        && pairs.len() > 1
        && pairs.iter().zip(first..).all(|((number, _), expected)| *number == expected);
    counts.then(|| (first, pairs.into_iter().map(|(_, name)| name).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ClassList> {
        ClassList::parse(&Text::decode(text.as_bytes()).unwrap())
    }

    #[test]
    fn class_names_may_be_numbered() {
        for (text, first, names) in [
            ("cat\r\n\r\nbig dog\r\n", 0, ["cat", "big dog"]),
            ("0 cat\n1 big dog\n", 0, ["cat", "big dog"]),
            ("1: cat\n2: big dog\n", 1, ["cat", "big dog"]),
            ("0,cat\n1,big dog\n", 0, ["cat", "big dog"]),
            ("0 cat\n2 dog\n", 0, ["0 cat", "2 dog"]),
            ("18 wheeler\n19 wheeler\n", 0, ["18 wheeler", "19 wheeler"]),
            ("7\n8\n", 0, ["7", "8"]),
        ] {
            let list = parse(text).unwrap();
            assert_eq!(
                (list.first, list.names.iter().map(String::as_str).collect::<Vec<_>>()),
                (first, names.to_vec()),
                "{text}"
            );
        }
        let error = parse("cat\ndog\n\ncat\n").unwrap_err();
        assert!(error.message.contains("lines 1 and 4"), "{error}");
    }
}
