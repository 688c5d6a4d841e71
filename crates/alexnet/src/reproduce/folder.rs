//! The output folder: `reproduce.json`, `arms/NAME/seed-K/`, `rates/NAME/RATE/`, the results, and `lock`.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::record::Record;
use crate::error::{Kind, shell};
use crate::files::json;
use crate::model::layout::is_unused;
use crate::train::lock::lock;
use crate::{Error, Result};

const RECORD: &str = "reproduce.json";

/// What [`RECORD`] is, for messages.
const DESCRIPTION: &str = "file of `alexnet reproduce`";

/// Returns the record of a reproduction with these settings in a folder, which would continue; `None` for a new or empty folder.
///
/// # Errors
/// Returns an error if it holds other files or a reproduction with other settings, or if its record cannot be read.
pub(super) fn continued(path: &Path, record: &Record) -> Result<Option<Record>> {
    let file = path.join(RECORD);
    if !file.is_file() {
        // A call before this one may have been stopped after it had locked the folder.
        return match is_unused(path) {
            true => Ok(None),
            false => Err(Error::usage(format!("{} already holds other files", path.display()))
                .help("choose another folder with --out")),
        };
    }
    let before: Record =
        json::read(&file, DESCRIPTION).map_err(|error| Error { kind: Kind::Model, ..error })?;
    if before.format_version > Record::FORMAT_VERSION {
        return Err(Error::model(format!(
            "{}: format version {}; this program reads up to version {}",
            file.display(),
            before.format_version,
            Record::FORMAT_VERSION
        ))
        .help("update the program"));
    }
    match before.difference(record) {
        None => Ok(Some(before)),
        Some(difference) => Err(Error::usage(format!(
            "cannot continue the reproduction in {}: these settings differ: {difference}",
            path.display()
        ))
        .help(format!("restore the settings, or choose another folder: `--out {}`", shell(next(path))))),
    }
}

/// The run folder of an arm and a seed, in the output folder `path`.
pub(super) fn run_folder(path: &Path, arm: &str, seed: u64) -> PathBuf {
    path.join("arms").join(arm).join(format!("seed-{seed}"))
}

/// The run folder of an arm at a learning rate that is tried, in the output folder `path`.
pub(super) fn rate_folder(path: &Path, arm: &str, rate: f32) -> PathBuf {
    path.join("rates").join(arm).join(rate.to_string())
}

/// The output folder, locked.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens a new folder, or one of an earlier call with the same settings.
    ///
    /// # Errors
    /// Returns an error if the folder holds other files or a reproduction with other settings, if another process uses it, or if
    /// it cannot be written to.
    pub(super) fn open(path: &Path, record: &Record) -> Result<Self> {
        continued(path, record)?;
        let cannot_write = |action: &str, error: &std::io::Error| {
            Error::io(path, action, error).help("choose a writable folder with --out")
        };
        std::fs::create_dir_all(path).map_err(|error| cannot_write("create the folder", &error))?;
        let help = |_: &str| "wait until it ends, or choose another folder with --out".to_owned();
        let lock = lock(path, help, |error| cannot_write("write to the folder", error))?;
        // Another process may have been faster.
        let changed = match continued(path, record)? {
            None => Some(record.clone()),
            Some(before) => before.extended(record),
        };
        if let Some(changed) = changed {
            json::write(&path.join(RECORD), &changed)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// See [`run_folder`].
    pub(super) fn run(&self, arm: &str, seed: u64) -> PathBuf {
        run_folder(&self.path, arm, seed)
    }

    /// See [`rate_folder`].
    pub(super) fn rate(&self, arm: &str, rate: f32) -> PathBuf {
        rate_folder(&self.path, arm, rate)
    }
}

/// A folder name that is not used.
fn next(path: &Path) -> PathBuf {
    let numbered = (2..).map(|n: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-{n}"));
        PathBuf::from(name)
    });
    numbered.into_iter().find(|path| !path.exists()).unwrap_or_else(|| path.to_owned())
}
