//! The run folder: everything a training leaves behind, in one place.
//!
//! `run.json`, `recipe.toml`, `command.txt`, `log.txt`, `metrics.jsonl`, `events.out.tfevents.*`, `plots/`, `journal.jsonl`,
//! `edits/`, `checkpoints/`, `statistics.safetensors`, `best.safetensors`, `last.safetensors`; and `lock`, held while a
//! training uses the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::metrics::{self, Line, Metrics};
use super::origin::Origin;
use super::{events, journal};
use crate::error::{Kind, shell};
use crate::files::atomic;
use crate::net::Recipe;
use crate::{Error, Result};

/// What a run leaves, but for the event files, whose names differ.
const FILES: [&str; 12] = [
    Origin::FILE,
    "recipe.toml",
    "command.txt",
    "log.txt",
    METRICS,
    PLOTS,
    journal::FILE,
    journal::ASKED,
    CHECKPOINTS,
    "statistics.safetensors",
    "best.safetensors",
    "last.safetensors",
];

/// What is written before `run.json`: all that a run leaves that is stopped before its first step.
const BEFORE_THE_FIRST_STEP: [&str; 4] = [LOCK, "recipe.toml", "command.txt", "log.txt"];

const METRICS: &str = "metrics.jsonl";
const PLOTS: &str = "plots";
/// The folder of a run's checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = "lock";

/// A folder that a training writes to, and nobody else meanwhile.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    log: File,
    /// Locked while it is open; the system lets go of it however the program ends.
    _lock: File,
}

impl Run {
    /// Makes the folder, and writes the recipe and the command line before anything else happens.
    ///
    /// Without `folder`, the first of `runs/NAME-1`, `runs/NAME-2`, ... that does not exist: two programs that start
    /// together take two of them. With `exist_ok`, what an earlier run left in the folder moves to `earlier-1` in it.
    ///
    /// # Errors
    /// When the folder is not empty and `exist_ok` is not set, when another training uses it, or it cannot be written to.
    pub fn create(
        folder: Option<&Path>,
        recipe: &Recipe,
        origin: &Origin,
        command: &str,
        exist_ok: bool,
    ) -> Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_path_buf(),
            None => Self::claim(&recipe.name)?,
        };
        if !exist_ok && !began_only(&folder) {
            let shown = folder.display();
            let error = Error::usage(format!("{shown} already holds a run, or other files"));
            let anew = "another folder with --run, or --exist-ok: the earlier run's files then move into `earlier-1` there";
            return Err(match folder.join(Origin::FILE).is_file() {
                true => error.help(format!(
                    "to go on with it: `alexnet train --resume {}`; to begin anew: {anew}",
                    shell(&folder)
                )),
                false => error.help(anew),
            });
        }
        std::fs::create_dir_all(&folder).map_err(|error| cannot_make(&folder, &error))?;
        let lock = lock(&folder)?;
        match began_only(&folder) {
            true => atomic::remove_leftovers(&folder)?,
            false => set_aside(&folder)?,
        }
        write(&folder.join("recipe.toml"), &recipe.to_toml())?;
        write(&folder.join("command.txt"), &format!("{command}\n"))?;
        let run = Self::open(folder, lock)?;
        // Last: a folder that has it can be resumed.
        origin.write(&run.folder)?;
        Ok(run)
    }

    /// Opens the folder of a run that goes on.
    ///
    /// # Errors
    /// When another training uses it, or it cannot be written to.
    pub fn resume(folder: &Path) -> Result<Self> {
        let lock = lock(folder)?;
        for folder in [folder.to_path_buf(), folder.join(PLOTS), folder.join(journal::ASKED)] {
            atomic::remove_leftovers(&folder)?;
        }
        Self::open(folder.to_path_buf(), lock)
    }

    /// Writes down what the run is asked for now, if that has changed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_origin(&self, origin: &Origin) -> Result<()> {
        match Origin::read(&self.folder).is_ok_and(|before| before == *origin) {
            true => Ok(()),
            false => origin.write(&self.folder),
        }
    }

    /// Adds a command line to those in `command.txt`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note_command(&self, command: &str) -> Result<()> {
        let path = self.folder.join("command.txt");
        let commands = std::fs::read_to_string(&path).unwrap_or_default();
        write(&path, &format!("{commands}{command}\n"))
    }

    /// Removes what this run has left, and the folder if nothing else is in it.
    pub fn remove(self) {
        let names =
            FILES.map(String::from).into_iter().chain(event_files(&self.folder)).chain([LOCK.to_owned()]);
        for path in names.map(|name| self.folder.join(name)) {
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
        let _ = std::fs::remove_dir(&self.folder);
    }

    fn open(folder: PathBuf, lock: File) -> Result<Self> {
        let path = folder.join("log.txt");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(|error| Error::io(&path, "open the log", &error))?;
        Ok(Self { folder, log, _lock: lock })
    }

    /// Replaces the recipe.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_recipe(&self, recipe: &Recipe) -> Result<()> {
        let text = recipe.to_toml();
        atomic::replace(&self.folder.join("recipe.toml"), |out| out.write_all(text.as_bytes()))
    }

    /// Makes the first of `runs/NAME-1`, `runs/NAME-2`, ... that does not exist.
    ///
    /// # Errors
    /// When none can be made.
    pub fn claim(name: &str) -> Result<PathBuf> {
        let runs = Path::new("runs");
        std::fs::create_dir_all(runs).map_err(|error| cannot_make(runs, &error))?;
        for folder in (1..).map(|n: usize| runs.join(format!("{name}-{n}"))) {
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot_make(&folder, &error)),
            }
        }
        unreachable!("there are more numbers than folders")
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where its curves are.
    pub fn plots(&self) -> PathBuf {
        self.folder.join(PLOTS)
    }

    /// The lines of `metrics.jsonl`; none, where there is no such file.
    pub fn lines(&self) -> Vec<Line> {
        metrics::read(&self.folder.join(METRICS)).unwrap_or_default()
    }

    /// Where its checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join(CHECKPOINTS)
    }

    /// Goes on with `metrics.jsonl` behind so many lines.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn metrics(&self, lines: usize) -> Result<Metrics> {
        Metrics::go_on(self.folder.join(METRICS), lines)
    }

    /// Adds a line to `log.txt`. A log that cannot be written does not end a training.
    pub fn log(&mut self, line: &str) {
        let _ = writeln!(self.log, "{line}");
    }
}

/// Whether a folder is missing, empty, or holds only what a run leaves that was stopped while its folder was made: nothing that
/// could be lost.
pub(super) fn began_only(folder: &Path) -> bool {
    let is_ours = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            BEFORE_THE_FIRST_STEP.contains(&&*name) || atomic::is_leftover(&name)
        })
    };
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.all(is_ours))
}

fn cannot_make(folder: &Path, error: &std::io::Error) -> Error {
    Error::io(folder, "make the run folder", error).help("a folder that can be written to: --run DIR")
}

/// Takes the folder for this training. A lock that is left behind by a program that has ended is none.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|error| cannot_make(folder, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.is_empty() { String::new() } else { format!(", {}", holder.trim()) };
            let shown = folder.display();
            return Err(Error::new(Kind::Runtime, format!("another training uses {shown}{holder}")).help(
                format!(
                    "wait until it has ended, or stop it; to change it: `alexnet edit {} lr=0.001`",
                    shell(folder)
                ),
            ));
        }
        // Some file systems have no locks: better none than no training.
        Err(TryLockError::Error(_)) => {}
    }
    // Only a help for people: the lock itself is the system's.
    let holder = format!("process {}\n", std::process::id());
    let _ = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(holder.as_bytes()));
    Ok(file)
}

/// Whether a training uses the folder now.
pub fn is_in_use(folder: &Path) -> bool {
    let file = File::open(folder.join(LOCK));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Names of a folder's event files.
fn event_files(folder: &Path) -> Vec<String> {
    let files = events::files(folder).unwrap_or_default().into_iter();
    files.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// Moves the files of an earlier run into a folder of their own, so that none is lost or taken for the new run's.
fn set_aside(folder: &Path) -> Result<()> {
    let there = |name: &String| folder.join(name).exists();
    let names: Vec<String> =
        FILES.map(String::from).into_iter().filter(there).chain(event_files(folder)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let aside = (1..).map(|n: usize| folder.join(format!("earlier-{n}"))).find(|aside| !aside.exists());
    let aside = aside.expect("there are more numbers than folders");
    std::fs::create_dir(&aside).map_err(|error| cannot_make(&aside, &error))?;
    for name in names {
        let path = folder.join(&name);
        std::fs::rename(&path, aside.join(name))
            .map_err(|error| Error::io(&path, "move the earlier run's file", &error))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| Error::io(path, "write the file", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::origin::Requests;

    fn origin() -> Origin {
        Origin { format_version: 1, source: None, seed: 0, init: None, requests: Requests::default() }
    }

    fn create(folder: &Path, exist_ok: bool) -> Result<Run> {
        Run::create(Some(folder), &Recipe::load("small").unwrap(), &origin(), "train", exist_ok)
    }

    #[test]
    fn a_folder_that_holds_anything_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("best.safetensors");
        std::fs::write(&model, "a model").unwrap();
        let error = create(folder.path(), false).unwrap_err();
        assert!(error.message.contains("already holds a run"), "{error}");
        assert_eq!(std::fs::read_to_string(&model).unwrap(), "a model");
        for n in 1..3 {
            create(folder.path(), true).unwrap();
            assert!(!model.exists(), "an earlier best model beside a new run");
            let earlier = folder.path().join(format!("earlier-{n}"));
            let moved = if n == 1 { "best.safetensors" } else { "recipe.toml" };
            assert!(earlier.join(moved).exists(), "{}", earlier.display());
        }
        let error = create(folder.path(), false).unwrap_err().to_string();
        assert!(error.contains("alexnet train --resume"), "{error}");
        assert_eq!(Origin::read(folder.path()).unwrap(), origin());
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = create(&file.join("run"), false).unwrap_err();
        assert!(error.help.is_some_and(|help| help.contains("--run")), "{}", error.message);
    }

    #[test]
    fn a_folder_is_used_by_one_training_and_a_lock_left_behind_is_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOCK), "process 1\n").unwrap();
        assert!(!is_in_use(folder.path()));
        let run = create(folder.path(), false).unwrap();
        assert!(is_in_use(folder.path()));
        for error in [create(folder.path(), true), Run::resume(folder.path())].map(Result::unwrap_err) {
            let holder = format!("process {}", std::process::id());
            assert!(
                error.message.contains("another training uses") && error.message.contains(&holder),
                "{error}"
            );
        }
        assert!(folder.path().join("recipe.toml").exists(), "nothing of a run in use is moved");
        drop(run);
        assert!(!is_in_use(folder.path()));
        Run::resume(folder.path()).unwrap();
    }

    /// A training that was killed while its folder was made is started again by the command that began it.
    #[test]
    fn a_folder_that_was_only_begun_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let run = create(folder.path(), false).unwrap();
        drop(run);
        std::fs::remove_file(folder.path().join(Origin::FILE)).unwrap();
        std::fs::write(folder.path().join("command.txt"), "alexnet train pets --run x\n").unwrap();
        std::fs::write(folder.path().join(".run.json.7-0.tmp"), "{").unwrap();
        let error = Origin::read(folder.path()).unwrap_err();
        let help = error.help.unwrap();
        assert!(error.message.contains("stopped before its first step"), "{}", error.message);
        assert!(help.contains("`alexnet train pets --run x`"), "{help}");
        drop(create(folder.path(), false).unwrap());
        assert!(!folder.path().join(".run.json.7-0.tmp").exists());
        assert!(!folder.path().join("earlier-1").exists(), "there was nothing to move aside");
        std::fs::remove_file(folder.path().join(Origin::FILE)).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        assert!(create(folder.path(), false).is_err(), "a file of somebody else");
    }

    #[test]
    fn half_written_files_go_when_a_run_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path(), false).unwrap());
        let names = [".best.safetensors.7-0.tmp", "plots/.loss.svg.7-1.tmp", "edits/.1.json.7-2.tmp"];
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "half").unwrap();
        }
        Run::resume(folder.path()).unwrap();
        assert!(names.iter().all(|name| !folder.path().join(name).exists()));
    }
}
