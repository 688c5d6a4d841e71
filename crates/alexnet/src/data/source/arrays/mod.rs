//! Labeled images in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::catalog::{Item, Location};
use super::dataset::{Advice, Dataset};
use super::raw::{PixelOrder, RawImages};
use super::split::Split;
use super::store::Store;
use super::tree::{HELD_OUT, held_out_splits};
use crate::format::{grouped, hex};
use crate::{Error, Result};

/// Where the images are, for messages.
const ORIGIN: &str = "arrays in memory";

/// The splits that a dataset may have.
const SPLITS: [&str; 3] = ["train", "val", "test"];

/// Labeled images of one size in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageArray {
    /// The number of columns.
    pub width: usize,
    /// The number of rows.
    pub height: usize,
    /// What the values of a pixel are.
    pub values: PixelValues,
    /// `[images, height, width, 3]`, or `[images, height, width]` for [`PixelValues::Gray`].
    pub pixels: Vec<u8>,
    /// The class of each image: an index into the class names.
    pub labels: Vec<u32>,
}

/// What the values of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelValues {
    /// A single gray value.
    Gray,
    /// Red, green and blue.
    Rgb,
}

impl Dataset {
    /// Makes a dataset from images in memory, as [`Dataset::open`] makes one from class folders without splits: one image in ten
    /// of each class is held out for validation. The splits are `train`, `val` and `all`.
    ///
    /// The name of an image contains a digest of its pixels, so that a training run is not resumed with other images.
    ///
    /// # Errors
    /// Returns an error if there are no images, if class names repeat, if a label is not the index of a class, or if the number
    /// of pixels does not match that of the labels.
    pub fn from_array(classes: Vec<String>, images: ImageArray) -> Result<Self> {
        check_classes(&classes)?;
        let (items, store) = images.into_items("image", classes.len())?;
        let splits = held_out_splits(classes.len(), items, &store);
        let [_, val, all] = &splits;
        let notes = vec![format!(
            "no validation images: {} of {} images are held out, one in {HELD_OUT} of each class, at least one",
            grouped(val.len()),
            grouped(all.len())
        )];
        let advice = Advice::default();
        Ok(Self { classes, splits: splits.into(), origin: ORIGIN.to_owned(), notes, advice })
    }

    /// Makes a dataset from images in memory and the names of their splits: `train`, `val` or `test`.
    ///
    /// # Errors
    /// Returns an error as [`Dataset::from_array`] does, or if the name of a split is none of these or repeats.
    pub fn from_arrays(classes: Vec<String>, arrays: Vec<(&str, ImageArray)>) -> Result<Self> {
        check_classes(&classes)?;
        let mut splits: Vec<Split> = Vec::new();
        for (name, images) in arrays {
            if !SPLITS.contains(&name) || splits.iter().any(|split| split.name == name) {
                return Err(Error::usage(format!(
                    "split `{name}`: expected each of {} once at most",
                    SPLITS.join(", ")
                ))
                .help("name the split `train`, `val` or `test`"));
            }
            let made = images.into_items(name, classes.len());
            let (items, store) = made.map_err(|error| error.context(format!("split `{name}`")))?;
            splits.push(Split::new(name, items, store));
        }
        let to_train = "pass images of a split `train` too".to_owned();
        let advice = Advice { to_train: Some(to_train), ..Advice::default() };
        Ok(Self { classes, splits, origin: ORIGIN.to_owned(), notes: Vec::new(), advice })
    }
}

impl ImageArray {
    /// Returns the images as items of a store. Their names begin with `name`.
    fn into_items(self, name: &str, classes: usize) -> Result<(Vec<Item>, Arc<Store>)> {
        let Self { width, height, values, pixels, labels } = self;
        let (order, channels) = match values {
            PixelValues::Gray => (PixelOrder::Gray, 1),
            PixelValues::Rgb => (PixelOrder::Interleaved, 3),
        };
        let count = labels.len();
        let record = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(channels)).unwrap_or(0);
        let index = u32::try_from(count);
        let (Ok(count), 1.., 1..) = (index, count, record) else {
            return Err(Error::data(format!(
                "{count} images of {width} x {height} pixels, expected at least one image of at least one pixel"
            )));
        };
        if record.checked_mul(labels.len()) != Some(pixels.len()) {
            return Err(Error::data(format!(
                "{} values, expected {record} for each of {} labels: {width} x {height} pixels of {channels}",
                grouped(pixels.len()),
                grouped(labels.len())
            )));
        }
        if let Some((i, label)) = labels.iter().enumerate().find(|&(_, &label)| label as usize >= classes) {
            return Err(Error::data(format!("image {i} has label {label}, expected 0 to {}", classes - 1)));
        }
        let item = |((i, &label), pixels): ((u32, &u32), &[u8])| Item {
            file: format!("{name}:{i}:{}", &hex(&Sha256::digest(pixels))[..8]),
            label,
            location: Location::Raw(i),
        };
        let items = (0..count).zip(&labels).zip(pixels.chunks_exact(record)).map(item).collect();
        let images = RawImages { width, height, order, prefix: 0, bytes: pixels };
        Ok((items, Arc::new(Store::Raw(images))))
    }
}

fn check_classes(classes: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    if let Some(class) = classes.iter().find(|class| !seen.insert(class.as_str())) {
        return Err(Error::data(format!("class `{class}` occurs twice among the class names"))
            .help("give each class a name of its own"));
    }
    match classes.is_empty() {
        true => Err(Error::data("no class names, expected one for each class")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
