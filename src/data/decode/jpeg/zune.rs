//! The usual decoder of the default build, zune-jpeg, for the files that it reads rightly.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::header::{Color, Component, Frame, Header, Process};
use super::segments::{EOI, Segments};
use super::{Defect, exact};
use crate::data::Picture;
use crate::data::decode::MOST_SCANS;

/// What is put behind a scan's data: bits that are all one are no Huffman code, so that a decoder which needs more than there
/// is fails. Before an end mark it would fill up with zeros, without a word. The decoder reads eight bytes ahead.
const SENTINEL: [u8; 34] = {
    let mut ones = [0; 34];
    let mut i = 0;
    while i < 32 {
        ones[i] = 0xff;
        i += 2;
    }
    (ones[32], ones[33]) = (0xff, EOI);
    ones
};

/// Images with a shorter side: their edges are a large part of them.
const SMALL: usize = 64;

/// Decodes the file; `None` where it is not of the kinds that zune-jpeg reads rightly.
///
/// # Errors
/// When the file is damaged.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Option<Picture>, Defect> {
    if !is_read_rightly(header) {
        return Ok(None);
    }
    if header.frame.process == Process::Sequential && header.restart == 0 {
        let end = header.data + Segments::at(bytes, header.data).entropy_coded().len();
        return Ok(decompress(&[&bytes[..end], &SENTINEL].concat(), header).ok());
    }
    // Data that are missing before a restart or another scan are not noticed: all is read twice.
    exact::verify(bytes, &header.frame)?;
    Ok(decompress(&[bytes, &[0xff, EOI]].concat(), header).ok())
}

/// Whether zune-jpeg takes all samples of such files from the right places. What it does not: several sequential scans,
/// components that are sampled finer than the first, and all but the usual samplings. At the right and lower edges it mixes
/// samples in that lie outside of the image, which is little for all but small ones.
fn is_read_rightly(header: &Header) -> bool {
    let Frame { process, width, height, components } = &header.frame;
    let is_whole = |component: &Component| (component.h, component.v) == (1, 1);
    let (usual, units) = match components.as_slice() {
        [first, rest @ ..] if !rest.is_empty() => {
            let usual = matches!((first.h, first.v), (1 | 2, 1 | 2)) && rest.iter().all(is_whole);
            (usual, [(*width, 8 * first.h), (*height, 8 * first.v)])
        }
        _ => (true, [(*width, 8), (*height, 8)]),
    };
    let has_edges = units.iter().any(|&(side, unit)| unit > 8 && side < SMALL && side % unit != 0);
    usual && !has_edges && !header.height_follows && (header.interleaved || *process == Process::Progressive)
}

fn decompress(bytes: &[u8], header: &Header) -> Result<Picture, DecodeErrors> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MOST_SCANS)
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
        return Err(DecodeErrors::FormatStatic("read in another way"));
    }
    let pixels = decoder.decode()?;
    match pixels.len() == 3 * width * height {
        true => Ok(Picture::new(width, height, pixels)),
        false => Err(DecodeErrors::FormatStatic("another number of pixels")),
    }
}
