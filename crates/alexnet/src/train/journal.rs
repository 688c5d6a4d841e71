//! The journal: what was changed in a training while it ran, when, and why. With the recipe and the seed, it says all that
//! the numbers follow from: [`Journal::edits`] makes a schedule of it that gives the same bits.
//!
//! A change is asked for by a file in the run folder's `edits/` ([`request_edit`]), named by a number that counts up. The training takes it before its next step, writes
//! it into `journal.jsonl`, makes it, and removes the file. A training that goes on from an earlier step makes the changes
//! of the journal again at their steps.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{atomic, json};
use crate::net::{Change, Edit, Recipe};
use crate::{Error, Result};

/// The journal's name in the run folder.
pub const FILE: &str = "journal.jsonl";

/// Where changes are asked for.
pub const ASKED: &str = "edits";

/// Who made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The user.
    User,
    /// The training itself, after its numbers stopped being finite.
    Watch,
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The change, and the step before which it is made.
    #[serde(flatten)]
    pub edit: Edit,
    /// The epoch of that step, counted from 1.
    pub epoch: usize,
    /// Who made it.
    pub by: By,
    /// Why.
    pub reason: String,
    /// The file that asked for it, so that it is not made twice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
}

/// A change that is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// What shall change.
    pub change: Change,
    /// Why.
    pub reason: String,
}

/// The journal of a run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    entries: Vec<Entry>,
}

impl Journal {
    /// Opens the journal of a run folder, or begins one. A last line that was cut short by a crash is removed: what it
    /// asked for is asked for still.
    ///
    /// # Errors
    /// When the file cannot be read or written, or a line is none of a journal.
    pub fn open(run: &Path) -> Result<Self> {
        let path = run.join(FILE);
        let failed = |error: std::io::Error| Error::io(&path, "open the journal", &error);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(failed)?;
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let text = whole_lines(&text);
        let entries = parse(text).map_err(|error| error.context(path.display()))?;
        let mut journal = Self { path, file, bytes: text.len() as u64, entries };
        journal.cut().map_err(|error| Error::io(&journal.path, "open the journal", &error))?;
        Ok(journal)
    }

    /// Reads the entries of a run's journal; none, without a journal.
    ///
    /// # Errors
    /// When a line is none of a journal.
    pub fn read(run: &Path) -> Result<Vec<Entry>> {
        let path = run.join(FILE);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read the journal", &e))?;
        parse(whole_lines(&text)).map_err(|error| error.context(path.display()))
    }

    /// Adds an entry; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written; the journal is then as it was.
    pub fn append(&mut self, entry: Entry) -> Result<()> {
        let mut line = serde_json::to_vec(&entry).expect("strings and numbers are JSON");
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| atomic::flush(&self.file));
        match written {
            Ok(()) => self.bytes += line.len() as u64,
            Err(error) => {
                // Half a line would spoil the next.
                let _ = self.cut();
                return Err(Error::io(&self.path, "write the journal", &error));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    fn cut(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes)).map(|_| ())
    }

    /// The entries, in the order in which they were made.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every change of the recipe and of these entries that counts, in the order of steps.
    ///
    /// When the training went back to an earlier step and lowered the rate, the rates that had been set for later
    /// steps no longer count: they are what it went back from.
    pub fn edits(recipe: &Recipe, entries: &[Entry]) -> Vec<Edit> {
        let mut edits = recipe.edits.clone();
        for Entry { edit, by, .. } in entries {
            if *by == By::Watch && matches!(edit.change, Change::Rate(_)) {
                edits.retain(|other| other.step <= edit.step || !matches!(other.change, Change::Rate(_)));
            }
            edits.push(edit.clone());
        }
        edits.sort_by_key(|edit| edit.step);
        edits
    }
}

/// Without a last line that is not finished: it is being written, or was when the program was killed.
fn whole_lines(text: &str) -> &str {
    &text[..text.rfind('\n').map_or(0, |end| end + 1)]
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let lines = text.lines().enumerate();
    lines
        .map(|(i, line)| {
            serde_json::from_str(line)
                .map_err(|error| Error::model(format!("line {} is none of a journal: {error}", i + 1)))
        })
        .collect()
}

/// Asks the training in a run folder for a change, and gives the file that does: `000000000000000000000042-9f3c....json`. The
/// number is one more than any asked for before, so the order does not depend on a clock; behind it stand digits by chance,
/// so that two that are asked for at the same time have names of their own.
///
/// # Errors
/// When the folder cannot be written to, or the journal cannot be read.
pub fn request_edit(run: &Path, change: Change, reason: &str) -> Result<PathBuf> {
    let folder = run.join(ASKED);
    std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "make the folder", &error))?;
    // The folder before the journal: a change is in the journal before its file goes.
    let pending = asked(run).iter().filter_map(|path| number(&path.file_name()?.to_string_lossy())).max();
    let made = Journal::read(run)?.iter().filter_map(|entry| number(&entry.asked)).max();
    let next = pending.max(made).map_or(1, |last| last.saturating_add(1));
    let chance = RandomState::new().hash_one(std::process::id());
    let path = folder.join(format!("{next:024}-{chance:016x}.json"));
    let asked = Asked { change, reason: reason.to_owned() };
    // A training that is resumed right now removes what looks half-written.
    json::write(&path, &asked).or_else(|_| json::write(&path, &asked))?;
    Ok(path)
}

/// The number in the name of a file that asks for a change.
fn number(name: &str) -> Option<u128> {
    name.split('-').next()?.parse().ok()
}

/// The files that ask for a change, in order.
pub fn asked(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run.join(ASKED)).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    found.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (number(&name), name)
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(step: usize, change: Change, by: By) -> Entry {
        Entry { edit: Edit { step, change }, epoch: 1, by, reason: "a test".into(), asked: String::new() }
    }

    #[test]
    fn a_line_that_was_cut_short_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.append(entry(5, Change::Rate(0.1), By::User)).unwrap();
        journal.append(entry(9, Change::Freeze("conv1".into()), By::User)).unwrap();
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let seen = Journal::read(folder.path()).unwrap().len();
            let mut journal = Journal::open(folder.path()).unwrap();
            assert_eq!(seen, journal.entries().len(), "a reader meets half a line while it is written");
            let left = usize::from(cut >= first) + usize::from(cut == whole.len());
            assert_eq!(journal.entries().len(), left, "cut at {cut}");
            journal.append(entry(10, Change::StopAfter(3), By::User)).unwrap();
            assert_eq!(Journal::read(folder.path()).unwrap(), journal.entries());
        }
        std::fs::write(&path, "garbage\n").unwrap();
        assert!(Journal::open(folder.path()).unwrap_err().message.contains("line 1 is none of a journal"));
    }

    #[test]
    fn going_back_undoes_the_rates_of_later_steps() {
        let mut recipe = Recipe::load("small").unwrap();
        recipe.edits = vec![Edit { step: 40, change: Change::Rate(0.5) }];
        let entries = [
            entry(20, Change::Rate(0.02), By::User),
            entry(30, Change::Freeze("conv1".into()), By::User),
            entry(35, Change::Rate(9.0), By::User),
            entry(25, Change::Rate(0.002), By::Watch),
            entry(50, Change::Rate(0.001), By::User),
        ];
        let edits = Journal::edits(&recipe, &entries);
        let shown: Vec<String> = edits.iter().map(|e| format!("{} {}", e.step, e.change)).collect();
        assert_eq!(shown, ["20 rate=0.02", "25 rate=0.002", "30 freeze=conv1", "50 rate=0.001"]);
    }

    #[test]
    fn changes_are_asked_for_in_order() {
        let folder = tempfile::tempdir().unwrap();
        assert!(asked(folder.path()).is_empty());
        let paths = [Change::Rate(0.1), Change::ColorNoise(0.0)]
            .map(|change| request_edit(folder.path(), change, "").unwrap());
        assert_eq!(asked(folder.path()), paths);
        let back: Asked = json::read(&paths[1], "a change").unwrap();
        assert_eq!(back.change, Change::ColorNoise(0.0));
    }

    /// Names that hold the time, as the first versions of the program made them, in a future that a clock was set back from.
    #[test]
    fn no_clock_decides_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let future = "000009999999999999999999-77";
        let ask = |rate: f32| request_edit(folder.path(), Change::Rate(rate), "").unwrap();
        std::fs::create_dir_all(folder.path().join(ASKED)).unwrap();
        let old = folder.path().join(ASKED).join(format!("{future}.json"));
        std::fs::write(&old, r#"{"change":{"rate":0.5},"reason":""}"#).unwrap();
        let first = ask(0.1);
        assert_eq!(asked(folder.path()), [old.clone(), first.clone()]);
        // Made and gone: what is asked for later still comes later.
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.append(Entry { asked: future.into(), ..entry(5, Change::Rate(0.5), By::User) }).unwrap();
        std::fs::remove_file(old).unwrap();
        std::fs::remove_file(&first).unwrap();
        let of = |path: &Path| number(&path.file_name().unwrap().to_string_lossy()).unwrap();
        assert!(of(&ask(0.2)) > number(future).unwrap());
    }

    #[test]
    fn changes_asked_for_at_once_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let folder = folder.path();
                scope.spawn(move || {
                    (0..25).for_each(|i| {
                        request_edit(folder, Change::Rate((1 + 25 * thread + i) as f32), "").unwrap();
                    });
                });
            }
        });
        assert_eq!(asked(folder.path()).len(), 100);
    }
}
