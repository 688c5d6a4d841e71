//! Where the numbers of a pickle's tensors are, and the tensors themselves.

use std::collections::HashMap;

use super::element::Element;
use super::pickle::{Pickle, StorageRef, TensorRef, Value};
use super::zip::Zip;
use crate::{Error, Result};

/// The arrays of numbers of a file.
#[derive(Debug)]
pub(super) enum Storages<'a> {
    /// Entries of a zip archive.
    Zip(Zip<'a>),
    /// By key.
    ByKey(HashMap<&'a str, &'a [u8]>),
}

impl<'a> Storages<'a> {
    /// The bytes of a storage.
    fn bytes(&self, storage: StorageRef<'_>) -> Result<&'a [u8]> {
        let StorageRef { element, key, len } = storage;
        let missing = || Error::model(format!("storage `{key}` is missing: the file is damaged"));
        let bytes = match self {
            Self::Zip(zip) => zip.entry(&format!("data/{key}"))?,
            Self::ByKey(all) => all.get(key).copied().ok_or_else(missing)?,
        };
        match len.checked_mul(element.size()).and_then(|len| bytes.get(..len)) {
            Some(bytes) => Ok(bytes),
            None => Err(Error::model(format!(
                "storage `{key}` has {} bytes, expected {len} elements of type {}",
                bytes.len(),
                element.name()
            ))
            .help("copy or download the file again")),
        }
    }

    /// The tensor that `tensor` describes.
    ///
    /// # Errors
    /// Returns an error if its storage is missing or too small.
    pub(super) fn tensor(&self, pickle: &Pickle<'_>, tensor: &TensorRef) -> Result<StoredTensor<'a>> {
        let Value::Storage(storage) = pickle.value(tensor.storage) else {
            return Err(Error::model("a tensor has no storage"));
        };
        let TensorRef { offset, shape, strides, .. } = tensor.clone();
        Ok(StoredTensor { element: storage.element, bytes: self.bytes(*storage)?, offset, shape, strides })
    }
}

/// A tensor in a file: a view of an array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredTensor<'a> {
    pub(super) element: Element,
    /// The array.
    bytes: &'a [u8],
    /// The position of the first element.
    offset: usize,
    pub(super) shape: Vec<usize>,
    /// The distance between neighbors along each dimension, in elements.
    strides: Vec<usize>,
}

impl<'a> StoredTensor<'a> {
    /// A tensor whose elements are consecutive.
    pub(super) fn consecutive(element: Element, shape: Vec<usize>, bytes: &'a [u8]) -> Self {
        let strides = row_major(&shape);
        Self { element, bytes, offset: 0, shape, strides }
    }

    /// The values, row-major. `name` is for messages.
    ///
    /// # Errors
    /// Returns an error if they are not floats, or not all in the file.
    pub(super) fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let Some(convert) = self.element.to_f32() else {
            return Err(Error::model(format!(
                "tensor `{name}` has type {}, expected floats",
                self.element.name()
            )));
        };
        let len = self.len(name)?;
        let size = self.element.size();
        let value = |at: usize| self.bytes.get(at * size..(at + 1) * size).map_or(0.0, convert);
        if self.strides == row_major(&self.shape) {
            return Ok((self.offset..self.offset + len).map(value).collect());
        }
        let mut at = vec![0; self.shape.len()];
        let mut values = Vec::with_capacity(len);
        for _ in 0..len {
            values.push(value(self.offset + at.iter().zip(&self.strides).map(|(i, s)| i * s).sum::<usize>()));
            for (i, &end) in at.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < end {
                    break;
                }
                *i = 0;
            }
        }
        Ok(values)
    }

    /// The number of elements, after checking that all are in the array, and that they are not more than it has: a view can
    /// repeat elements, so that a small file would fill any memory.
    fn len(&self, name: &str) -> Result<usize> {
        let available = self.bytes.len() / self.element.size();
        let refuse = || {
            Error::model(format!(
                "tensor `{name}` of shape {:?}, strides {:?} and offset {} exceeds its storage of {available} elements",
                self.shape, self.strides, self.offset
            ))
            .help("in Python: `torch.save({name: t.clone() for name, t in model.state_dict().items()}, \"weights.pth\")`")
        };
        let len = self.shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side));
        let len = len.filter(|&len| len <= available).ok_or_else(refuse)?;
        let reach = self.shape.iter().zip(&self.strides).try_fold(self.offset, |last, (&side, &stride)| {
            side.saturating_sub(1).checked_mul(stride).and_then(|more| last.checked_add(more))
        });
        match reach {
            Some(last) if len == 0 || last < available => Ok(len),
            Some(_) | None => Err(refuse()),
        }
    }
}

/// The strides of consecutive elements.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = shape[i].saturating_mul(strides[i]);
    }
    strides
}
