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
        let lines = text.lines().map(|(line, text)| Line { line, name: text.trim().to_owned() });
        let lines: Vec<Line> = lines.filter(|line| !line.name.is_empty()).collect();
        let mut notes: Vec<String> = text.note(FILE).into_iter().collect();
        let (first, lines) = match without_numbers(&lines)? {
            Some((first, lines)) => {
                notes.push(format!(
                    "{FILE}: lines start with numbers from {first}, which are not part of the names"
                ));
                if !lines.is_sorted_by_key(|line| line.line) {
                    notes
                        .push(format!("{FILE}: classes are in the order of these numbers, not of the lines"));
                }
                (first, lines)
            }
            None => (0, lines),
        };
        let mut places: HashMap<&str, usize> = HashMap::new();
        for Line { line, name } in &lines {
            if let Some(before) = places.insert(name, *line) {
                let (one, two) = (before.min(*line), before.max(*line));
                return Err(Error::data(format!("lines {one} and {two} are the same class, `{name}`"))
                    .help("list each class once"));
            }
        }
        Ok(Self { names: lines.into_iter().map(|line| line.name).collect(), first, notes })
    }
}

/// A class in a line of `classes.txt`.
struct Line {
    /// The line number, counted from one.
    line: usize,
    name: String,
}

/// Splits class numbers from 0 or 1 off the names, and sorts the lines by them: `0 cat`, `1: dog`. `None` if the lines are names,
/// which may begin with numbers as well: `18 wheeler`.
///
/// # Errors
/// Returns an error if all lines start with numbers from 0 or 1, but some are missing or repeated.
fn without_numbers(lines: &[Line]) -> Result<Option<(usize, Vec<Line>)>> {
    let split = |Line { line, name: text }: &Line| {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let name = text[end..].trim_start_matches([':', ',', ';', '\t', ' ']);
        let is_split = name.len() < text.len() - end && !name.is_empty();
        let number = text[..end].parse::<usize>().ok().filter(|_| is_split)?;
        Some((number, Line { line: *line, name: name.to_owned() }))
    };
    let Some(mut all) = lines.iter().map(split).collect::<Option<Vec<(usize, Line)>>>() else {
        return Ok(None);
    };
    all.sort_by_key(|(number, line)| (*number, line.line));
    let Some(first) = all.first().map(|(number, _)| *number).filter(|first| *first < 2 && all.len() > 1)
    else {
        return Ok(None);
    };
    let wrong = all.iter().zip(&all[1..]).find(|((before, _), (number, _))| number - before != 1);
    if let Some(((before, one), (number, two))) = wrong {
        let what = match number == before {
            true => format!("lines {} and {} have the same number, {number}", one.line, two.line),
            false => format!("line {} has number {number}, but no line has {}", two.line, before + 1),
        };
        return Err(Error::data(what).help(format!(
            "number the lines from 0 or 1 without gaps; if the numbers are part of the names, put others before them: `0 {}`",
            lines[0].name
        )));
    }
    Ok(Some((first, all.into_iter().map(|(_, line)| line).collect())))
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
            ("1 big dog\n0 cat\n", 0, ["cat", "big dog"]),
            ("2 big dog\n\n1 cat\n", 1, ["cat", "big dog"]),
            ("18 wheeler\n19 wheeler\n", 0, ["18 wheeler", "19 wheeler"]),
            ("4 stroke\n2 stroke\n", 0, ["4 stroke", "2 stroke"]),
            ("electric\n2 stroke\n", 0, ["electric", "2 stroke"]),
            ("0 1 cent\n1 5 cent\n", 0, ["1 cent", "5 cent"]),
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
        let error = parse("2 cat\n1 dog\n0 cat\n").unwrap_err();
        assert!(error.message.contains("lines 1 and 3 are the same class, `cat`"), "{error}");
    }

    #[test]
    fn numbers_of_classes_have_no_gaps() {
        for (text, what) in [
            ("0 cat\n2 dog\n", "line 2 has number 2, but no line has 1"),
            ("3 cat\n1 dog\n\n5 eel\n", "line 1 has number 3, but no line has 2"),
            ("0 cat\n1 dog\n1 eel\n", "lines 2 and 3 have the same number, 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.message, what);
            assert!(error.help.unwrap().ends_with(" cat`"));
        }
    }
}
