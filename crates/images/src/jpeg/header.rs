//! Everything in a JPEG before the data of its first scan, and whether its variant is supported.

use image::metadata::Orientation;

use super::frame::Frame;
use super::segments::{DNL, EOI, SOS, Segments};
use crate::defect::Defect;
use crate::limits::check_size;

/// How colors are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// Everything before the data of the first scan.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) frame: Frame,
    pub(super) color: Color,
    /// The EXIF orientation, 1 to 8.
    pub(super) orientation: u8,
    /// The number of units between restart markers in the first scan, 0 for none.
    pub(super) restart: usize,
    /// Whether the first scan has all components, in the order of the frame.
    pub(super) interleaved: bool,
    /// Whether the height follows the first scan in a DNL segment.
    pub(super) height_follows: bool,
    /// The offset of the data of the first scan.
    pub(super) data: usize,
}

impl Header {
    /// Reads everything up to the data of the first scan.
    ///
    /// # Errors
    /// Returns an error if the file is damaged, of an unsupported variant, or has too many pixels.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Defect> {
        let mut segments = Segments::of(bytes);
        let (mut frame, mut jfif, mut adobe, mut orientation, mut restart) = (None, false, None, None, 0);
        loop {
            let Some(segment) = segments.next()? else {
                return Err(Defect::truncated("the file ends before its first scan"));
            };
            match (segment.marker, segment.payload) {
                (0xe0, [b'J', b'F', b'I', b'F', 0, rest @ ..]) if rest.len() >= 9 => jfif = true,
                (0xe1, [b'E', b'x', b'i', b'f', 0, 0, exif @ ..]) if orientation.is_none() => {
                    orientation = Orientation::from_exif_chunk(exif).map(Orientation::to_exif);
                }
                // Version and flags, then the transform. Shorter segments are ignored.
                (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                    adobe = Some(*transform);
                }
                // Huffman tables, extensions and arithmetic conditioning: markers between those of frames.
                (0xc4 | 0xc8 | 0xcc, _) => {}
                (0xf7, _) => return Err(Defect::unsupported("JPEG-LS")),
                (0xde, _) => return Err(Defect::unsupported("hierarchical JPEG")),
                (0xc0..=0xcf, _) if frame.is_some() => return Err(Defect::broken("two frame headers")),
                (marker @ 0xc0..=0xcf, payload) => frame = Some(Frame::read(marker, payload)?),
                (0xdd, &[high, low]) => restart = usize::from(u16::from_be_bytes([high, low])),
                (SOS, payload) => {
                    let Some(mut frame) = frame else {
                        return Err(Defect::broken("scan before the frame header"));
                    };
                    let interleaved = is_interleaved(&frame, payload);
                    let data = segments.position();
                    let height_follows = frame.height == 0;
                    if height_follows {
                        frame.height = height_after(segments)?;
                    }
                    check_size(frame.width, frame.height)?;
                    let color = color(&frame, jfif, adobe);
                    let orientation = orientation.unwrap_or(1);
                    return Ok(Self {
                        frame,
                        color,
                        orientation,
                        restart,
                        interleaved,
                        height_follows,
                        data,
                    });
                }
                (EOI, _) => return Err(Defect::truncated("no scan")),
                _ => {}
            }
        }
    }

    /// Returns whether the end-of-image marker is missing.
    pub(super) fn lacks_end(&self, bytes: &[u8]) -> bool {
        !bytes[self.data..].windows(2).rev().any(|pair| pair == [0xff, EOI])
    }
}

/// Returns how the colors are coded, by the rules of libjpeg: JFIF takes precedence over Adobe, and Adobe over component names.
fn color(frame: &Frame, jfif: bool, adobe: Option<u8>) -> Color {
    let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
    match (ids.as_slice(), jfif, adobe) {
        ([_], ..) => Color::Gray,
        ([_, _, _], true, _) => Color::YCbCr,
        ([_, _, _], false, Some(0)) => Color::Rgb,
        ([_, _, _], false, Some(_)) => Color::YCbCr,
        ([b'R', b'G', b'B'], false, None) => Color::Rgb,
        ([_, _, _], false, None) => Color::YCbCr,
        (_, _, None | Some(0)) => Color::Cmyk,
        (_, _, Some(_)) => Color::Ycck,
    }
}

/// Returns whether a scan header lists all components in the order of the frame.
fn is_interleaved(frame: &Frame, scan: &[u8]) -> bool {
    let n = frame.components.len();
    scan.len() == 4 + 2 * n
        && usize::from(scan[0]) == n
        && frame.components.iter().zip(scan[1..].chunks(2)).all(|(component, scan)| component.id == scan[0])
}

/// Returns the height in the DNL segment that must follow the first scan.
fn height_after(mut segments: Segments<'_>) -> Result<usize, Defect> {
    segments.entropy_coded();
    match segments.next()? {
        Some(segment) if segment.marker == DNL && segment.payload.len() == 2 => {
            Ok(usize::from(u16::from_be_bytes([segment.payload[0], segment.payload[1]])))
        }
        _ => Ok(0),
    }
}
