//! Lossless rotation of a JPEG by its EXIF orientation: blocks change places, and coefficients change signs.

use image::metadata::Orientation;

use super::exact;
use super::frame::Frame;
use super::header::Header;
use super::scan::{self, Block, Plane};
use super::segments::{SOS, Segments};
use super::writer::{self, WrittenComponent};
use crate::defect::Defect;

/// An orientation as a transposition followed by mirroring.
#[derive(Clone, Copy)]
struct Turn {
    transposed: bool,
    /// Mirrored horizontally, in the stored image.
    across: bool,
    /// Mirrored vertically, in the stored image.
    down: bool,
}

/// Rotates a file by its EXIF orientation without loss. `None` if the image has a partial unit at an edge that would move to
/// the top or left, or no orientation to apply.
///
/// # Errors
/// Returns an error if the file is damaged or of an unsupported variant.
pub fn upright(bytes: &[u8]) -> Result<Option<Vec<u8>>, Defect> {
    let header = Header::read(bytes)?;
    let (transposed, across, down) = match header.orientation {
        2 => (false, true, false),
        3 => (false, true, true),
        4 => (false, false, true),
        5 => (true, false, false),
        6 => (true, false, true),
        7 => (true, true, true),
        8 => (true, true, false),
        _ => return Ok(None),
    };
    let (frame, turn) = (&header.frame, Turn { transposed, across, down });
    let whole = |mirrored: bool, side: usize, unit: usize| !mirrored || side.is_multiple_of(8 * unit);
    if !whole(across, frame.width, frame.h_max()) || !whole(down, frame.height, frame.v_max()) {
        return Ok(None);
    }
    let planes = exact::coefficients(bytes, frame)?;
    let components: Vec<WrittenComponent> = frame
        .components
        .iter()
        .zip(&planes)
        .map(|(component, plane)| {
            let (h, v) = swapped(turn, component.h, component.v);
            let (columns, blocks) = turned(plane, turn);
            let steps = plane.quantization.unwrap_or([1; 64]);
            let quantization = if transposed { scan::transposed(&steps) } else { steps };
            WrittenComponent { id: component.id, h, v, columns, blocks, quantization }
        })
        .collect();
    let Frame { width, height, .. } = *frame;
    let (width, height) = swapped(turn, width as u16, height as u16);
    Ok(writer::write(width, height, &components, &metadata(bytes)))
}

fn swapped<T>(turn: Turn, a: T, b: T) -> (T, T) {
    if turn.transposed { (b, a) } else { (a, b) }
}

/// Returns the blocks of a plane after the rotation, and how many are in a row.
fn turned(plane: &Plane, turn: Turn) -> (usize, Vec<Block>) {
    let blocks = plane.coefficients.as_chunks::<64>().0;
    let rows = blocks.len() / plane.columns;
    let (columns, lines) = swapped(turn, plane.columns, rows);
    let block = |at: usize| {
        let (x, y) = swapped(turn, at % columns, at / columns);
        let x = if turn.across { plane.columns - 1 - x } else { x };
        let y = if turn.down { rows - 1 - y } else { y };
        let block = &blocks[y * plane.columns + x];
        // Mirroring changes the signs of odd frequencies.
        std::array::from_fn(|i| {
            let (u, v) = swapped(turn, i % 8, i / 8);
            let odd = turn.across && u % 2 == 1;
            let value = block[8 * v + u];
            if odd != (turn.down && v % 2 == 1) { value.wrapping_neg() } else { value }
        })
    };
    (columns, (0..columns * lines).map(block).collect())
}

/// Returns the application and comment segments before the first scan, with the orientation removed.
fn metadata(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut segments = Segments::of(bytes);
    while let Ok(Some(segment)) = segments.next() {
        match segment.marker {
            SOS => break,
            // An index of other images in the file, which are dropped.
            0xe2 if segment.payload.starts_with(b"MPF\0") => {}
            0xe0..=0xef | 0xfe => {
                let mut payload = segment.payload.to_vec();
                if let Some(exif) = payload.strip_prefix(b"Exif\0\0").map(<[u8]>::len) {
                    let start = payload.len() - exif;
                    let _ = Orientation::remove_from_exif_chunk(&mut payload[start..]);
                }
                out.extend([0xff, segment.marker]);
                out.extend((payload.len() as u16 + 2).to_be_bytes());
                out.extend(payload);
            }
            _ => {}
        }
    }
    out
}
