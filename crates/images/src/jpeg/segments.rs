//! The markers of a JPEG file and the segments between them.

use memchr::{memchr, memchr_iter};

use crate::defect::Defect;

/// Start of scan.
pub(super) const SOS: u8 = 0xda;
/// End of image.
pub(super) const EOI: u8 = 0xd9;
/// Number of lines: the height of a frame whose header does not declare it.
pub(super) const DNL: u8 = 0xdc;

/// A marker and its segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    /// The second byte of the marker.
    pub(super) marker: u8,
    /// The contents without the length.
    pub(super) payload: &'a [u8],
}

/// Iterates over segments and skips stray bytes between them.
#[derive(Clone, Debug)]
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// The segments of a file, which starts with a start-of-image marker.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 2)
    }

    /// The segments starting at an offset.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The offset of the next byte to read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the next segment, with an empty payload if the marker has none; `None` at the end of the bytes.
    ///
    /// # Errors
    /// Returns an error if the length of a segment is invalid or exceeds the file.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, Defect> {
        let Some(marker) = self.next_marker() else { return Ok(None) };
        if marker == EOI {
            return Ok(Some(Segment { marker, payload: &[] }));
        }
        let Some(&[high, low]) = self.bytes.get(self.at..self.at + 2) else {
            return Err(Defect::truncated("the file ends inside its headers"));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(Defect::broken(format!("segment FF{marker:02X} with a length of {length}")));
        }
        let Some(payload) = self.bytes.get(self.at + 2..self.at + length) else {
            return Err(Defect::truncated("the file ends inside its headers"));
        };
        self.at += length;
        Ok(Some(Segment { marker, payload }))
    }

    /// Returns the next marker that has a segment or ends the image.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            self.at += memchr(0xff, self.bytes.get(self.at..)?)?;
            while *self.bytes.get(self.at)? == 0xff {
                self.at += 1;
            }
            let marker = self.bytes[self.at];
            self.at += 1;
            // Stuffed zeros, restarts, start-of-image and TEM have no segment.
            if !matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
                return Some(marker);
            }
        }
    }

    /// Returns the entropy-coded data of the scan whose header was just read: everything up to the next marker, restarts
    /// included.
    pub(super) fn entropy_coded(&mut self) -> &'a [u8] {
        let data = &self.bytes[self.at..];
        let is_end = |&mark: &usize| !matches!(data.get(mark + 1), Some(0x00 | 0xd0..=0xd7 | 0xff) | None);
        let mut length = memchr_iter(0xff, data).find(is_end).unwrap_or(data.len());
        // Fill bytes before the marker are not data.
        while data[..length].ends_with(&[0xff]) {
            length -= 1;
        }
        self.at += length;
        &data[..length]
    }
}
