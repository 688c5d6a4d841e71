//! An image of a flat source and what says its class.

/// An image with its class.
pub(super) struct Labeled {
    pub(super) split: Option<&'static str>,
    /// Its index among the files of the source.
    pub(super) image: usize,
    pub(super) class: Class,
    /// The index of the list that says so.
    pub(super) list: Option<usize>,
}

/// A class, as a source says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The name of a class folder.
    Folder(String),
    /// The name or number in a list.
    Said(String),
    /// The index of a class in the development kit.
    Kit(u32),
}
