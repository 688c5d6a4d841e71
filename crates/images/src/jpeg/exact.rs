//! A decoder that reads every Huffman-coded 8-bit JPEG as libjpeg does, and detects incomplete files. It is slower than the
//! fast one, which silently misreads some files: see [`super`].

use super::frame::{Frame, Process};
use super::header::Header;
use super::huffman::HuffmanTable;
use super::samples;
use super::scan::{self, Plane, Tables, ZIGZAG};
use super::segments::{EOI, SOS, Segment, Segments};
use crate::Image;
use crate::defect::Defect;
use crate::limits::MAX_SCANS;

/// Decodes a file.
///
/// # Errors
/// Returns an error if the file is damaged.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Image, Defect> {
    let planes = coefficients(bytes, &header.frame)?;
    let Frame { width, height, .. } = header.frame;
    match samples::to_rgb(&header.frame, header.color, planes) {
        Some(pixels) => Ok(Image::new(width, height, pixels)),
        None => Err(Defect::unsupported("JPEG with components of fractional size")),
    }
}

/// Decodes the coefficients of all components.
///
/// # Errors
/// Returns an error if the file is damaged or incomplete.
pub(super) fn coefficients(bytes: &[u8], frame: &Frame) -> Result<Vec<Plane>, Defect> {
    let mut segments = Segments::of(bytes);
    let mut tables = Tables::default();
    let mut planes = Plane::all(frame);
    let mut scans = 0;
    let is_complete = |planes: &[Plane]| planes.iter().all(Plane::is_complete);
    loop {
        // Anything after a complete image is ignored.
        let segment = match segments.next() {
            Ok(Some(segment)) if segment.marker != EOI => segment,
            _ if is_complete(&planes) => return Ok(planes),
            Err(defect) => return Err(defect),
            Ok(_) if scans == 0 => return Err(Defect::truncated("no scan")),
            Ok(_) => return Err(Defect::truncated("missing scans")),
        };
        match segment.marker {
            SOS => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(Defect::broken(format!("more than {MAX_SCANS} scans")));
                }
                let data = segments.entropy_coded();
                scan::read(frame, &tables, segment.payload, data, &mut planes)?;
                if frame.process == Process::Sequential && is_complete(&planes) {
                    return Ok(planes);
                }
            }
            _ => read_tables(segment, &mut tables)?,
        }
    }
}

/// Reads the tables in a segment, if it has any.
fn read_tables(segment: Segment<'_>, tables: &mut Tables) -> Result<(), Defect> {
    match (segment.marker, segment.payload) {
        (0xdb, payload) => quantization(payload, tables),
        (0xc4, payload) => codes(payload, tables),
        (0xdd, &[high, low]) => {
            tables.restart = usize::from(u16::from_be_bytes([high, low]));
            Ok(())
        }
        (0xdd, _) => Err(Defect::broken("restart interval with a wrong length")),
        _ => Ok(()),
    }
}

/// Returns whether the first scan is complete. Later scans are not read.
pub(super) fn first_scan_is_complete(bytes: &[u8], frame: &Frame) -> bool {
    let (mut segments, mut tables) = (Segments::of(bytes), Tables::default());
    while let Ok(Some(segment)) = segments.next() {
        if segment.marker == SOS {
            let mut planes = Plane::all(frame);
            return scan::read(frame, &tables, segment.payload, segments.entropy_coded(), &mut planes)
                .is_ok();
        }
        if read_tables(segment, &mut tables).is_err() {
            break;
        }
    }
    false
}

/// Reads quantization tables.
fn quantization(mut payload: &[u8], tables: &mut Tables) -> Result<(), Defect> {
    let short = || Defect::broken("quantization table too short");
    while let Some((&head, rest)) = payload.split_first() {
        let wide = usize::from(head >> 4 != 0);
        let (values, rest) = rest.split_at_checked(64 << wide).ok_or_else(short)?;
        let slot = tables.quantization.get_mut(usize::from(head & 15));
        let table = slot.ok_or_else(|| Defect::broken("quantization table with an invalid index"))?;
        let table = table.insert([0; 64]);
        for (i, value) in values.chunks_exact(1 << wide).enumerate() {
            let value = value.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            table[usize::from(ZIGZAG[i])] = value;
        }
        payload = rest;
    }
    Ok(())
}

/// Reads Huffman tables.
fn codes(mut payload: &[u8], tables: &mut Tables) -> Result<(), Defect> {
    let wrong = || Defect::broken("Huffman table too short");
    while let Some((&head, rest)) = payload.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or_else(wrong)?;
        let kind = if head & 0x10 == 0 { &mut tables.dc } else { &mut tables.ac };
        let slot = kind.get_mut(usize::from(head & 15));
        let slot = slot.ok_or_else(|| Defect::broken("Huffman table with an invalid index"))?;
        *slot = Some(HuffmanTable::new(counts, symbols)?);
        payload = rest;
    }
    Ok(())
}
