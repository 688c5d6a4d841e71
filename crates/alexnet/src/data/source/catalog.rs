//! The images of a split in columns: the 1.28 million images of ImageNet take about 60 MB.

use std::ops::Range;

/// An image, as listed by a source.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its name for the user.
    pub(super) file: String,
    pub(super) label: u32,
    pub(super) location: Location,
}

/// Where the bytes of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// In the file of the image's name in the folder of the store.
    File,
    /// A range of bytes in an archive of the store.
    Bytes(ByteRange),
    /// An index among raw images.
    Raw(u32),
}

/// A range of bytes in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteRange {
    /// The index of the archive in its store.
    pub(super) archive: u32,
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// The names and locations of images.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// All names, concatenated, and the end of each.
    names: String,
    ends: Vec<usize>,
    locations: Vec<Location>,
}

impl Catalog {
    /// Builds the catalog and the labels of some items.
    pub(super) fn new(items: impl IntoIterator<Item = Item>) -> (Self, Vec<u32>) {
        let (mut all, mut labels) = (Self::default(), Vec::new());
        for item in items {
            all.names.push_str(&item.file);
            all.ends.push(all.names.len());
            all.locations.push(item.location);
            labels.push(item.label);
        }
        all.names.shrink_to_fit();
        (all, labels)
    }

    pub(super) fn file(&self, index: usize) -> &str {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[Range { start: begin, end: self.ends[index] }]
    }

    pub(super) fn location(&self, index: usize) -> Location {
        self.locations[index]
    }
}
