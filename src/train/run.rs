//! The run folder: everything a training leaves behind, in one place.
//!
//! `recipe.toml`, `command.txt`, `log.txt`, `metrics.jsonl`, `best.safetensors`, `last.safetensors`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::metrics::Metrics;
use crate::interop::Model;
use crate::net::Recipe;
use crate::{Error, Result};

/// What a run leaves.
const FILES: [&str; 6] =
    ["recipe.toml", "command.txt", "log.txt", "metrics.jsonl", "best.safetensors", "last.safetensors"];

/// A folder that a training writes to.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    log: File,
}

impl Run {
    /// Makes the folder, and writes the recipe and the command line before anything else happens.
    ///
    /// Without `folder`, the first of `runs/NAME-1`, `runs/NAME-2`, ... that does not exist: two programs that start
    /// together take two of them. With `exist_ok`, what an earlier run left in the folder moves to `earlier-1` in it.
    ///
    /// # Errors
    /// When the folder is not empty and `exist_ok` is not set, or it cannot be written to.
    pub fn create(folder: Option<&Path>, recipe: &Recipe, command: &str, exist_ok: bool) -> Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_path_buf(),
            None => Self::claim(&recipe.name)?,
        };
        let filled = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        if !exist_ok && filled {
            return Err(Error::usage(format!("{} already holds a run, or other files", folder.display()))
                .help("another folder with --run, or --exist-ok: the earlier run's files then move into `earlier-1` there"));
        }
        std::fs::create_dir_all(&folder).map_err(|error| cannot_make(&folder, &error))?;
        set_aside(&folder)?;
        write(&folder.join("recipe.toml"), &recipe.to_toml())?;
        write(&folder.join("command.txt"), &format!("{command}\n"))?;
        let path = folder.join("log.txt");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(|error| Error::io(&path, "open the log", &error))?;
        Ok(Self { folder, log })
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

    /// Starts `metrics.jsonl`.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::create(self.folder.join("metrics.jsonl"))
    }

    /// Adds a line to `log.txt`. A log that cannot be written does not end a training.
    pub fn log(&mut self, line: &str) {
        let _ = writeln!(self.log, "{line}");
    }

    /// Saves a model as `NAME.safetensors`, whole or not at all.
    ///
    /// # Errors
    /// As [`Model::save`]; what stood there is then unchanged.
    pub fn save(&self, name: &str, model: &Model) -> Result<PathBuf> {
        let path = self.folder.join(format!("{name}.safetensors"));
        model.save(&path)?;
        Ok(path)
    }
}

fn cannot_make(folder: &Path, error: &std::io::Error) -> Error {
    Error::io(folder, "make the run folder", error).help("a folder that can be written to: --run DIR")
}

/// Moves the files of an earlier run into a folder of their own, so that none is lost or taken for the new run's.
fn set_aside(folder: &Path) -> Result<()> {
    let files = FILES.map(|name| (folder.join(name), name));
    if !files.iter().any(|(path, _)| path.exists()) {
        return Ok(());
    }
    let aside = (1..).map(|n: usize| folder.join(format!("earlier-{n}"))).find(|aside| !aside.exists());
    let aside = aside.expect("there are more numbers than folders");
    std::fs::create_dir(&aside).map_err(|error| cannot_make(&aside, &error))?;
    for (path, name) in files.iter().filter(|(path, _)| path.exists()) {
        std::fs::rename(path, aside.join(name))
            .map_err(|error| Error::io(path, "move the earlier run's file", &error))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| Error::io(path, "write the file", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_anything_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("best.safetensors");
        std::fs::write(&model, "a model").unwrap();
        let recipe = Recipe::load("small").unwrap();
        let error = Run::create(Some(folder.path()), &recipe, "train", false).unwrap_err();
        assert!(error.message.contains("already holds a run"), "{error}");
        assert_eq!(std::fs::read_to_string(&model).unwrap(), "a model");
        for n in 1..3 {
            Run::create(Some(folder.path()), &recipe, "train", true).unwrap();
            assert!(!model.exists(), "an earlier best model beside a new run");
            let earlier = folder.path().join(format!("earlier-{n}"));
            let moved = if n == 1 { "best.safetensors" } else { "recipe.toml" };
            assert!(earlier.join(moved).exists(), "{}", earlier.display());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Run::create(Some(&file.join("run")), &Recipe::load("small").unwrap(), "train", false)
            .unwrap_err();
        assert!(error.help.is_some_and(|help| help.contains("--run")), "{}", error.message);
    }
}
