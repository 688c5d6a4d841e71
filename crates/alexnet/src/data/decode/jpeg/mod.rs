//! JPEG.
//!
//! | file | what it does |
//! |---|---|
//! | `segments` | markers and what stands between them |
//! | `header` | the frame, how its colors are coded, and refusals by name |
//! | `zune`, `turbo` | the usual decoder, of this build, for the files that it reads rightly |
//! | `guard` | files in which the usual decoder notices what is missing |
//! | `exact` | the decoder for all other files, and the judge of what is whole |
//! | `huffman`, `scan`, `samples` | its parts: bits, coefficients, pixels |
//! | `upright`, `writer` | turned without loss: coefficients back to a file |
//!
//! zune-jpeg reads the usual file fast and rightly, but takes the pixels of some others from the wrong places, or fills up what is
//! missing, without a word. So the headers are read first, and say which decoder is right for the file; and what the usual
//! decoder refuses is left to the exact one to judge.

mod exact;
mod guard;
mod header;
mod huffman;
mod samples;
mod scan;
mod segments;
#[cfg(feature = "turbojpeg")]
mod turbo;
mod upright;
mod writer;
#[cfg(not(feature = "turbojpeg"))]
mod zune;

#[cfg(feature = "turbojpeg")]
use turbo as usual;
#[cfg(not(feature = "turbojpeg"))]
use zune as usual;

use image::metadata::Orientation;

use super::{Defect, DefectKind, Print, check_size};
use crate::Result as Fallible;
use crate::data::Image;
use header::{Color, Header};
use segments::{EOI, SOS, Segments};

/// What a JPEG says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    /// The colors of print, if it is in those.
    pub(super) print: Option<Print>,
    /// EXIF orientation, 1 to 8.
    pub(super) orientation: u8,
    /// Whether nothing but the end mark is missing, if the rest is whole.
    pub(super) lacks_end: bool,
}

/// Decodes a JPEG.
///
/// # Errors
/// When it is damaged, or of a kind that is not decoded.
pub(super) fn decode(bytes: &[u8]) -> Result<Image, Defect> {
    let header = Header::read(bytes)?;
    match usual::decode(bytes, &header) {
        Some(image) => Ok(image),
        None => exact::decode(bytes, &header),
    }
}

/// What a JPEG says of itself, without its pixels.
///
/// # Errors
/// When its headers are damaged, or it is of a kind that is not decoded.
pub(super) fn inspect(bytes: &[u8]) -> Result<Traits, Defect> {
    let header = Header::read(bytes)?;
    let print = match header.color {
        Color::Cmyk => Some(Print::Cmyk),
        Color::Ycck => Some(Print::Ycck),
        Color::Gray | Color::YCbCr | Color::Rgb => None,
    };
    Ok(Traits { print, orientation: header.orientation, lacks_end: lacks_end(bytes, &header) })
}

/// Whether no end mark follows the first scan's header.
fn lacks_end(bytes: &[u8], header: &Header) -> bool {
    !bytes[header.data..].windows(2).rev().any(|pair| pair == [0xff, EOI])
}

/// The EXIF orientation, 1 to 8, of a file that may be damaged: that of its first EXIF segment; 1 where it says nothing.
pub(super) fn orientation(bytes: &[u8]) -> u8 {
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

/// With what loss a JPEG was coded, for an image that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    /// The steps of brightness, row by row.
    pub luma: [u16; 64],
    /// How color is coded; `None` for gray.
    pub chroma: Option<Chroma>,
}

/// How color is coded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chroma {
    /// Its steps, row by row.
    pub steps: [u16; 64],
    /// How many pixels share a sample, across and down.
    pub shared: [usize; 2],
}

/// With what loss a JPEG was coded, turned as its EXIF orientation says.
///
/// # Errors
/// When it is damaged, or of a kind that is not decoded.
pub fn coding(bytes: &[u8]) -> Fallible<Coding> {
    let header = Header::read(bytes)?;
    let planes = exact::coefficients(bytes, &header.frame)?;
    let transposed = header.orientation > 4;
    let steps = |i: usize| {
        let steps = planes[i].quantization.unwrap_or([1; 64]);
        if transposed { scan::transposed(&steps) } else { steps }
    };
    let shared = |i: usize| {
        let component = header.frame.components[i];
        let shared = [header.frame.h_max() / component.h, header.frame.v_max() / component.v];
        if transposed { [shared[1], shared[0]] } else { shared }
    };
    let chroma = match header.color {
        Color::Gray => None,
        Color::YCbCr | Color::Ycck => Some(Chroma { steps: steps(1), shared: shared(1) }),
        // Every component is coded as brightness is.
        Color::Rgb | Color::Cmyk => Some(Chroma { steps: steps(0), shared: shared(0) }),
    };
    Ok(Coding { luma: steps(0), chroma })
}

/// The file turned as its EXIF orientation says, without a second loss: the blocks change places. `None` where the image does not
/// end at whole blocks on a side that would come first.
///
/// # Errors
/// When it is damaged, or of a kind that is not decoded.
pub fn upright(bytes: &[u8]) -> Fallible<Option<Vec<u8>>> {
    let header = Header::read(bytes)?;
    Ok(upright::upright(bytes, &header)?)
}
