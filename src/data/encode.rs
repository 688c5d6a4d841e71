//! A picture to the bytes of a file.

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::Picture;
use crate::{Error, Result};

/// Quality of JPEG files: above it, they grow and nobody sees why.
pub const QUALITY: u8 = 95;

/// A JPEG file of quality [`QUALITY`], its colours at half the resolution, as cameras and Pillow have it: a sixth smaller
/// and a quarter faster to decode than with all of them.
///
/// # Errors
/// When a side is longer than JPEG's 65,535 pixels.
pub fn jpeg(picture: &Picture) -> Result<Vec<u8>> {
    let Picture { width, height, pixels } = picture;
    let (Ok(columns), Ok(rows)) = (u16::try_from(*width), u16::try_from(*height)) else {
        return Err(Error::data(format!("{width} x {height} pixels: JPEG has at most 65,535 a side")));
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(pixels, columns, rows, ColorType::Rgb)
        .map_err(|error| Error::data(format!("the picture cannot be encoded: {error}")))?;
    Ok(bytes)
}

/// A PNG file.
///
/// # Errors
/// When a side does not fit 32 bits.
pub fn png(picture: &Picture) -> Result<Vec<u8>> {
    let size = |pixels: usize| {
        u32::try_from(pixels).map_err(|_| Error::data(format!("{pixels} pixels a side are too many for PNG")))
    };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            &picture.pixels,
            size(picture.width)?,
            size(picture.height)?,
            image::ExtendedColorType::Rgb8,
        )
        .map_err(|error| Error::data(format!("the picture cannot be encoded: {error}")))?;
    Ok(bytes)
}
