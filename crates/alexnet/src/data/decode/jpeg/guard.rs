//! Copies of files in which a decoder notices what is missing: one that fills up with zeros before a marker, without a word, and
//! makes do with the scans that there are.

use memchr::memchr_iter;

use super::exact;
use super::header::{Header, Process};
use super::scan::{ScanHeader, Sent};
use super::segments::{EOI, SOS, Segments};

/// What is put behind each stretch of a scan's data: bits that are all one are no Huffman code, so that a decoder which needs
/// more than there is fails. Before a marker it would fill up with zeros, without a word. It reads eight bytes ahead.
const ONES: [u8; 32] = {
    let mut ones = [0; 32];
    let mut i = 0;
    while i < 32 {
        ones[i] = 0xff;
        i += 2;
    }
    ones
};

/// Writes the file with ones behind its data, and an end mark. `None` where something is missing or odd already.
pub(super) fn write(bytes: &[u8], header: &Header, out: &mut Vec<u8>) -> Option<()> {
    match header.frame.process {
        Process::Sequential => sequential(bytes, header, out)?,
        Process::Progressive => progressive(bytes, header, out)?,
    }
    out.extend_from_slice(&[0xff, EOI]);
    Some(())
}

/// One scan of all components, with the restart markers that there should be; nothing else is one scan.
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

/// All scans, if they send everything. The first has to stay as it is, and is read instead; scans of bare bits have no codes that
/// ones could contradict, and are counted.
fn progressive(bytes: &[u8], header: &Header, out: &mut Vec<u8>) -> Option<()> {
    let frame = &header.frame;
    if !exact::first_scan_is_whole(bytes, frame) {
        return None;
    }
    let mut sent = vec![Sent::default(); frame.components.len()];
    let (mut segments, mut from, mut scans) = (Segments::of(bytes), 0, 0);
    while let Ok(Some(segment)) = segments.next() {
        match segment.marker {
            EOI => break,
            // Restarts within a scan are left to the exact decoder.
            0xdd => return None,
            SOS => {
                let scan = ScanHeader::read(frame, segment.payload).ok()?;
                scan.components.iter().for_each(|&[plane, ..]| sent[plane].add(scan.band));
                let data = segments.entropy_coded();
                if scan.band.is_bits() && data.len() < frame.blocks(&scan).div_ceil(8) {
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
