//! The images of a split, in columns: the 1.28 million of ImageNet take some 60 MB.

use std::ops::Range;

/// One image, as a source lists it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What the user knows it by.
    pub(super) file: String,
    pub(super) label: u32,
    pub(super) place: Place,
}

/// Where an image's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file below the store's folder that is called as the image is.
    Named,
    /// Bytes of one of the store's archives.
    Bytes { archive: u32, offset: u64, len: u32 },
    /// Position among raw images.
    Raw(u32),
}

/// What the images are called, and where they are.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// All names, one after the other, and where each ends.
    names: String,
    ends: Vec<usize>,
    places: Vec<Place>,
}

impl Catalog {
    /// The catalog and the labels of some items.
    pub(super) fn new(items: impl IntoIterator<Item = Item>) -> (Self, Vec<u32>) {
        let (mut all, mut labels) = (Self::default(), Vec::new());
        for item in items {
            all.names.push_str(&item.file);
            all.ends.push(all.names.len());
            all.places.push(item.place);
            labels.push(item.label);
        }
        all.names.shrink_to_fit();
        (all, labels)
    }

    pub(super) fn file(&self, index: usize) -> &str {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[Range { start: begin, end: self.ends[index] }]
    }

    pub(super) fn place(&self, index: usize) -> Place {
        self.places[index]
    }
}
