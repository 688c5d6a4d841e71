//! A folder of class folders on disk.

use std::io::Read;
use std::path::Path;

use super::tree::{self, Listing};
use super::{Dataset, Findings, Place, Store, naming};
use crate::data::{Problem, ProblemKind};
use crate::{Error, Result};

/// Deepest folder that is looked into: more is a loop of links.
const DEEPEST: usize = 16;

pub(super) fn open(path: &Path, findings: &mut Findings) -> Result<Dataset> {
    let listing = list(path, findings)?;
    tree::dataset(listing, Store::Folder(path.to_owned()), path.display().to_string(), findings)
}

/// Everything below a folder.
pub(super) fn list(folder: &Path, findings: &mut Findings) -> Result<Listing> {
    let mut listing = Listing::default();
    list_into(&mut listing, folder, "", 0, findings)?;
    Ok(listing.sort(&|path, _| head(&folder.join(path))))
}

/// The first bytes of a file.
pub(super) fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(naming::HEAD);
    std::fs::File::open(path)?.take(naming::HEAD as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn list_into(
    listing: &mut Listing,
    folder: &Path,
    below: &str,
    depth: usize,
    findings: &mut Findings,
) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::data(format!("{}: cannot be listed: {error}", folder.display()));
    if depth > DEEPEST {
        return Err(Error::data(format!("{}: folders more than {DEEPEST} deep", folder.display())));
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let (file, detail) = (entry.path().display().to_string(), "the name is not UTF-8");
            let error = Error::data(format!("{file}: {detail}"))
                .help("rename it: class names are kept in the model as text");
            let told = Problem { file, kind: ProblemKind::UnreadableName, detail: detail.to_owned() };
            findings.refuse(|| error, [told])?;
            continue;
        };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        // Follows links: large sets are often linked into place.
        match std::fs::metadata(entry.path()) {
            Ok(found) if found.is_dir() => {
                // Hidden folders, and those that systems leave behind, are not looked into.
                if listing.add_folder(&path) {
                    list_into(listing, &entry.path(), &path, depth + 1, findings)?;
                }
            }
            Ok(found) if found.is_file() => listing.add_file(&path, Place::Named),
            // A pipe would be waited for, and a link may lead nowhere.
            _ => listing.odd.push(path),
        }
    }
    Ok(())
}
