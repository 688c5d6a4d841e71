//! Bytes to a picture: JPEG and PNG, told apart by their first bytes and never by the file's name.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{ImageDecoder, Limits};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Picture;
use crate::{Error, Result};

/// What decodes, for the records of a run.
pub const DECODER: &str = "zune-jpeg 0.5 (strict), image 0.25 (png)";

/// Most pixels a picture may have. Checked from the header, before anything is allocated.
pub const MOST_PIXELS: usize = 100_000_000;

/// Most scans a progressive JPEG may have; each costs a pass over the whole picture.
const MOST_SCANS: usize = 100;

/// Most bytes that a PNG's metadata and rows may take while its header is read.
const MOST_METADATA: u64 = 64 << 20;

/// Decodes a JPEG or PNG file.
///
/// CMYK and YCCK are converted with Adobe's inversion; 16-bit samples become `v / 257`; transparency is dropped, as
/// Pillow's `convert("RGB")` does.
///
/// # Errors
/// When the bytes are neither, are cut short or broken, or describe more than [`MOST_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Picture> {
    match bytes {
        [] => Err(Error::data("the file is empty (0 bytes)")),
        [0xff, 0xd8, ..] => decode_jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes),
        _ => Err(Error::data(format!(
            "neither JPEG nor PNG: it starts with `{}`",
            bytes[..bytes.len().min(8)].escape_ascii()
        ))),
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<Picture> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MOST_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let broken = |error| Error::data(format!("broken JPEG: {error}"));
    decoder.decode_headers().map_err(broken)?;
    let info = decoder.info().ok_or_else(|| Error::data("broken JPEG: no header"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height)?;
    let pixels = decoder.decode().map_err(broken)?;
    if !has_end(bytes) {
        return Err(Error::data("broken JPEG: it ends before its picture does"));
    }
    if pixels.len() != 3 * width * height {
        return Err(Error::data(format!(
            "broken JPEG: {} values for {width} x {height} pixels",
            pixels.len()
        )));
    }
    Ok(Picture::new(width, height, pixels))
}

/// Whether an end-of-image mark follows the start of the first scan: the decoder does not notice a cut within the last
/// rows. Marks before the scan belong to thumbnails.
fn has_end(bytes: &[u8]) -> bool {
    let mut rest = &bytes[2..];
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == 0xda {
            return rest.windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    // Filled or sloppy headers, which the decoder has accepted: nothing can be told.
    true
}

fn decode_png(bytes: &[u8]) -> Result<Picture> {
    let broken = |error| Error::data(format!("broken PNG: {error}"));
    // Before the header is checked, only rows and metadata are allocated: colour profiles can be bombs.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_METADATA);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width as usize, height as usize)?;
    let pixels = image::DynamicImage::from_decoder(decoder).map_err(broken)?.into_rgb8();
    Ok(Picture::new(width as usize, height as usize, pixels.into_raw()))
}

fn check_size(width: usize, height: usize) -> Result<()> {
    if width == 0 || height == 0 || width.saturating_mul(height) > MOST_PIXELS {
        return Err(Error::data(format!(
            "{width} x {height} pixels: expected at least 1 and at most {MOST_PIXELS} in all"
        )));
    }
    Ok(())
}
