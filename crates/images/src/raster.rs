//! PNG, GIF, WebP, BMP and TIFF with the `image` crate. Only the first image of a file is used.

use std::io::Cursor;

use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageResult, Limits};

use crate::defect::{Defect, DefectKind};
use crate::format::Format;
use crate::limits::{MAX_PIXELS, check_size};
use crate::traits::Traits;
use crate::{Image, tiff};

/// The maximum memory for metadata and row buffers, in bytes.
const MAX_METADATA: u64 = 64 << 20;

/// The maximum size of a decoded image in bytes: [`MAX_PIXELS`] of four 16-bit values.
const MAX_DECODED: u64 = 8 * MAX_PIXELS as u64;

/// Decodes the first image. Transparency is dropped, as in Pillow's `convert("RGB")`.
pub(crate) fn decode(format: Format, bytes: &[u8]) -> Result<Image, Defect> {
    let mut decoder = header(format, bytes)?;
    let (width, height) = decoder.dimensions();
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_METADATA + decoder.total_bytes());
    if format != Format::Png {
        // The PNG decoder already has limits and would reset them.
        decoder.set_limits(limits).map_err(|error| failed(format, bytes, &error))?;
    }
    let pixels =
        DynamicImage::from_decoder(decoder).map_err(|error| failed(format, bytes, &error))?.into_rgb8();
    Ok(Image::new(width as usize, height as usize, pixels.into_raw()))
}

/// Reads the properties that the file declares, without decoding its pixels.
pub(crate) fn inspect(format: Format, bytes: &[u8]) -> Result<Traits, Defect> {
    let decoder = header(format, bytes)?;
    let bits = decoder.color_type();
    let sixteen_bit = bits.bytes_per_pixel() > bits.channel_count();
    let animated = match format {
        Format::Png => png_chunks(bytes).any(|(kind, _)| kind == *b"acTL"),
        Format::Gif => has_second_frame(bytes),
        Format::WebP => webp_chunks(bytes).any(|(kind, _)| kind == *b"ANIM"),
        Format::Tiff => tiff::has_second_image(bytes),
        Format::Bmp
        | Format::Jpeg
        | Format::Heic
        | Format::Avif
        | Format::Jpeg2000
        | Format::JpegXl
        | Format::Svg
        | Format::Psd
        | Format::Raw => false,
    };
    let orientation = orientation(format, bytes);
    Ok(Traits { format, print: None, sixteen_bit, animated, orientation, lacks_end: false })
}

/// Returns the EXIF orientation, 1 to 8, of a file that may be damaged; 1 if it has none.
pub(crate) fn orientation(format: Format, bytes: &[u8]) -> u8 {
    let exif = match format {
        Format::Png => png_chunks(bytes).find(|(kind, _)| kind == b"eXIf").map(|(_, data)| data),
        Format::WebP => webp_chunks(bytes).find(|(kind, _)| kind == b"EXIF").map(|(_, data)| data),
        Format::Tiff => Some(bytes),
        Format::Gif
        | Format::Bmp
        | Format::Jpeg
        | Format::Heic
        | Format::Avif
        | Format::Jpeg2000
        | Format::JpegXl
        | Format::Svg
        | Format::Psd
        | Format::Raw => None,
    };
    let exif = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    exif.and_then(Orientation::from_exif_chunk).map_or(1, Orientation::to_exif)
}

/// Returns whether the end of the file is missing, as far as its chunks show.
fn is_truncated(format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::Png => !bytes.windows(4).rev().take(4096).any(|chunk| chunk == b"IEND"),
        Format::WebP => match bytes {
            [_, _, _, _, a, b, c, d, ..] => {
                u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + 8 > bytes.len() as u64
            }
            _ => true,
        },
        Format::Bmp => match bytes {
            // The size in the header; some writers set it to 0.
            [_, _, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]) as usize > bytes.len(),
            _ => true,
        },
        Format::Gif => !bytes.trim_ascii_end().ends_with(b";"),
        Format::Tiff
        | Format::Jpeg
        | Format::Heic
        | Format::Avif
        | Format::Jpeg2000
        | Format::JpegXl
        | Format::Svg
        | Format::Psd
        | Format::Raw => false,
    }
}

fn failed(format: Format, bytes: &[u8], error: &ImageError) -> Defect {
    let name = format.name();
    match error {
        ImageError::Unsupported(_) => {
            let message = format!(
                "unsupported variant of {name}, {error}: convert it, for example with `{}`",
                format.conversion()
            );
            Defect::new(DefectKind::Unsupported, message)
        }
        _ => {
            let kind = if is_truncated(format, bytes) { DefectKind::Truncated } else { DefectKind::Broken };
            Defect::new(kind, format!("broken {name}: {error}"))
        }
    }
}

/// Opens a decoder, which has read the header, and checks the size of the image.
fn header(format: Format, bytes: &[u8]) -> Result<Box<dyn ImageDecoder + '_>, Defect> {
    let decoder = open(format, bytes)?.map_err(|error| failed(format, bytes, &error))?;
    let (width, height) = decoder.dimensions();
    check_size(width as usize, height as usize)?;
    if decoder.total_bytes() > MAX_DECODED {
        let message = format!(
            "{width} x {height} pixels of {:?}: expected at most {MAX_DECODED} bytes",
            decoder.color_type()
        );
        return Err(Defect::new(DefectKind::Unsupported, message));
    }
    Ok(decoder)
}

fn open(format: Format, bytes: &[u8]) -> Result<ImageResult<Box<dyn ImageDecoder + '_>>, Defect> {
    fn boxed<'a>(decoder: ImageResult<impl ImageDecoder + 'a>) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
        decoder.map(|decoder| Box::new(decoder) as Box<dyn ImageDecoder + 'a>)
    }
    let reader = Cursor::new(bytes);
    Ok(match format {
        Format::Png => {
            check_palette(bytes)?;
            // Before the size is checked, only rows and metadata are allocated: color profiles can be decompression bombs.
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(MAX_METADATA);
            boxed(PngDecoder::with_limits(reader, limits))
        }
        Format::Gif => boxed(GifDecoder::new(reader)),
        Format::WebP => boxed(WebPDecoder::new(reader)),
        Format::Bmp => boxed(BmpDecoder::new(reader)),
        Format::Tiff => {
            tiff::check_first_image(bytes)?;
            boxed(TiffDecoder::new(reader))
        }
        other => return Err(other.unsupported()),
    })
}

/// Rejects palettes that are not a list of up to 256 colors: png 0.18.1 panics on them (image-png issues 671 and 694).
fn check_palette(bytes: &[u8]) -> Result<(), Defect> {
    let palette = png_chunks(bytes).find(|(kind, _)| kind == b"PLTE");
    match palette.map(|(_, data)| data.len()) {
        Some(length) if !length.is_multiple_of(3) || length > 3 * 256 => {
            Err(Defect::new(DefectKind::Broken, format!("broken PNG: palette of {length} bytes")))
        }
        _ => Ok(()),
    }
}

/// Iterates over the chunks of a PNG before its pixels.
fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<8>()?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = [head[4], head[5], head[6], head[7]];
        // Data and checksum. With a broken length the rest of the file is returned, for the palette check.
        let data = after.get(..length).unwrap_or(after);
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
        (kind != *b"IDAT").then_some((kind, data))
    })
}

/// Iterates over the chunks of a WebP file.
fn webp_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let data = after.get(..length)?;
        rest = after.get(length.saturating_add(length % 2)..).unwrap_or_default();
        Some(([head[0], head[1], head[2], head[3]], data))
    })
}

/// Returns whether a GIF has more than one frame.
fn has_second_frame(bytes: &[u8]) -> bool {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + bytes.get(10).map_or(0, |&flags| table(flags));
    let mut frames = 0;
    loop {
        at += match bytes.get(at) {
            // An extension: its label, then data blocks.
            Some(0x21) => 2,
            Some(0x2c) => {
                frames += 1;
                if frames == 2 {
                    return true;
                }
                let Some(&flags) = bytes.get(at + 9) else { return false };
                // The position of the frame, its colors and the code width.
                11 + table(flags)
            }
            _ => return false,
        };
        while let Some(&length @ 1..) = bytes.get(at) {
            at += 1 + usize::from(length);
        }
        at += 1;
    }
}
