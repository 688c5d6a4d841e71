//! Files by path.

/// A file by its path, with `/` between the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedFile<T> {
    pub(crate) path: String,
    pub(crate) location: T,
}
