//! Copies of files in which the fast decoder detects missing data. By itself it silently reads zeros before a marker, and
//! accepts missing scans.

use memchr::memchr_iter;

use super::exact;
use super::frame::Process;
use super::header::Header;
use super::scan::Sent;
use super::scan_header::ScanHeader;
use super::segments::{EOI, SOS, Segments};

/// Inserted after each segment of a scan's data. All-one bits are not a Huffman code, so a decoder that needs more data fails
/// instead of silently reading zeros. Long enough for a decoder that reads eight bytes ahead.
const ONES: [u8; 32] = {
    let mut ones = [0; 32];
    let mut i = 0;
    while i < 32 {
        ones[i] = 0xff;
        i += 2;
    }
    ones
};

/// Writes the file with ones after its data and an end-of-image marker. `None` if the file is visibly incomplete or unusual.
pub(super) fn write(bytes: &[u8], header: &Header, out: &mut Vec<u8>) -> Option<()> {
    match header.frame.process {
        Process::Sequential => sequential(bytes, header, out)?,
        Process::Progressive => progressive(bytes, header, out)?,
    }
    out.extend_from_slice(&[0xff, EOI]);
    Some(())
}

/// Guards a file with one scan of all components and all restart markers.
fn sequential(bytes: &[u8], header: &Header, out: &mut Vec<u8>) -> Option<()> {
    if !header.interleaved {
        return None;
    }
    out.extend_from_slice(&bytes[..header.data]);
    let (data, mut from) = (Segments::at(bytes, header.data).entropy_coded(), 0);
    if header.restart > 0 {
        let is_restart = |&mark: &usize| matches!(data.get(mark + 1), Some(0xd0..=0xd7));
        let mut found = 0;
        for mark in memchr_iter(0xff, data).filter(is_restart) {
            if data[mark + 1] != 0xd0 + (found % 8) as u8 {
                return None;
            }
            out.extend_from_slice(&data[from..mark]);
            out.extend_from_slice(&ONES);
            out.extend_from_slice(&data[mark..mark + 2]);
            from = mark + 2;
            found += 1;
        }
        if found + 1 < header.frame.units().div_ceil(header.restart) {
            return None;
        }
    }
    out.extend_from_slice(&data[from..]);
    out.extend_from_slice(&ONES);
    Some(())
}

/// Guards all scans, if they send everything. The first scan cannot be guarded and is decoded instead; scans of bare bits have
/// no Huffman codes, so their length is checked.
fn progressive(bytes: &[u8], header: &Header, out: &mut Vec<u8>) -> Option<()> {
    let frame = &header.frame;
    if !exact::first_scan_is_complete(bytes, frame) {
        return None;
    }
    let mut sent = vec![Sent::default(); frame.components.len()];
    let (mut segments, mut from, mut scans) = (Segments::of(bytes), 0, 0);
    while let Ok(Some(segment)) = segments.next() {
        match segment.marker {
            EOI => break,
            // Restarts inside a scan are left to the exact decoder.
            0xdd => return None,
            SOS => {
                let scan = ScanHeader::read(frame, segment.payload).ok()?;
                scan.components.iter().for_each(|component| sent[component.plane].add(scan.band));
                let data = segments.entropy_coded();
                if scan.band.is_bits() && data.len() < scan.blocks(frame).div_ceil(8) {
                    return None;
                }
                out.extend_from_slice(&bytes[from..segments.position()]);
                from = segments.position();
                if scans > 0 {
                    out.extend_from_slice(&ONES);
                }
                scans += 1;
            }
            _ => {}
        }
    }
    sent.iter().all(Sent::is_complete).then_some(())
}
