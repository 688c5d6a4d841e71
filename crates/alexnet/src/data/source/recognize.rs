//! Chooses the reader for a path.

use std::path::Path;

use super::class_order::report_class_order;
use super::dataset::Dataset;
use super::{cifar, folder, idx, ilsvrc, packed, tarball, webdataset};
use crate::data::problem::{Findings, Problem};
use crate::{Error, Result};

impl Dataset {
    /// Opens a folder of class folders, a folder with `train/` and `val/` (or `test/`) of such, a tar of those, a folder of images
    /// with a list of labels, WebDataset tars, packed squares, a folder of CIFAR-10 or CIFAR-100 binaries, a folder of IDX files
    /// (MNIST and similar, optionally gzip-compressed), or a folder of ImageNet's archives with the development kit.
    ///
    /// # Errors
    /// Returns an error if the source is none of these or incomplete; the message names what was found and what is expected.
    pub fn open(path: &Path) -> Result<Self> {
        let dataset = Self::recognize(path, &mut Findings::default())?;
        for split in &dataset.splits {
            log::debug!("{}: split {}, {} images", path.display(), split.name, split.len());
        }
        Ok(dataset)
    }

    /// Opens as much of a source as possible, and returns the problems with the rest.
    ///
    /// # Errors
    /// Returns an error if nothing can be opened, or if the numbers in a list may stand for other classes.
    pub fn examine(path: &Path) -> Result<(Self, Vec<Problem>)> {
        let mut findings = Findings::lenient();
        let dataset = Self::recognize(path, &mut findings)?;
        if findings.is_ordered_by_folders() {
            report_class_order(&dataset.classes, &mut findings);
        }
        Ok((dataset, findings.into_problems()))
    }

    /// Opens a source. `findings` decides whether problems are errors, or receives them.
    ///
    /// # Errors
    /// Returns an error as [`Dataset::open`] or [`Dataset::examine`] does.
    pub(in crate::data) fn recognize(path: &Path, findings: &mut Findings) -> Result<Self> {
        let mut dataset = Self::read_as_recognized(path, findings)?;
        dataset.advice.path = Some(path.to_owned());
        Ok(dataset)
    }

    fn read_as_recognized(path: &Path, findings: &mut Findings) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            Error::data(format!("{}: cannot open the source: {error}", path.display())).help(
                "use the path of a folder with one folder of images per class, or of a tar of such a folder",
            )
        })?;
        if metadata.is_file() {
            return tarball::open(path, findings);
        }
        if packed::is_packed(path) {
            return packed::open(path);
        }
        if ilsvrc::is_ilsvrc(path) {
            return ilsvrc::open(path, findings);
        }
        if cifar::is_cifar(path) {
            return cifar::open(path);
        }
        if idx::is_idx(path) {
            return idx::open(path);
        }
        if webdataset::is_webdataset(path) {
            return webdataset::open(path, findings);
        }
        folder::open(path, findings)
    }
}
