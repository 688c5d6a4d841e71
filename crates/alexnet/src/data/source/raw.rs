//! Raw pixels in one block: CIFAR and IDX files.

use std::path::Path;

use super::naming;
use crate::data::Image;
use crate::data::wording::first_few;

/// Images of one size in one block.
#[derive(Debug)]
pub(super) struct RawImages {
    pub width: usize,
    pub height: usize,
    /// Whether each image is three planes, red, green and blue, instead of one of gray.
    pub color: bool,
    /// The number of bytes before each image that are not pixels.
    pub prefix: usize,
    pub bytes: Vec<u8>,
}

impl RawImages {
    /// The number of bytes from one image to the next.
    pub(super) fn record(&self) -> usize {
        self.prefix + self.width * self.height * if self.color { 3 } else { 1 }
    }

    pub(super) fn image(&self, index: usize) -> Image {
        let record = &self.bytes[index * self.record()..][..self.record()];
        let pixels = &record[self.prefix..];
        match self.color {
            true => Image::from_planes(self.width, self.height, pixels),
            false => Image::from_gray(self.width, self.height, pixels),
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
    (!names.is_empty()).then(|| format!("not used: {}", first_few(&names)))
}
