//! JPEG by libjpeg-turbo, which is in C: for those who have many large pictures, and cmake and nasm to build it with
//! (`--features turbojpeg`).

use std::cell::RefCell;

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat};

use super::{MOST_SCANS, check_size};
use crate::data::Picture;
use crate::{Error, Result};

thread_local! {
    /// Tables and buffers that a thread keeps between pictures.
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

pub(super) fn decode(bytes: &[u8]) -> Result<Picture> {
    let broken = |error: turbojpeg::Error| Error::data(format!("broken JPEG: {error}"));
    let (header, format, pixels) = DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(kept) => kept,
            None => kept.insert(Decompressor::new().map_err(broken)?),
        };
        decompressor.set_scan_limit(MOST_SCANS as u32).map_err(broken)?;
        let header = decompressor.read_header(bytes).map_err(broken)?;
        check_size(header.width, header.height)?;
        let in_ink = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
        let format = if in_ink { PixelFormat::CMYK } else { PixelFormat::RGB };
        let pitch = format.size() * header.width;
        let mut pixels = vec![0; pitch * header.height];
        let (width, height) = (header.width, header.height);
        let out = Image { pixels: &mut pixels[..], width, pitch, height, format };
        decompressor.decompress(bytes, out).map_err(broken)?;
        Ok::<_, Error>((header, format, pixels))
    })?;
    let pixels = if format == PixelFormat::CMYK { without_ink(&pixels) } else { pixels };
    Ok(Picture::new(header.width, header.height, pixels))
}

/// Red, green and blue of inks, which Adobe stores inverted: 255 is none.
fn without_ink(pixels: &[u8]) -> Vec<u8> {
    let color = |ink: u8, black: u8| ((u32::from(ink) * u32::from(black) + 127) / 255) as u8;
    let pixels = pixels.as_chunks::<4>().0.iter();
    pixels.flat_map(|&[c, m, y, k]| [color(c, k), color(m, k), color(y, k)]).collect()
}
