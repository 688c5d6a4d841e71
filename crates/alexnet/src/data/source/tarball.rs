//! A tar of class folders, or of images with label files next to them (WebDataset), read in place.

use std::path::Path;

use super::archive::Archives;
use super::catalog::{ByteRange, Location};
use super::dataset::Dataset;
use super::listing::Listing;
use super::store::Store;
use super::{foreign, index, tree, webdataset};
use crate::data::problem::Findings;
use crate::{Error, Result};

pub(super) fn open(path: &Path, findings: &mut Findings) -> Result<Dataset> {
    let contents =
        index::kept(path, index::Depth::Plain).map_err(|error| foreign::not_a_tar(path, &error))?;
    if webdataset::has_classes(&contents) {
        return webdataset::single(path, contents, findings);
    }
    if !contents.files.is_empty() && contents.files.iter().all(|file| file.name.ends_with(".tar")) {
        return Err(Error::data(format!("{}: holds archives instead of images", path.display()))
            .help("for ImageNet, use the folder that holds this archive and the development kit"));
    }
    let notes = contents.notes(path);
    let mut listing = Listing { odd: contents.odd, ..Listing::default() };
    for name in &contents.folders {
        listing.add_folder(name);
    }
    let members = contents.files;
    for file in &members {
        let range = ByteRange { archive: 0, offset: file.offset, len: file.len };
        listing.add_file(&file.name, Location::Bytes(range));
    }
    let archives = Archives::new([path.to_owned()]);
    let listing = listing.sort(&|_, location| archives.head(location));
    if listing.files.is_empty()
        && let Some(error) = foreign::member(path, &archives, &members)
    {
        return Err(error);
    }
    let store = Store::Archives(archives);
    let mut dataset = tree::dataset(listing, store, path.display().to_string(), findings)?;
    dataset.notes.extend(notes);
    Ok(dataset)
}
