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

/// A folder that a training writes to.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    log: File,
}

impl Run {
    /// Makes the folder, and writes the recipe and the command line before anything else happens.
    ///
    /// Without `folder`, the first of `runs/NAME-1`, `runs/NAME-2`, ... that does not exist.
    ///
    /// # Errors
    /// When the folder is not empty and `exist_ok` is not set, or it cannot be written to. With `exist_ok`, the saved
    /// models stay until new ones take their places.
    pub fn create(folder: Option<&Path>, recipe: &Recipe, command: &str, exist_ok: bool) -> Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_path_buf(),
            None => Self::first_free(&recipe.name),
        };
        let filled = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        if !exist_ok && filled {
            return Err(Error::usage(format!("{} already holds a run, or other files", folder.display()))
                .help("another folder with --run, or --exist-ok to write over it"));
        }
        std::fs::create_dir_all(&folder).map_err(|error| {
            Error::io(&folder, "make the run folder", &error)
                .help("a folder that can be written to: --run DIR")
        })?;
        write(&folder.join("recipe.toml"), &recipe.to_toml())?;
        write(&folder.join("command.txt"), &format!("{command}\n"))?;
        let path = folder.join("log.txt");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(|error| Error::io(&path, "open the log", &error))?;
        Ok(Self { folder, log })
    }

    /// The first of `runs/NAME-1`, `runs/NAME-2`, ... that does not exist.
    pub fn first_free(name: &str) -> PathBuf {
        let folder = |n: usize| Path::new("runs").join(format!("{name}-{n}"));
        (1..).map(folder).find(|folder| !folder.exists()).expect("there are more numbers than folders")
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
        Run::create(Some(folder.path()), &recipe, "train", true).unwrap();
        assert_eq!(std::fs::read_to_string(&model).unwrap(), "a model");
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
