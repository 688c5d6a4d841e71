//! Model files that are named on the command line.

use std::path::{Path, PathBuf};

use alexnet::error::shell;
use alexnet::eval::model_path;
use alexnet::{Error, Result};

/// Finds the model files that the arguments refer to; see [`model_path`].
///
/// # Errors
/// Returns an error if one does not exist, or is named twice.
pub(crate) fn model_files(models: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let paths = models.iter().map(|path| model_path(path)).collect::<Result<Vec<PathBuf>>>()?;
    let place = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let places: Vec<PathBuf> = paths.iter().map(place).collect();
    match (1..places.len()).find(|&i| places[..i].contains(&places[i])) {
        None => Ok(paths),
        Some(i) => Err(Error::usage(format!("{} is named twice", paths[i].display()))
            .help("name each model of an ensemble once")),
    }
}

/// Rejects an output that exists: it may be a model.
pub(crate) fn check_new(out: &Path) -> Result<()> {
    match out.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::usage(format!("{} exists already", out.display()))
            .help(format!("choose another name, or delete it: `rm {}`", shell(out)))),
    }
}
