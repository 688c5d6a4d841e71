//! Why an image file was not decoded.

use crate::Error;

/// Why an image file was not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// What kind of reason it is.
    pub kind: DefectKind,
    /// In words, without the file's name.
    pub message: String,
}

/// Kinds of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefectKind {
    /// A file of 0 bytes.
    Empty,
    /// Part of the image is missing.
    Truncated,
    /// The bytes contradict themselves or the format.
    Broken,
    /// Not an image, an image of a kind that is not decoded, or one of too many pixels.
    Unsupported,
}

impl Defect {
    pub(super) fn new(kind: DefectKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A JPEG of which part is missing.
    pub(super) fn truncated(what: impl std::fmt::Display) -> Self {
        Self::new(DefectKind::Truncated, format!("truncated JPEG: {what}"))
    }

    /// A JPEG that contradicts itself.
    pub(super) fn broken(what: impl std::fmt::Display) -> Self {
        Self::new(DefectKind::Broken, format!("broken JPEG: {what}"))
    }

    /// A JPEG of a kind that is not decoded.
    pub(super) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new(
            DefectKind::Unsupported,
            format!("{what} is not supported: convert it, for example with `magick FILE.jpg FILE.png`"),
        )
    }
}

impl From<Defect> for Error {
    fn from(defect: Defect) -> Self {
        Self::data(defect.message)
    }
}
