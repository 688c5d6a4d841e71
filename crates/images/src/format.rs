//! Image formats, recognized by the first bytes of a file and never by its name.

use crate::defect::{Defect, DefectKind};
use crate::gzip;

/// Image formats that are recognized; [`Format::is_supported`] says which of them are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// Windows bitmaps.
    Bmp,
    /// TIFF and BigTIFF.
    Tiff,
    /// HEIC and other HEIF images.
    Heic,
    /// AVIF.
    Avif,
    /// JPEG 2000.
    Jpeg2000,
    /// JPEG XL.
    JpegXl,
    /// SVG.
    Svg,
    /// Photoshop documents.
    Psd,
    /// Camera raw files with their own signature. DNG, NEF and ARW files start like TIFF files.
    Raw,
}

/// The major brands of ISO media files that hold images.
const BRANDS: [(Format, &[&[u8; 4]]); 3] = [
    (Format::Heic, &[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]),
    (Format::Avif, &[b"avif", b"avis"]),
    (Format::Raw, &[b"crx "]),
];

impl Format {
    /// The number of first bytes that [`Format::of`] needs to recognize every format.
    pub const PREFIX: usize = 512;

    /// Returns the format of the image file that starts with `bytes`, which may be gzip-compressed; `None` if it is not an
    /// image. Sixteen bytes are enough for everything except SVG and gzip-compressed files.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match gzip::is_gzip(bytes) {
            true => Self::of_uncompressed(&gzip::prefix(bytes, Self::PREFIX)),
            false => Self::of_uncompressed(bytes),
        }
    }

    /// Returns the format of a file that is not gzip-compressed.
    pub(crate) fn of_uncompressed(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', ..] => Self::Png,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::WebP,
            // The reserved bytes must be zero: text may start with these two letters.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Self::Bmp,
            [b'I', b'I', 42, 0, _, _, _, _, b'C', b'R', ..] => Self::Raw,
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Self::Tiff,
            [b'I', b'I', b'R', b'O' | b'S', ..] | [b'I', b'I', b'U', 0, ..] => Self::Raw,
            [_, _, _, _, b'f', b't', b'y', b'p', a, b, c, d, ..] => {
                let brand = &[*a, *b, *c, *d];
                BRANDS.iter().find(|(_, brands)| brands.contains(&brand))?.0
            }
            [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => Self::Jpeg2000,
            [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] | [0xff, 0x0a, ..] => Self::JpegXl,
            [b'8', b'B', b'P', b'S', 0, 1 | 2, ..] => Self::Psd,
            _ if bytes.starts_with(b"FUJIFILMCCD-RAW") => Self::Raw,
            _ if is_svg(bytes) => Self::Svg,
            _ => return None,
        })
    }

    /// Returns the format for a file extension, in upper or lower case.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" => Self::Jpeg,
            "png" | "apng" => Self::Png,
            "gif" => Self::Gif,
            "webp" => Self::WebP,
            "bmp" | "dib" => Self::Bmp,
            "tif" | "tiff" => Self::Tiff,
            "heic" | "heif" | "hif" => Self::Heic,
            "avif" => Self::Avif,
            "jp2" | "j2k" | "jpx" => Self::Jpeg2000,
            "jxl" => Self::JpegXl,
            "svg" => Self::Svg,
            "psd" | "psb" => Self::Psd,
            "cr2" | "cr3" | "raf" | "orf" | "rw2" => Self::Raw,
            _ => return None,
        })
    }

    /// Returns whether files of this format can be decoded.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Jpeg | Self::Png | Self::Gif | Self::WebP | Self::Bmp | Self::Tiff => true,
            Self::Heic | Self::Avif | Self::Jpeg2000 | Self::JpegXl | Self::Svg | Self::Psd | Self::Raw => {
                false
            }
        }
    }

    /// The common name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::Jpeg2000 => "JPEG 2000",
            Self::JpegXl => "JPEG XL",
            Self::Svg => "SVG",
            Self::Psd => "Photoshop",
            Self::Raw => "camera raw",
        }
    }

    /// The common extension; that of PNG for formats that are not supported.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tif",
            Self::Png
            | Self::Heic
            | Self::Avif
            | Self::Jpeg2000
            | Self::JpegXl
            | Self::Svg
            | Self::Psd
            | Self::Raw => "png",
        }
    }

    /// The defect of a file in this unsupported format, with a command that converts it.
    pub(crate) fn unsupported(self) -> Defect {
        Defect::new(
            DefectKind::Unsupported,
            format!(
                "{} images are not supported: convert it to JPEG or PNG, for example with `{}`",
                self.name(),
                self.conversion()
            ),
        )
    }

    /// A command that converts a file to a supported format.
    pub fn conversion(self) -> &'static str {
        match self {
            Self::Heic => "heif-convert FILE.heic FILE.jpg",
            Self::Avif => "avifdec FILE.avif FILE.png",
            Self::Jpeg2000 => "opj_decompress -i FILE.jp2 -o FILE.png",
            Self::JpegXl => "djxl FILE.jxl FILE.png",
            Self::Svg => "rsvg-convert FILE.svg -o FILE.png",
            Self::Raw => "darktable-cli FILE FILE.png",
            Self::Psd | Self::Jpeg | Self::Png | Self::Gif | Self::WebP | Self::Bmp | Self::Tiff => {
                "magick FILE FILE.png"
            }
        }
    }
}

/// Returns whether the bytes start an SVG document. Its root may follow a byte-order mark, a declaration and comments.
fn is_svg(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let root = || bytes.windows(4).take(Format::PREFIX).any(|tag| tag == b"<svg");
    bytes.starts_with(b"<svg") || (bytes.starts_with(b"<?xml") || bytes.starts_with(b"<!")) && root()
}
