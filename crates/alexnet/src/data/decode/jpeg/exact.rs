//! A decoder that reads every JPEG of eight bits and Huffman codes as libjpeg does, and says when a file is not whole. It is
//! slower than the usual one, which misreads some files without a word: see [`super`].

use super::header::{Frame, Header, Process};
use super::huffman::Table;
use super::scan::{self, Plane, Tables, ZIGZAG};
use super::segments::{EOI, SOS, Segment, Segments};
use super::{Defect, samples};
use crate::data::Image;
use crate::data::decode::MOST_SCANS;

/// Decodes the file.
///
/// # Errors
/// When it is damaged.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Image, Defect> {
    let planes = coefficients(bytes, &header.frame)?;
    let Frame { width, height, .. } = header.frame;
    match samples::to_rgb(&header.frame, header.color, planes) {
        Some(pixels) => Ok(Image::new(width, height, pixels)),
        None => Err(Defect::unsupported("JPEG with components of fractional size")),
    }
}

/// The coefficients of all components.
///
/// # Errors
/// When the file is damaged, or ends before all of them were sent.
pub(super) fn coefficients(bytes: &[u8], frame: &Frame) -> Result<Vec<Plane>, Defect> {
    let mut segments = Segments::of(bytes);
    let mut tables = Tables::default();
    let mut planes = Plane::all(frame);
    let mut scans = 0;
    let is_whole = |planes: &[Plane]| planes.iter().all(Plane::is_complete);
    loop {
        // What follows a whole image does not matter.
        let segment = match segments.next() {
            Ok(Some(segment)) if segment.marker != EOI => segment,
            _ if is_whole(&planes) => return Ok(planes),
            Err(defect) => return Err(defect),
            Ok(_) if scans == 0 => return Err(Defect::truncated("it has no scan")),
            Ok(_) => return Err(Defect::truncated("scans are missing")),
        };
        match segment.marker {
            SOS => {
                scans += 1;
                if scans > MOST_SCANS {
                    return Err(Defect::broken(format!("more than {MOST_SCANS} scans")));
                }
                let data = segments.entropy_coded();
                scan::read(frame, &tables, segment.payload, data, &mut planes)?;
                if frame.process == Process::Sequential && is_whole(&planes) {
                    return Ok(planes);
                }
            }
            _ => read_tables(segment, &mut tables)?,
        }
    }
}

/// Reads a segment if it has tables.
fn read_tables(segment: Segment<'_>, tables: &mut Tables) -> Result<(), Defect> {
    match (segment.marker, segment.payload) {
        (0xdb, payload) => quantization(payload, tables),
        (0xc4, payload) => codes(payload, tables),
        (0xdd, &[high, low]) => {
            tables.restart = usize::from(u16::from_be_bytes([high, low]));
            Ok(())
        }
        (0xdd, _) => Err(Defect::broken("a restart interval of a wrong length")),
        _ => Ok(()),
    }
}

/// Whether the first scan is whole; it is the only one that is looked at.
pub(super) fn first_scan_is_whole(bytes: &[u8], frame: &Frame) -> bool {
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

/// Quantization tables, row by row.
fn quantization(mut payload: &[u8], tables: &mut Tables) -> Result<(), Defect> {
    let short = || Defect::broken("a quantization table that is too short");
    while let Some((&head, rest)) = payload.split_first() {
        let wide = usize::from(head >> 4 != 0);
        let (values, rest) = rest.split_at_checked(64 << wide).ok_or_else(short)?;
        let slot = tables.quantization.get_mut(usize::from(head & 15));
        let table =
            slot.ok_or_else(|| Defect::broken("a quantization table of a number that does not exist"))?;
        let table = table.insert([0; 64]);
        for (i, value) in values.chunks_exact(1 << wide).enumerate() {
            let value = value.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            table[usize::from(ZIGZAG[i])] = value;
        }
        payload = rest;
    }
    Ok(())
}

/// Huffman tables.
fn codes(mut payload: &[u8], tables: &mut Tables) -> Result<(), Defect> {
    let wrong = || Defect::broken("a Huffman table that is too short");
    while let Some((&head, rest)) = payload.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or_else(wrong)?;
        let kind = if head & 0x10 == 0 { &mut tables.dc } else { &mut tables.ac };
        let slot = kind.get_mut(usize::from(head & 15));
        let slot = slot.ok_or_else(|| Defect::broken("a Huffman table of a number that does not exist"))?;
        *slot = Some(Table::new(counts, symbols)?);
        payload = rest;
    }
    Ok(())
}
