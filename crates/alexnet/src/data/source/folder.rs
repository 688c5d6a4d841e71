//! A folder on disk: class folders, or what else its files turn out to be.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::naming::Skipped;
use super::tree::{self, Listing};
use super::{Dataset, Findings, Place, Store, flat, foreign, naming, tars};
use crate::{Error, Result};

/// Deepest folder that is looked into: more is a loop of links.
const DEEPEST: usize = 16;

pub(super) fn open(path: &Path, findings: &mut Findings) -> Result<Dataset> {
    let mut listing = list(path)?;
    if let Some(dataset) = flat::open(path, &mut listing, findings)? {
        return Ok(dataset);
    }
    if listing.files.is_empty() {
        if let Some(dataset) = tars::open(path, findings)? {
            return Ok(dataset);
        }
        if let Some(error) = foreign::folder(path) {
            return Err(error);
        }
    }
    tree::dataset(listing, Store::Folder(path.to_owned()), path.display().to_string(), findings)
}

/// Everything below a folder.
pub(super) fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    list_into(&mut listing, folder, "", 0)?;
    Ok(listing.sort(&|path, _| head(&folder.join(path))))
}

/// The images right in a folder, by name, and what else is there.
///
/// # Errors
/// When it is not a folder that can be listed.
pub(crate) fn images_in(folder: &Path) -> std::io::Result<(Vec<PathBuf>, Skipped)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path));
        }
    }
    files.sort();
    let mut skipped = Skipped::default();
    let images = naming::images(files, &|_, path| head(path), &mut skipped);
    Ok((images.into_iter().map(|(_, path)| path).collect(), skipped))
}

/// The first bytes of a file.
pub(super) fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(naming::HEAD);
    std::fs::File::open(path)?.take(naming::HEAD as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn list_into(listing: &mut Listing, folder: &Path, below: &str, depth: usize) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::data(format!("{}: cannot be listed: {error}", folder.display()));
    if depth > DEEPEST {
        return Err(Error::data(format!("{}: folders more than {DEEPEST} deep", folder.display())));
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if depth == 0 => return Err(failed(error)),
        Err(error) => {
            listing.closed.push((below.to_owned(), error.to_string()));
            return Ok(());
        }
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let path = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        // Class names and the names of images are kept as text.
        let Some(name) = name.to_str() else {
            listing.names.push(path(&name.to_string_lossy()));
            continue;
        };
        let path = path(name);
        // Follows links: large sets are often linked into place.
        match std::fs::metadata(entry.path()) {
            Ok(found) if found.is_dir() => {
                if leads_up(&entry, folder) {
                    listing.odd.push(path);
                // Hidden folders, and those that systems leave behind, are not looked into.
                } else if listing.add_folder(&path) {
                    list_into(listing, &entry.path(), &path, depth + 1)?;
                }
            }
            Ok(found) if found.is_file() => listing.add_file(&path, Place::Named),
            // A pipe would be waited for, and a link may lead nowhere.
            _ => listing.odd.push(path),
        }
    }
    Ok(())
}

/// Whether an entry of a folder is a link to the folder itself or to one above it: there is no end to such a path.
fn leads_up(entry: &std::fs::DirEntry, folder: &Path) -> bool {
    let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
    let (target, here) = (|| entry.path().canonicalize(), || folder.canonicalize());
    is_link && matches!((target(), here()), (Ok(target), Ok(here)) if here.starts_with(&target))
}
