//! Image files to pixels.

use std::cell::Cell;

use image::metadata::Orientation;

pub use crate::defect::{Defect, DefectKind};
pub use crate::format::Format;
pub use crate::jpeg;
pub use crate::limits::MAX_PIXELS;
pub use crate::traits::{Print, Traits};

use crate::{Image, gzip, raster};

/// The decoders of this build, recorded with each run.
pub const DECODER: &str = if cfg!(feature = "turbojpeg") {
    "turbojpeg 1.5 (libjpeg-turbo 3.1), image 0.25"
} else {
    "zune-jpeg 0.5 (strict), image 0.25"
};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Decodes a JPEG, PNG, GIF, WebP, BMP or TIFF file, which may be gzip-compressed. The EXIF orientation is not applied:
/// see [`orientation`] and [`apply_orientation`].
///
/// CMYK and YCCK are converted with Adobe's inversion; 16-bit samples become `v / 257`; transparency is dropped, as in
/// Pillow's `convert("RGB")`; only the first image of a file is used.
///
/// # Errors
/// Returns an error if the bytes are not an image, are truncated or broken, or declare more than [`MAX_PIXELS`] pixels.
pub fn decode(bytes: &[u8]) -> Result<Image, Defect> {
    guarded(|| decode_recognized(bytes))
        .unwrap_or_else(|| Err(Defect::new(DefectKind::Broken, "broken image: the decoder panicked")))
}

/// Calls a decoder, and returns `None` if it panics: a bug in it costs one image, not a training run of several days.
fn guarded<T>(read: impl FnOnce() -> T + std::panic::UnwindSafe) -> Option<T> {
    if cfg!(fuzzing) {
        return Some(read());
    }
    GUARDED.set(true);
    let result = std::panic::catch_unwind(read);
    GUARDED.set(false);
    result.ok()
}

/// Returns whether this thread is in a function of this module that catches panics: for panic hooks that end the program.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

fn decode_recognized(bytes: &[u8]) -> Result<Image, Defect> {
    match recognize(bytes)? {
        Contents::Gzip => decode_recognized(&gzip::decompress(bytes)?),
        Contents::Image(Format::Jpeg) => jpeg::decode(bytes),
        Contents::Image(format) => raster::decode(format, bytes),
    }
}

/// The supported contents of a file.
enum Contents {
    Gzip,
    Image(Format),
}

fn recognize(bytes: &[u8]) -> Result<Contents, Defect> {
    match Format::of_uncompressed(bytes) {
        _ if bytes.is_empty() => Err(Defect::new(DefectKind::Empty, "the file is empty (0 bytes)")),
        _ if gzip::is_gzip(bytes) => Ok(Contents::Gzip),
        Some(format) if format.is_supported() => Ok(Contents::Image(format)),
        Some(format) => Err(format.unsupported()),
        None => Err(Defect::new(
            DefectKind::Unsupported,
            format!("not an image: it starts with `{}`", bytes[..bytes.len().min(8)].escape_ascii()),
        )),
    }
}

/// The bytes of an image file, decompressed if they are gzip-compressed.
///
/// # Errors
/// Returns an error if the compressed data are broken or too large.
pub fn uncompressed(bytes: Vec<u8>) -> Result<Vec<u8>, Defect> {
    if gzip::is_gzip(&bytes) { gzip::decompress(&bytes) } else { Ok(bytes) }
}

/// Reads the properties that an image file declares, without decoding its pixels.
///
/// # Errors
/// Returns an error if the headers cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Traits, Defect> {
    guarded(|| inspect_recognized(bytes))
        .unwrap_or_else(|| Err(Defect::new(DefectKind::Broken, "broken image: the decoder panicked")))
}

fn inspect_recognized(bytes: &[u8]) -> Result<Traits, Defect> {
    match recognize(bytes)? {
        Contents::Gzip => inspect_recognized(&gzip::decompress(bytes)?),
        Contents::Image(Format::Jpeg) => jpeg::inspect(bytes),
        Contents::Image(format) => raster::inspect(format, bytes),
    }
}

/// Returns the EXIF orientation of an image file, 1 to 8; 1 (as stored) if it has none. Reads only a few headers, at a
/// negligible fraction of the cost of [`decode`].
pub fn orientation(bytes: &[u8]) -> u8 {
    guarded(|| declared_orientation(bytes)).unwrap_or(1)
}

fn declared_orientation(bytes: &[u8]) -> u8 {
    match recognize(bytes) {
        Ok(Contents::Gzip) => gzip::decompress(bytes).map_or(1, |bytes| declared_orientation(&bytes)),
        Ok(Contents::Image(Format::Jpeg)) => jpeg::orientation(bytes),
        Ok(Contents::Image(format)) => raster::orientation(format, bytes),
        Err(_) => 1,
    }
}

/// Rotates and mirrors an image by an EXIF orientation, 1 to 8.
pub fn apply_orientation(image: Image, orientation: u8) -> Image {
    let (width, height) = (image.width as u32, image.height as u32);
    let image = image::RgbImage::from_raw(width, height, image.pixels).expect("width x height x 3 values");
    let mut image = image::DynamicImage::ImageRgb8(image);
    image.apply_orientation(Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms));
    let image = image.into_rgb8();
    Image::new(image.width() as usize, image.height() as usize, image.into_raw())
}
