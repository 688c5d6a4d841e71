//! Decoding with the EXIF orientation applied.

use super::{Image, decode};
use crate::Result;
use crate::net::Orientation;

/// Decodes an image file and, if required, rotates and mirrors it by its EXIF orientation.
///
/// # Errors
/// Returns an error if the image does not decode.
pub fn decode(bytes: &[u8], orientation: Orientation) -> Result<Image> {
    let image = decode::decode(bytes)?;
    let exif = match orientation {
        Orientation::Stored => 1,
        Orientation::Exif => decode::orientation(bytes),
    };
    Ok(match exif {
        1 => image,
        turned => decode::apply_orientation(image, turned),
    })
}
