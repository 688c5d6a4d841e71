//! A split: labeled images in a fixed order.

use std::path::PathBuf;
use std::sync::Arc;

use super::archive::Archives;
use super::catalog::{ByteRange, Catalog, Item, Location};
use super::store::{Store, Stored};
use crate::data::pack::{PackedSquares, SquaresUser};
use crate::data::skip::Skip;
use crate::data::statistics::Statistics;
use crate::data::{Image, decode, upright};
use crate::format::first_few;
use crate::net::Orientation;
use crate::{Error, Result};

/// Labeled images in a fixed order. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Split {
    /// `train`, `val`, `test` or `all`.
    pub name: String,
    images: Arc<Catalog>,
    labels: Arc<Vec<u32>>,
    store: Arc<Store>,
    statistics: Option<Arc<Statistics>>,
    exif: Exif,
    /// How images are oriented when decoded.
    orientation: Orientation,
}

/// Whether the EXIF orientation of images is applied.
#[derive(Clone, Debug)]
enum Exif {
    /// Users' own images: applied if the recipe or model requires it.
    Followed,
    /// ImageNet as distributed: never, since published results use the pixels as stored.
    Ignored,
    /// Squares: it was applied, or not, when they were packed.
    Packed(Arc<PackedSquares>),
}

impl Split {
    pub(super) fn new(name: &str, items: impl IntoIterator<Item = Item>, store: Arc<Store>) -> Self {
        let (images, labels) = Catalog::new(items);
        Self {
            name: name.to_owned(),
            images: Arc::new(images),
            labels: Arc::new(labels),
            store,
            statistics: None,
            exif: Exif::Followed,
            orientation: Orientation::Stored,
        }
    }

    /// Returns the split with EXIF orientations ignored.
    pub(super) fn ignoring_exif(self) -> Self {
        Self { exif: Exif::Ignored, ..self }
    }

    /// Returns the split as packed squares.
    pub(super) fn packed(self, squares: Arc<PackedSquares>) -> Self {
        Self { exif: Exif::Packed(squares), ..self }
    }

    /// Sets the statistics of these images.
    pub(super) fn set_statistics(&mut self, statistics: Arc<Statistics>) {
        self.statistics = Some(statistics);
    }

    /// Returns the split, decoded with this orientation. ImageNet's archives stay as stored, and packed squares as they were packed
    /// (see [`Split::check_packed`]).
    pub fn oriented(&self, asked: Orientation) -> Self {
        let orientation = match self.exif {
            Exif::Followed => asked,
            Exif::Ignored | Exif::Packed(_) => Orientation::Stored,
        };
        Self { orientation, ..self.clone() }
    }

    /// Returns whether the EXIF orientation is applied if a recipe requires it.
    pub fn follows_exif(&self) -> bool {
        matches!(self.exif, Exif::Followed)
    }

    /// Checks that packed squares have the side and orientation that `user` requires; other splits always do. Returns a note for the
    /// user if the squares do not say.
    ///
    /// # Errors
    /// Returns an error if they were packed with another side or orientation.
    pub fn check_packed(
        &self,
        square: usize,
        orientation: Orientation,
        user: SquaresUser,
    ) -> Result<Option<String>> {
        match &self.exif {
            Exif::Packed(squares) => squares.check(square, orientation, user),
            Exif::Followed | Exif::Ignored => Ok(None),
        }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The class of an image.
    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    /// The number of images of each of so many classes. Labels beyond them are not counted.
    pub fn images_per_class(&self, classes: usize) -> Vec<usize> {
        let mut images = vec![0; classes];
        for &label in self.labels.iter() {
            if let Some(count) = images.get_mut(label as usize) {
                *count += 1;
            }
        }
        images
    }

    /// The name of an image for the user.
    pub fn file(&self, index: usize) -> &str {
        self.images.file(index)
    }

    /// Reads and decodes an image; the inner error is an image that does not decode and should be skipped.
    ///
    /// # Errors
    /// Returns an error if its bytes cannot be read.
    pub fn image(&self, index: usize) -> Result<std::result::Result<Image, Skip>> {
        let skip = |error: Error| Skip { file: self.file(index).to_owned(), reason: error.message };
        Ok(self.decode(self.stored(index)?).map_err(skip))
    }

    /// Decodes an image returned by [`Split::stored`], oriented as set by [`Split::oriented`].
    ///
    /// # Errors
    /// Returns an error if the bytes do not decode.
    pub fn decode(&self, stored: Stored) -> Result<Image> {
        match stored {
            Stored::File(bytes) => upright::decode(&bytes, self.orientation),
            stored @ (Stored::Pixels(_) | Stored::TooLarge(_)) => stored.decode(),
        }
    }

    /// Returns the EXIF orientation of a stored image if it may be applied, 1 to 8; otherwise 1.
    pub fn exif_orientation(&self, stored: &Stored) -> u8 {
        match (&self.exif, stored) {
            (Exif::Followed, Stored::File(bytes)) => decode::orientation(bytes),
            (Exif::Followed, Stored::Pixels(_) | Stored::TooLarge(_))
            | (Exif::Ignored | Exif::Packed(_), _) => 1,
        }
    }

    /// Reads an image as stored.
    ///
    /// # Errors
    /// Returns an error if its bytes cannot be read.
    pub fn stored(&self, index: usize) -> Result<Stored> {
        let file = self.file(index);
        match (self.images.location(index), &*self.store) {
            (Location::Raw(position), Store::Raw(all)) => Ok(Stored::Pixels(all.image(position as usize))),
            (Location::File, Store::Folder(folder)) => {
                let failed =
                    |error: std::io::Error| Error::data(format!("{file}: cannot read the file: {error}"));
                let path = folder.join(file);
                match std::fs::metadata(&path).map_err(failed)?.len() {
                    len if len > Stored::MAX_BYTES => Ok(Stored::TooLarge(len)),
                    _ => std::fs::read(&path).map(Stored::File).map_err(failed),
                }
            }
            (Location::Bytes(range), Store::Archives(_)) if u64::from(range.len) > Stored::MAX_BYTES => {
                Ok(Stored::TooLarge(range.len.into()))
            }
            (Location::Bytes(range), Store::Archives(archives)) => {
                Ok(Stored::File(self.read(file, archives, range)?))
            }
            (Location::Bytes(range), Store::Squares { files, side }) => {
                Ok(Stored::Pixels(Image::new(*side, *side, self.read(file, files, range)?)))
            }
            (Location::Raw(_) | Location::File | Location::Bytes(_), _) => {
                unreachable!("a location belongs to its store")
            }
        }
    }

    fn read(&self, file: &str, archives: &Archives, range: ByteRange) -> Result<Vec<u8>> {
        archives.read(range).map_err(|error| {
            let path = archives.path(range.archive).display();
            Error::data(format!("{file} in {path}: cannot read the image: {error}"))
        })
    }

    /// Returns the file that holds only this image, if there is one.
    pub fn path(&self, index: usize) -> Option<PathBuf> {
        match &*self.store {
            Store::Folder(folder) => Some(folder.join(self.file(index))),
            Store::Archives(_) | Store::Squares { .. } | Store::Raw(_) => None,
        }
    }

    /// Returns the statistics for squares of this side, if they are known.
    pub fn known_statistics(&self, side: usize) -> Option<&Statistics> {
        self.statistics.as_deref().filter(|known| known.square == side)
    }

    /// Returns the same images with labels that index another list of class names, such as a model's.
    ///
    /// # Errors
    /// Returns an error if a class of these images is not in that list.
    pub fn relabel(&self, from: &[String], to: &[String]) -> Result<Self> {
        if from == to {
            return Ok(self.clone());
        }
        let found: Vec<Option<u32>> = from
            .iter()
            .map(|name| to.iter().position(|other| other == name).and_then(|at| u32::try_from(at).ok()))
            .collect();
        let unknown: Vec<&str> =
            from.iter().zip(&found).filter(|(_, at)| at.is_none()).map(|(name, _)| name.as_str()).collect();
        if !unknown.is_empty() {
            let unused: Vec<&str> =
                to.iter().filter(|name| !from.contains(name)).map(String::as_str).collect();
            let unused = match unused.len() {
                0 => String::new(),
                _ => format!("; the data lacks the model's {}", first_few(unused.iter())),
            };
            return Err(Error::data(format!(
                "{} of the data's {} classes are not among the model's {}: {}{unused}",
                unknown.len(),
                from.len(),
                to.len(),
                first_few(unknown.iter())
            ))
            .help(
                "use data with the classes that the model was trained on, or a model trained on this data",
            ));
        }
        let labels = self.labels.iter().map(|&label| found[label as usize].unwrap_or(0)).collect();
        Ok(Self { labels: Arc::new(labels), ..self.clone() })
    }
}
