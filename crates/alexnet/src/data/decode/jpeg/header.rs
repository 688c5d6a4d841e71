//! What a JPEG says of itself before its first scan, and what follows from it: how its colors are coded, and whether it is
//! of a kind that is decoded.

use image::metadata::Orientation;

use super::scan::ScanHeader;
use super::segments::{DNL, EOI, SOS, Segments};
use super::{Defect, check_size};

/// How the coefficients are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// Each block in one go.
    Sequential,
    /// In several passes, each adding frequencies or bits.
    Progressive,
}

/// One color channel of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Samples across and down for each of the frame's sampling units, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Which quantization table it uses.
    pub(super) table: usize,
}

/// The frame header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) process: Process,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
}

/// How colors are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// Everything before the first scan's data.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) frame: Frame,
    pub(super) color: Color,
    /// EXIF orientation, 1 to 8.
    pub(super) orientation: u8,
    /// Units between restart markers in the first scan, 0 for none.
    pub(super) restart: usize,
    /// Whether the first scan has all components, in the frame's order.
    pub(super) interleaved: bool,
    /// Whether the frame left its height to a DNL segment after the first scan.
    pub(super) height_follows: bool,
    /// Where the first scan's data starts.
    pub(super) data: usize,
}

impl Frame {
    fn read(marker: u8, payload: &[u8]) -> Result<Self, Defect> {
        let process = match marker {
            0xc0 | 0xc1 => Process::Sequential,
            0xc2 => Process::Progressive,
            0xc3 => return Err(Defect::unsupported("lossless JPEG")),
            0xc5..=0xc7 => return Err(Defect::unsupported("hierarchical JPEG")),
            _ => return Err(Defect::unsupported("arithmetic-coded JPEG")),
        };
        let [precision, h1, h0, w1, w0, count, rest @ ..] = payload else {
            return Err(Defect::broken("a frame header that is too short"));
        };
        match precision {
            8 => {}
            12 => return Err(Defect::unsupported("12-bit JPEG")),
            bits => return Err(Defect::broken(format!("a frame of {bits} bits a sample"))),
        }
        let count = usize::from(*count);
        if !matches!(count, 1 | 3 | 4) {
            return Err(Defect::unsupported(format!("JPEG with {count} components")));
        }
        let (components, []) = rest.as_chunks::<3>() else {
            return Err(Defect::broken("a frame header of a wrong length"));
        };
        if components.len() != count {
            return Err(Defect::broken("a frame header of a wrong length"));
        }
        let components: Vec<Component> = components
            .iter()
            .map(|&[id, sampling, table]| Component {
                id,
                h: usize::from(sampling >> 4),
                v: usize::from(sampling & 15),
                table: usize::from(table),
            })
            .collect();
        if components.iter().any(|c| !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v) || c.table > 3) {
            return Err(Defect::broken("a frame header with sampling factors or tables that do not exist"));
        }
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        Ok(Self { process, width, height, components })
    }

    /// The largest number of samples across of all components.
    pub(super) fn h_max(&self) -> usize {
        self.components.iter().map(|component| component.h).max().unwrap_or(1)
    }

    /// The same, down.
    pub(super) fn v_max(&self) -> usize {
        self.components.iter().map(|component| component.v).max().unwrap_or(1)
    }

    /// Blocks that a scan sends something of.
    pub(super) fn blocks(&self, scan: &ScanHeader) -> usize {
        let (h_max, v_max) = (self.h_max(), self.v_max());
        match scan.components.as_slice() {
            &[[alone, ..]] => {
                let Component { h, v, .. } = self.components[alone];
                let across = (self.width * h).div_ceil(h_max).div_ceil(8);
                across * (self.height * v).div_ceil(v_max).div_ceil(8)
            }
            several => {
                let units = self.width.div_ceil(8 * h_max) * self.height.div_ceil(8 * v_max);
                let blocks = |&[plane, ..]: &[usize; 3]| self.components[plane].h * self.components[plane].v;
                units * several.iter().map(blocks).sum::<usize>()
            }
        }
    }

    /// Units of a scan that has all components: blocks, where there is but one.
    pub(super) fn units(&self) -> usize {
        let (h, v) = if self.components.len() == 1 { (1, 1) } else { (self.h_max(), self.v_max()) };
        self.width.div_ceil(8 * h) * self.height.div_ceil(8 * v)
    }
}

impl Header {
    /// Reads everything up to the first scan's data.
    ///
    /// # Errors
    /// When it is damaged, of a kind that is not decoded, or of more than [`super::super::MOST_PIXELS`].
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Defect> {
        let mut segments = Segments::of(bytes);
        let (mut frame, mut jfif, mut adobe, mut orientation, mut restart) = (None, false, None, None, 0);
        loop {
            let Some(segment) = segments.next()? else {
                return Err(Defect::truncated("it ends before its first scan"));
            };
            match (segment.marker, segment.payload) {
                (0xe0, [b'J', b'F', b'I', b'F', 0, rest @ ..]) if rest.len() >= 9 => jfif = true,
                (0xe1, [b'E', b'x', b'i', b'f', 0, 0, exif @ ..]) if orientation.is_none() => {
                    orientation = Orientation::from_exif_chunk(exif).map(Orientation::to_exif);
                }
                // Version and flags, then the transform. Shorter ones say nothing.
                (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                    adobe = Some(*transform);
                }
                // Huffman tables, and JPEG's own extension and arithmetic coding among the frames' numbers.
                (0xc4 | 0xc8 | 0xcc, _) => {}
                (0xf7, _) => return Err(Defect::unsupported("JPEG-LS")),
                (0xde, _) => return Err(Defect::unsupported("hierarchical JPEG")),
                (0xc0..=0xcf, _) if frame.is_some() => return Err(Defect::broken("two frame headers")),
                (marker @ 0xc0..=0xcf, payload) => frame = Some(Frame::read(marker, payload)?),
                (0xdd, &[high, low]) => restart = usize::from(u16::from_be_bytes([high, low])),
                (SOS, payload) => {
                    let Some(mut frame) = frame else {
                        return Err(Defect::broken("a scan before its frame"));
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
                (EOI, _) => return Err(Defect::truncated("it has no scan")),
                _ => {}
            }
        }
    }
}

/// How the colors are coded, by the rules of libjpeg: JFIF decides before Adobe does, and Adobe before the names.
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

/// Whether a scan header names all of the frame's components in their order.
fn is_interleaved(frame: &Frame, scan: &[u8]) -> bool {
    let n = frame.components.len();
    scan.len() == 4 + 2 * n
        && usize::from(scan[0]) == n
        && frame.components.iter().zip(scan[1..].chunks(2)).all(|(component, scan)| component.id == scan[0])
}

/// The height in the DNL segment that has to follow the first scan.
fn height_after(mut segments: Segments<'_>) -> Result<usize, Defect> {
    segments.entropy_coded();
    match segments.next()? {
        Some(segment) if segment.marker == DNL && segment.payload.len() == 2 => {
            Ok(usize::from(u16::from_be_bytes([segment.payload[0], segment.payload[1]])))
        }
        _ => Ok(0),
    }
}
