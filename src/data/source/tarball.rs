//! A tar of class folders, or of pictures with their classes beside them (WebDataset), read in place.

use std::path::Path;

use super::archive::Archives;
use super::tree::{self, Listing};
use super::{Dataset, Findings, Place, Store, index, webdataset};
use crate::{Error, Result};

pub(super) fn open(path: &Path, findings: &mut Findings) -> Result<Dataset> {
    let contents = index::kept(path, index::Listing::Plain).map_err(|error| {
        Error::data(format!("{}: not a whole tar archive: {error}", path.display()))
            .help("a folder, or an uncompressed tar, with one folder of pictures for each class; for IDX and CIFAR files, their folder")
    })?;
    if webdataset::has_classes(&contents) {
        return webdataset::single(path, contents, findings);
    }
    if !contents.files.is_empty() && contents.files.iter().all(|file| file.name.ends_with(".tar")) {
        return Err(Error::data(format!("{}: it holds archives, not pictures", path.display()))
            .help("for ImageNet, the folder that this archive is in, with the development kit"));
    }
    let mut listing = Listing { odd: contents.odd, ..Listing::default() };
    for name in &contents.folders {
        listing.add_folder(name);
    }
    for file in contents.files {
        listing.add_file(&file.name, Place::Bytes { archive: 0, offset: file.offset, len: file.len });
    }
    let archives = Archives::new([path.to_owned()]);
    let listing = listing.sort(&|_, place| archives.head(place));
    let store = Store::Archives(archives);
    let mut dataset = tree::dataset(listing, store, path.display().to_string(), findings)?;
    if contents.unended {
        dataset.notes.push(unended(path));
    }
    Ok(dataset)
}

/// What is told of an archive that has no mark of its end.
pub(super) fn unended(path: &Path) -> String {
    format!(
        "{}: no end of the archive: if it was cut short between two members, some are missing",
        path.display()
    )
}
