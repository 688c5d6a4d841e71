//! Pictures that come as bare pixels in one block: CIFAR and IDX files.

use crate::data::Picture;

/// Pictures of one size in one block.
#[derive(Debug)]
pub(super) struct RawPictures {
    pub width: usize,
    pub height: usize,
    /// Whether each picture is three planes, red, green, blue, or one of grey.
    pub color: bool,
    /// Bytes before each picture that are not pixels.
    pub prefix: usize,
    pub bytes: Vec<u8>,
}

impl RawPictures {
    /// Bytes from one picture to the next.
    pub(super) fn record(&self) -> usize {
        self.prefix + self.width * self.height * if self.color { 3 } else { 1 }
    }

    pub(super) fn picture(&self, index: usize) -> Picture {
        let record = &self.bytes[index * self.record()..][..self.record()];
        let pixels = &record[self.prefix..];
        match self.color {
            true => Picture::from_planes(self.width, self.height, pixels),
            false => Picture::from_gray(self.width, self.height, pixels),
        }
    }
}
