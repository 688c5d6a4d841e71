//! Datasets.

use std::path::PathBuf;

use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use alexnet::Error;
use alexnet::data::check::{introduce, several_classes};
use alexnet::data::{Image, ImageArray, PixelValues, Split, embedded, square};
use alexnet::net::Orientation;
use alexnet::train::ImageSource;

use crate::detached::{ending, interruptible, is_ending};
use crate::failure::Outcome;
use crate::options::{Whole, whole};
use crate::pixels::{array, image_array};

/// The largest side of squares, as in recipes.
const MAX_SIDE: usize = 4096;

/// Labeled images, which do not change.
#[pyclass(frozen, module = "alexnet._native")]
pub(crate) struct Dataset {
    pub(crate) dataset: alexnet::data::Dataset,
    pub(crate) source: ImageSource,
}

impl Dataset {
    /// The split, with images rotated by their EXIF orientation where that applies.
    fn split(&self, name: &str) -> alexnet::Result<Split> {
        Ok(self.dataset.split(name)?.oriented(Orientation::Exif))
    }
}

/// The name of a split, its images and its labels.
type NamedArrays<'py> = (String, PyReadonlyArrayDyn<'py, u8>, PyReadonlyArray1<'py, u32>);

#[pymethods]
impl Dataset {
    /// Opens a source.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> Outcome<Self> {
        let source = ImageSource::Path(path.clone());
        let dataset = interruptible(py, move || alexnet::data::Dataset::open(&path))?;
        Ok(Self { dataset, source })
    }

    /// The images that are part of the library.
    #[staticmethod]
    fn builtin(py: Python<'_>) -> Outcome<Self> {
        let dataset = py.detach(embedded::fashion_mnist)?;
        Ok(Self { dataset, source: ImageSource::BuiltIn })
    }

    /// Copies arrays of images, `[images, height, width]` or `[images, height, width, 3]`, and their labels. With `hold_out`, there
    /// is one array, of which a tenth is held out for validation.
    #[staticmethod]
    fn from_arrays(
        py: Python<'_>,
        classes: Vec<String>,
        arrays: Vec<NamedArrays<'_>>,
        hold_out: bool,
    ) -> Outcome<Self> {
        let mut copies: Vec<(String, ImageArray)> = Vec::new();
        for (name, images, labels) in arrays {
            copies.push((name, copy(&images, &labels)?));
        }
        let dataset = py.detach(|| match (hold_out, copies.pop()) {
            (true, Some((_, images))) => alexnet::data::Dataset::from_array(classes, images),
            (_, last) => {
                copies.extend(last);
                let arrays = copies.iter_mut().map(|(name, images)| (name.as_str(), take(images))).collect();
                alexnet::data::Dataset::from_arrays(classes, arrays)
            }
        })?;
        Ok(Self { dataset, source: ImageSource::Memory })
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.dataset.classes.clone()
    }

    /// The name and the number of images of each split.
    #[getter]
    fn splits(&self) -> Vec<(String, usize)> {
        self.dataset.splits.iter().map(|split| (split.name.clone(), split.len())).collect()
    }

    #[getter]
    fn origin(&self) -> &str {
        &self.dataset.origin
    }

    /// Notes on how the source was read.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.dataset.notes.clone()
    }

    /// Where the images are; `None` for those in memory and those of the library.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        self.source.path().map(std::path::Path::to_path_buf)
    }

    /// The summary before training, a line each.
    fn introduction(&self) -> Outcome<Vec<String>> {
        Ok(introduce(&self.dataset)?)
    }

    /// Checks that there is more than one class.
    fn check_classes(&self) -> Outcome<()> {
        Ok(several_classes(&self.dataset)?)
    }

    /// The label of each image of a split.
    fn labels<'py>(&self, py: Python<'py>, split: &str) -> Outcome<Bound<'py, PyAny>> {
        let split = self.split(split)?;
        let labels: Vec<i64> = (0..split.len()).map(|i| i64::from(split.label(i))).collect();
        Ok(array(py, &[labels.len()], labels)?)
    }

    /// The name of each image of a split.
    fn files(&self, split: &str) -> Outcome<Vec<String>> {
        let split = self.split(split)?;
        Ok((0..split.len()).map(|i| split.file(i).to_owned()).collect())
    }

    /// An image, `[height, width, 3]`.
    fn image<'py>(&self, py: Python<'py>, split: &str, index: Whole) -> Outcome<Bound<'py, PyAny>> {
        let split = self.split(split)?;
        let index = position(&split, index)?;
        Ok(image_array(py, py.detach(|| image(&split, index))?)?)
    }

    /// Squares of images of the split, `[images, side, side, 3]`; `side` is by default that of the first image, which must then be a
    /// square.
    fn squares<'py>(
        &self,
        py: Python<'py>,
        split: &str,
        indices: Vec<usize>,
        side: Option<Whole>,
    ) -> Outcome<Bound<'py, PyAny>> {
        let split = self.split(split)?;
        let side = side.map(|side| whole("side", side, 1, MAX_SIDE)).transpose()?;
        let (side, pixels) = py.detach(|| squares(&split, &indices, side))?;
        Ok(array(py, &[indices.len(), side, side, 3], pixels)?)
    }
}

fn copy(
    images: &PyReadonlyArrayDyn<'_, u8>,
    labels: &PyReadonlyArray1<'_, u32>,
) -> alexnet::Result<ImageArray> {
    let (height, width, values) = match *images.as_array().shape() {
        [_, height, width] => (height, width, PixelValues::Gray),
        [_, height, width, 3] => (height, width, PixelValues::Rgb),
        ref shape => {
            return Err(Error::shape("array of images", format!("{shape:?}"), "[images, height, width]"));
        }
    };
    let contiguous = |error: numpy::AsSliceError| Error::usage(error.to_string());
    let pixels = images.as_slice().map_err(contiguous)?.to_vec();
    Ok(ImageArray { width, height, values, pixels, labels: labels.as_slice().map_err(contiguous)?.to_vec() })
}

/// Moves images out.
fn take(images: &mut ImageArray) -> ImageArray {
    let ImageArray { width, height, values, pixels, labels } = images;
    let (pixels, labels) = (std::mem::take(pixels), std::mem::take(labels));
    ImageArray { width: *width, height: *height, values: *values, pixels, labels }
}

/// The position of an image in a split.
fn position(split: &Split, Whole(index): Whole) -> alexnet::Result<usize> {
    usize::try_from(index).ok().filter(|&index| index < split.len()).ok_or_else(|| {
        let message = format!("image {index} of split `{}`: it has {} images", split.name, split.len());
        Error::usage(message).help("count images from 0")
    })
}

fn image(split: &Split, index: usize) -> alexnet::Result<Image> {
    split.image(index)?.map_err(|skip| Error::data(format!("{}: {}", skip.file, skip.reason)))
}

fn squares(split: &Split, indices: &[usize], side: Option<usize>) -> alexnet::Result<(usize, Vec<u8>)> {
    let (mut side, mut pixels) = (side, Vec::new());
    for &index in indices {
        if is_ending() {
            return Err(ending());
        }
        let image = image(split, index)?;
        let side = match side {
            Some(side) => side,
            None if image.width == image.height => *side.insert(image.width),
            None => {
                let (file, width, height) = (split.file(index), image.width, image.height);
                return Err(Error::usage(format!("{file} has {width} x {height} pixels, expected a square"))
                    .help("give the side of the squares: `side=64`"));
            }
        };
        pixels.extend_from_slice(&square::square_pixels((&image).into(), side));
    }
    Ok((side.unwrap_or(0), pixels))
}
