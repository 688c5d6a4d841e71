//! NumPy arrays as images, and images and tensors as NumPy arrays, without copies.

use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use alexnet::Error;
use alexnet::data::{Image, ImageRef};
use alexnet::engine::Tensor;

use crate::failure::Outcome;

/// The largest side of an image: the resampling library counts pixels in 32 bits.
const MAX_SIDE: usize = u32::MAX as usize;

/// Arrays of images: each is one, `[height, width, 3]`, or several of one size, `[images, height, width, 3]`.
pub(crate) type Arrays<'py> = Vec<PyReadonlyArrayDyn<'py, u8>>;

/// Borrows the images of contiguous arrays.
pub(crate) fn images<'a>(arrays: &'a Arrays<'_>) -> Outcome<Vec<ImageRef<'a>>> {
    let mut images = Vec::with_capacity(arrays.len());
    for array in arrays {
        let pixels = array.as_slice().map_err(|error| Error::usage(error.to_string()))?;
        let is_side = |side: usize| (1..=MAX_SIDE).contains(&side);
        let (height, width) = match *array.as_array().shape() {
            [height, width, 3] | [_, height, width, 3] if is_side(height) && is_side(width) => {
                (height, width)
            }
            ref shape => return Err(Error::shape("array of images", format!("{shape:?}"), "[.., 3]").into()),
        };
        images.extend(
            pixels.chunks_exact(3 * height * width).map(|pixels| ImageRef::new(width, height, pixels)),
        );
    }
    Ok(images)
}

/// An image as an array `[height, width, 3]`.
pub(crate) fn image_array(py: Python<'_>, image: Image) -> PyResult<Bound<'_, PyAny>> {
    array(py, &[image.height, image.width, 3], image.pixels)
}

/// A tensor as an array.
pub(crate) fn tensor_array(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyAny>> {
    array(py, &tensor.shape, tensor.data)
}

/// Values as an array of a shape. The array owns the memory of the values.
pub(crate) fn array<'py, T: numpy::Element>(
    py: Python<'py>,
    shape: &[usize],
    values: Vec<T>,
) -> PyResult<Bound<'py, PyAny>> {
    let flat = PyArray1::from_vec(py, values);
    let shaped: Bound<'py, PyArrayDyn<T>> = flat.reshape(shape)?;
    Ok(shaped.into_any())
}
