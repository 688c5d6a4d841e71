//! Bytes to a picture.
//!
//! | file | what it does |
//! |---|---|
//! | `format` | tells formats apart by a file's first bytes |
//! | `raster`, `tiff` | PNG, GIF, WebP, BMP and TIFF |
//! | `turbo` | JPEG by libjpeg-turbo, with the feature `turbojpeg` |

mod format;
mod raster;
mod tiff;
#[cfg(feature = "turbojpeg")]
mod turbo;

use std::io::Read;

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Picture;
use crate::{Error, Result};

pub use format::Format;

/// What decodes, for the records of a run.
pub const DECODER: &str = if cfg!(feature = "turbojpeg") {
    "turbojpeg 1.5 (libjpeg-turbo 3.1), image 0.25"
} else {
    "zune-jpeg 0.5 (strict), image 0.25"
};

/// Most pixels a picture may have. Checked from the header, before anything is allocated.
pub const MOST_PIXELS: usize = 100_000_000;

/// Most bytes of a picture that is compressed by gzip.
const MOST_UNZIPPED: u64 = 64 << 20;

/// Most scans a progressive JPEG may have; each costs a pass over the whole picture.
const MOST_SCANS: usize = 100;

/// Decodes a JPEG, PNG, GIF, WebP, BMP or TIFF file, which gzip may have compressed. The EXIF orientation is not applied:
/// see [`orientation`] and [`turned`].
///
/// CMYK and YCCK are converted with Adobe's inversion; 16-bit samples become `v / 257`; transparency is dropped, as
/// Pillow's `convert("RGB")` does; of several images in a file the first counts.
///
/// # Errors
/// When the bytes are something else, are cut short or broken, or describe more than [`MOST_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Picture> {
    if cfg!(fuzzing) {
        return decode_known(bytes);
    }
    // A decoder's own mistake costs one picture, not a training of days.
    std::panic::catch_unwind(|| decode_known(bytes))
        .unwrap_or_else(|_| Err(Error::data("broken picture: its decoder failed")))
}

fn decode_known(bytes: &[u8]) -> Result<Picture> {
    match known(bytes)? {
        Known::Gzip => decode_known(&unzip(bytes)?),
        Known::Image(Format::Jpeg) => decode_jpeg(bytes),
        Known::Image(format) => raster::decode(format, bytes),
    }
}

/// What can be decoded.
enum Known {
    /// Some image of 2010 is compressed so.
    Gzip,
    Image(Format),
}

/// What the bytes are, if it can be decoded.
fn known(bytes: &[u8]) -> Result<Known> {
    match (bytes, Format::of_plain(bytes)) {
        ([], _) => Err(Error::data("the file is empty (0 bytes)")),
        ([0x1f, 0x8b, ..], _) => Ok(Known::Gzip),
        (_, Some(format)) if format.is_supported() => Ok(Known::Image(format)),
        (_, Some(format)) => Err(unsupported(format)),
        (_, None) => Err(Error::data(format!(
            "not an image: it starts with `{}`",
            bytes[..bytes.len().min(8)].escape_ascii()
        ))),
    }
}

/// A format that is not decoded, with a command that converts it.
fn unsupported(format: Format) -> Error {
    Error::data(format!(
        "{} images are not supported: convert it to JPEG or PNG, for example with `{}`",
        format.name(),
        format.conversion()
    ))
}

/// What a file compressed by gzip holds.
fn unzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .take(MOST_UNZIPPED + 1)
        .read_to_end(&mut unzipped)
        .map_err(|error| Error::data(format!("a broken gzip file: {error}")))?;
    // Some gzip files unpack to themselves.
    if unzipped.starts_with(&[0x1f, 0x8b]) {
        return Err(Error::data("a gzip file in a gzip file: expected an image"));
    }
    if unzipped.len() as u64 > MOST_UNZIPPED {
        return Err(Error::data(format!(
            "a gzip file of more than {MOST_UNZIPPED} bytes: expected an image"
        )));
    }
    Ok(unzipped)
}

/// Colours of print in a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Cyan, magenta, yellow, black.
    Cmyk,
    /// The same, coded as brightness and differences.
    Ycck,
}

/// What a picture file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The file's format.
    pub format: Format,
    /// The colours of print, if it is in those.
    pub print: Option<Print>,
    /// More than eight bits a colour.
    pub sixteen_bit: bool,
    /// More than one picture.
    pub animated: bool,
    /// How EXIF says to turn it, 1 to 8; 1 is as it is stored.
    pub orientation: u8,
}

/// What an image file says of itself, without its pixels.
///
/// # Errors
/// When its header cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Traits> {
    match known(bytes)? {
        Known::Gzip => inspect(&unzip(bytes)?),
        Known::Image(Format::Jpeg) => inspect_jpeg(bytes),
        Known::Image(format) => {
            let raster::Traits { sixteen_bit, animated, orientation } = raster::inspect(format, bytes)?;
            Ok(Traits { format, print: None, sixteen_bit, animated, orientation })
        }
    }
}

fn inspect_jpeg(bytes: &[u8]) -> Result<Traits> {
    let decoder = jpeg_header(bytes)?;
    let print = match decoder.input_colorspace() {
        Some(ColorSpace::CMYK) => Some(Print::Cmyk),
        Some(ColorSpace::YCCK) => Some(Print::Ycck),
        _ => None,
    };
    let turned = decoder.exif().and_then(|chunk| Orientation::from_exif_chunk(chunk));
    let orientation = turned.map_or(1, Orientation::to_exif);
    Ok(Traits { format: Format::Jpeg, print, sixteen_bit: false, animated: false, orientation })
}

/// The EXIF orientation, 1 to 8, of an image file; 1, as it is stored, where it says nothing. Reads a few headers, at a
/// negligible fraction of the cost of [`decode`].
pub fn orientation(bytes: &[u8]) -> u8 {
    match known(bytes) {
        Ok(Known::Gzip) => unzip(bytes).map_or(1, |bytes| orientation(&bytes)),
        Ok(Known::Image(Format::Jpeg)) => jpeg_orientation(bytes),
        Ok(Known::Image(format)) => raster::orientation(format, bytes),
        Err(_) => 1,
    }
}

/// The EXIF orientation of a JPEG: that of its first EXIF segment.
fn jpeg_orientation(bytes: &[u8]) -> u8 {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let exif = rest.get(4..2 + length).and_then(|payload| payload.strip_prefix(b"Exif\0\0"));
        match (marker, exif) {
            (0xe1, Some(exif)) => {
                return Orientation::from_exif_chunk(exif).map_or(1, Orientation::to_exif);
            }
            (0xda, _) => break,
            _ => rest = rest.get(2 + length..).unwrap_or_default(),
        }
    }
    1
}

/// Whether the end of an image file is missing.
pub fn is_cut_short(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xd8, ..] => !bytes[2..].windows(2).rev().any(|pair| pair == [0xff, 0xd9]) || !has_end(bytes),
        _ => Format::of_plain(bytes).is_some_and(|format| raster::is_cut_short(format, bytes)),
    }
}

/// The picture turned as EXIF says, 1 to 8.
pub fn turned(picture: Picture, orientation: u8) -> Picture {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let image = image::RgbImage::from_raw(width, height, picture.pixels).expect("width x height x 3 values");
    let mut image = image::DynamicImage::ImageRgb8(image);
    image.apply_orientation(Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms));
    let image = image.into_rgb8();
    Picture::new(image.width() as usize, image.height() as usize, image.into_raw())
}

/// A JPEG whose header is read, and its size checked.
fn jpeg_header(bytes: &[u8]) -> Result<JpegDecoder<ZCursor<&[u8]>>> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MOST_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| Error::data(format!("broken JPEG: {error}")))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Error::data("broken JPEG: no header"))?;
    check_size(width, height)?;
    Ok(decoder)
}

#[cfg(feature = "turbojpeg")]
fn decode_jpeg(bytes: &[u8]) -> Result<Picture> {
    // Both decoders refuse the same headers, with the same words.
    jpeg_header(bytes)?;
    match has_end(bytes) {
        true => turbo::decode(bytes),
        false => Err(Error::data("broken JPEG: it ends before its picture does")),
    }
}

#[cfg(not(feature = "turbojpeg"))]
fn decode_jpeg(bytes: &[u8]) -> Result<Picture> {
    let mut decoder = jpeg_header(bytes)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let broken = |error| Error::data(format!("broken JPEG: {error}"));
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

fn check_size(width: usize, height: usize) -> Result<()> {
    if width == 0 || height == 0 || width.saturating_mul(height) > MOST_PIXELS {
        return Err(Error::data(format!(
            "{width} x {height} pixels: expected at least 1 and at most {MOST_PIXELS} in all"
        )));
    }
    Ok(())
}
