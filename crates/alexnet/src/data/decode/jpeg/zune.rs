//! The usual decoder of the default build, zune-jpeg, for the files that it reads rightly.

use std::cell::RefCell;

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::guard;
use super::header::{Color, Component, Frame, Header, Process};
use crate::data::Image;
use crate::data::decode::MOST_SCANS;

/// Images with a shorter side: their edges are a large part of them.
const SMALL: usize = 64;

/// The largest buffer that a thread keeps between images, in bytes.
const MOST_KEPT: usize = 1 << 20;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Decodes the file; `None` where it is not of the kinds that zune-jpeg reads rightly, or fails: the exact decoder tells why.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Option<Image> {
    if !is_read_rightly(header) {
        return None;
    }
    let mut guarded = BUFFER.take();
    guarded.clear();
    let is_whole = guard::write(bytes, header, &mut guarded).is_some();
    let image = is_whole.then(|| decompress(&guarded, header).ok()).flatten();
    if guarded.capacity() <= MOST_KEPT {
        BUFFER.set(guarded);
    }
    image
}

/// Whether zune-jpeg takes all samples of such files from the right places, and notices when some are missing. What it does not:
/// several sequential scans, components that are sampled finer than the first, and all but the usual samplings. At the right and lower
/// edges it mixes samples in that lie outside of the image, which is little for all but small ones.
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
    // Restarts within progressive scans are not guarded.
    let guarded = *process == Process::Sequential || header.restart == 0;
    usual && !has_edges && guarded && !header.height_follows
}

fn decompress(bytes: &[u8], header: &Header) -> Result<Image, DecodeErrors> {
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
        true => Ok(Image::new(width, height, pixels)),
        false => Err(DecodeErrors::FormatStatic("another number of pixels")),
    }
}
