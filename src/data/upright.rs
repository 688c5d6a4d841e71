//! Images the right way up.

use super::{Picture, decode};
use crate::Result;
use crate::net::Orientation;

/// Decodes an image file, rotated and mirrored as its EXIF orientation says if `orientation` asks for that.
///
/// # Errors
/// As [`decode::decode`].
pub fn decode(bytes: &[u8], orientation: Orientation) -> Result<Picture> {
    let picture = decode::decode(bytes)?;
    Ok(match orientation {
        Orientation::Stored => picture,
        Orientation::Exif => turn(picture, exif_orientation(bytes)),
    })
}

/// What the file's EXIF orientation is, 1 to 8; 1, as stored, where it has none that can be read.
pub fn exif_orientation(bytes: &[u8]) -> u8 {
    decode::inspect(bytes).map_or(1, |traits| traits.orientation)
}

/// The image turned as an EXIF orientation of 1 to 8 says.
pub fn turn(picture: Picture, orientation: u8) -> Picture {
    match orientation {
        1 => picture,
        _ => decode::turned(picture, orientation),
    }
}
