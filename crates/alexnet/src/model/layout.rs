//! The layout of a run folder: the names of its files.

use std::path::{Path, PathBuf};

use crate::data::own_files;
use crate::files::atomic;

/// What the run was started with, besides the recipe.
pub const ORIGIN: &str = own_files::RUN_ORIGIN;
/// The recipe.
pub const RECIPE: &str = own_files::RUN_RECIPE;
/// The command lines.
pub const COMMANDS: &str = own_files::RUN_COMMANDS;
/// The messages.
pub const LOG: &str = "log.txt";
/// The metrics.
pub const METRICS: &str = own_files::RUN_METRICS;
/// The folder of curves.
pub const PLOTS: &str = "plots";
/// The folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The best model.
pub const BEST: &str = "best.safetensors";
/// The model of the last step.
pub const LAST: &str = "last.safetensors";
/// The lock, held while a training run uses the folder.
pub const LOCK: &str = own_files::RUN_LOCK;

/// The folder of requested edits.
pub const REQUESTS: &str = "edits";
/// What the names of folders begin with that earlier runs in the folder are moved to.
pub const EARLIER: &str = "earlier-";

/// What is there before `run.json`: all that a run leaves if it is stopped before its first step.
const BEFORE_ORIGIN: [&str; 5] = [LOCK, RECIPE, COMMANDS, LOG, REQUESTS];

/// Returns the model to use for the run in `folder`: the best one, or the last one if training ended before its first
/// validation; `None` if neither exists.
pub fn model(folder: &Path) -> Option<PathBuf> {
    [BEST, LAST].map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
}

/// Returns whether a folder has nothing worth keeping: it is missing or empty, or contains only what a run leaves that was
/// stopped while its folder was created, also next to earlier runs in it. A run creates the lock first: without one,
/// `recipe.toml` is a file of the user's.
pub fn is_unused(folder: &Path) -> bool {
    let has_lock = folder.join(LOCK).is_file();
    let is_ours = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_early = BEFORE_ORIGIN.contains(&&*name) || name.starts_with(EARLIER);
            has_lock && is_early || atomic::is_leftover(&name)
        })
    };
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.all(is_ours))
}
