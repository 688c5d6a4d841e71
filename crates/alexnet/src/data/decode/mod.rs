//! Bytes to an image.
//!
//! | file | what it does |
//! |---|---|
//! | `format` | tells formats apart by a file's first bytes |
//! | [`jpeg`] | JPEG |
//! | `raster`, `tiff` | PNG, GIF, WebP, BMP and TIFF |
//! | `defect` | why a file was not decoded |

mod defect;
mod format;
pub mod jpeg;
mod raster;
mod tiff;

use std::io::Read;

use image::metadata::Orientation;

use super::Image;
use crate::Result;

pub use defect::{Defect, DefectKind};
pub use format::Format;

/// What decodes, for the records of a run.
pub const DECODER: &str = if cfg!(feature = "turbojpeg") {
    "turbojpeg 1.5 (libjpeg-turbo 3.1), image 0.25"
} else {
    "zune-jpeg 0.5 (strict), image 0.25"
};

/// Most pixels an image may have. Checked from the header, before anything is allocated.
pub const MOST_PIXELS: usize = 100_000_000;

/// Most bytes of an image that is compressed by gzip.
const MOST_UNZIPPED: u64 = 64 << 20;

/// Most scans a progressive JPEG may have; each costs a pass over the whole image.
const MOST_SCANS: usize = 100;

/// Decodes a JPEG, PNG, GIF, WebP, BMP or TIFF file, which gzip may have compressed. The EXIF orientation is not applied:
/// see [`orientation`] and [`turned`].
///
/// CMYK and YCCK are converted with Adobe's inversion; 16-bit samples become `v / 257`; transparency is dropped, as
/// Pillow's `convert("RGB")` does; of several images in a file the first counts.
///
/// # Errors
/// When the bytes are something else, are cut short or broken, or describe more than [`MOST_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Image> {
    Ok(try_decode(bytes)?)
}

/// [`decode`], with the kind of reason why a file is not decoded.
///
/// # Errors
/// When [`decode`] has one.
pub fn try_decode(bytes: &[u8]) -> std::result::Result<Image, Defect> {
    if cfg!(fuzzing) {
        return decode_known(bytes);
    }
    // A decoder's own mistake costs one image, not a training of days.
    std::panic::catch_unwind(|| decode_known(bytes))
        .unwrap_or_else(|_| Err(Defect::new(DefectKind::Broken, "broken image: its decoder failed")))
}

fn decode_known(bytes: &[u8]) -> std::result::Result<Image, Defect> {
    match known(bytes)? {
        Known::Gzip => decode_known(&unzip(bytes)?),
        Known::Image(Format::Jpeg) => jpeg::decode(bytes),
        Known::Image(format) => raster::decode(format, bytes),
    }
}

/// What can be decoded.
enum Known {
    /// Some images of 2010 are compressed so.
    Gzip,
    Image(Format),
}

/// What the bytes are, if it can be decoded.
fn known(bytes: &[u8]) -> std::result::Result<Known, Defect> {
    match (bytes, Format::of_plain(bytes)) {
        ([], _) => Err(Defect::new(DefectKind::Empty, "the file is empty (0 bytes)")),
        ([0x1f, 0x8b, ..], _) => Ok(Known::Gzip),
        (_, Some(format)) if format.is_supported() => Ok(Known::Image(format)),
        (_, Some(format)) => Err(unsupported(format)),
        (_, None) => Err(Defect::new(
            DefectKind::Unsupported,
            format!("not an image: it starts with `{}`", bytes[..bytes.len().min(8)].escape_ascii()),
        )),
    }
}

/// A format that is not decoded, with a command that converts it.
fn unsupported(format: Format) -> Defect {
    let message = format!(
        "{} images are not supported: convert it to JPEG or PNG, for example with `{}`",
        format.name(),
        format.conversion()
    );
    Defect::new(DefectKind::Unsupported, message)
}

/// What a file compressed by gzip holds.
fn unzip(bytes: &[u8]) -> std::result::Result<Vec<u8>, Defect> {
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(MOST_UNZIPPED + 1).read_to_end(&mut unzipped).map_err(
        |error| {
            let kind = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => DefectKind::Truncated,
                _ => DefectKind::Broken,
            };
            Defect::new(kind, format!("a broken gzip file: {error}"))
        },
    )?;
    if unzipped.is_empty() {
        return Err(Defect::new(DefectKind::Broken, "a gzip file that holds nothing"));
    }
    let unsupported = |message: String| Err(Defect::new(DefectKind::Unsupported, message));
    // Some gzip files unpack to themselves.
    if unzipped.starts_with(&[0x1f, 0x8b]) {
        return unsupported("a gzip file in a gzip file: expected an image".to_owned());
    }
    if unzipped.len() as u64 > MOST_UNZIPPED {
        return unsupported(format!("a gzip file of more than {MOST_UNZIPPED} bytes: expected an image"));
    }
    Ok(unzipped)
}

/// Colors of print in a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Cyan, magenta, yellow, black.
    Cmyk,
    /// The same, coded as brightness and differences.
    Ycck,
}

/// What an image file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The file's format.
    pub format: Format,
    /// The colors of print, if it is in those.
    pub print: Option<Print>,
    /// More than eight bits a channel.
    pub sixteen_bit: bool,
    /// More than one image.
    pub animated: bool,
    /// How EXIF says to turn it, 1 to 8; 1 is as it is stored.
    pub orientation: u8,
    /// A JPEG without an end mark. Where all else is there, it decodes.
    pub lacks_end: bool,
}

/// What an image file says of itself, without its pixels.
///
/// # Errors
/// When its header cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Traits> {
    match known(bytes)? {
        Known::Gzip => inspect(&unzip(bytes)?),
        Known::Image(Format::Jpeg) => {
            let jpeg::Traits { print, orientation, lacks_end } = jpeg::inspect(bytes)?;
            let format = Format::Jpeg;
            Ok(Traits { format, print, sixteen_bit: false, animated: false, orientation, lacks_end })
        }
        Known::Image(format) => {
            let raster::Traits { sixteen_bit, animated, orientation } = raster::inspect(format, bytes)?;
            Ok(Traits { format, print: None, sixteen_bit, animated, orientation, lacks_end: false })
        }
    }
}

/// The EXIF orientation, 1 to 8, of an image file; 1, as it is stored, where it says nothing. Reads a few headers, at a
/// negligible fraction of the cost of [`decode`].
pub fn orientation(bytes: &[u8]) -> u8 {
    match known(bytes) {
        Ok(Known::Gzip) => unzip(bytes).map_or(1, |bytes| orientation(&bytes)),
        Ok(Known::Image(Format::Jpeg)) => jpeg::orientation(bytes),
        Ok(Known::Image(format)) => raster::orientation(format, bytes),
        Err(_) => 1,
    }
}

/// The image turned as EXIF says, 1 to 8.
pub fn turned(image: Image, orientation: u8) -> Image {
    let (width, height) = (image.width as u32, image.height as u32);
    let image = image::RgbImage::from_raw(width, height, image.pixels).expect("width x height x 3 values");
    let mut image = image::DynamicImage::ImageRgb8(image);
    image.apply_orientation(Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms));
    let image = image.into_rgb8();
    Image::new(image.width() as usize, image.height() as usize, image.into_raw())
}

/// Refuses sizes before anything is allocated for them.
fn check_size(width: usize, height: usize) -> std::result::Result<(), Defect> {
    if width == 0 || height == 0 || width.saturating_mul(height) > MOST_PIXELS {
        let message =
            format!("{width} x {height} pixels: expected at least 1 and at most {MOST_PIXELS} in all");
        return Err(Defect::new(DefectKind::Unsupported, message));
    }
    Ok(())
}
