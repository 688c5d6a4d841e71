//! JPEG files with other markers than their encoder wrote.
#![allow(dead_code)]

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

/// How the components are split into scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scans {
    One,
    Each,
    Progressive,
}

/// A JPEG of pixels `[height, width, 3]`, with markers after every `restart` units, 0 for none.
pub(crate) fn coded(
    pixels: &[u8],
    (width, height): (u16, u16),
    sampling: SamplingFactor,
    scans: Scans,
    restart: u16,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 88);
    encoder.set_sampling_factor(sampling);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    match scans {
        Scans::One => {}
        Scans::Each => encoder.set_optimized_huffman_tables(true),
        Scans::Progressive => encoder.set_progressive(true),
    }
    if restart > 0 {
        encoder.set_restart_interval(restart);
    }
    encoder.encode(pixels, width, height, ColorType::Rgb).unwrap();
    bytes
}

/// The place of every segment's marker up to the first scan's, and where that scan's data start.
pub(crate) fn segments(bytes: &[u8]) -> (Vec<(u8, usize)>, usize) {
    let (mut found, mut at) = (Vec::new(), 2);
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        found.push((bytes[at + 1], at));
        at += 2 + length;
        if bytes[found[found.len() - 1].1 + 1] == 0xda {
            return (found, at);
        }
    }
}

/// The place of the first segment with this marker.
pub(crate) fn place(bytes: &[u8], marker: u8) -> usize {
    segments(bytes).0.into_iter().find(|&(found, _)| found == marker).unwrap().1
}

pub(crate) fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &(payload.len() as u16 + 2).to_be_bytes()[..], payload].concat()
}

/// The file with segments put first.
pub(crate) fn with(bytes: &[u8], segments: &[u8]) -> Vec<u8> {
    [&bytes[..2], segments, &bytes[2..]].concat()
}

/// The file without its JFIF segment.
pub(crate) fn bare(bytes: &[u8]) -> Vec<u8> {
    let at = place(bytes, 0xe0);
    let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    [&bytes[..at], &bytes[at + 2 + length..]].concat()
}

pub(crate) fn jfif() -> Vec<u8> {
    segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
}

pub(crate) fn adobe(transform: u8) -> Vec<u8> {
    segment(0xee, &[b"Adobe\0\x64\0\0\0\0", [transform].as_slice()].concat())
}

/// An EXIF segment that says how to turn the image.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    segment(0xe1, &[b"Exif\0\0II*\0\x08\0\0\0\x01\0".as_slice(), &entry, &[0; 4]].concat())
}

/// The places of the restart markers.
pub(crate) fn restarts(bytes: &[u8]) -> Vec<usize> {
    let start = segments(bytes).1;
    (start..bytes.len() - 1).filter(|&i| bytes[i] == 0xff && (0xd0..0xd8).contains(&bytes[i + 1])).collect()
}

/// Mean difference of two images' values.
pub(crate) fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}
