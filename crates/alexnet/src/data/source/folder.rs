//! A folder on disk: class folders, or what its files turn out to be.

use std::path::{Path, PathBuf};

use super::catalog::Location;
use super::dataset::Dataset;
use super::listing::{ClosedFolder, Listing};
use super::naming::{ListedFile, Skipped};
use super::store::Store;
use super::{flat, foreign, naming, tars, tree};
use crate::data::problem::Findings;
use crate::files::head;
use crate::{Error, Result};

/// The maximum depth of folders: more is a cycle of links.
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

/// Lists everything below a folder.
pub(super) fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    list_into(&mut listing, folder, "", 0)?;
    Ok(listing.sort(&|path, _| head(&folder.join(path), naming::HEAD)))
}

/// Returns the images directly in a folder, by name, and what was skipped.
///
/// # Errors
/// Returns an error if the folder cannot be listed.
pub(crate) fn images_in(folder: &Path) -> std::io::Result<(Vec<PathBuf>, Skipped)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push(ListedFile { path: name, location: path });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut skipped = Skipped::default();
    let images = naming::images(files, &|_, path| head(path, naming::HEAD), &mut skipped);
    Ok((images.into_iter().map(|image| image.location).collect(), skipped))
}

fn list_into(listing: &mut Listing, folder: &Path, below: &str, depth: usize) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::data(format!("{}: cannot list the folder: {error}", folder.display()));
    if depth > DEEPEST {
        return Err(Error::data(format!("{}: folders nested more than {DEEPEST} deep", folder.display())));
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if depth == 0 => return Err(failed(error)),
        Err(error) => {
            listing.closed.push(ClosedFolder { path: below.to_owned(), reason: error.to_string() });
            return Ok(());
        }
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let path = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        // Names of classes and images must be text.
        let Some(name) = name.to_str() else {
            listing.names.push(path(&name.to_string_lossy()));
            continue;
        };
        let path = path(name);
        // Follows links: large data sets are often linked.
        match std::fs::metadata(entry.path()) {
            Ok(found) if found.is_dir() => {
                if leads_up(&entry, folder) {
                    listing.odd.push(path);
                // Hidden and system folders are not searched.
                } else if listing.add_folder(&path) {
                    list_into(listing, &entry.path(), &path, depth + 1)?;
                }
            }
            Ok(found) if found.is_file() => listing.add_file(&path, Location::File),
            // Pipes would block, and links may be broken.
            _ => listing.odd.push(path),
        }
    }
    Ok(())
}

/// Returns whether an entry is a link to its own folder or one above, which would recurse forever.
fn leads_up(entry: &std::fs::DirEntry, folder: &Path) -> bool {
    let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
    let (target, here) = (|| entry.path().canonicalize(), || folder.canonicalize());
    is_link && matches!((target(), here()), (Ok(target), Ok(here)) if here.starts_with(&target))
}
