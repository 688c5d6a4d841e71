//! An image to the bytes of a file.

use std::borrow::Cow;

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, QuantizationTableType, SamplingFactor};

use super::Image;
use super::decode::jpeg::{Chroma, Coding};
use crate::{Error, Result};

/// Quality of JPEG files: above it, they grow and nobody sees why.
pub const QUALITY: u8 = 95;

/// A JPEG file of quality [`QUALITY`], its colors at half the resolution, as cameras and Pillow have it: a sixth smaller
/// and a quarter faster to decode than with all of them.
///
/// # Errors
/// When a side is longer than JPEG's 65,535 pixels.
pub fn jpeg(image: &Image) -> Result<Vec<u8>> {
    write_jpeg(image, &image.pixels, ColorType::Rgb, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
    })
}

/// A JPEG file coded with the same loss as another: its quantization tables and its sampling, or none where the encoder does
/// not have that sampling.
///
/// # Errors
/// When a side is longer than JPEG's 65,535 pixels.
pub fn jpeg_as(image: &Image, coding: &Coding) -> Result<Vec<u8>> {
    let table =
        |steps: &[u16; 64]| QuantizationTableType::Custom(Box::new(steps.map(|step| step.clamp(1, 255))));
    let (pixels, color, chroma) = match &coding.chroma {
        None => (Cow::from_iter(image.pixels.iter().step_by(3).copied()), ColorType::Luma, None),
        Some(chroma) => (Cow::from(&image.pixels), ColorType::Rgb, Some(chroma)),
    };
    write_jpeg(image, &pixels, color, |encoder| {
        let steps = chroma.map_or(&coding.luma, |chroma| &chroma.steps);
        encoder.set_quantization_tables(table(&coding.luma), table(steps));
        encoder.set_sampling_factor(chroma.map_or(SamplingFactor::F_1_1, sampling));
        // The encoder's other method takes the upper left pixel, which moves colors by half a sample each time.
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    })
}

fn sampling(chroma: &Chroma) -> SamplingFactor {
    match chroma.shared {
        [2, 1] => SamplingFactor::F_2_1,
        [1, 2] => SamplingFactor::F_1_2,
        [2, 2] => SamplingFactor::F_2_2,
        [4, 1] => SamplingFactor::F_4_1,
        [1, 4] => SamplingFactor::F_1_4,
        [4, 2] => SamplingFactor::F_4_2,
        [2, 4] => SamplingFactor::F_2_4,
        _ => SamplingFactor::F_1_1,
    }
}

fn write_jpeg(
    image: &Image,
    pixels: &[u8],
    color: ColorType,
    set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Result<Vec<u8>> {
    let Image { width, height, .. } = image;
    let (Ok(columns), Ok(rows)) = (u16::try_from(*width), u16::try_from(*height)) else {
        return Err(Error::data(format!("{width} x {height} pixels: JPEG has at most 65,535 a side")));
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    set(&mut encoder);
    encoder
        .encode(pixels, columns, rows, color)
        .map_err(|error| Error::data(format!("the image cannot be encoded: {error}")))?;
    Ok(bytes)
}

/// A PNG file.
///
/// # Errors
/// When a side does not fit 32 bits.
pub fn png(image: &Image) -> Result<Vec<u8>> {
    let size = |pixels: usize| {
        u32::try_from(pixels).map_err(|_| Error::data(format!("{pixels} pixels a side are too many for PNG")))
    };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&image.pixels, size(image.width)?, size(image.height)?, image::ExtendedColorType::Rgb8)
        .map_err(|error| Error::data(format!("the image cannot be encoded: {error}")))?;
    Ok(bytes)
}
