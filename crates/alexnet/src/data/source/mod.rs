//! Where images come from. [`Dataset::open`] recognizes what it is given.
//!
//! | file | what it reads |
//! |---|---|
//! | `folder`, `tarball`, `tree` | class folders, on disk or in a tar |
//! | `listing` | files and folders below a root |
//! | `layout` | which folders are classes, which are splits |
//! | `naming` | what is an image, what is a leftover, what this program made |
//! | `flat` | images that lists label: all of a folder, or some of its splits |
//! | `text`, `table`, `columns`, `lookup`, `lists` | text files; lists in them; what is in which column; which images they name |
//! | `webdataset` | tars of images with their classes beside them |
//! | `tars` | a folder of tars, each of a class or of class folders |
//! | `foreign` | what is not read, and what to do with it |
//! | `ilsvrc` | ImageNet's challenges as they are handed out |
//! | `packed` | what `alexnet data pack` made |
//! | `cifar`, `idx`, `raw` | bare pixels: CIFAR, MNIST and their like |
//! | `labels` | classes by number or name |
//! | `catalog` | what images are called and where they are |
//! | `archive`, `index` | what a tar holds, and where what a large one holds is kept |

mod archive;
mod catalog;
mod cifar;
mod columns;
mod flat;
mod folder;
mod foreign;
mod idx;
mod ilsvrc;
mod index;
mod labels;
mod layout;
mod listing;
mod lists;
mod lookup;
pub(crate) mod naming;
mod packed;
mod raw;
mod table;
mod tarball;
mod tars;
mod text;
mod tree;
mod webdataset;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{self, Findings};
use super::pack::{Asker, Squares};
use super::{Image, Problem, Skip, Statistics, decode, upright};
use crate::error::shell;
use crate::net::{Input, Orientation};
use crate::{Error, Result};
use archive::Archives;
use catalog::{Catalog, Item, Place};

pub(crate) use folder::images_in;
pub(crate) use idx::{GARMENTS, from_bytes as idx_from_bytes};
use raw::RawImages;

/// Images with labels, in splits.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Class names; a label is an index into them. Folder names in lexicographic order of their bytes.
    pub classes: Vec<String>,
    /// `train`, and what there is of `val`, `test` and `all`.
    pub splits: Vec<Split>,
    /// What was opened, for the records of a run.
    pub origin: String,
    /// What the user should know about how it was read.
    pub notes: Vec<String>,
}

/// One split: images with labels, in a fixed order. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Split {
    /// `train`, `val`, `test` or `all`.
    pub name: String,
    images: Arc<Catalog>,
    labels: Arc<Vec<u32>>,
    store: Arc<Store>,
    statistics: Option<Arc<Statistics>>,
    exif: Exif,
    /// Which way up images are decoded.
    orientation: Orientation,
}

/// What the EXIF orientation of a split's images is worth.
#[derive(Clone, Debug)]
enum Exif {
    /// Users' own images: it is followed where a recipe or a model asks for it.
    Followed,
    /// ImageNet as it is handed out: published results are for the pixels as stored.
    Ignored,
    /// Squares: it was followed, or not, when they were packed.
    Packed(Arc<Squares>),
}

/// What an image is stored as.
#[derive(Debug)]
pub enum Stored {
    /// A file of some image format.
    File(Vec<u8>),
    /// Bare pixels.
    Pixels(Image),
    /// A file of so many bytes that it is not read.
    TooLarge(u64),
}

impl Stored {
    /// Most bytes of an image's file.
    pub const MOST_BYTES: u64 = 256 << 20;

    /// The image as it is stored, whatever its EXIF orientation.
    ///
    /// # Errors
    /// When the bytes do not decode.
    pub fn decode(self) -> Result<Image> {
        match self {
            Self::Pixels(image) => Ok(image),
            Self::File(bytes) => Ok(decode::decode(&bytes)?),
            Self::TooLarge(bytes) => Err(Error::data(format!(
                "a file of {bytes} bytes: expected at most {} for an image",
                Self::MOST_BYTES
            ))),
        }
    }
}

/// What the places of a split refer to.
#[derive(Debug)]
enum Store {
    /// Files below a folder.
    Folder(PathBuf),
    /// Image files in archives.
    Archives(Archives),
    /// Squares of this side, pixel by pixel in files.
    Squares(Archives, usize),
    Raw(RawImages),
}

impl Dataset {
    /// Opens a folder of class folders, `train/` and `val/` (or `test/`) of such, a tar of those, a folder of images with
    /// a file of labels, WebDataset's tars, packed squares, a folder of CIFAR-10 or CIFAR-100 binaries, a folder of IDX
    /// files (MNIST and its like, `.gz` too), or a folder of ImageNet's archives as they are handed out, with the
    /// development kit.
    ///
    /// # Errors
    /// When there is nothing of the kind, or it is not whole: the message says what was found and what is
    /// expected.
    pub fn open(path: &Path) -> Result<Self> {
        let dataset = Self::recognize(path, &mut Findings::default())?;
        for split in &dataset.splits {
            log::debug!("{}: split {}, {} images", path.display(), split.name, split.len());
        }
        Ok(dataset)
    }

    /// Opens what can be opened of a source, and tells what is wrong with the rest.
    ///
    /// # Errors
    /// When nothing can be opened.
    pub fn examine(path: &Path) -> Result<(Self, Vec<Problem>)> {
        let mut findings = Findings::lenient();
        let dataset = Self::recognize(path, &mut findings)?;
        if findings.is_ordered_by_folders() {
            check::order(&dataset.classes, &mut findings);
        }
        Ok((dataset, findings.into_problems()))
    }

    fn recognize(path: &Path, findings: &mut Findings) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            Error::data(format!("{}: cannot be opened: {error}", path.display()))
                .help("the path of a folder with one folder of images for each class, or of a tar of those")
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

    /// The split with this name.
    ///
    /// # Errors
    /// When there is none; the message lists those there are.
    pub fn split(&self, name: &str) -> Result<&Split> {
        self.splits.iter().find(|split| split.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.splits.iter().map(|split| split.name.as_str()).collect();
            Error::data(format!("{} has no split `{name}`; it has {}", self.origin, names.join(", ")))
                .help(format!("--split {}", names.first().unwrap_or(&"train")))
        })
    }

    /// The training images.
    ///
    /// # Errors
    /// When there is no such split.
    pub fn train(&self) -> Result<&Split> {
        self.splits.iter().find(|split| split.name == "train").ok_or_else(|| {
            let names: Vec<&str> = self.splits.iter().map(|split| split.name.as_str()).collect();
            Error::data(format!("{}: no training images, only {}", self.origin, names.join(" and "))).help(
                format!(
                    "to train, a train/ folder beside it; to evaluate a model on these images: \
                 alexnet eval MODEL --data {} --split {}",
                    shell(&self.origin),
                    names.first().unwrap_or(&"test")
                ),
            )
        })
    }

    /// Decodes all splits as a recipe's `input` says, once it is checked that what is packed can be used so.
    ///
    /// # Errors
    /// As [`Split::check_packed`].
    pub fn prepare(&mut self, input: &Input) -> Result<()> {
        for split in &mut self.splits {
            let note = split.check_packed(input.square, input.orientation, Asker::Recipe)?;
            self.notes.extend(note.filter(|note| !self.notes.contains(note)));
            *split = split.oriented(input.orientation);
        }
        Ok(())
    }

    /// Keeps the statistics of the training images, so that they are not measured again.
    pub fn know(&mut self, statistics: Statistics) {
        if let Some(train) = self.splits.iter_mut().find(|split| split.name == "train") {
            train.statistics = Some(Arc::new(statistics));
        }
    }

    /// The images to validate on: `val`, or else `test`.
    pub fn val(&self) -> Option<&Split> {
        self.split("val").or_else(|_| self.split("test")).ok()
    }
}

impl Split {
    fn new(name: &str, items: impl IntoIterator<Item = Item>, store: Arc<Store>) -> Self {
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

    /// The same split, whose images stay as they are stored whatever their EXIF orientation says.
    fn never_turned(self) -> Self {
        Self { exif: Exif::Ignored, ..self }
    }

    /// The same split, decoded the way up that a recipe or a model asks for. ImageNet's archives stay as stored, and
    /// packed squares as they were packed (see [`Split::check_packed`]).
    pub fn oriented(&self, asked: Orientation) -> Self {
        let orientation = match self.exif {
            Exif::Followed => asked,
            Exif::Ignored | Exif::Packed(_) => Orientation::Stored,
        };
        Self { orientation, ..self.clone() }
    }

    /// Whether the EXIF orientation of these images is followed where a recipe asks for it.
    pub fn follows_exif(&self) -> bool {
        matches!(self.exif, Exif::Followed)
    }

    /// Checks that packed squares have the side and the orientation that `asker` needs; other splits fit everything.
    /// Gives what the user should know where the squares do not say.
    ///
    /// # Errors
    /// When they were packed with another side, or their images are another way up.
    pub fn check_packed(
        &self,
        square: usize,
        orientation: Orientation,
        asker: Asker,
    ) -> Result<Option<String>> {
        match &self.exif {
            Exif::Packed(squares) => squares.check(square, orientation, asker),
            Exif::Followed | Exif::Ignored => Ok(None),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Class of an image.
    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    /// What the user knows an image by.
    pub fn file(&self, index: usize) -> &str {
        self.images.file(index)
    }

    /// Reads and decodes an image; the inner error is an image that does not decode, to be left out and listed.
    ///
    /// # Errors
    /// When its bytes cannot be read at all.
    pub fn image(&self, index: usize) -> Result<std::result::Result<Image, Skip>> {
        let skip = |error: Error| Skip { file: self.file(index).to_owned(), reason: error.message };
        Ok(self.decode(self.stored(index)?).map_err(skip))
    }

    /// Decodes what [`Split::stored`] gave, the way up that [`Split::oriented`] was asked for.
    ///
    /// # Errors
    /// When the bytes do not decode.
    pub fn decode(&self, stored: Stored) -> Result<Image> {
        match stored {
            Stored::File(bytes) => upright::decode(&bytes, self.orientation),
            stored => stored.decode(),
        }
    }

    /// How a stored image would be turned if its EXIF orientation is followed, 1 to 8; 1 is not at all.
    pub fn turn(&self, stored: &Stored) -> u8 {
        match (&self.exif, stored) {
            (Exif::Followed, Stored::File(bytes)) => decode::orientation(bytes),
            _ => 1,
        }
    }

    /// Reads an image as it is stored.
    ///
    /// # Errors
    /// When its bytes cannot be read.
    pub fn stored(&self, index: usize) -> Result<Stored> {
        let file = self.file(index);
        match (self.images.place(index), &*self.store) {
            (Place::Raw(position), Store::Raw(all)) => Ok(Stored::Pixels(all.image(position as usize))),
            (Place::Named, Store::Folder(folder)) => {
                let cannot = |error: std::io::Error| Error::data(format!("{file}: cannot be read: {error}"));
                let path = folder.join(file);
                match std::fs::metadata(&path).map_err(cannot)?.len() {
                    len if len > Stored::MOST_BYTES => Ok(Stored::TooLarge(len)),
                    _ => std::fs::read(&path).map(Stored::File).map_err(cannot),
                }
            }
            (Place::Bytes { len, .. }, Store::Archives(_)) if u64::from(len) > Stored::MOST_BYTES => {
                Ok(Stored::TooLarge(len.into()))
            }
            (
                Place::Bytes { archive, offset, len },
                Store::Archives(archives) | Store::Squares(archives, _),
            ) => {
                let bytes = archives.read(archive, offset, len).map_err(|error| {
                    let path = archives.path(archive).display();
                    Error::data(format!("{file} in {path}: cannot be read: {error}"))
                })?;
                Ok(match &*self.store {
                    Store::Squares(_, side) => Stored::Pixels(Image::new(*side, *side, bytes)),
                    _ => Stored::File(bytes),
                })
            }
            _ => unreachable!("a place belongs to its store"),
        }
    }

    /// The file on disk that holds nothing but this image, if it is stored so.
    pub fn path(&self, index: usize) -> Option<PathBuf> {
        match &*self.store {
            Store::Folder(folder) => Some(folder.join(self.file(index))),
            _ => None,
        }
    }

    /// What is known of the squares of this side, without looking at them.
    pub fn known_statistics(&self, side: usize) -> Option<&Statistics> {
        self.statistics.as_deref().filter(|known| known.square == side)
    }

    /// The same images with labels that index another list of class names, such as a model's.
    ///
    /// # Errors
    /// When a class of these images is not in that list.
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
            return Err(Error::data(format!(
                "{} of the data's {} classes are not among the model's {}: {}",
                unknown.len(),
                from.len(),
                to.len(),
                tree::some(&unknown)
            ))
            .help("data with the classes that the model was trained on, or a model trained on this data"));
        }
        let labels = self.labels.iter().map(|&label| found[label as usize].unwrap_or(0)).collect();
        Ok(Self { labels: Arc::new(labels), ..self.clone() })
    }
}

/// Ways in for the fuzz targets.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Reads a development kit's `meta.mat`.
    pub fn mat(bytes: &[u8]) {
        let _ = super::ilsvrc::fuzz_mat(bytes);
    }

    /// Reads IDX files of images and of labels, for both splits.
    pub fn idx(images: &[u8], labels: &[u8]) {
        if let Ok(set) = super::idx_from_bytes([images, labels], [images, labels], &[], "fuzz") {
            for split in &set.splits {
                for index in 0..split.len().min(4) {
                    let _ = split.image(index).expect("raw images are there");
                }
            }
        }
    }
}
