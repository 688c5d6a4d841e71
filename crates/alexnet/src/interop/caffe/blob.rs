//! Arrays as Caffe stores them.

use super::message::{Message, Value};

/// An array: its dimensions and values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Blob {
    pub(super) dims: Vec<i64>,
    pub(super) values: Vec<f32>,
}

impl Blob {
    /// Takes the array out of a message. Its dimensions are those of `shape`, or the four of the format before 2015.
    pub(super) fn take(message: Message) -> Self {
        let dims = match message.message("shape") {
            Some(shape) => shape.ints("dim"),
            None => {
                ["num", "channels", "height", "width"].map(|name| message.int(name).unwrap_or(0)).to_vec()
            }
        };
        // Caffe prefers double precision.
        let name = if message.find("double_data").is_some() { "double_data" } else { "data" };
        let mut parts = message.entries.into_iter().filter(|entry| entry.name == name).filter_map(|entry| {
            match entry.value {
                Value::Floats(values) => Some(values),
                _ => None,
            }
        });
        let mut values = parts.next().unwrap_or_default();
        parts.for_each(|part| values.extend(part));
        Self { dims, values }
    }

    /// Whether the dimensions are `expected`, with ones before them or not.
    pub(super) fn has_shape(&self, expected: &[usize]) -> bool {
        let Some(leading) = self.dims.len().checked_sub(expected.len()) else {
            // Arrays of the format before 2015 have four dimensions; those with more ones than stored are the same array.
            let missing = expected.len() - self.dims.len();
            return expected[..missing].iter().all(|dim| *dim == 1) && self.has_shape(&expected[missing..]);
        };
        let same = self.dims[leading..]
            .iter()
            .zip(expected)
            .all(|(dim, expected)| usize::try_from(*dim) == Ok(*expected));
        same && self.dims[..leading].iter().all(|dim| *dim == 1)
    }

    /// Returns what is wrong with an array that should have this shape, if anything is.
    pub(super) fn problem(&self, expected: &[usize]) -> Option<String> {
        if !self.has_shape(expected) {
            return Some(format!("shape {:?}, expected {expected:?}", self.dims));
        }
        let count: usize = expected.iter().product();
        if self.values.len() != count {
            return Some(format!(
                "{} values for the shape {expected:?}, expected {count}",
                self.values.len()
            ));
        }
        let at = self.values.iter().position(|value| !value.is_finite())?;
        Some(format!("the value {} at position {at}, expected finite values", self.values[at]))
    }
}
