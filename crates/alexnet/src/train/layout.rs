//! The file names of a run folder.

use std::path::Path;

use crate::files::atomic;

/// What the run was started with: see [`super::origin`].
pub const ORIGIN: &str = "run.json";
/// The recipe.
pub const RECIPE: &str = "recipe.toml";
/// The command lines.
pub const COMMANDS: &str = "command.txt";
/// The messages.
pub const LOG: &str = "log.txt";
/// The metrics.
pub const METRICS: &str = "metrics.jsonl";
/// The folder of curves.
pub const PLOTS: &str = "plots";
/// The folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The best model.
pub const BEST: &str = "best.safetensors";
/// The model of the last step.
pub const LAST: &str = "last.safetensors";
/// The lock, held while a training uses the folder.
pub const LOCK: &str = "lock";

/// What is written before `run.json`: all that a run leaves if it is stopped before its first step.
const BEFORE_ORIGIN: [&str; 4] = [LOCK, RECIPE, COMMANDS, LOG];

/// Whether a folder is missing, empty, or holds only what a run leaves that was stopped while its folder was created: nothing
/// worth keeping.
pub(super) fn is_unused(folder: &Path) -> bool {
    let is_ours = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            BEFORE_ORIGIN.contains(&&*name) || atomic::is_leftover(&name)
        })
    };
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.all(is_ours))
}
