//! The lists in a folder, and how they label its images.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::ilsvrc;
use super::lookup::{Lookup, Match};
use super::row::{Dropped, Row};
use super::split_names::split_word;
use super::table::ListTable;
use super::text::Text;
use crate::data::problem::{Findings, Problem, ProblemKind};
use crate::format::{counted, first_few};
use crate::{Error, Result};

/// The extensions of lists.
const ENDINGS: [&str; 5] = ["txt", "csv", "tsv", "lst", "list"];

/// Text files that are not lists of images, by their names without extensions.
const OTHERS: [&str; 12] = [
    "classes",
    "readme",
    "license",
    "licence",
    "copying",
    "requirements",
    "synset_words",
    "synsets",
    "wnids",
    "words",
    "loc_synset_mapping",
    "sample_submission",
];

/// A list of images.
#[derive(Debug)]
pub(super) struct List {
    /// Its path relative to the source folder.
    pub(super) path: String,
    /// The split in its name.
    pub(super) split: Option<&'static str>,
    /// What it says about images, by their index.
    pub(super) said: BTreeMap<usize, ListEntry>,
    /// Lines that name a file that does not exist.
    pub(super) missing: Vec<Dropped>,
    /// Other lines that are skipped, and why.
    dropped: Vec<Dropped>,
    contradictions: Vec<Contradiction>,
    /// The images with several classes, by their index.
    pub(super) doubted: BTreeSet<usize>,
    /// Why it cannot be parsed, although it names images.
    broken: Option<Error>,
    notes: Vec<String>,
}

/// Images that lists may name, indexed by their names.
pub(super) struct NamedImages<'a> {
    /// Their indices in the source, in the order of the lookup.
    indices: Vec<usize>,
    lookup: Lookup<'a>,
}

impl<'a> NamedImages<'a> {
    /// Indexes some images of a source. `paths` are those of all its images, and `composed` what
    /// [`composed`](super::lookup::composed) returned for these.
    pub(super) fn new(indices: Vec<usize>, paths: &[&'a str], composed: &'a [String]) -> Self {
        let own: Vec<&str> = indices.iter().map(|&at| paths[at]).collect();
        let composed = match own.iter().all(|path| path.is_ascii()) {
            true => Vec::new(),
            false => indices.iter().map(|&at| composed[at].as_str()).collect(),
        };
        Self { lookup: Lookup::with_composed(own, composed), indices }
    }
}

/// What a list says about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListEntry {
    pub(super) line: usize,
    pub(super) class: String,
    pub(super) split: Option<&'static str>,
}

/// Returns whether a path may be a list, by its name.
pub(super) fn may_be_list(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    ENDINGS.contains(&ending) && !OTHERS.contains(&stem) && !ilsvrc::is_truth(&name)
}

impl List {
    /// Reads the list at `path` below `root`, which may name these images. `None` if it is not a list of files.
    pub(super) fn of(text: &Text, root: &Path, path: &str, images: &NamedImages<'_>) -> Option<Self> {
        let find = |name: &str| images.lookup.find(name);
        let (table, broken) = match ListTable::parse(text, &find) {
            Ok(table) => (table, None),
            Err(error) if names_images(text, &find) => (ListTable::default(), Some(error)),
            Err(_) => return None,
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut list = Self {
            path: path.to_owned(),
            split: split_word(name),
            said: BTreeMap::new(),
            missing: Vec::new(),
            dropped: table.dropped,
            contradictions: Vec::new(),
            doubted: BTreeSet::new(),
            broken: broken.map(|error| error.context(root.join(path).display())),
            notes: table.notes,
        };
        list.notes.splice(..0, text.note("the list"));
        list.resolve(table.rows, images);
        Some(list)
    }

    /// Returns whether every row names a different image.
    pub(super) fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.dropped.is_empty() && !self.said.is_empty()
    }

    /// Finds the images of the rows, exact matches first, so that no other row takes their images.
    fn resolve(&mut self, rows: Vec<Row>, images: &NamedImages<'_>) {
        let found: Vec<Match> = rows.iter().map(|row| images.lookup.find(&row.file)).collect();
        let sure =
            found.iter().filter_map(|found| if let Match::Sure(at) = found { Some(*at) } else { None });
        let sure: BTreeSet<usize> = sure.collect();
        let mut repeated = 0;
        for (row, found) in rows.into_iter().zip(found) {
            let at = match found {
                Match::Sure(at) => at,
                Match::Likely(at) if !sure.contains(&at) => at,
                Match::Ambiguous => {
                    let what = format!("`{}` matches several images", row.file);
                    self.dropped.push(Dropped { line: row.line, what });
                    continue;
                }
                Match::Likely(_) | Match::Nothing => {
                    self.missing.push(Dropped { line: row.line, what: row.file });
                    continue;
                }
            };
            let said = ListEntry { line: row.line, class: row.class, split: row.split };
            let image = images.indices[at];
            match self.said.get(&image) {
                None => drop(self.said.insert(image, said)),
                Some(before) if before.class == said.class => repeated += 1,
                Some(before) => {
                    if self.doubted.insert(image) {
                        let one = before.clone();
                        self.contradictions.push(Contradiction { file: row.file, one, two: said });
                    }
                }
            }
        }
        self.said.retain(|image, _| !self.doubted.contains(image));
        match repeated {
            0 => {}
            1 => self.notes.push("1 line repeats an image with the same class".to_owned()),
            n => self.notes.push(format!("{n} lines repeat an image with the same class")),
        }
    }

    /// Rejects a list that names images but does not label them, or contradicts itself.
    pub(super) fn check(&self, root: &Path, findings: &mut Findings) -> Result<()> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let Some(first) = self.contradictions.first() else { return Ok(()) };
        let error = || first.error(&root.join(&self.path), self.contradictions.len() - 1);
        findings.reject(error, self.contradictions.iter().map(|doubt| doubt.problem(&self.path)))
    }

    /// Reports assumptions and skipped lines.
    pub(super) fn report(&self, findings: &mut Findings, notes: &mut Vec<String>) {
        let path = &self.path;
        notes.extend(self.notes.iter().map(|note| format!("{path}: {note}")));
        let lines = |lines: &[Dropped]| {
            let each: Vec<String> =
                lines.iter().map(|line| format!("line {} ({})", line.line, line.what)).collect();
            first_few(each.iter())
        };
        for Dropped { line, what: reason } in &self.dropped {
            findings.report(ProblemKind::NotUsed, format!("{path}:{line}"), reason);
        }
        if !self.dropped.is_empty() {
            notes.push(format!(
                "{path}: skipped {}: {}",
                counted(self.dropped.len(), "line"),
                lines(&self.dropped)
            ));
        }
        for Dropped { line, what: file } in &self.missing {
            findings.report(
                ProblemKind::Missing,
                file,
                format!("line {line} of {path} lists it, but it does not exist"),
            );
        }
        if !self.missing.is_empty() {
            let files = counted(self.missing.len(), "missing file");
            notes.push(format!("{path} lists {files}: {}", lines(&self.missing)));
        }
    }
}

/// Returns whether a text contains names of images.
fn names_images(text: &Text, find: &dyn Fn(&str) -> Match) -> bool {
    let words = |line: &str| {
        line.split([',', ';', '\t', '|']).any(|cell| matches!(find(cell.trim()), Match::Sure(_)))
    };
    text.lines().take(100).any(|(_, line)| {
        words(line) || line.split_whitespace().any(|word| matches!(find(word), Match::Sure(_)))
    })
}

/// An image with two classes in a list.
#[derive(Debug)]
struct Contradiction {
    file: String,
    one: ListEntry,
    two: ListEntry,
}

impl Contradiction {
    fn error(&self, path: &Path, more: usize) -> Error {
        let Self { file, one, two } = self;
        let more = if more == 0 { String::new() } else { format!(" ({more} more images have two classes)") };
        Error::data(format!(
            "{}: {file} has two classes: `{}` on line {} and `{}` on line {}{more}",
            path.display(),
            one.class,
            one.line,
            two.class,
            two.line
        ))
        .help("remove the wrong line")
    }

    fn problem(&self, list: &str) -> Problem {
        let Self { file, one, two } = self;
        Problem {
            file: file.clone(),
            kind: ProblemKind::Loose,
            detail: format!(
                "two classes in {list}: `{}` on line {} and `{}` on line {}; training refuses the list",
                one.class, one.line, two.class, two.line
            ),
        }
    }
}

/// Returns the folder that each number in a list stands for, if the list names images in class folders.
pub(super) fn numbers_of<'a>(
    list: &List,
    folder_of: impl Fn(usize) -> Option<&'a str>,
) -> Option<HashMap<String, String>> {
    let mut folders: HashMap<&str, &str> = HashMap::new();
    for (&at, said) in &list.said {
        let folder = folder_of(at)?;
        if *folders.entry(&said.class).or_insert(folder) != folder {
            return None;
        }
    }
    let different: BTreeSet<&str> = folders.values().copied().collect();
    (different.len() == folders.len())
        .then(|| folders.into_iter().map(|(number, folder)| (number.to_owned(), folder.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_list_each_name_once() {
        for table in [&ENDINGS[..], &OTHERS] {
            let names: BTreeSet<&str> = table.iter().copied().collect();
            assert_eq!(names.len(), table.len(), "{table:?}");
        }
        assert!(["LICENSE.txt", "docs/licence.txt"].iter().all(|path| !may_be_list(path)));
    }
}
