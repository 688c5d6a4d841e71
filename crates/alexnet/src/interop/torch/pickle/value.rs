//! What a pickle consists of.

use super::constructor::Constructor;
use crate::interop::torch::element::Element;

/// A value of a pickle: its position in [`Pickle::values`](super::Pickle::values). Values that contain each other are no
/// problem, and none is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::interop::torch) struct ValueId(pub(super) usize);

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::interop::torch) enum Value<'a> {
    None,
    Bool(bool),
    /// An integer of up to 128 bits.
    Int(i128),
    Float(f64),
    Text(&'a str),
    /// Bytes, texts that are not UTF-8, and integers beyond 128 bits, none of which a state dict needs.
    Bytes(&'a [u8]),
    Tuple(Vec<ValueId>),
    List(Vec<ValueId>),
    /// Keys and values in their order; a later pair replaces an earlier one with the same key.
    Dict(Vec<(ValueId, ValueId)>),
    /// A function or class that is known.
    Constructor(Constructor),
    /// An array of numbers.
    Storage(StorageRef<'a>),
    Tensor(TensorRef),
    /// Made by a function or class that is not known; its name is in [`Pickle::refused`](super::Pickle::refused).
    Refused,
}

/// An array of numbers that is stored outside of the pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::interop::torch) struct StorageRef<'a> {
    /// The type of its numbers.
    pub(in crate::interop::torch) element: Element,
    /// Its name.
    pub(in crate::interop::torch) key: &'a str,
    /// The number of its elements.
    pub(in crate::interop::torch) len: usize,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::interop::torch) struct TensorRef {
    pub(in crate::interop::torch) storage: ValueId,
    /// The position of the first element.
    pub(in crate::interop::torch) offset: usize,
    pub(in crate::interop::torch) shape: Vec<usize>,
    /// The distance between neighbors along each dimension, in elements.
    pub(in crate::interop::torch) strides: Vec<usize>,
}

impl Value<'_> {
    /// What the value is, for messages.
    pub(in crate::interop::torch) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Constructor(_) => "a function or class",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
            Self::Refused => "an object of another class",
        }
    }
}
