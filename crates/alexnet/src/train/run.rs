//! The run folder: everything that a training run writes.
//!
//! `run.json`, `recipe.toml`, `command.txt`, `log.txt`, `metrics.jsonl`, `events.out.tfevents.*`, `plots/`, `journal.jsonl`,
//! `edits/`, `checkpoints/`, `statistics.safetensors`, `best.safetensors`, `last.safetensors`; `best-000000120.safetensors`, a best
//! model of steps that were rolled back; and `lock`, held while a training run uses the folder.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::lock::{self, cannot_create};
use super::origin::Origin;
use super::{journal, shelf, tensorboard};
use crate::data::Statistics;
use crate::error::shell;
use crate::files::atomic;
use crate::model::layout::{self, is_unused};
use crate::net::Recipe;
use crate::{Error, Result};

/// What to do about an earlier run in the folder of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlierRun {
    /// Refuse to start.
    Refuse,
    /// Move its files to `earlier-1` in the folder, or the next number.
    Move,
    /// The same, but keep the edits that are requested: it restarts.
    Restart,
}

/// What a run leaves, except for [`numbered_files`] and the lock.
const FILES: [&str; 12] = [
    layout::ORIGIN,
    layout::RECIPE,
    layout::COMMANDS,
    layout::LOG,
    layout::METRICS,
    layout::PLOTS,
    journal::FILE,
    layout::REQUESTS,
    layout::CHECKPOINTS,
    Statistics::FILE,
    layout::BEST,
    layout::LAST,
];

/// A run folder, locked for this training.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    _lock: File,
}

impl Run {
    /// Creates the folder, and writes the recipe and the command line before anything else happens.
    ///
    /// Without `folder`, uses the first of `runs/NAME-1`, `runs/NAME-2`, ... that does not exist: two programs that start
    /// together use two of them.
    ///
    /// # Errors
    /// Returns an error if the folder is not empty and `earlier` does not move what is in it, if another training run uses it, or if
    /// it cannot be written to.
    pub fn create(
        folder: Option<&Path>,
        recipe: &Recipe,
        origin: &Origin,
        command: &str,
        earlier: EarlierRun,
    ) -> Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_path_buf(),
            None => Self::claim(&recipe.file_name())?,
        };
        // The lock would make a file of the user's look like a run's.
        let was_unused = is_unused(&folder);
        if earlier == EarlierRun::Refuse && !was_unused {
            // Of several processes that start a run at once, one does, and the others say that it is in use.
            if lock::is_in_use(&folder) {
                drop(lock(&folder)?);
            }
            return Err(not_empty(&folder, command));
        }
        std::fs::create_dir_all(&folder).map_err(|error| cannot_create(&folder, &error))?;
        let lock = lock(&folder)?;
        // Another process may have used it meanwhile.
        if earlier == EarlierRun::Refuse && !is_unused(&folder) {
            return Err(not_empty(&folder, command));
        }
        match was_unused && is_unused(&folder) {
            true => atomic::remove_leftovers(&folder)?,
            false => move_earlier_run(&folder, earlier)?,
        }
        replace(&folder.join(layout::RECIPE), &recipe.to_toml())?;
        replace(&folder.join(layout::COMMANDS), &format!("{command}\n"))?;
        // Last: a folder that has it can be resumed.
        origin.write(&folder)?;
        Ok(Self { folder, _lock: lock })
    }

    /// Opens the folder of a run that is resumed.
    ///
    /// # Errors
    /// Returns an error if another training run uses it, or it cannot be written to.
    pub fn resume(folder: &Path) -> Result<Self> {
        let lock = lock(folder)?;
        for folder in [folder.to_path_buf(), folder.join(layout::PLOTS), folder.join(layout::REQUESTS)] {
            atomic::remove_leftovers(&folder)?;
        }
        Ok(Self { folder: folder.to_path_buf(), _lock: lock })
    }

    /// Updates `run.json` if it has changed.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn set_origin(&self, origin: &Origin) -> Result<()> {
        match Origin::read(&self.folder).is_ok_and(|before| before == *origin) {
            true => Ok(()),
            false => origin.write(&self.folder),
        }
    }

    /// Appends a command line to `command.txt`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; it is then unchanged.
    pub fn add_command(&self, command: &str) -> Result<()> {
        let path = self.folder.join(layout::COMMANDS);
        let failed = |error| Error::io(&path, "write the file", &error);
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?.len();
        file.write_all(format!("{command}\n").as_bytes()).and_then(|()| atomic::flush(&file)).map_err(
            |error| {
                // The next command must not continue a part of this one.
                let _ = file.set_len(before);
                failed(error)
            },
        )
    }

    /// Removes what this run has written, and the folder if nothing else is in it.
    pub fn remove(self) {
        let names = FILES
            .map(String::from)
            .into_iter()
            .chain(numbered_files(&self.folder))
            .chain([layout::LOCK.to_owned()]);
        for path in names.map(|name| self.folder.join(name)) {
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
        let _ = std::fs::remove_dir(&self.folder);
    }

    /// Replaces the recipe.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn set_recipe(&self, recipe: &Recipe) -> Result<()> {
        replace(&self.folder.join(layout::RECIPE), &recipe.to_toml())
    }

    /// Creates the first of `runs/NAME-1`, `runs/NAME-2`, ... that does not exist. The name of a recipe is free text: for its runs,
    /// use [`Recipe::file_name`].
    ///
    /// # Errors
    /// Returns an error if none can be created.
    pub fn claim(name: &str) -> Result<PathBuf> {
        let runs = Path::new("runs");
        std::fs::create_dir_all(runs).map_err(|error| cannot_create(runs, &error))?;
        for folder in (1..).map(|n: usize| runs.join(format!("{name}-{n}"))) {
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot_create(&folder, &error)),
            }
        }
        unreachable!("there are more numbers than folders")
    }

    /// Its path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of its checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join(layout::CHECKPOINTS)
    }
}

fn lock(folder: &Path) -> Result<File> {
    let help = |folder: &str| {
        format!("wait until it ends, or stop it; to change its settings: `alexnet edit {folder} lr=0.001`")
    };
    lock::lock(folder, help, |error| lock::cannot_write(folder, error))
}

fn not_empty(folder: &Path, command: &str) -> Error {
    let shown = folder.display();
    let other = "choose another folder with --run";
    // The demo has no such option, and a forecast would remove the folder.
    let is_demo = command.split_whitespace().nth(1) == Some("demo");
    let moves = !is_demo && !command.split_whitespace().any(|word| word == "--forecast");
    let moving =
        if moves { ", or pass --exist-ok to move the earlier run's files into `earlier-1`" } else { "" };
    match folder.join(layout::ORIGIN).is_file() {
        true => Error::usage(format!("{shown} already holds a run")).help(format!(
            "to resume the run: `alexnet train --resume {}`; or {other}{moving}",
            shell(folder)
        )),
        false => Error::usage(format!("{shown} already holds other files")).help(other),
    }
}

/// The names of a run's files that are numbered: event files, and best models that were moved out of the way.
fn numbered_files(folder: &Path) -> Vec<String> {
    let moved = shelf::list(folder).into_iter().map(|model| model.path);
    let files = tensorboard::files(folder).unwrap_or_default().into_iter().chain(moved);
    files.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// Moves the files of an earlier run into a folder of their own, so that none is lost or mistaken for the new run's.
fn move_earlier_run(folder: &Path, earlier: EarlierRun) -> Result<()> {
    let moves = |name: &&str| {
        let stays = earlier == EarlierRun::Restart && *name == layout::REQUESTS;
        !stays && folder.join(name).exists()
    };
    let names: Vec<String> =
        FILES.into_iter().filter(moves).map(String::from).chain(numbered_files(folder)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let earlier =
        (1..).map(|n: usize| folder.join(format!("{}{n}", layout::EARLIER))).find(|path| !path.exists());
    let earlier = earlier.expect("there are more numbers than folders");
    std::fs::create_dir(&earlier).map_err(|error| cannot_create(&earlier, &error))?;
    for name in names {
        let path = folder.join(&name);
        std::fs::rename(&path, earlier.join(name))
            .map_err(|error| Error::io(&path, "move the earlier run's file", &error))?;
    }
    Ok(())
}

fn replace(path: &Path, text: &str) -> Result<()> {
    atomic::replace(path, |out| out.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::image_source::ImageSource;
    use crate::train::lock::is_in_use;
    use crate::train::requests::Requests;

    fn origin() -> Origin {
        Origin {
            format_version: 1,
            source: ImageSource::BuiltIn,
            seed: 0,
            init: None,
            remedy: None,
            requests: Requests::default(),
        }
    }

    fn create(folder: &Path, earlier: EarlierRun) -> Result<Run> {
        Run::create(Some(folder), &Recipe::load("small").unwrap(), &origin(), "train", earlier)
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("best.safetensors");
        std::fs::write(&model, "a model").unwrap();
        let error = create(folder.path(), EarlierRun::Refuse).unwrap_err();
        assert!(error.message.contains("already holds other files"), "{error}");
        assert!(!error.to_string().contains("--exist-ok"), "there is no run to move: {error}");
        assert_eq!(std::fs::read_to_string(&model).unwrap(), "a model");
        for n in 1..3 {
            create(folder.path(), EarlierRun::Move).unwrap();
            assert!(!model.exists(), "an earlier best model next to a new run");
            let earlier = folder.path().join(format!("earlier-{n}"));
            let moved = if n == 1 { "best.safetensors" } else { "recipe.toml" };
            assert!(earlier.join(moved).exists(), "{}", earlier.display());
        }
        let error = create(folder.path(), EarlierRun::Refuse).unwrap_err().to_string();
        assert!(error.contains("already holds a run\n") && error.contains("--exist-ok"), "{error}");
        for command in ["alexnet demo --run x", "alexnet train pets --forecast --run x"] {
            let small = Recipe::load("small").unwrap();
            let created = Run::create(Some(folder.path()), &small, &origin(), command, EarlierRun::Refuse);
            assert!(!created.unwrap_err().to_string().contains("--exist-ok"), "{command}");
        }
        assert!(error.contains("alexnet train --resume"), "{error}");
        assert_eq!(Origin::read(folder.path()).unwrap(), origin());
    }

    /// Without a lock, no run has written it.
    #[test]
    fn the_users_own_recipe_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(layout::RECIPE);
        std::fs::write(&own, "# mine").unwrap();
        let error = create(folder.path(), EarlierRun::Refuse).unwrap_err();
        assert!(error.message.contains("already holds other files"), "{error}");
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "# mine");
        assert!(!folder.path().join(layout::LOCK).exists());
        create(folder.path(), EarlierRun::Move).unwrap();
        let moved = folder.path().join("earlier-1").join(layout::RECIPE);
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "# mine");
    }

    #[test]
    fn models_of_steps_that_were_rolled_back_belong_to_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let names = ["best-000000040.safetensors", "best-000000040-2.safetensors"];
        let put = || names.map(|name| std::fs::write(run.join(name), "a model").unwrap());
        drop(create(&run, EarlierRun::Refuse).unwrap());
        put();
        let again = create(&run, EarlierRun::Move).unwrap();
        for name in names {
            assert!(run.join("earlier-1").join(name).exists() && !run.join(name).exists(), "{name}");
        }
        put();
        std::fs::remove_dir_all(run.join("earlier-1")).unwrap();
        again.remove();
        assert!(!run.exists());
    }

    #[test]
    fn a_restart_keeps_the_edits_that_are_requested() {
        let folder = tempfile::tempdir().unwrap();
        let request = folder.path().join(layout::REQUESTS).join("1.json");
        for (earlier, stays) in [(EarlierRun::Restart, true), (EarlierRun::Move, false)] {
            drop(create(folder.path(), EarlierRun::Move).unwrap());
            std::fs::create_dir_all(request.parent().unwrap()).unwrap();
            std::fs::write(&request, "{}").unwrap();
            drop(create(folder.path(), earlier).unwrap());
            assert_eq!(request.exists(), stays, "{earlier:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = create(&file.join("run"), EarlierRun::Refuse).unwrap_err();
        assert!(error.help.is_some_and(|help| help.contains("--run")), "{}", error.message);
    }

    #[test]
    fn a_run_that_cannot_be_written_is_not_resumed() {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path(), EarlierRun::Refuse).unwrap());
        // Whoever runs this may ignore permissions, but nobody can write to a folder.
        std::fs::remove_file(folder.path().join(layout::LOCK)).unwrap();
        std::fs::create_dir(folder.path().join(layout::LOCK)).unwrap();
        let error = Run::resume(folder.path()).unwrap_err();
        assert!(error.message.contains("cannot write to the run folder"), "{error}");
        let help = error.help.unwrap();
        assert!(help.contains("check its permissions") && !help.contains("--run"), "{help}");
    }

    #[test]
    fn a_folder_is_used_by_one_training_and_a_stale_lock_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(layout::LOCK), "process 1\n").unwrap();
        assert!(!is_in_use(folder.path()));
        let run = create(folder.path(), EarlierRun::Refuse).unwrap();
        assert!(is_in_use(folder.path()));
        let attempts = [
            create(folder.path(), EarlierRun::Move),
            create(folder.path(), EarlierRun::Refuse),
            Run::resume(folder.path()),
        ];
        for error in attempts.map(Result::unwrap_err) {
            let holder = format!("process {}", std::process::id());
            assert!(
                error.message.contains("is in use by another training run")
                    && error.message.contains(&holder),
                "{error}"
            );
        }
        assert!(folder.path().join("recipe.toml").exists(), "no file of a run in use is moved");
        drop(run);
        assert!(!is_in_use(folder.path()));
        Run::resume(folder.path()).unwrap();
    }

    /// A training run that was killed while its folder was created can be started again by the same command.
    #[test]
    fn an_unused_folder_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let run = create(folder.path(), EarlierRun::Refuse).unwrap();
        drop(run);
        std::fs::remove_file(folder.path().join(Origin::FILE)).unwrap();
        std::fs::write(folder.path().join("command.txt"), "alexnet train pets --run x\n").unwrap();
        std::fs::write(folder.path().join(".run.json.7-0.tmp"), "{").unwrap();
        let error = Origin::read(folder.path()).unwrap_err();
        let help = error.help.unwrap();
        assert!(error.message.contains("stopped before its first step"), "{}", error.message);
        assert!(help.contains("`alexnet train pets --run x`"), "{help}");
        drop(create(folder.path(), EarlierRun::Refuse).unwrap());
        assert!(!folder.path().join(".run.json.7-0.tmp").exists());
        assert!(!folder.path().join("earlier-1").exists(), "there was nothing to move");
        std::fs::remove_file(folder.path().join(Origin::FILE)).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        assert!(create(folder.path(), EarlierRun::Refuse).is_err(), "it holds an unrelated file");
    }

    /// A history that is not UTF-8, or that cannot be written to, keeps what it has.
    #[test]
    fn commands_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let run = create(folder.path(), EarlierRun::Refuse).unwrap();
        let path = folder.path().join("command.txt");
        std::fs::write(&path, b"train caf\xe9\n").unwrap();
        run.add_command("train --resume x").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"train caf\xe9\ntrain --resume x\n");
    }

    #[test]
    fn temporary_files_are_removed_when_a_run_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path(), EarlierRun::Refuse).unwrap());
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
