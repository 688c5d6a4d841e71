//! The first directory of a TIFF file: whether the first image is a thumbnail, and whether more follow.

use crate::defect::{Defect, DefectKind};
use crate::format::Format;

/// `NewSubfileType`: bit 0 marks a reduced copy of another image in the file.
const SUBFILE_TYPE: u16 = 254;
/// `DNGVersion`, which only camera raw files have.
const DNG_VERSION: u16 = 50_706;

/// One directory of a classic TIFF file.
struct Directory {
    /// Whether the first image is a reduced copy.
    reduced: bool,
    /// Whether the file is a DNG file.
    dng: bool,
    /// Whether another directory follows.
    followed: bool,
}

/// Rejects files that start with a thumbnail, as camera raw files do.
///
/// # Errors
/// Returns an error for such files.
pub(crate) fn check_first_image(bytes: &[u8]) -> Result<(), Defect> {
    match first_directory(bytes) {
        Some(Directory { dng: true, .. }) => Err(Format::Raw.unsupported()),
        Some(Directory { reduced: true, .. }) => Err(Defect::new(
            DefectKind::Unsupported,
            "TIFF file that starts with a thumbnail, as camera raw files do, which are not supported: convert it to JPEG or PNG",
        )),
        _ => Ok(()),
    }
}

/// Returns whether a second image follows the first.
pub(crate) fn has_second_image(bytes: &[u8]) -> bool {
    first_directory(bytes).is_some_and(|directory| directory.followed)
}

/// Parses the first directory; `None` if it is damaged or the file is a BigTIFF.
fn first_directory(bytes: &[u8]) -> Option<Directory> {
    let little = bytes.starts_with(b"II");
    let array = |at: usize, n: usize| bytes.get(at..at.checked_add(n)?);
    let short = |at: usize| {
        let pair = array(at, 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long = |at: usize| {
        let four = array(at, 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize)
    };
    if short(2)? != 42 {
        return None;
    }
    let start = long(4)?;
    let entries = usize::from(short(start)?);
    let entry = |i: usize| start + 2 + 12 * i;
    let (mut reduced, mut dng) = (false, false);
    for at in (0..entries).map(entry) {
        match short(at)? {
            SUBFILE_TYPE => reduced = long(at + 8)? & 1 == 1,
            DNG_VERSION => dng = true,
            _ => {}
        }
    }
    Some(Directory { reduced, dng, followed: long(entry(entries))? != 0 })
}
