//! The markers of a JPEG file and what stands between them.

use memchr::{memchr, memchr_iter};

use super::Defect;

/// Start of scan.
pub(super) const SOS: u8 = 0xda;
/// End of image.
pub(super) const EOI: u8 = 0xd9;
/// Number of lines: the height of a frame that did not know it.
pub(super) const DNL: u8 = 0xdc;

/// A marker and its segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    /// The marker's second byte.
    pub(super) marker: u8,
    /// What the segment holds, without its length.
    pub(super) payload: &'a [u8],
}

/// Reads one segment after the other, over whatever stray bytes lie between them.
#[derive(Clone, Debug)]
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// All segments of a file, which starts with its start-of-image mark.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 2)
    }

    /// Those from a place in the file on.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next byte is read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next segment, with an empty payload where the marker has none; `None` at the end of the bytes.
    ///
    /// # Errors
    /// When a segment's length is wrong, or leads over the end.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, Defect> {
        let Some(marker) = self.next_marker() else { return Ok(None) };
        if marker == EOI {
            return Ok(Some(Segment { marker, payload: &[] }));
        }
        let Some(&[high, low]) = self.bytes.get(self.at..self.at + 2) else {
            return Err(Defect::truncated("it ends within its headers"));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(Defect::broken(format!("a segment FF{marker:02X} of {length} bytes")));
        }
        let Some(payload) = self.bytes.get(self.at + 2..self.at + length) else {
            return Err(Defect::truncated("it ends within its headers"));
        };
        self.at += length;
        Ok(Some(Segment { marker, payload }))
    }

    /// The next marker that has a segment or ends the image.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            self.at += memchr(0xff, self.bytes.get(self.at..)?)?;
            while *self.bytes.get(self.at)? == 0xff {
                self.at += 1;
            }
            let marker = self.bytes[self.at];
            self.at += 1;
            // Stuffed zeros, restarts, another start and TEM stand alone and mean nothing here.
            if !matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
                return Some(marker);
            }
        }
    }

    /// The entropy-coded data of the scan whose header was just read: everything up to the next marker but restarts.
    pub(super) fn entropy_coded(&mut self) -> &'a [u8] {
        let data = &self.bytes[self.at..];
        let is_end = |&mark: &usize| !matches!(data.get(mark + 1), Some(0x00 | 0xd0..=0xd7 | 0xff) | None);
        let mut length = memchr_iter(0xff, data).find(is_end).unwrap_or(data.len());
        // Bytes that fill up to the marker are none of the data.
        while data[..length].ends_with(&[0xff]) {
            length -= 1;
        }
        self.at += length;
        &data[..length]
    }
}
