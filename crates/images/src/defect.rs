//! Why an image file was not decoded.

use std::fmt;

/// The reason why an image file was not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The category of the reason.
    pub kind: DefectKind,
    /// The description, without the file name.
    pub message: String,
}

/// Categories of defects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefectKind {
    /// The file has 0 bytes.
    Empty,
    /// Part of the image is missing.
    Truncated,
    /// The bytes contradict themselves or the format.
    Broken,
    /// Not an image, an unsupported format, or too many pixels.
    Unsupported,
}

impl Defect {
    pub(crate) fn new(kind: DefectKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A JPEG with missing data.
    pub(crate) fn truncated(what: impl fmt::Display) -> Self {
        Self::new(DefectKind::Truncated, format!("truncated JPEG: {what}"))
    }

    /// A JPEG that contradicts itself.
    pub(crate) fn broken(what: impl fmt::Display) -> Self {
        Self::new(DefectKind::Broken, format!("broken JPEG: {what}"))
    }

    /// A variant of JPEG that is not supported.
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(
            DefectKind::Unsupported,
            format!("{what} is not supported: convert it, for example with `magick FILE.jpg FILE.png`"),
        )
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Defect {}
