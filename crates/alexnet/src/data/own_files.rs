//! Names of files and folders that this program creates in or next to image folders, and that are never images.

/// What a run was started with, besides the recipe.
pub(crate) const RUN_ORIGIN: &str = "run.json";

/// The recipe of a run.
pub(crate) const RUN_RECIPE: &str = "recipe.toml";

/// The command lines of a run.
pub(crate) const RUN_COMMANDS: &str = "command.txt";

/// The metrics of a run.
pub(crate) const RUN_METRICS: &str = "metrics.jsonl";

/// The lock of a run.
pub(crate) const RUN_LOCK: &str = "lock";

/// The folder for originals when a plan is applied in place.
pub(in crate::data) const SET_ASIDE: &str = ".set-aside";

/// The record of what a plan has changed.
pub(in crate::data) const FIX_RECORD: &str = ".fixed.json";

/// The description of a packed folder.
pub(in crate::data) const MANIFEST: &str = "pack.json";

/// The description of an unfinished packed folder.
pub(in crate::data) const UNFINISHED_PACK: &str = "packing.json";
