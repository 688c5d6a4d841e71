//! Recognizes the columns of a list: files, classes, splits.

use std::collections::HashSet;

use super::lookup::Match;
use super::naming::FileKind;
use super::row::{Cells, Row, Separator, shortened};
use super::split_names::split_name;
use crate::{Error, Result};

/// Headings of file columns, most specific first, in lower case without punctuation, as [`plain`] returns them.
const FILES: [&str; 18] = [
    "filename",
    "file",
    "filepath",
    "path",
    "imagepath",
    "imagefile",
    "imagename",
    "imgname",
    "imgpath",
    "image",
    "img",
    "picture",
    "photo",
    "fname",
    "imageid",
    "imgid",
    "id",
    "name",
];

/// Headings of general class columns, most specific first. The first one present is used.
const CLASSES: [&str; 15] = [
    "classname",
    "labelname",
    "categoryname",
    "label",
    "labels",
    "class",
    "category",
    "target",
    "classlabel",
    "truelabel",
    "classid",
    "labelid",
    "categoryid",
    "classindex",
    "predictionstring",
];

/// Headings of specific class columns. If a list has several of these, it is ambiguous.
const KINDS: [&str; 11] =
    ["species", "breed", "variety", "genus", "family", "diagnosis", "dx", "type", "tag", "y", "object"];

/// Words that may be part of the heading of a class column.
const PARTS: [&str; 7] = ["label", "labels", "class", "category", "target", "species", "breed"];

/// Headings of columns that name the split of an image.
const SPLITS: [&str; 8] = ["split", "subset", "set", "partition", "phase", "usage", "datasplit", "dataset"];

/// Headings of columns that say whether an image belongs to a split.
const IS_SPLIT: [(&str, &str); 5] =
    [("isvalid", "val"), ("isval", "val"), ("isvalidation", "val"), ("istest", "test"), ("istrain", "train")];

pub(super) fn is_number(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}

/// The letters and digits of a heading, in lower case.
fn plain(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns whether the first line is a heading: it names no image, and either has known headings or looks like words above lines
/// that name images.
pub(super) fn heading(records: &[Cells], find: &dyn Fn(&str) -> Match) -> bool {
    let Some((Cells { cells: first, .. }, rest)) = records.split_first() else { return false };
    if rest.is_empty() || first.iter().any(|cell| find(cell) != Match::Nothing) {
        return false;
    }
    let known = |cell: &String| {
        let cell = plain(cell);
        let cell = cell.as_str();
        FILES.contains(&cell) || CLASSES.contains(&cell) || KINDS.contains(&cell) || SPLITS.contains(&cell)
    };
    first.iter().any(known) || first.iter().all(|cell| !cell.contains(['.', '/', '\\']) && !is_number(cell))
}

/// The columns of a list.
pub(super) struct Columns {
    file: usize,
    class: usize,
    split: Option<SplitColumn>,
    /// The number of columns.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SplitColumn {
    column: usize,
    values: SplitValues,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SplitValues {
    /// The cells are names of splits.
    Names,
    /// The cells say whether an image is in this split. Otherwise it is in training, or in validation if this is training.
    Is(&'static str),
}

impl Columns {
    pub(super) fn of(
        heading: Option<&[String]>,
        records: &[Cells],
        find: &dyn Fn(&str) -> Match,
    ) -> Result<Self> {
        let count =
            heading.map_or_else(|| most_common(records.iter().map(|record| record.cells.len())), <[_]>::len);
        let plain: Vec<String> = heading.unwrap_or_default().iter().map(|cell| self::plain(cell)).collect();
        let named = |names: &[&str], column: usize| {
            plain.get(column).and_then(|cell| names.iter().position(|name| name == cell))
        };
        let weight = |column: usize| {
            let cells: HashSet<&str> = cells(records, column).collect();
            // Missing images still have image names.
            let named = |cell: &str| usize::from(FileKind::of_name(cell) == FileKind::Image);
            cells.into_iter().map(|cell| find(cell).weight().max(named(cell))).sum::<usize>()
        };
        let sureness = |column: &usize| {
            (
                weight(*column),
                std::cmp::Reverse(named(&FILES, *column).unwrap_or(usize::MAX)),
                std::cmp::Reverse(*column),
            )
        };
        let file = (0..count).max_by_key(sureness).unwrap_or(0);
        let split = (0..count).filter(|&column| column != file).find_map(|column| {
            let is = IS_SPLIT.iter().find(|(name, _)| plain.get(column).is_some_and(|cell| cell == name));
            let is = is.map(|&(_, split)| SplitValues::Is(split));
            let names = || {
                let (mut known, mut other) = (0, 0);
                for cell in cells(records, column) {
                    *if split_name(cell).is_some() { &mut known } else { &mut other } += 1;
                }
                let found = match heading {
                    // A column that is called so may have some other names, whose lines are skipped: their images may be held out.
                    Some(_) => match named(&SPLITS, column).map(|at| SPLITS[at]) {
                        Some("split" | "datasplit" | "subset" | "partition") => known > 0,
                        Some(_) => known > other,
                        None => false,
                    },
                    None => count > 2 && known > 0 && other == 0,
                };
                found.then_some(SplitValues::Names)
            };
            Some(SplitColumn { column, values: is.or_else(names)? })
        });
        let others: Vec<usize> = (0..count)
            .filter(|&column| column != file && Some(column) != split.map(|split| split.column))
            .collect();
        let class = match (&others[..], heading) {
            ([], _) => return Err(expected_class(records)),
            (&[only], _) => only,
            (several, Some(heading)) => class_column(several, heading, &plain)?,
            (several, None) => {
                let words = |column: &&usize| !cells(records, **column).all(is_number);
                match several.iter().filter(words).collect::<Vec<_>>()[..] {
                    [&only] => only,
                    _ => {
                        return Err(Error::data(format!(
                            "{count} columns without a heading: which one is the class?"
                        ))
                        .help("add a first line that names the columns: file,label,..."));
                    }
                }
            }
        };
        Ok(Self { file, class, split, count })
    }

    /// Notes which columns were used, if there are more than two.
    pub(super) fn notes(&self, heading: Option<&[String]>) -> Vec<String> {
        let Some(heading) = heading.filter(|heading| heading.len() > 2) else { return Vec::new() };
        let used = [Some(self.file), Some(self.class), self.split.map(|split| split.column)];
        let unused = (0..heading.len()).filter(|column| !used.contains(&Some(*column)));
        let unused: Vec<String> = unused.map(|column| format!("`{}`", heading[column])).collect();
        let split =
            self.split.map_or(String::new(), |split| format!(", splits from `{}`", heading[split.column]));
        let unused = if unused.is_empty() {
            String::new()
        } else {
            format!("; not used: {}", shortened(&unused.join(", ")))
        };
        vec![format!(
            "files from column `{}`, classes from column `{}`{split}{unused}",
            heading[self.file], heading[self.class]
        )]
    }

    /// Parses a line, or returns the reason why it is skipped.
    pub(super) fn row(
        &self,
        line: usize,
        mut cells: Vec<String>,
        separator: Separator,
        find: &dyn Fn(&str) -> Match,
    ) -> std::result::Result<Row, String> {
        if cells.len() > self.count && self.file == 0 {
            // An unquoted file name with separators in it.
            if let Separator::Byte(byte) = separator {
                let pieces = cells.len() - self.count + 1;
                let name = cells[..pieces].join(&char::from(byte).to_string());
                if matches!(find(&name), Match::Sure(_)) {
                    cells.splice(..pieces, [name]);
                }
            }
        }
        if cells.len() > self.count {
            return Err(format!(
                "{} cells, expected {}; quote names that contain separators",
                cells.len(),
                self.count
            ));
        }
        let cell = |column: usize| cells.get(column).map_or("", |cell| cell.as_str());
        let (file, class) = (cell(self.file), class_of(cell(self.class))?);
        if file.is_empty() {
            return Err("no file".to_owned());
        }
        if file.contains('\n') || class.contains('\n') {
            return Err("line break in a name; is a quote missing?".to_owned());
        }
        let split = match self.split {
            None => None,
            Some(SplitColumn { column, values }) => {
                Some(values.split(cell(column)).ok_or_else(|| format!("`{}` is not a split", cell(column)))?)
            }
        };
        Ok(Row { line, file: file.to_owned(), class: class.to_owned(), split })
    }
}

impl SplitValues {
    /// Returns the split that a cell stands for.
    fn split(self, cell: &str) -> Option<&'static str> {
        let is = match cell.to_lowercase().as_str() {
            "true" | "1" | "yes" | "y" | "t" => true,
            "false" | "0" | "no" | "n" | "f" => false,
            _ => {
                return match self {
                    Self::Names => split_name(cell),
                    Self::Is(_) => None,
                };
            }
        };
        match self {
            Self::Names => split_name(cell),
            Self::Is(split) if is => Some(split),
            Self::Is("train") => Some("val"),
            Self::Is(_) => Some("train"),
        }
    }
}

/// Returns the class in a cell. Kaggle's ImageNet has one class and box per object: `n02017213 115 49 448 294`.
fn class_of(cell: &str) -> std::result::Result<&str, String> {
    let words: Vec<&str> = cell.split_whitespace().collect();
    let boxes = !words.is_empty()
        && words.len().is_multiple_of(5)
        && words.chunks(5).all(|group| is_wnid(group[0]) && group[1..].iter().all(|word| is_number(word)));
    match (boxes, words.first()) {
        (_, None) => Err("no class".to_owned()),
        (true, Some(&first)) if words.chunks(5).all(|group| group[0] == first) => Ok(first),
        (true, _) => Err(format!("several classes: `{}`", shortened(cell))),
        (false, _) => Ok(cell.trim()),
    }
}

/// Returns whether a word is a WordNet identifier, as ImageNet's class names are: `n01440764`.
fn is_wnid(word: &str) -> bool {
    word.len() == 9 && word.starts_with('n') && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// Chooses the class column among some by their headings.
fn class_column(columns: &[usize], heading: &[String], plain: &[String]) -> Result<usize> {
    let called = |name: &str| columns.iter().copied().find(|&column| plain[column] == name);
    if let Some(column) = CLASSES.iter().find_map(|name| called(name)) {
        return Ok(column);
    }
    let part = |&column: &usize| {
        let words = heading[column].split(|c: char| !c.is_alphanumeric());
        words.map(str::to_lowercase).any(|word| PARTS.contains(&word.as_str()))
    };
    let kinds: Vec<usize> = KINDS.iter().filter_map(|name| called(name)).collect();
    let candidates = if kinds.is_empty() { columns.iter().copied().filter(part).collect() } else { kinds };
    let list = |columns: &[usize]| {
        columns.iter().map(|&column| format!("`{}`", heading[column])).collect::<Vec<_>>().join(", ")
    };
    match candidates[..] {
        [only] => Ok(only),
        [] => Err(Error::data(format!("which of the columns {} is the class?", shortened(&list(columns))))
            .help("name it `label` in the first line")),
        _ => {
            Err(Error::data(format!("several columns could be the class: {}", shortened(&list(&candidates))))
                .help("name the one to use `label` in the first line"))
        }
    }
}

fn cells(records: &[Cells], column: usize) -> impl Iterator<Item = &str> {
    records
        .iter()
        .filter_map(move |record| record.cells.get(column))
        .map(String::as_str)
        .filter(|cell| !cell.is_empty())
}

fn most_common(counts: impl Iterator<Item = usize>) -> usize {
    let mut times = std::collections::BTreeMap::new();
    counts.for_each(|count| *times.entry(count).or_insert(0usize) += 1);
    times
        .into_iter()
        .max_by_key(|&(count, times)| (times, std::cmp::Reverse(count)))
        .map_or(0, |(count, _)| count)
}

fn expected_class(records: &[Cells]) -> Error {
    let (line, cells) = records
        .first()
        .map_or((1, ""), |record| (record.line, record.cells.first().map_or("", String::as_str)));
    Error::data(format!("line {line}, `{}`: expected a file and its class", shortened(cells)))
}
