//! The lists of a folder: which files they are, and what they say of the images there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::Findings;
use super::ilsvrc;
use super::lookup::{Found, Lookup};
use super::naming::count;
use super::table::{Row, Table};
use super::text::Text;
use super::tree::some;
use super::webdataset::split_word;
use crate::data::{Problem, ProblemKind};
use crate::{Error, Result};

/// Endings of lists.
const ENDINGS: [&str; 5] = ["txt", "csv", "tsv", "lst", "list"];

/// Texts that come with images and are no lists of them, by their names without endings.
const OTHERS: [&str; 12] = [
    "classes",
    "readme",
    "license",
    "license",
    "copying",
    "requirements",
    "synset_words",
    "synsets",
    "wnids",
    "words",
    "loc_synset_mapping",
    "sample_submission",
];

/// A list, and what it says.
#[derive(Debug)]
pub(super) struct List {
    /// Its path below the source's folder.
    pub(super) path: String,
    /// The split that its name says.
    pub(super) split: Option<&'static str>,
    /// What it says of images, by their places among all.
    pub(super) said: BTreeMap<usize, Said>,
    /// How many rows name a file that is not there.
    pub(super) missing: Vec<(usize, String)>,
    /// The other lines that are not used, and why.
    dropped: Vec<(usize, String)>,
    contradictions: Vec<Contradiction>,
    /// Why it cannot be read, though it names images.
    broken: Option<Error>,
    notes: Vec<String>,
}

/// What a list says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) line: usize,
    pub(super) class: String,
    pub(super) split: Option<&'static str>,
}

/// Whether a path below a folder may be a list, by its name.
pub(super) fn may_be_list(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    ENDINGS.contains(&ending) && !OTHERS.contains(&stem) && !ilsvrc::is_truth(&name)
}

impl List {
    /// Reads the list at `path` below `root`. `images` are the paths of the images that it may name, with their places; `None`
    /// when it is no list of files.
    pub(super) fn read(root: &Path, path: &str, images: &[(usize, &str)]) -> Option<Self> {
        let text = Text::read(&root.join(path)).ok()?;
        let lookup = Lookup::new(images.iter().map(|image| image.1));
        let find = |name: &str| lookup.find(name);
        let (table, broken) = match Table::parse(&text, &find) {
            Ok(table) => (table, None),
            Err(error) if names_images(&text, &find) => (Table::default(), Some(error)),
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
            broken: broken.map(|error| error.context(root.join(path).display())),
            notes: table.notes,
        };
        list.notes.splice(..0, text.note("the list"));
        list.resolve(table.rows, &lookup, images);
        Some(list)
    }

    /// Whether every row leads to an image of its own.
    pub(super) fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.dropped.is_empty() && !self.said.is_empty()
    }

    /// Finds the images of the rows: first the sure ones, so that no other row takes their images.
    fn resolve(&mut self, rows: Vec<Row>, lookup: &Lookup, images: &[(usize, &str)]) {
        let found: Vec<Found> = rows.iter().map(|row| lookup.find(&row.file)).collect();
        let sure =
            found.iter().filter_map(|found| if let Found::Sure(at) = found { Some(*at) } else { None });
        let sure: BTreeSet<usize> = sure.collect();
        let mut repeated = 0;
        for (row, found) in rows.into_iter().zip(found) {
            let at = match found {
                Found::Sure(at) => at,
                Found::Likely(at) if !sure.contains(&at) => at,
                Found::Ambiguous => {
                    self.dropped.push((row.line, format!("`{}` fits several images", row.file)));
                    continue;
                }
                Found::Likely(_) | Found::Nothing => {
                    self.missing.push((row.line, row.file));
                    continue;
                }
            };
            let said = Said { line: row.line, class: row.class, split: row.split };
            match self.said.get(&images[at].0) {
                None => drop(self.said.insert(images[at].0, said)),
                Some(before) if before.class == said.class => repeated += 1,
                Some(before) => {
                    self.contradictions.push(Contradiction {
                        file: row.file,
                        one: before.clone(),
                        two: said,
                    });
                }
            }
        }
        let doubted: BTreeSet<usize> = self.contradictions.iter().map(|doubt| doubt.one.line).collect();
        self.said.retain(|_, said| !doubted.contains(&said.line));
        match repeated {
            0 => {}
            1 => self.notes.push("1 line names an image again, with the same class".to_owned()),
            n => self.notes.push(format!("{n} lines name an image again, with the same class")),
        }
    }

    /// Refuses a list that names images, but does not say what they show, or says two things of one.
    pub(super) fn check(&self, root: &Path, findings: &mut Findings) -> Result<()> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let Some(first) = self.contradictions.first() else { return Ok(()) };
        let error = || first.error(&root.join(&self.path), self.contradictions.len() - 1);
        findings.refuse(error, self.contradictions.iter().map(|doubt| doubt.problem(&self.path)))
    }

    /// Tells what was assumed and what is not used.
    pub(super) fn tell(&self, findings: &mut Findings, notes: &mut Vec<String>) {
        let path = &self.path;
        notes.extend(self.notes.iter().map(|note| format!("{path}: {note}")));
        let lines = |lines: &[(usize, String)]| {
            let each: Vec<String> =
                lines.iter().map(|(line, what)| format!("line {line} ({what})")).collect();
            some(&each.iter().map(String::as_str).collect::<Vec<_>>())
        };
        for (line, reason) in &self.dropped {
            findings.tell(ProblemKind::NotUsed, format!("{path}:{line}"), reason);
        }
        if !self.dropped.is_empty() {
            notes.push(format!(
                "{path}: skipped {}: {}",
                count(self.dropped.len(), "line"),
                lines(&self.dropped)
            ));
        }
        for (line, file) in &self.missing {
            findings.tell(
                ProblemKind::Missing,
                file,
                format!("line {line} of {path} lists it, but it is not there"),
            );
        }
        if !self.missing.is_empty() {
            let files = match self.missing.len() {
                1 => "1 file that is".to_owned(),
                n => format!("{n} files that are"),
            };
            notes.push(format!("{path} lists {files} not there: {}", lines(&self.missing)));
        }
    }
}

/// Whether some words of a text are images' names.
fn names_images(text: &Text, find: &dyn Fn(&str) -> Found) -> bool {
    let words = |line: &str| {
        line.split([',', ';', '\t', '|']).any(|cell| matches!(find(cell.trim()), Found::Sure(_)))
    };
    text.lines().take(100).any(|(_, line)| {
        words(line) || line.split_whitespace().any(|word| matches!(find(word), Found::Sure(_)))
    })
}

/// An image of which a list says two things.
#[derive(Debug)]
struct Contradiction {
    file: String,
    one: Said,
    two: Said,
}

impl Contradiction {
    fn error(&self, path: &Path, more: usize) -> Error {
        let Self { file, one, two } = self;
        let more = if more == 0 { String::new() } else { format!(" ({more} more images have two)") };
        Error::data(format!(
            "{}: {file} has two classes: `{}` on line {} and `{}` on line {}{more}",
            path.display(),
            one.class,
            one.line,
            two.class,
            two.line
        ))
        .help("one class for each image: remove the wrong line")
    }

    fn problem(&self, list: &str) -> Problem {
        let Self { file, one, two } = self;
        Problem {
            file: file.clone(),
            kind: ProblemKind::Loose,
            detail: format!(
                "two classes in {list}: `{}` on line {} and `{}` on line {}; skipped",
                one.class, one.line, two.class, two.line
            ),
        }
    }
}

/// Which folder each number of a list stands for, where a list names images in class folders by number.
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
