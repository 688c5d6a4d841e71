//! Images the right way up.

use super::{Image, decode};
use crate::Result;
use crate::net::Orientation;

/// Decodes an image file, rotated and mirrored as its EXIF orientation says if `orientation` asks for that.
///
/// # Errors
/// As [`decode::decode`].
pub fn decode(bytes: &[u8], orientation: Orientation) -> Result<Image> {
    let image = decode::decode(bytes)?;
    Ok(match orientation {
        Orientation::Stored => image,
        Orientation::Exif => turn(image, decode::orientation(bytes)),
    })
}

/// The image turned as an EXIF orientation of 1 to 8 says.
fn turn(image: Image, orientation: u8) -> Image {
    match orientation {
        1 => image,
        _ => decode::apply_orientation(image, orientation),
    }
}
