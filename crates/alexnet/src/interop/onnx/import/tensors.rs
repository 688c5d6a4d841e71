//! The numbers of a file's arrays.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use alexnet_kernels::{bf16, f16};

use super::array::{FloatArray, Size, SizeArray, count};
use super::external::{self, ExternalBytes};
use super::problem::{Supported, shown};
use crate::interop::onnx::proto::{TensorProto, data_type};

/// The most numbers of an array of sizes.
const MOST_SIZES: usize = 4096;

/// Integers, as floats.
#[derive(Clone, Debug)]
pub(super) struct QuantizedArray {
    pub(super) array: FloatArray,
    pub(super) is_signed: bool,
}

/// Reads arrays, and counts what was read.
#[derive(Debug)]
pub(super) struct Tensors<'a> {
    folder: Option<&'a Path>,
    /// How many more floats may be held: a multiple of what the files have.
    left: Cell<usize>,
    /// The files of external data.
    files: RefCell<HashSet<PathBuf>>,
    /// Arrays that were read before.
    read: RefCell<HashMap<*const TensorProto, FloatArray>>,
    /// The number of arrays that were converted, by their type.
    converted: RefCell<BTreeMap<&'static str, usize>>,
}

impl<'a> Tensors<'a> {
    /// Reads arrays of a file of so many bytes; those in other files are in `folder`.
    pub(super) fn new(folder: Option<&'a Path>, bytes: usize) -> Self {
        let left = Cell::new(allowance(bytes));
        let (files, read, converted) = Default::default();
        Self { folder, left, files, read, converted }
    }

    /// Accounts for so many more floats.
    pub(super) fn spend(&self, floats: usize) -> Supported<()> {
        match self.left.get().checked_sub(floats) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                Err("its numbers, and those of the nodes before it, are many times those of the file".into())
            }
        }
    }

    /// Whether arrays had another type than 32-bit floats.
    pub(super) fn has_converted(&self) -> bool {
        !self.converted.borrow().is_empty()
    }

    /// What was converted, a sentence for each type.
    pub(super) fn notes(&self) -> Vec<String> {
        let converted = self.converted.borrow();
        converted
            .iter()
            .map(|(name, count)| format!("tensors of type {name}, converted to float32: {count}"))
            .collect()
    }

    /// The floats of an array, in 32 bits.
    pub(super) fn floats(&self, tensor: &TensorProto) -> Supported<FloatArray> {
        let key = std::ptr::from_ref(tensor);
        if let Some(array) = self.read.borrow().get(&key) {
            return Ok(array.clone());
        }
        let (shape, count) = shape(tensor)?;
        let typed = |values: Vec<f32>| checked(values, count);
        let (values, name) = match tensor.data_type {
            data_type::FLOAT if !tensor.float_data.is_empty() => {
                self.spend(count)?;
                (typed(tensor.float_data.clone())?, None)
            }
            data_type::FLOAT => (self.numbers(tensor, count, f32::from_le_bytes)?, None),
            data_type::DOUBLE if !tensor.double_data.is_empty() => {
                self.spend(count)?;
                (typed(tensor.double_data.iter().map(|&value| value as f32).collect())?, Some("float64"))
            }
            data_type::DOUBLE => {
                (self.numbers(tensor, count, |bytes| f64::from_le_bytes(bytes) as f32)?, Some("float64"))
            }
            data_type::FLOAT16 => (self.halves(tensor, count, f16::to_f32)?, Some("float16")),
            data_type::BFLOAT16 => (self.halves(tensor, count, bf16::to_f32)?, Some("bfloat16")),
            other => return Err(format!("{} of type {}, expected floats", named(tensor), type_name(other))),
        };
        if let Some(name) = name {
            *self.converted.borrow_mut().entry(name).or_default() += 1;
        }
        let array = FloatArray::new(shape, values);
        self.read.borrow_mut().insert(key, array.clone());
        Ok(array)
    }

    /// 16-bit floats: their bits, also one in each 32-bit integer.
    fn halves(&self, tensor: &TensorProto, count: usize, convert: fn(u16) -> f32) -> Supported<Vec<f32>> {
        if tensor.int32_data.is_empty() {
            return self.numbers(tensor, count, |bytes| convert(u16::from_le_bytes(bytes)));
        }
        self.spend(count)?;
        checked(tensor.int32_data.iter().map(|&bits| convert(bits as u16)).collect(), count)
    }

    /// The integers of an array of sizes.
    pub(super) fn sizes(&self, tensor: &TensorProto) -> Supported<SizeArray> {
        let (shape, count) = shape(tensor)?;
        if count > MOST_SIZES {
            return Err(format!("{} has {count} integers, expected at most {MOST_SIZES}", named(tensor)));
        }
        let values: Vec<i64> = match tensor.data_type {
            data_type::INT64 if !tensor.int64_data.is_empty() => tensor.int64_data.clone(),
            data_type::INT64 => self.numbers(tensor, count, i64::from_le_bytes)?,
            data_type::INT32 | data_type::BOOL if !tensor.int32_data.is_empty() => {
                tensor.int32_data.iter().map(|&value| value.into()).collect()
            }
            data_type::INT32 => self.numbers(tensor, count, |bytes| i32::from_le_bytes(bytes).into())?,
            data_type::BOOL => self.numbers(tensor, count, |[byte]| byte.into())?,
            other => {
                return Err(format!("{} of type {}, expected integers", named(tensor), type_name(other)));
            }
        };
        let data = checked(values, count)?.into_iter().map(Size::Known).collect();
        Ok(SizeArray { shape, data })
    }

    /// The integers of an array of 8-bit weights, their zero points, or sums of products.
    pub(super) fn quantized(&self, tensor: &TensorProto) -> Supported<QuantizedArray> {
        let (shape, count) = shape(tensor)?;
        let values: Vec<f32> = match tensor.data_type {
            data_type::INT8 | data_type::UINT8 | data_type::INT32 if !tensor.int32_data.is_empty() => {
                self.spend(count)?;
                tensor.int32_data.iter().map(|&value| value as f32).collect()
            }
            data_type::INT8 => self.numbers(tensor, count, |[byte]| f32::from(byte as i8))?,
            data_type::UINT8 => self.numbers(tensor, count, |[byte]| f32::from(byte))?,
            data_type::INT32 => self.numbers(tensor, count, |bytes| i32::from_le_bytes(bytes) as f32)?,
            other => {
                return Err(format!(
                    "{} of type {}, expected 8-bit integers",
                    named(tensor),
                    type_name(other)
                ));
            }
        };
        let is_signed = tensor.data_type != data_type::UINT8;
        Ok(QuantizedArray { array: FloatArray::new(shape, checked(values, count)?), is_signed })
    }

    /// Numbers that are stored as bytes.
    fn numbers<T, const N: usize>(
        &self,
        tensor: &TensorProto,
        count: usize,
        convert: impl Fn([u8; N]) -> T,
    ) -> Supported<Vec<T>> {
        let expected = count.checked_mul(N).ok_or_else(|| format!("{} is too large", named(tensor)))?;
        let bytes = match tensor.data_location {
            0 if tensor.raw_data.len() == expected => Cow::Borrowed(tensor.raw_data.as_slice()),
            0 => {
                return Err(format!(
                    "{} of shape {:?} has {} bytes, expected {expected}",
                    named(tensor),
                    tensor.dims,
                    tensor.raw_data.len()
                ));
            }
            _ => {
                let ExternalBytes { bytes, path, size } = external::bytes(self.folder, tensor, expected)
                    .map_err(|what| format!("{}: {what}", named(tensor)))?;
                if self.files.borrow_mut().insert(path) {
                    let more = allowance(usize::try_from(size).unwrap_or(usize::MAX));
                    self.left.set(self.left.get().saturating_add(more));
                }
                Cow::Owned(bytes)
            }
        };
        self.spend(count)?;
        Ok(bytes.as_chunks::<N>().0.iter().map(|&bytes| convert(bytes)).collect())
    }
}

/// How many floats may follow from so many bytes: 8-bit weights are a float each, and may be transposed and scaled.
fn allowance(bytes: usize) -> usize {
    bytes.saturating_mul(4).saturating_add(1 << 20)
}

/// The dimensions of an array, and the number of its elements.
fn shape(tensor: &TensorProto) -> Supported<(Vec<usize>, usize)> {
    let refused = || format!("{} has the shape {:?}", named(tensor), tensor.dims);
    let shape: Vec<usize> = tensor
        .dims
        .iter()
        .map(|&size| usize::try_from(size))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| refused())?;
    let count = count(&shape).ok_or_else(refused)?;
    Ok((shape, count))
}

fn checked<T>(values: Vec<T>, count: usize) -> Supported<Vec<T>> {
    match values.len() == count {
        true => Ok(values),
        false => Err(format!("a tensor has {} values, expected {count} for its shape", values.len())),
    }
}

fn named(tensor: &TensorProto) -> String {
    format!("tensor `{}`", shown(&tensor.name))
}

/// The name of an element type.
pub(super) fn type_name(data_type: i32) -> &'static str {
    match data_type {
        1 => "float32",
        2 => "uint8",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        6 => "int32",
        7 => "int64",
        8 => "string",
        9 => "bool",
        10 => "float16",
        11 => "float64",
        12 => "uint32",
        13 => "uint64",
        14 => "complex64",
        15 => "complex128",
        16 => "bfloat16",
        _ => "of fewer bits, or unknown",
    }
}
