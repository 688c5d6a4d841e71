//! Bytes to a picture: JPEG and PNG, told apart by their first bytes and never by the file's name.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::png::PngDecoder;
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
    if pixels.len() != 3 * width * height {
        return Err(Error::data(format!(
            "broken JPEG: {} values for {width} x {height} pixels",
            pixels.len()
        )));
    }
    Ok(Picture::new(width, height, pixels))
}

fn decode_png(bytes: &[u8]) -> Result<Picture> {
    let broken = |error| Error::data(format!("broken PNG: {error}"));
    let decoder = PngDecoder::new(Cursor::new(bytes)).map_err(broken)?;
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
