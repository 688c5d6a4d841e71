//! What a file is, by its name and its first bytes.

use crate::data::decode::Format;

/// The number of first bytes that determine what a file is.
pub(crate) const HEAD: usize = Format::PREFIX;

/// Unsupported image formats that first bytes do not identify, by extension. Many raw files start like TIFF files.
const UNSUPPORTED: [(&str, &str); 13] = [
    ("dng", "camera raw"),
    ("nef", "camera raw"),
    ("arw", "camera raw"),
    ("pef", "camera raw"),
    ("srw", "camera raw"),
    ("ico", "ICO"),
    ("tga", "TGA"),
    ("exr", "OpenEXR"),
    ("hdr", "Radiance HDR"),
    ("pgm", "Netpbm"),
    ("ppm", "Netpbm"),
    ("pbm", "Netpbm"),
    ("pnm", "Netpbm"),
];

/// Suffixes of backup copies and unfinished downloads.
const LEFTOVERS: [&str; 10] =
    ["~", ".bak", ".orig", ".tmp", ".temp", ".swp", ".part", ".partial", ".crdownload", ".download"];

/// Formats that masks are stored in: those that preserve every value.
const LOSSLESS: [&str; 5] = ["png", "bmp", "gif", "tif", "tiff"];

/// An image format that is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnsupportedFormat {
    pub(crate) name: &'static str,
    /// A command that converts a file.
    pub(crate) conversion: &'static str,
}

impl UnsupportedFormat {
    fn of(format: Format) -> Self {
        Self { name: format.name(), conversion: format.conversion() }
    }

    /// The format of this name in [`UNSUPPORTED`].
    fn of_name(name: &'static str) -> Self {
        match name == Format::Raw.name() {
            true => Self::of(Format::Raw),
            false => Self { name, conversion: "magick FILE FILE.png" },
        }
    }
}

/// What the name of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Named as an image; the decoder decides later.
    Image,
    /// Hidden, or a system or editor file.
    Hidden,
    /// An image in an unsupported format.
    Unsupported(UnsupportedFormat),
    /// A known type that is not an image.
    Other,
    /// Unknown: the first bytes decide.
    Unknown,
}

impl FileKind {
    /// Classifies a file by its path, with `/` between the parts.
    pub(crate) fn of_name(path: &str) -> Self {
        if hidden_part(path).is_some() {
            return Self::Hidden;
        }
        let Some(extension) = extension(path) else { return Self::Unknown };
        let is = |known: &str| extension.eq_ignore_ascii_case(known);
        if let Some((_, format)) = UNSUPPORTED.iter().find(|(known, _)| is(known)) {
            return Self::Unsupported(UnsupportedFormat::of_name(format));
        }
        match Format::of_extension(extension) {
            // The extension may be wrong: many `.heic` files are JPEGs.
            Some(format) if format.is_supported() => Self::Image,
            None if is_other(&extension.to_ascii_lowercase()) => Self::Other,
            Some(_) | None => Self::Unknown,
        }
    }

    /// Classifies a file by its first bytes, [`HEAD`] of them if it has that many.
    pub(crate) fn of_bytes(head: &[u8]) -> Self {
        match Format::of(head) {
            Some(format) if format.is_supported() => Self::Image,
            Some(format) => Self::Unsupported(UnsupportedFormat::of(format)),
            None => Self::Other,
        }
    }
}

/// Returns whether an extension in lower case is of a type that comes with image sets but is not an image.
fn is_other(extension: &str) -> bool {
    const KNOWN: &str = "txt csv tsv json jsonl xml md rst html htm pdf doc docx xls xlsx yaml yml toml ini cfg log py \
        ipynb sh m mat npy npz pkl pickle h5 hdf5 parquet arrow safetensors pt pth onnx tfrecord lmdb \
        db sqlite cls zip tar gz tgz xz zst rar 7z mp4 mov avi";
    KNOWN.split(' ').any(|known| known == extension)
}

/// Returns whether a name in lower case is a system file or folder, apart from names that start with a dot.
fn is_junk(name: &str) -> bool {
    const KNOWN: &str = "__macosx|__pycache__|@eadir|#recycle|@recycle|lost+found|$recycle.bin|recycler|\
        system volume information|thumbs.db|ehthumbs.db|desktop.ini|picasa.ini|icon\r|_gsdata_";
    KNOWN.split('|').any(|known| known == name)
}

/// Returns whether a word in lower case after the name of an image marks a mask of it.
fn is_mask_word(word: &str) -> bool {
    const KNOWN: &str = "seg segm segmentation mask masks matte trimap gt groundtruth superpixels semantic instance \
        labelids parts";
    KNOWN.split(' ').any(|known| known == word)
}

/// Removes `.` and empty parts of a path: in archives names often start with `./`.
pub(crate) fn plain(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.join("/")
}

/// Returns the path up to the first part that is hidden, or a system or editor file.
pub(crate) fn hidden_part(path: &str) -> Option<&str> {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        if is_hidden(part) {
            return Some(&path[..end]);
        }
        end += 1;
    }
    None
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != "." && name != ".."
        || is_junk(&name.to_ascii_lowercase())
        || LEFTOVERS.iter().any(|end| name.len() > end.len() && name.ends_with(end))
        || is_backup_of_exiftool(name)
}

/// `photo.jpg_original`, unlike a class folder `images_original`.
fn is_backup_of_exiftool(name: &str) -> bool {
    let before = name.strip_suffix("_original").and_then(extension);
    before.is_some_and(|extension| Format::of_extension(extension).is_some())
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns the extension of a file name.
pub(super) fn extension(path: &str) -> Option<&str> {
    file_name(path).rsplit_once('.').map(|(_, extension)| extension)
}

/// Returns the path without the extension.
pub(crate) fn stem(path: &str) -> &str {
    extension(path).map_or(path, |extension| &path[..path.len() - extension.len() - 1])
}

/// Returns the path, without extension, of the image that this file would be a mask of: `a/1` for `a/1_mask.png`, `a/1.seg.png`,
/// `a/1-segmentation.png` and `a/1_mask_2.png`.
pub(super) fn masked(path: &str) -> Option<&str> {
    let extension = extension(path)?;
    if !LOSSLESS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return None;
    }
    let separators = ['.', '_', '-'];
    let whole = stem(path);
    let numbered = whole.trim_end_matches(|c: char| c.is_ascii_digit());
    let without_number = numbered.strip_suffix(separators).filter(|_| numbered.len() < whole.len());
    [Some(whole), without_number].into_iter().flatten().find_map(|stem| {
        let (image, word) = stem.rsplit_once(separators)?;
        (is_mask_word(&word.to_ascii_lowercase()) && !file_name(image).is_empty()).then_some(image)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies_files_by_name() {
        for name in ["1.jpg", "a/B.JPEG", "x.jfif", "x.Webp", "a.b.tiff", "mask.png", "seg.gif"] {
            assert_eq!(FileKind::of_name(name), FileKind::Image, "{name}");
        }
        for name in [
            "._1.jpg",
            "a/.DS_Store",
            "Thumbs.db",
            "a/DESKTOP.INI",
            "System Volume Information/1.jpg",
            "__MACOSX/a/1.jpg",
            "1.jpg.part",
            "1.jpg~",
        ] {
            assert_eq!(FileKind::of_name(name), FileKind::Hidden, "{name}");
        }
        assert_eq!(
            FileKind::of_name("cat/IMG_1.NEF"),
            FileKind::Unsupported(UnsupportedFormat::of(Format::Raw))
        );
        assert_eq!(FileKind::of_name("cat/labels.csv"), FileKind::Other);
        for name in ["cat/1", "cat/IMG_1.HEIC", "a.b/1", "1.jpg?size=large", "1.001"] {
            assert_eq!(FileKind::of_name(name), FileKind::Unknown, "{name}");
        }
        assert_eq!(hidden_part("a/.git/b/c"), Some("a/.git"));
    }

    #[test]
    fn classifies_files_by_first_bytes() {
        assert_eq!(FileKind::of_bytes(&[0xff, 0xd8, 0xff, 0xe0]), FileKind::Image);
        assert_eq!(FileKind::of_bytes(b"BMW and other cars"), FileKind::Other);
        assert_eq!(FileKind::of_bytes(b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0"), FileKind::Image);
        assert_eq!(
            FileKind::of_bytes(b"\0\0\0\x1cftypavif"),
            FileKind::Unsupported(UnsupportedFormat::of(Format::Avif))
        );
        assert_eq!(FileKind::of_bytes(b"\0\0\0\x1cftypisom"), FileKind::Other, "a video");
        assert_eq!(FileKind::of_bytes(b""), FileKind::Other);
    }
}
