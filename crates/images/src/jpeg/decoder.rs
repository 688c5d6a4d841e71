//! Chooses the decoder for a file, and reads the properties that it declares.

use image::metadata::Orientation;

use super::exact;
use super::header::{Color, Header};
use super::segments::{EOI, SOS, Segments};
#[cfg(feature = "turbojpeg")]
use super::turbo as fast;
#[cfg(not(feature = "turbojpeg"))]
use super::zune as fast;
use crate::Image;
use crate::defect::Defect;
use crate::format::Format;
use crate::traits::{Print, Traits};

/// Decodes a JPEG.
///
/// # Errors
/// Returns an error if the file is damaged or of an unsupported variant.
pub(crate) fn decode(bytes: &[u8]) -> Result<Image, Defect> {
    let header = Header::read(bytes)?;
    match fast::decode(bytes, &header) {
        Some(image) => Ok(image),
        None => exact::decode(bytes, &header),
    }
}

/// Reads the properties that a JPEG declares, without decoding its pixels.
///
/// # Errors
/// Returns an error if the headers are damaged or the variant is unsupported.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Traits, Defect> {
    let header = Header::read(bytes)?;
    let print = match header.color {
        Color::Cmyk => Some(Print::Cmyk),
        Color::Ycck => Some(Print::Ycck),
        Color::Gray | Color::YCbCr | Color::Rgb => None,
    };
    Ok(Traits {
        format: Format::Jpeg,
        print,
        sixteen_bit: false,
        animated: false,
        orientation: header.orientation,
        lacks_end: header.lacks_end(bytes),
    })
}

/// Returns the orientation in the first EXIF segment, 1 to 8, of a file that may be damaged; 1 if there is none.
pub(crate) fn orientation(bytes: &[u8]) -> u8 {
    let mut segments = Segments::of(bytes);
    while let Ok(Some(segment)) = segments.next() {
        match (segment.marker, segment.payload.strip_prefix(b"Exif\0\0")) {
            (0xe1, Some(exif)) => return Orientation::from_exif_chunk(exif).map_or(1, Orientation::to_exif),
            (SOS | EOI, _) => break,
            _ => {}
        }
    }
    1
}
