//! What the columns of a list hold: files, classes, splits.

use std::collections::HashSet;

use super::lookup::Found;
use super::naming::Kind;
use super::table::{Record, Row, Separator, shortened};
use super::tree::split_name;
use crate::{Error, Result};

/// Headings of columns of files, the surest first; small letters and digits only, as [`plain`] makes them.
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

/// Headings of columns of classes in general, the surest first. Of these the first that is there is used.
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

/// Words for classes of one kind. Where a list has several of these, it does not say which is meant.
const KINDS: [&str; 11] =
    ["species", "breed", "variety", "genus", "family", "diagnosis", "dx", "type", "tag", "y", "object"];

/// Words that may be a part of the heading of a column of classes.
const PARTS: [&str; 7] = ["label", "labels", "class", "category", "target", "species", "breed"];

/// Headings of columns that say which split an image belongs to.
const SPLITS: [&str; 8] = ["split", "subset", "set", "partition", "phase", "usage", "datasplit", "dataset"];

/// Headings of columns that say whether an image belongs to a split.
const IS_SPLIT: [(&str, &str); 5] =
    [("isvalid", "val"), ("isval", "val"), ("isvalidation", "val"), ("istest", "test"), ("istrain", "train")];

pub(super) fn is_number(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}

/// A heading's letters and digits, small.
fn plain(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether the first line is a heading: it names no image, and either is made of words that headings are made of or stands
/// above lines that name images.
pub(super) fn heading(records: &[Record], find: &dyn Fn(&str) -> Found) -> bool {
    let Some(((_, first), rest)) = records.split_first() else { return false };
    if rest.is_empty() || first.iter().any(|cell| find(cell) != Found::Nothing) {
        return false;
    }
    let known = |cell: &String| {
        let cell = plain(cell);
        let cell = cell.as_str();
        FILES.contains(&cell) || CLASSES.contains(&cell) || KINDS.contains(&cell) || SPLITS.contains(&cell)
    };
    first.iter().any(known) || first.iter().all(|cell| !cell.contains(['.', '/', '\\']) && !is_number(cell))
}

/// What the columns of a list hold.
pub(super) struct Columns {
    file: usize,
    class: usize,
    split: Option<(usize, SplitColumn)>,
    /// How many there are.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SplitColumn {
    /// Its cells are names of splits.
    Names,
    /// Its cells say whether an image is in this split; validation's opposite is training, and that of training validation.
    Is(&'static str),
}

impl Columns {
    pub(super) fn of(
        heading: Option<&[String]>,
        records: &[Record],
        find: &dyn Fn(&str) -> Found,
    ) -> Result<Self> {
        let count =
            heading.map_or_else(|| most_common(records.iter().map(|(_, cells)| cells.len())), <[_]>::len);
        let plain: Vec<String> = heading.unwrap_or_default().iter().map(|cell| self::plain(cell)).collect();
        let named = |names: &[&str], column: usize| {
            plain.get(column).and_then(|cell| names.iter().position(|name| name == cell))
        };
        let weight = |column: usize| {
            let cells: HashSet<&str> = cells(records, column).collect();
            // Images that are not there have names of images all the same.
            let named = |cell: &str| usize::from(Kind::of_name(cell) == Kind::Image);
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
            let is = is.map(|&(_, split)| SplitColumn::Is(split));
            let names = || {
                let told = if heading.is_some() { named(&SPLITS, column).is_some() } else { count > 2 };
                let mut cells = cells(records, column).peekable();
                (told && cells.peek().is_some() && cells.all(|cell| split_name(cell).is_some()))
                    .then_some(SplitColumn::Names)
            };
            Some((column, is.or_else(names)?))
        });
        let others: Vec<usize> = (0..count)
            .filter(|&column| column != file && Some(column) != split.map(|split| split.0))
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
                            "{count} columns and no heading: which of them is the class?"
                        ))
                        .help("a first line that names the columns: file,label,..."));
                    }
                }
            }
        };
        Ok(Self { file, class, split, count })
    }

    /// Which columns were used, where there are more than two.
    pub(super) fn notes(&self, heading: Option<&[String]>) -> Vec<String> {
        let Some(heading) = heading.filter(|heading| heading.len() > 2) else { return Vec::new() };
        let used = [Some(self.file), Some(self.class), self.split.map(|split| split.0)];
        let unused = (0..heading.len()).filter(|column| !used.contains(&Some(*column)));
        let unused: Vec<String> = unused.map(|column| format!("`{}`", heading[column])).collect();
        let split =
            self.split.map_or(String::new(), |(column, _)| format!(", splits from `{}`", heading[column]));
        let unused = if unused.is_empty() {
            String::new()
        } else {
            format!("; not used: {}", shortened(&unused.join(", ")))
        };
        vec![format!(
            "files from column `{}`, classes from `{}`{split}{unused}",
            heading[self.file], heading[self.class]
        )]
    }

    /// What a line says, or why it says nothing.
    pub(super) fn row(
        &self,
        line: usize,
        mut cells: Vec<String>,
        separator: Separator,
        find: &dyn Fn(&str) -> Found,
    ) -> std::result::Result<Row, String> {
        if cells.len() > self.count && self.file == 0 {
            // A file name with separators in it, without quotes.
            if let Separator::Byte(byte) = separator {
                let pieces = cells.len() - self.count + 1;
                let name = cells[..pieces].join(&char::from(byte).to_string());
                if matches!(find(&name), Found::Sure(_)) {
                    cells.splice(..pieces, [name]);
                }
            }
        }
        if cells.len() > self.count {
            return Err(format!(
                "{} cells, expected {}; names with separators in them need quotes",
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
            return Err("a name with a line break in it; is a quote missing?".to_owned());
        }
        let split = match self.split {
            None => None,
            Some((column, kind)) => {
                Some(kind.split(cell(column)).ok_or_else(|| format!("`{}` is not a split", cell(column)))?)
            }
        };
        Ok(Row { line, file: file.to_owned(), class: class.to_owned(), split })
    }
}

impl SplitColumn {
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

/// The class of a cell. Kaggle's ImageNet has classes with boxes, `n02017213 115 49 448 294`, once for each object.
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

/// Whether a word is one of WordNet's identifiers, as ImageNet's classes are called: `n01440764`.
fn is_wnid(word: &str) -> bool {
    word.len() == 9 && word.starts_with('n') && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The column of classes among some, by what the heading calls them.
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
        [] => {
            Err(Error::data(format!("which of the columns {} holds the classes?", shortened(&list(columns))))
                .help("call it `label` in the first line"))
        }
        _ => Err(Error::data(format!(
            "the columns {} could all hold the classes",
            shortened(&list(&candidates))
        ))
        .help("call the one to use `label` in the first line")),
    }
}

fn cells(records: &[Record], column: usize) -> impl Iterator<Item = &str> {
    records
        .iter()
        .filter_map(move |(_, cells)| cells.get(column))
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

fn expected_class(records: &[Record]) -> Error {
    let (line, cells) =
        records.first().map_or((1, ""), |(line, cells)| (*line, cells.first().map_or("", String::as_str)));
    Error::data(format!("line {line}, `{}`: expected a file and its class", shortened(cells)))
}
