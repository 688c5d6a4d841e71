//! The tars in a folder.

use std::path::{Path, PathBuf};

use super::naming::hidden_part;
use super::split_names::{split_name, split_word};

/// A tar in a folder or a split folder.
pub(super) struct TarFile {
    /// The split in its name or of its folder.
    pub(super) split: Option<&'static str>,
    pub(super) path: PathBuf,
}

/// Lists the tars directly in a folder and in split folders in it, with the split of each.
pub(super) fn tar_files(folder: &Path) -> Vec<TarFile> {
    let entries = |folder: &Path| {
        let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> = listed.collect();
        found.sort();
        found
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_tar = |path: &PathBuf| {
        let is_tar = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"));
        is_tar && hidden_part(&name(path)).is_none() && path.is_file()
    };
    let own = entries(folder).into_iter().filter(is_tar).map(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        TarFile { split: split_word(&stem), path }
    });
    let parts = entries(folder).into_iter().filter_map(|path| Some((split_name(&name(&path))?, path)));
    let below = parts.flat_map(|(split, path)| {
        entries(&path).into_iter().filter(is_tar).map(move |path| TarFile { split: Some(split), path })
    });
    own.chain(below).collect()
}
