//! The fast decoder with `--features turbojpeg`: libjpeg-turbo. It is written in C and requires cmake and nasm to build.

use std::cell::RefCell;

use turbojpeg::{Colorspace, Decompressor, PixelFormat};

use super::frame::Process;
use super::header::Header;
use super::segments::EOI;
use super::{guard, samples};
use crate::Image;
use crate::limits::MAX_SCANS;

thread_local! {
    /// Tables and buffers that a thread reuses.
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

/// Decodes a file; `None` if libjpeg-turbo warns or fails, or would silently accept missing scans of a progressive file.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Option<Image> {
    if header.height_follows {
        return None;
    }
    if header.frame.process == Process::Progressive {
        guard::write(bytes, header, &mut Vec::new())?;
    }
    // libjpeg-turbo warns about a missing end-of-image marker.
    match header.lacks_end(bytes) {
        true => decompress(&[bytes, &[0xff, EOI]].concat(), header).ok(),
        false => decompress(bytes, header).ok(),
    }
}

fn decompress(bytes: &[u8], header: &Header) -> turbojpeg::Result<Image> {
    let (width, height) = (header.frame.width, header.frame.height);
    let (format, pixels) = DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(kept) => kept,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.set_scan_limit(MAX_SCANS as u32)?;
        let found = decompressor.read_header(bytes)?;
        let in_ink = matches!(found.colorspace, Colorspace::CMYK | Colorspace::YCCK);
        let format = if in_ink { PixelFormat::CMYK } else { PixelFormat::RGB };
        let pitch = format.size() * width;
        let mut pixels = vec![0; pitch * height];
        decompressor
            .decompress(bytes, turbojpeg::Image { pixels: &mut pixels[..], width, pitch, height, format })?;
        Ok::<_, turbojpeg::Error>((format, pixels))
    })?;
    let pixels = if format == PixelFormat::CMYK { without_ink(&pixels) } else { pixels };
    Ok(Image::new(width, height, pixels))
}

/// Converts CMYK to RGB.
fn without_ink(pixels: &[u8]) -> Vec<u8> {
    let pixels = pixels.as_chunks::<4>().0.iter();
    pixels.flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| samples::without_ink(ink, k))).collect()
}
