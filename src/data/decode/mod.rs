//! Bytes to a picture: JPEG and PNG, told apart by their first bytes and never by the file's name.

#[cfg(feature = "turbojpeg")]
mod turbo;

use std::io::{Cursor, Read};

use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, Limits};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Picture;
use crate::{Error, Result};

/// What decodes, for the records of a run.
pub const DECODER: &str = if cfg!(feature = "turbojpeg") {
    "turbojpeg 1.5 (libjpeg-turbo 3.1), image 0.25 (png)"
} else {
    "zune-jpeg 0.5 (strict), image 0.25 (png)"
};

/// Most pixels a picture may have. Checked from the header, before anything is allocated.
pub const MOST_PIXELS: usize = 100_000_000;

/// Most bytes of a picture that is compressed by gzip.
const MOST_UNZIPPED: u64 = 64 << 20;

/// Most scans a progressive JPEG may have; each costs a pass over the whole picture.
const MOST_SCANS: usize = 100;

/// Most bytes that a PNG's metadata and rows may take while its header is read.
const MOST_METADATA: u64 = 64 << 20;

/// Decodes a JPEG or PNG file, which gzip may have compressed.
///
/// CMYK and YCCK are converted with Adobe's inversion; 16-bit samples become `v / 257`; transparency is dropped, as
/// Pillow's `convert("RGB")` does.
///
/// # Errors
/// When the bytes are neither, are cut short or broken, or describe more than [`MOST_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Picture> {
    if cfg!(fuzzing) {
        return decode_known(bytes);
    }
    // A decoder's own mistake costs one picture, not a training of days.
    std::panic::catch_unwind(|| decode_known(bytes))
        .unwrap_or_else(|_| Err(Error::data("broken picture: its decoder failed")))
}

fn decode_known(bytes: &[u8]) -> Result<Picture> {
    match bytes {
        [] => Err(Error::data("the file is empty (0 bytes)")),
        [0xff, 0xd8, ..] => decode_jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes),
        // Some of 2010's pictures are.
        [0x1f, 0x8b, ..] => decode_known(&unzip(bytes)?),
        _ => Err(Error::data(match other_format(bytes) {
            Some(format) => format!("a {format} file: JPEG and PNG are read"),
            None => {
                format!(
                    "neither JPEG nor PNG: it starts with `{}`",
                    bytes[..bytes.len().min(8)].escape_ascii()
                )
            }
        })),
    }
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
        return Err(Error::data("a gzip file in a gzip file: expected a picture"));
    }
    if unzipped.len() as u64 > MOST_UNZIPPED {
        return Err(Error::data(format!(
            "a gzip file of more than {MOST_UNZIPPED} bytes: expected a picture"
        )));
    }
    Ok(unzipped)
}

/// What else the bytes are.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [b'G', b'I', b'F', b'8', ..] => "GIF",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "WebP",
        [b'B', b'M', ..] => "BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "TIFF",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "HEIC, AVIF or video",
        [b'<', ..] => "SVG or HTML",
        _ => return None,
    })
}

/// Formats of picture files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

impl Format {
    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
        }
    }
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

/// What a JPEG or PNG file says of itself, without its pixels.
///
/// # Errors
/// When its header cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Traits> {
    let plain =
        Traits { format: Format::Jpeg, print: None, sixteen_bit: false, animated: false, orientation: 1 };
    match bytes {
        [0xff, 0xd8, ..] => {
            let decoder = jpeg_header(bytes)?;
            let print = match decoder.input_colorspace() {
                Some(ColorSpace::CMYK) => Some(Print::Cmyk),
                Some(ColorSpace::YCCK) => Some(Print::Ycck),
                _ => None,
            };
            let turned = decoder.exif().and_then(|chunk| Orientation::from_exif_chunk(chunk));
            Ok(Traits { print, orientation: turned.map_or(1, Orientation::to_exif), ..plain })
        }
        [0x1f, 0x8b, ..] => inspect(&unzip(bytes)?),
        _ => {
            let mut decoder = png_header(bytes)?;
            let bits = decoder.color_type();
            Ok(Traits {
                format: Format::Png,
                sixteen_bit: bits.bytes_per_pixel() > bits.channel_count(),
                animated: decoder.is_apng().unwrap_or(false),
                orientation: decoder.orientation().map_or(1, Orientation::to_exif),
                ..plain
            })
        }
    }
}

/// Whether the end of a JPEG's or PNG's picture is missing.
pub fn is_cut_short(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xd8, ..] => !bytes[2..].windows(2).rev().any(|pair| pair == [0xff, 0xd9]) || !has_end(bytes),
        [0x89, b'P', b'N', b'G', ..] => !bytes.windows(4).rev().take(4096).any(|chunk| chunk == b"IEND"),
        _ => false,
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

/// A PNG whose header is read, and its size checked.
fn png_header(bytes: &[u8]) -> Result<PngDecoder<Cursor<&[u8]>>> {
    let broken = |error| Error::data(format!("broken PNG: {error}"));
    check_palette(bytes)?;
    // Before the header is checked, only rows and metadata are allocated: colour profiles can be bombs.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_METADATA);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width as usize, height as usize)?;
    Ok(decoder)
}

/// Refuses palettes that are no list of up to 256 colours: png 0.18.1 panics at them (image-png issues 671 and 694).
fn check_palette(bytes: &[u8]) -> Result<()> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        match &head[4..] {
            b"PLTE" if !length.is_multiple_of(3) || length > 3 * 256 => {
                return Err(Error::data(format!("broken PNG: a palette of {length} bytes")));
            }
            b"IDAT" => break,
            // Data and checksum.
            _ => rest = after.get(length.saturating_add(4)..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn decode_png(bytes: &[u8]) -> Result<Picture> {
    let decoder = png_header(bytes)?;
    let (width, height) = decoder.dimensions();
    let broken = |error| Error::data(format!("broken PNG: {error}"));
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
