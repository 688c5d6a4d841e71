//! The first directory of a TIFF file: whether its first image is the image, and whether others follow.

use super::{Defect, DefectKind};

/// `NewSubfileType`: bit 0 marks a reduced copy of another image in the file.
const SUBFILE_TYPE: u16 = 254;
/// `DNGVersion`, which only camera raw files have.
const DNG_VERSION: u16 = 50_706;

/// One directory of a classic TIFF file.
struct Directory {
    /// Whether the first image is a reduced copy.
    reduced: bool,
    /// Whether it says that it is a DNG file.
    dng: bool,
    /// Whether a directory follows.
    followed: bool,
}

/// Refuses what starts with a thumbnail instead of the image, as camera raw files do.
///
/// # Errors
/// When it does.
pub(super) fn check_first_image(bytes: &[u8]) -> Result<(), Defect> {
    match first_directory(bytes) {
        Some(Directory { dng: true, .. }) => Err(super::unsupported(super::Format::Raw)),
        Some(Directory { reduced: true, .. }) => Err(Defect::new(
            DefectKind::Unsupported,
            "a TIFF file that starts with a thumbnail, as camera raw files do, which are not supported: convert it to \
             JPEG or PNG",
        )),
        _ => Ok(()),
    }
}

/// Whether a second image follows the first.
pub(super) fn has_second_image(bytes: &[u8]) -> bool {
    first_directory(bytes).is_some_and(|directory| directory.followed)
}

/// The first directory, unless it is damaged or the file is a BigTIFF.
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
