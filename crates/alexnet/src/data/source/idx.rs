//! IDX files: MNIST, Fashion-MNIST and similar sets, gzip-compressed or not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::catalog::{Item, Location};
use super::dataset::{Advice, Dataset};
use super::labels::{ClassList, Labels};
use super::raw::{PixelOrder, RawImages, not_used};
use super::split::Split;
use super::store::Store;
use crate::{Error, Result};

/// The start of the file names, and the split.
const SPLITS: [(&str, &str); 2] = [("train", "train"), ("t10k", "test")];

/// The maximum size of an unpacked file: a gigabyte, twenty times MNIST.
const MAX_BYTES: u64 = 1 << 30;

/// The class names of Fashion-MNIST, which has only numbers (from its README).
pub(crate) const FASHION_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

pub(super) fn is_idx(folder: &Path) -> bool {
    SPLITS.iter().any(|(files, _)| find(folder, files, "images-idx3").is_some())
}

/// Finds `train-images-idx3-ubyte`, also with a dot before `idx`, with or without `.gz`.
fn find(folder: &Path, split: &str, what: &str) -> Option<PathBuf> {
    let dotted = what.replacen("-idx", ".idx", 1);
    let names = [what, &dotted].map(|what| format!("{split}-{what}-ubyte"));
    names
        .iter()
        .flat_map(|name| [name.clone(), format!("{name}.gz")])
        .map(|n| folder.join(n))
        .find(|p| p.is_file())
}

pub(super) fn open(folder: &Path) -> Result<Dataset> {
    let (mut pairs, mut used, mut notes) = (Vec::new(), vec!["classes.txt".to_owned()], Vec::new());
    let mut unlabeled = None;
    for (files, name) in SPLITS {
        let Some(images) = find(folder, files, "images-idx3") else {
            notes.push(format!("no {files}-images-idx3-ubyte, so no {name} split"));
            continue;
        };
        let Some(labels) = find(folder, files, "labels-idx1") else {
            let error = Error::data(format!("{}: no {files}-labels-idx1-ubyte next to it", images.display()));
            unlabeled.get_or_insert(error.help("use both files of the data set"));
            notes.push(format!("{} is not used: no {files}-labels-idx1-ubyte next to it", images.display()));
            continue;
        };
        let read = |path: &Path| {
            unpack(&std::fs::read(path).map_err(|e| cannot(path, &e))?).map_err(|e| cannot(path, &e))
        };
        let made = pair(files, read(&images)?, &read(&labels)?);
        pairs.push((name, made.map_err(|error| error.context(folder.display()))?));
        used.extend(
            [images, labels].iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
        );
    }
    // A training split without its labels is an error.
    let has_train = pairs.iter().any(|(name, _)| *name == "train");
    if let Some(error) = unlabeled.filter(|_| !has_train) {
        return Err(error);
    }
    let classes = Classes::of(folder, pairs.iter().map(|(_, pair)| pair))?;
    notes.extend(classes.notes);
    let splits =
        pairs.into_iter().map(|(name, pair)| pair.split(name, |number| classes.labels[&number])).collect();
    notes.extend(not_used(folder, &[], |name| used.iter().any(|file| file == name) || is_copy(name, &used)));
    let to_train = "add train-images-idx3-ubyte and train-labels-idx1-ubyte to it".to_owned();
    let advice = Advice { to_train: Some(to_train), ..Advice::default() };
    Ok(Dataset { classes: classes.names, splits, origin: folder.display().to_string(), notes, advice })
}

/// Returns whether a file is the compressed or the unpacked form of one that was read.
fn is_copy(name: &str, used: &[String]) -> bool {
    let plain = |name: &str| name.trim_end_matches(".gz").replacen(".idx", "-idx", 1);
    used.iter().any(|file| plain(file) == plain(name))
}

/// Builds a data set of two splits from gzip-compressed IDX files in memory.
pub(crate) fn from_bytes(
    train: [&[u8]; 2],
    test: [&[u8]; 2],
    classes: &[&str],
    origin: &str,
) -> Result<Dataset> {
    let make = |name: &str, [images, labels]: [&[u8]; 2]| {
        let read = |bytes: &[u8]| unpack(bytes).map_err(|error| Error::data(format!("{origin}: {error}")));
        Ok::<_, Error>(pair(name, read(images)?, &read(labels)?)?.split(name, u32::from))
    };
    Ok(Dataset {
        classes: classes.iter().map(|&name| name.to_owned()).collect(),
        splits: vec![make("train", train)?, make("test", test)?],
        origin: origin.to_owned(),
        notes: Vec::new(),
        advice: Advice::default(),
    })
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::data(format!("{}: cannot read the file: {error}", path.display()))
}

fn unpack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("it unpacks to more than {MAX_BYTES} bytes")));
    }
    Ok(unpacked)
}

/// The images and the class numbers of a split.
struct Pair {
    /// The start of the file names.
    files: String,
    images: RawImages,
    /// The class number of each image.
    numbers: Vec<u8>,
}

/// Parses the files of images and labels of a split.
fn pair(files: &str, images: Vec<u8>, labels: &[u8]) -> Result<Pair> {
    let [count, height, width] = header::<3>(&images, 3).map_err(|e| e.context(format!("{files} images")))?;
    let [label_count] = header::<1>(labels, 1).map_err(|e| e.context(format!("{files} labels")))?;
    if count != label_count {
        return Err(Error::data(format!("{count} {files} images, but {label_count} labels")));
    }
    if count == 0 || height == 0 || width == 0 {
        return Err(Error::data(format!(
            "{count} {files} images of {width} x {height} pixels: expected at least one pixel"
        )));
    }
    let pixels = images[16..].to_vec();
    let images = RawImages { width, height, order: PixelOrder::Gray, prefix: 0, bytes: pixels };
    Ok(Pair { files: files.to_owned(), images, numbers: labels[8..].to_vec() })
}

impl Pair {
    /// The split; `label` is the label of a class number.
    fn split(self, name: &str, label: impl Fn(u8) -> u32) -> Split {
        let item = |(i, &number): (usize, &u8)| Item {
            file: format!("{}:{i}", self.files),
            label: label(number),
            location: Location::Raw(i as u32),
        };
        let items: Vec<Item> = self.numbers.iter().enumerate().map(item).collect();
        Split::new(name, items, Arc::new(Store::Raw(self.images)))
    }
}

/// Parses the header of an array of unsigned bytes with `N` dimensions and checks it against the file size.
fn header<const N: usize>(bytes: &[u8], dimensions: u8) -> Result<[usize; N]> {
    let magic = [0, 0, 8, dimensions];
    if !bytes.starts_with(&magic) || bytes.len() < 4 + 4 * N {
        return Err(Error::data(format!(
            "starts with {:?}, expected {magic:?}: not an IDX file of {dimensions}-dimensional unsigned bytes",
            &bytes[..bytes.len().min(4)]
        )));
    }
    let extents: [usize; N] = std::array::from_fn(|i| {
        let extent = [0, 1, 2, 3].map(|j| bytes[4 + 4 * i + j]);
        u32::from_be_bytes(extent) as usize
    });
    let values = extents.iter().try_fold(1usize, |all, &extent| all.checked_mul(extent));
    if values.is_none_or(|values| values != bytes.len() - 4 - 4 * N) {
        return Err(Error::data(format!(
            "the header declares {extents:?} values, but the file has {}: it is truncated or too long",
            bytes.len() - 4 - 4 * N
        )));
    }
    Ok(extents)
}

/// The classes of a folder.
struct Classes {
    names: Vec<String>,
    /// The label of each class number in use.
    labels: BTreeMap<u8, u32>,
    /// Notes about the list of names.
    notes: Vec<String>,
}

impl Classes {
    /// The names in `classes.txt`, one per line; otherwise the Fashion-MNIST names, if the folder is named like it; otherwise numbers.
    ///
    /// # Errors
    /// Returns an error if `classes.txt` has no line for a class number.
    fn of<'a>(folder: &Path, pairs: impl Iterator<Item = &'a Pair>) -> Result<Self> {
        let numbers: BTreeSet<u8> = pairs.flat_map(|pair| pair.numbers.iter().copied()).collect();
        let list = ClassList::of(folder)?;
        let most = numbers.last().map_or(0, |&most| usize::from(most));
        if list.is_none() && is_fashion(folder) && most < FASHION_CLASSES.len() {
            let labels = numbers.iter().map(|&number| (number, u32::from(number))).collect();
            return Ok(Self {
                names: FASHION_CLASSES.map(str::to_owned).to_vec(),
                labels,
                notes: vec![
                    "the classes have the names of Fashion-MNIST, by the name of the folder; classes.txt gives others"
                        .to_owned(),
                ],
            });
        }
        let words: Vec<String> = numbers.iter().map(u8::to_string).collect();
        // All are there: the list was checked with these words.
        let found = Labels::of(folder, &words.iter().map(String::as_str).collect())?;
        let label = |(&number, word): (&u8, &String)| Some((number, found.label(word)?));
        let labels = numbers.iter().zip(&words).filter_map(label).collect();
        Ok(Self { names: found.names, labels, notes: list.map_or(Vec::new(), |list| list.notes) })
    }
}

/// Whether the folder, or the one that it is in, as with torchvision's `FashionMNIST/raw`, is named after Fashion-MNIST.
fn is_fashion(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let names = folder.components().rev().take(2);
    names.into_iter().any(|name| name.as_os_str().to_string_lossy().to_lowercase().contains("fashion"))
}
