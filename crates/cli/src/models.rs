//! Model files that are named on the command line.

use std::path::{Path, PathBuf};

use super::output::Output;
use alexnet::error::shell;
use alexnet::net::Views;
use alexnet::train::origin::is_run;
use alexnet::{Error, Result};

/// The absolute path of a model file, without symbolic links.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Whether this is a model file, or a run folder, by its name and its files.
pub(crate) fn names_a_model(path: &Path) -> bool {
    is_run(path) || path.extension() == Some("safetensors".as_ref())
}

/// Rejects a model that is named twice: it would count double in the average.
pub(crate) fn check_each_once<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let mut places = Vec::new();
    for path in paths {
        let place = canonical(path);
        if places.contains(&place) {
            return Err(Error::usage(format!("{} is named twice", path.display()))
                .help("name each model of an ensemble once"));
        }
        places.push(place);
    }
    Ok(())
}

/// The views of models whose probabilities are averaged: as requested, or those of the models, the ten if they differ.
pub(crate) fn shared_views(
    requested: Option<Views>,
    of_models: impl IntoIterator<Item = Views>,
    out: &Output,
) -> Views {
    let of_models: Vec<Views> = of_models.into_iter().collect();
    let most = of_models.iter().copied().max().unwrap_or(Views::Center);
    if requested.is_none() && of_models.iter().any(|views| *views != most) {
        out.note("the recipes evaluate 1 or 10 views: averaging over 10; to change it: --views 1");
    }
    requested.unwrap_or(most)
}

/// Rejects an output that exists: it may be a model.
pub(crate) fn check_new(out: &Path) -> Result<()> {
    match out.symlink_metadata() {
        Err(_) => Ok(()),
        // No message suggests a command that deletes a folder.
        Ok(found) if found.is_dir() => {
            Err(Error::usage(format!("{} is a folder that exists already", out.display()))
                .help("choose another name"))
        }
        Ok(_) => Err(Error::usage(format!("{} exists already", out.display()))
            .help(format!("choose another name, or delete it: `rm {}`", shell(out)))),
    }
}
