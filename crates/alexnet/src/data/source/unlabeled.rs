//! Images directly in a folder, without classes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{Item, Location};
use super::folder::images_in;
use super::split::Split;
use super::store::Store;
use crate::format::{counted, first_few};
use crate::{Error, Result};

impl Split {
    /// The images directly in a folder, by name, and notes about skipped files. Their labels are 0 and mean nothing. The name of the
    /// split is `all`.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be listed, or has no images.
    pub fn unlabeled(folder: &Path) -> Result<(Self, Vec<String>)> {
        let (images, notes) = images_by_name(folder)
            .map_err(|error| Error::data(format!("{}: cannot list the folder: {error}", folder.display())))?;
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let items =
            images.iter().filter_map(name).map(|file| Item { file, label: 0, location: Location::File });
        let split = Self::new("all", items, Arc::new(Store::Folder(folder.to_owned())));
        match split.is_empty() {
            true => Err(Error::data(format!("{}: no images directly in the folder", folder.display()))),
            false => Ok((split, notes)),
        }
    }
}

/// Returns the images directly in a folder, by name, and notes about skipped files. As in folders of classes, names must be text.
///
/// # Errors
/// Returns an error if the folder cannot be listed.
pub(crate) fn images_by_name(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<String>)> {
    let (images, skipped) = images_in(folder)?;
    let mut notes = skipped.notes();
    let is_text = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_str().is_some());
    let (images, unreadable): (Vec<PathBuf>, Vec<PathBuf>) = images.into_iter().partition(is_text);
    if !unreadable.is_empty() {
        let names = unreadable.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy());
        let names: Vec<String> = names.map(|name| name.into_owned()).collect();
        let what = counted(names.len(), "name");
        notes.push(format!("skipped {what} not in UTF-8 (rename to use): {}", first_few(names.iter())));
    }
    Ok((images, notes))
}
