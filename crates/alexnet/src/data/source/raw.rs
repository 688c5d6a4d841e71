//! Raw pixels in one block: CIFAR and IDX files, arrays.

use std::path::Path;

use super::naming;
use crate::data::Image;
use crate::format::first_few;

/// How the values of an image are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PixelOrder {
    /// One plane of gray.
    Gray,
    /// Three planes: red, green and blue.
    Planes,
    /// Red, green and blue of each pixel.
    Interleaved,
}

/// Images of one size in one block.
#[derive(Debug)]
pub(super) struct RawImages {
    pub width: usize,
    pub height: usize,
    pub order: PixelOrder,
    /// The number of bytes before each image that are not pixels.
    pub prefix: usize,
    pub bytes: Vec<u8>,
}

impl RawImages {
    /// The number of bytes from one image to the next.
    pub(super) fn record(&self) -> usize {
        let channels = match self.order {
            PixelOrder::Gray => 1,
            PixelOrder::Planes | PixelOrder::Interleaved => 3,
        };
        self.prefix + self.width * self.height * channels
    }

    pub(super) fn image(&self, index: usize) -> Image {
        let record = &self.bytes[index * self.record()..][..self.record()];
        let pixels = &record[self.prefix..];
        match self.order {
            PixelOrder::Gray => Image::from_gray(self.width, self.height, pixels),
            PixelOrder::Planes => Image::from_planes(self.width, self.height, pixels),
            PixelOrder::Interleaved => Image::new(self.width, self.height, pixels.to_vec()),
        }
    }
}

/// Notes the files and folders of a set that are not used, except for those that are expected.
pub(super) fn not_used(folder: &Path, expected: &[&str], used: impl Fn(&str) -> bool) -> Option<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut unused: Vec<String> = names
        .filter(|name| {
            !used(name) && !expected.contains(&name.as_str()) && naming::hidden_part(name).is_none()
        })
        .collect();
    unused.sort();
    let names: Vec<&str> = unused.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("not used: {}", first_few(names.iter())))
}
