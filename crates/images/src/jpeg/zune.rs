//! The fast decoder of the default build: zune-jpeg, for files that it decodes correctly.

use std::cell::RefCell;

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::frame::{Component, Frame, Process};
use super::guard;
use super::header::{Color, Header};
use crate::Image;
use crate::limits::MAX_SCANS;

/// Images with a shorter side are small: their edges are a large part of the image.
const SMALL: usize = 64;

/// The largest buffer that a thread keeps for reuse, in bytes.
const MAX_KEPT: usize = 1 << 20;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Decodes a file; `None` if zune-jpeg would misread it or fails: then the exact decoder finds the reason.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Option<Image> {
    if !is_supported(header) {
        return None;
    }
    let mut guarded = BUFFER.take();
    guarded.clear();
    let is_guarded = guard::write(bytes, header, &mut guarded).is_some();
    let image = is_guarded.then(|| decompress(&guarded, header).ok()).flatten();
    if guarded.capacity() <= MAX_KEPT {
        BUFFER.set(guarded);
    }
    image
}

/// Returns whether zune-jpeg decodes such files correctly and detects missing data. It fails on several sequential scans,
/// components with larger sampling factors than the first, and uncommon sampling factors. At the right and bottom edges it mixes
/// in samples from outside the image, which matters only in small images.
fn is_supported(header: &Header) -> bool {
    let Frame { process, width, height, components } = &header.frame;
    let is_full = |component: &Component| (component.h, component.v) == (1, 1);
    let (usual, units) = match components.as_slice() {
        [first, rest @ ..] if !rest.is_empty() => {
            let usual = matches!((first.h, first.v), (1 | 2, 1 | 2)) && rest.iter().all(is_full);
            (usual, [(*width, 8 * first.h), (*height, 8 * first.v)])
        }
        _ => (true, [(*width, 8), (*height, 8)]),
    };
    let has_edges = units.iter().any(|&(side, unit)| unit > 8 && side < SMALL && side % unit != 0);
    // Restarts inside progressive scans are not guarded.
    let guarded = *process == Process::Sequential || header.restart == 0;
    usual && !has_edges && guarded && !header.height_follows
}

fn decompress(bytes: &[u8], header: &Header) -> Result<Image, DecodeErrors> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    let Frame { width, height, .. } = header.frame;
    let color = match header.color {
        Color::Gray => ColorSpace::Luma,
        Color::YCbCr => ColorSpace::YCbCr,
        Color::Rgb => ColorSpace::RGB,
        Color::Cmyk => ColorSpace::CMYK,
        Color::Ycck => ColorSpace::YCCK,
    };
    if decoder.dimensions() != Some((width, height)) || decoder.input_colorspace() != Some(color) {
        return Err(DecodeErrors::FormatStatic("size or color space differs from the headers"));
    }
    let pixels = decoder.decode()?;
    match pixels.len() == 3 * width * height {
        true => Ok(Image::new(width, height, pixels)),
        false => Err(DecodeErrors::FormatStatic("wrong number of pixels")),
    }
}
