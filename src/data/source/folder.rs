//! A folder of class folders on disk.

use std::path::Path;

use super::tree::{self, Listing};
use super::{Dataset, Place, Store};
use crate::{Error, Result};

/// Deepest folder that is looked into: more is a loop of links.
const DEEPEST: usize = 16;

pub(super) fn open(path: &Path) -> Result<Dataset> {
    let mut listing = Listing::default();
    list(path, "", 0, &mut listing)?;
    tree::dataset(listing, Store::Folder, path.display().to_string())
}

fn list(folder: &Path, below: &str, depth: usize, listing: &mut Listing) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::data(format!("{}: cannot be listed: {error}", folder.display()));
    if depth > DEEPEST {
        return Err(Error::data(format!("{}: folders more than {DEEPEST} deep", folder.display())));
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(Error::data(format!("{}: the name is not UTF-8", entry.path().display()))
                .help("rename it: class names are kept in the model as text"));
        };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        if name.starts_with('.') {
            continue;
        }
        // Follows links: large sets are often linked into place.
        match std::fs::metadata(entry.path()) {
            Ok(found) if found.is_dir() => {
                listing.add_folder(&path);
                list(&entry.path(), &path, depth + 1, listing)?;
            }
            Ok(found) if found.is_file() => listing.add_file(&path, Place::Path(entry.path())),
            // A pipe would be waited for, and a link may lead nowhere.
            _ => listing.odd.push(path),
        }
    }
    Ok(())
}
