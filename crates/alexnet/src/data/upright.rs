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
        Orientation::Exif => turn(picture, decode::orientation(bytes)),
    })
}

/// The image turned as an EXIF orientation of 1 to 8 says.
fn turn(picture: Picture, orientation: u8) -> Picture {
    match orientation {
        1 => picture,
        _ => decode::turned(picture, orientation),
    }
}
