//! The attributes of a node.

use super::problem::{Supported, shown};
use crate::interop::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// The attributes of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a> {
    all: &'a [AttributeProto],
}

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a NodeProto) -> Self {
        Self { all: &node.attribute }
    }

    /// Refuses attributes of other names.
    pub(super) fn only(self, names: &[&str]) -> Supported<Self> {
        match self.all.iter().find(|attribute| !names.contains(&attribute.name.as_str())) {
            None => Ok(self),
            Some(other) => Err(format!("attribute `{}` is unknown", shown(&other.name))),
        }
    }

    fn find(self, name: &str) -> Option<&'a AttributeProto> {
        self.all.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(super) fn int(self, name: &str, default: i64) -> i64 {
        // Writers may leave out a value of 0.
        self.find(name).map_or(default, |attribute| attribute.i.unwrap_or(0))
    }

    pub(super) fn flag(self, name: &str) -> Supported<bool> {
        match self.int(name, 0) {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("{name} is {other}, expected 0 or 1")),
        }
    }

    pub(super) fn float(self, name: &str, default: f32) -> f32 {
        self.find(name).map_or(default, |attribute| attribute.f.unwrap_or(0.0))
    }

    pub(super) fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.find(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(super) fn floats(self, name: &str) -> Option<&'a [f32]> {
        self.find(name).map(|attribute| attribute.floats.as_slice())
    }

    pub(super) fn text(self, name: &str, default: &'a str) -> &'a str {
        self.find(name).map_or(default, |attribute| {
            std::str::from_utf8(attribute.s.as_deref().unwrap_or(b"")).unwrap_or("?")
        })
    }

    pub(super) fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.find(name)?.t.as_ref()
    }

    pub(super) fn graph(self, name: &str) -> Option<&'a GraphProto> {
        self.find(name)?.g.as_deref()
    }

    /// Sizes, each at least `least`.
    pub(super) fn sizes(self, name: &str, least: usize) -> Supported<Option<Vec<usize>>> {
        let Some(values) = self.ints(name) else { return Ok(None) };
        let size = |&value: &i64| usize::try_from(value).ok().filter(|size| (least..=MOST).contains(size));
        let sizes: Option<Vec<usize>> = values.iter().map(size).collect();
        sizes.map(Some).ok_or_else(|| format!("{name} is {values:?}, expected {least} to {MOST}"))
    }

    /// Refuses an attribute unless all its numbers are `expected`.
    pub(super) fn all(self, name: &str, expected: i64) -> Supported<()> {
        match self.ints(name) {
            Some(values) if values.iter().any(|&value| value != expected) => {
                Err(format!("{name} is {values:?}, expected {expected}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses an attribute unless it is `expected`, as it is by default.
    pub(super) fn must_be(self, name: &str, expected: i64) -> Supported<()> {
        match self.int(name, expected) {
            value if value == expected => Ok(()),
            value => Err(format!("{name} is {value}, expected {expected}")),
        }
    }
}

/// The largest size, as in recipes.
const MOST: usize = 4096;
