//! Where pictures come from. [`Dataset::open`] recognises what it is given.

mod cifar;
mod folder;
mod idx;
mod ilsvrc;
mod raw;
mod tarball;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Picture, Skip, decode};
use crate::{Error, Result};

pub(crate) use idx::{GARMENTS, from_bytes as idx_from_bytes};
use raw::RawPictures;

/// Pictures with labels, in splits.
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

/// One split: pictures with labels, in a fixed order. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Split {
    /// `train`, `val`, `test` or `all`.
    pub name: String,
    items: Arc<Vec<Item>>,
    store: Arc<Store>,
}

/// One picture of a split.
#[derive(Clone, Debug)]
struct Item {
    /// What the user knows it by.
    file: String,
    label: u32,
    place: Place,
}

/// Where a picture's bytes are.
#[derive(Clone, Debug)]
enum Place {
    Path(PathBuf),
    /// Bytes of an archive.
    Bytes {
        offset: u64,
        len: usize,
    },
    /// Position among raw pictures.
    Raw(usize),
}

/// What the places of a split refer to.
#[derive(Debug)]
enum Store {
    Folder,
    Archive(PathBuf, Mutex<std::fs::File>),
    Raw(RawPictures),
}

impl Dataset {
    /// Opens a folder of class folders, `train/` and `val/` (or `test/`) of such, a tar of those, a folder of
    /// CIFAR-10 or CIFAR-100 binaries, a folder of IDX files (MNIST and its like, `.gz` too), or a folder of ImageNet's
    /// archives as they are handed out, with the development kit.
    ///
    /// # Errors
    /// When there is nothing of the kind, or it is not whole: the message says what was found and what is
    /// expected.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            Error::data(format!("{}: cannot be opened: {error}", path.display()))
                .help("the path of a folder with one folder of pictures for each class, or of a tar of those")
        })?;
        if metadata.is_file() {
            return tarball::open(path);
        }
        if ilsvrc::is_ilsvrc(path) {
            return ilsvrc::open(path);
        }
        if cifar::is_cifar(path) {
            return cifar::open(path);
        }
        if idx::is_idx(path) {
            return idx::open(path);
        }
        folder::open(path)
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

    /// The training pictures.
    ///
    /// # Errors
    /// When there is no such split.
    pub fn train(&self) -> Result<&Split> {
        self.split("train")
    }

    /// The pictures to validate on: `val`, or else `test`.
    pub fn val(&self) -> Option<&Split> {
        self.split("val").or_else(|_| self.split("test")).ok()
    }
}

impl Split {
    fn new(name: &str, items: Vec<Item>, store: Arc<Store>) -> Self {
        Self { name: name.to_owned(), items: Arc::new(items), store }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Class of a picture.
    pub fn label(&self, index: usize) -> u32 {
        self.items[index].label
    }

    /// What the user knows a picture by.
    pub fn file(&self, index: usize) -> &str {
        &self.items[index].file
    }

    /// Reads and decodes a picture; the inner error is a picture that does not decode, to be left out and listed.
    ///
    /// # Errors
    /// When its bytes cannot be read at all.
    pub fn picture(&self, index: usize) -> Result<std::result::Result<Picture, Skip>> {
        let item = &self.items[index];
        let bytes = match (&item.place, &*self.store) {
            (Place::Raw(position), Store::Raw(pictures)) => return Ok(Ok(pictures.picture(*position))),
            (Place::Path(path), _) => std::fs::read(path).map_err(|error| unreadable(&item.file, &error))?,
            (Place::Bytes { offset, len }, Store::Archive(path, file)) => tarball::read(file, *offset, *len)
                .map_err(|error| unreadable(&format!("{} in {}", item.file, path.display()), &error))?,
            _ => unreachable!("a place belongs to its store"),
        };
        Ok(decode::decode(&bytes).map_err(|error| Skip { file: item.file.clone(), reason: error.message }))
    }

    /// The same pictures with labels that index another list of class names, such as a model's.
    ///
    /// # Errors
    /// When a class of these pictures is not in that list.
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
        let relabelled =
            |item: &Item| Item { label: found[item.label as usize].unwrap_or(0), ..item.clone() };
        let items = self.items.iter().map(relabelled).collect();
        Ok(Self { name: self.name.clone(), items: Arc::new(items), store: Arc::clone(&self.store) })
    }
}

fn unreadable(file: &str, error: &std::io::Error) -> Error {
    Error::data(format!("{file}: cannot be read: {error}"))
}
