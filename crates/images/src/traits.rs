//! Properties that an image file declares in its headers.

use crate::format::Format;

/// The print color space of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Cyan, magenta, yellow, black.
    Cmyk,
    /// CMYK stored as luma, two chroma channels and black.
    Ycck,
}

/// Properties that an image file declares in its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The file format.
    pub format: Format,
    /// The print color space; `None` for gray and RGB.
    pub print: Option<Print>,
    /// More than eight bits per channel.
    pub sixteen_bit: bool,
    /// More than one image.
    pub animated: bool,
    /// The EXIF orientation, 1 to 8; 1 means as stored.
    pub orientation: u8,
    /// A JPEG without an end-of-image marker. It still decodes if everything else is present.
    pub lacks_end: bool,
}
