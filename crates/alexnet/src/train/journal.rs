//! The journal: which settings of a running training were changed, when, and why. Together with the recipe and the seed it
//! determines the result: [`Journal::edits`] turns it into a schedule of edits that gives the same bits.
//!
//! An edit is requested by a file in the run folder's `edits/` ([`request_edit`]), named by an increasing number. Before its
//! next step the training writes it into `journal.jsonl`, applies it, and removes the file. A training run that resumes from an
//! earlier step applies the edits of the journal again at their steps.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::append::complete_lines;
use crate::files::{atomic, json};
use crate::model::layout::REQUESTS;
use crate::net::{Change, Edit, Recipe};
use crate::{Error, Result};

/// The journal's file name in the run folder.
pub const FILE: &str = "journal.jsonl";

/// Who made an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// The user.
    User,
    /// The training itself, after values became non-finite.
    Watch,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The change, and the step before which it is applied.
    #[serde(flatten)]
    pub edit: Edit,
    /// The epoch of that step, counted from 1.
    pub epoch: usize,
    /// Who made it.
    #[serde(rename = "by")]
    pub author: Author,
    /// Why.
    pub reason: String,
    /// Name of the file that requested it, so that it is applied only once.
    #[serde(rename = "asked", default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// A requested edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditRequest {
    /// What to change.
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
    /// Opens the journal of a run folder, or creates one. An incomplete last line, left by a crash, is removed: its edit is
    /// still requested.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or written, or a line is not a journal entry.
    pub fn open(run: &Path) -> Result<Self> {
        let path = run.join(FILE);
        let failed = |error: std::io::Error| Error::io(&path, "open the journal", &error);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(failed)?;
        let text = std::fs::read(&path).and_then(complete_lines).map_err(failed)?;
        let entries = parse(&text).map_err(|error| error.context(path.display()))?;
        let mut journal = Self { path, file, bytes: text.len() as u64, entries };
        journal.truncate().map_err(|error| Error::io(&journal.path, "open the journal", &error))?;
        Ok(journal)
    }

    /// Reads the entries of a run's journal; none if there is no journal.
    ///
    /// # Errors
    /// Returns an error if a line is not a journal entry.
    pub fn read(run: &Path) -> Result<Vec<Entry>> {
        let path = run.join(FILE);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read(&path).and_then(complete_lines);
        let text = text.map_err(|error| Error::io(&path, "read the journal", &error))?;
        parse(&text).map_err(|error| error.context(path.display()))
    }

    /// Appends an entry; it is on disk when this returns.
    ///
    /// # Errors
    /// Returns an error if it cannot be written; the journal is then unchanged.
    pub fn append(&mut self, entry: Entry) -> Result<()> {
        let mut line = serde_json::to_vec(&entry).expect("strings and numbers are JSON");
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| atomic::flush(&self.file));
        match written {
            Ok(()) => self.bytes += line.len() as u64,
            Err(error) => {
                // An incomplete line would corrupt the next.
                let _ = self.truncate();
                return Err(Error::io(&self.path, "write the journal", &error));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// A journal that cannot be written, as on a full disk.
    #[cfg(test)]
    pub(super) fn full(run: &Path) -> Self {
        let journal = Self::open(run).unwrap();
        Self { file: File::open(&journal.path).unwrap(), ..journal }
    }

    /// Cuts the file after the last complete entry.
    fn truncate(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes)).map(|_| ())
    }

    /// The entries, in the order in which they were applied.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the edits of the recipe and of these entries that are in effect, in the order of their steps.
    ///
    /// When a rollback lowered the learning rate, learning rates that had been set for later steps no longer apply: they are
    /// what it rolled back from.
    pub fn edits(recipe: &Recipe, entries: &[Entry]) -> Vec<Edit> {
        let mut edits = recipe.edits.clone();
        for Entry { edit, author, .. } in entries {
            if *author == Author::Watch && matches!(edit.change, Change::Rate(_)) {
                edits.retain(|other| other.step <= edit.step || !matches!(other.change, Change::Rate(_)));
            }
            edits.push(edit.clone());
        }
        edits.sort_by_key(|edit| edit.step);
        edits
    }
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let lines = text.lines().enumerate();
    lines
        .map(|(i, line)| {
            serde_json::from_str(line)
                .map_err(|error| Error::model(format!("line {} is not a journal entry: {error}", i + 1)))
        })
        .collect()
}

/// Requests an edit of the training in a run folder, and returns the file that does, named like
/// `000000000000000000000042-9f3c....json`. The number is one more than any before, so the order does not depend on a clock;
/// the random digits keep the names of concurrent requests apart.
///
/// # Errors
/// Returns an error if the folder cannot be written to, or the journal cannot be read.
pub fn request_edit(run: &Path, change: Change, reason: &str) -> Result<PathBuf> {
    let folder = run.join(REQUESTS);
    std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "create the folder", &error))?;
    // The folder before the journal: an edit is in the journal before its file is removed.
    let pending =
        pending_requests(run).iter().filter_map(|path| number(&path.file_name()?.to_string_lossy())).max();
    let applied = Journal::read(run)?.iter().filter_map(|entry| number(entry.request.as_deref()?)).max();
    let next = pending.max(applied).map_or(1, |last| last.saturating_add(1));
    let random = RandomState::new().hash_one(std::process::id());
    let path = folder.join(format!("{next:024}-{random:016x}.json"));
    let request = EditRequest { change, reason: reason.to_owned() };
    // Retry once: a training run that is being resumed removes temporary files.
    json::write(&path, &request).or_else(|_| json::write(&path, &request))?;
    Ok(path)
}

/// The number in the name of a request.
fn number(name: &str) -> Option<u128> {
    name.split('-').next()?.parse().ok()
}

/// Returns the files of requested edits, in order.
pub fn pending_requests(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run.join(REQUESTS)).into_iter().flatten().flatten();
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

    fn entry(step: usize, change: Change, author: Author) -> Entry {
        Entry { edit: Edit { step, change }, epoch: 1, author, reason: "a test".into(), request: None }
    }

    #[test]
    fn an_incomplete_line_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.append(entry(5, Change::Rate(0.1), Author::User)).unwrap();
        // A cut inside `é` is among those below.
        journal.append(entry(9, Change::Freeze("convolué".into()), Author::User)).unwrap();
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let seen = Journal::read(folder.path()).unwrap().len();
            let mut journal = Journal::open(folder.path()).unwrap();
            assert_eq!(seen, journal.entries().len(), "a reader may see an incomplete line");
            let left = usize::from(cut >= first) + usize::from(cut == whole.len());
            assert_eq!(journal.entries().len(), left, "cut at {cut}");
            journal.append(entry(10, Change::StopAfter(3), Author::User)).unwrap();
            assert_eq!(Journal::read(folder.path()).unwrap(), journal.entries());
        }
        std::fs::write(&path, "garbage\n").unwrap();
        assert!(Journal::open(folder.path()).unwrap_err().message.contains("line 1 is not a journal entry"));
    }

    #[test]
    fn a_rollback_undoes_the_learning_rates_of_later_steps() {
        let mut recipe = Recipe::load("small").unwrap();
        recipe.edits = vec![Edit { step: 40, change: Change::Rate(0.5) }];
        let entries = [
            entry(20, Change::Rate(0.02), Author::User),
            entry(30, Change::Freeze("conv1".into()), Author::User),
            entry(35, Change::Rate(9.0), Author::User),
            entry(25, Change::Rate(0.002), Author::Watch),
            entry(50, Change::Rate(0.001), Author::User),
        ];
        let edits = Journal::edits(&recipe, &entries);
        let shown: Vec<String> = edits.iter().map(|e| format!("{} {}", e.step, e.change)).collect();
        assert_eq!(shown, ["20 lr=0.02", "25 lr=0.002", "30 freeze=conv1", "50 lr=0.001"]);
    }

    #[test]
    fn requests_are_applied_in_order() {
        let folder = tempfile::tempdir().unwrap();
        assert!(pending_requests(folder.path()).is_empty());
        let paths = [Change::Rate(0.1), Change::ColorNoise(0.0)]
            .map(|change| request_edit(folder.path(), change, "").unwrap());
        assert_eq!(pending_requests(folder.path()), paths);
        let back: EditRequest = json::read(&paths[1], "a change").unwrap();
        assert_eq!(back.change, Change::ColorNoise(0.0));
    }

    /// Earlier versions put the time into the name; here it lies in the future of a clock that was set back.
    #[test]
    fn the_order_does_not_depend_on_a_clock() {
        let folder = tempfile::tempdir().unwrap();
        let future = "000009999999999999999999-77";
        let request = |rate: f32| request_edit(folder.path(), Change::Rate(rate), "").unwrap();
        std::fs::create_dir_all(folder.path().join(REQUESTS)).unwrap();
        let old = folder.path().join(REQUESTS).join(format!("{future}.json"));
        std::fs::write(&old, r#"{"change":{"rate":0.5},"reason":""}"#).unwrap();
        let first = request(0.1);
        assert_eq!(pending_requests(folder.path()), [old.clone(), first.clone()]);
        // Applied and removed: later requests still come later.
        let mut journal = Journal::open(folder.path()).unwrap();
        journal
            .append(Entry { request: Some(future.into()), ..entry(5, Change::Rate(0.5), Author::User) })
            .unwrap();
        std::fs::remove_file(old).unwrap();
        std::fs::remove_file(&first).unwrap();
        let of = |path: &Path| number(&path.file_name().unwrap().to_string_lossy()).unwrap();
        assert!(of(&request(0.2)) > number(future).unwrap());
    }

    #[test]
    fn concurrent_requests_are_all_kept() {
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
        assert_eq!(pending_requests(folder.path()).len(), 100);
    }
}
