//! Pixels to image files.

use std::borrow::Cow;
use std::fmt;

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, QuantizationTableType, SamplingFactor};

use crate::Image;
use crate::jpeg::{Chroma, Coding};

/// Why an image was not encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// The description.
    pub message: String,
}

impl EncodeError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EncodeError {}

/// The quality of JPEG files. Above it, files grow without visible gain.
pub const QUALITY: u8 = 95;

/// Encodes a JPEG of quality [`QUALITY`] with chroma subsampled 4:2:0, the default of cameras and Pillow: a sixth smaller and a
/// quarter faster to decode than 4:4:4.
///
/// # Errors
/// Returns an error if a side is longer than 65,535 pixels.
pub fn jpeg(image: &Image) -> Result<Vec<u8>, EncodeError> {
    write_jpeg(image, &image.pixels, ColorType::Rgb, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
    })
}

/// Encodes a JPEG with the quantization tables and chroma subsampling of another. A subsampling that the encoder does not
/// support becomes 4:4:4.
///
/// # Errors
/// Returns an error if a side is longer than 65,535 pixels.
pub fn jpeg_as(image: &Image, coding: &Coding) -> Result<Vec<u8>, EncodeError> {
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
        // The encoder's default takes the upper left pixel, which shifts colors by half a sample each time.
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
) -> Result<Vec<u8>, EncodeError> {
    let Image { width, height, .. } = image;
    let (Ok(columns), Ok(rows)) = (u16::try_from(*width), u16::try_from(*height)) else {
        return Err(EncodeError::new(format!(
            "image of {width} x {height} pixels: JPEG allows at most 65,535 per side"
        )));
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    set(&mut encoder);
    encoder
        .encode(pixels, columns, rows, color)
        .map_err(|error| EncodeError::new(format!("cannot encode the image: {error}")))?;
    Ok(bytes)
}

/// Encodes a PNG.
///
/// # Errors
/// Returns an error if a side does not fit in 32 bits.
pub fn png(image: &Image) -> Result<Vec<u8>, EncodeError> {
    let size = |pixels: usize| {
        u32::try_from(pixels)
            .map_err(|_| EncodeError::new(format!("side of {pixels} pixels: too long for PNG")))
    };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&image.pixels, size(image.width)?, size(image.height)?, image::ExtendedColorType::Rgb8)
        .map_err(|error| EncodeError::new(format!("cannot encode the image: {error}")))?;
    Ok(bytes)
}
