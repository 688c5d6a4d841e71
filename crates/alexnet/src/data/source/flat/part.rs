//! The parts of a source, and how each is labeled.

use std::collections::BTreeSet;
use std::path::Path;

use crate::Error;
use crate::data::problem::Findings;
use crate::data::source::ilsvrc::Devkit;
use crate::data::source::listing::Listing;
use crate::data::source::lists::List;

/// A part of the source whose images are labeled in the same way.
#[derive(Debug)]
pub(super) struct Part {
    /// The split of its folder, or none: then lists may assign splits.
    pub(super) split: Option<&'static str>,
    /// The path of its folder with a trailing `/`, or empty for the whole source.
    pub(super) prefix: String,
    /// The indices of its images.
    pub(super) images: Vec<usize>,
}

/// How the images of a part are labeled.
#[derive(Debug)]
pub(super) enum By {
    Folders,
    /// By these lists.
    Lists(Vec<usize>),
    Kit,
    /// Not at all.
    Nothing,
}

impl Part {
    pub(super) fn new(split: Option<&'static str>, prefix: String, paths: &[&str]) -> Self {
        let images = (0..paths.len()).filter(|&at| paths[at].starts_with(&prefix)).collect();
        Self { split, prefix, images }
    }
}

/// A source that is being opened.
pub(super) struct Flat<'a> {
    pub(super) root: &'a Path,
    pub(super) listing: &'a mut Listing,
    pub(super) parts: Vec<Part>,
    pub(super) lists: Vec<List>,
    pub(super) kit: Option<Devkit>,
    pub(super) broken_kit: Option<Error>,
    pub(super) notes: Vec<String>,
    pub(super) findings: &'a mut Findings,
}

impl Flat<'_> {
    pub(super) fn path(&self, image: usize) -> &str {
        &self.listing.files[image].path
    }

    /// Returns the top folders of a part; `None` if an image is in none.
    pub(super) fn folders(&self, part: &Part) -> Option<BTreeSet<&str>> {
        part.images.iter().map(|&image| self.class_folder(part, image)).collect()
    }

    /// Returns the top folder of an image inside its part.
    pub(super) fn class_folder(&self, part: &Part, image: usize) -> Option<&str> {
        self.path(image)[part.prefix.len()..].split_once('/').map(|(start, _)| start)
    }
}

/// Returns the number in a name such as `ILSVRC2012_val_00000001.JPEG`.
pub(super) fn number(path: &str) -> Option<usize> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(start, _)| start);
    stem.strip_prefix("ILSVRC")?.rsplit_once("_val_")?.1.parse().ok()
}
