//! Messages and their fields.

/// The fields of a message.
#[derive(Debug)]
pub(in crate::interop::caffe) struct Schema {
    pub(in crate::interop::caffe) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(in crate::interop::caffe) struct Field {
    pub(in crate::interop::caffe) name: &'static str,
    pub(in crate::interop::caffe) number: u32,
    pub(in crate::interop::caffe) label: Label,
    pub(in crate::interop::caffe) kind: FieldKind,
}

/// How often a field may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::interop::caffe) enum Label {
    Optional,
    Repeated,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(in crate::interop::caffe) enum FieldKind {
    Int,
    Float,
    Bool,
    Text,
    /// Names and numbers.
    Enum(&'static [(&'static str, i64)]),
    Message(&'static Schema),
    /// Many numbers in single precision: the values of a blob.
    Floats,
    /// The same in double precision.
    Doubles,
    /// A field that has no effect on the network or its training, such as a file name or how to compute.
    Unused,
}

impl Schema {
    pub(in crate::interop::caffe) fn by_name(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

pub(super) const fn one(name: &'static str, number: u32, kind: FieldKind) -> Field {
    Field { name, number, label: Label::Optional, kind }
}

pub(super) const fn many(name: &'static str, number: u32, kind: FieldKind) -> Field {
    Field { name, number, label: Label::Repeated, kind }
}

pub(super) const fn unused(name: &'static str, number: u32) -> Field {
    Field { name, number, label: Label::Repeated, kind: FieldKind::Unused }
}
