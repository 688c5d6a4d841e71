//! What a file is: an image, a leftover of a system, something that this program made, or something else. This is the one
//! rule for every source, on disk and in archives.
//!
//! The extension decides where it is an image's: the decoder has the last word later. Everything else is told by its first
//! bytes, so a photo that is called `IMG_1` or `photo.txt` is found too.

mod made;
mod skipped;

use std::collections::{BTreeMap, HashSet};

use crate::data::decode::Format;
pub(crate) use made::{Made, Marks, without_made};
pub(crate) use skipped::{Skipped, count};

/// How many bytes from the start of a file tell what it is.
pub(crate) const HEAD: usize = Format::PREFIX;

/// How many files of an extension that is known not to be an image's are opened. The others are opened too if one of them
/// turns out to be an image.
const SAMPLE: usize = 100;

/// Image formats that are not decoded and that first bytes do not tell, by extension. Many raw files start as TIFF files do.
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

/// Endings of backup copies and of downloads that have not finished.
const LEFTOVERS: [&str; 11] = [
    "~",
    ".bak",
    ".orig",
    "_original",
    ".tmp",
    ".temp",
    ".swp",
    ".part",
    ".partial",
    ".crdownload",
    ".download",
];

/// Formats that masks are stored in: all that keep every value.
const LOSSLESS: [&str; 5] = ["png", "bmp", "gif", "tif", "tiff"];

/// What a file's name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Named as an image; the decoder decides later.
    Image,
    /// Hidden, or left behind by a system or an editor.
    Hidden,
    /// An image in a format that is not decoded, by its name.
    Unsupported(&'static str),
    /// A type that is known not to be an image.
    Other,
    /// The name does not tell: the first bytes do.
    Unknown,
}

impl Kind {
    /// What the path of a file tells, `/` between its parts.
    pub(crate) fn of_name(path: &str) -> Self {
        if hidden_part(path).is_some() {
            return Self::Hidden;
        }
        let Some(extension) = extension(path) else { return Self::Unknown };
        let is = |known: &str| extension.eq_ignore_ascii_case(known);
        if let Some((_, format)) = UNSUPPORTED.iter().find(|(known, _)| is(known)) {
            return Self::Unsupported(format);
        }
        match Format::of_extension(extension) {
            // The extension may be wrong: many a `.heic` is a JPEG.
            Some(format) if format.is_supported() => Self::Image,
            None if is_other(&extension.to_ascii_lowercase()) => Self::Other,
            Some(_) | None => Self::Unknown,
        }
    }

    /// What the first bytes of a file tell, [`HEAD`] of them where it has so many.
    pub(crate) fn of_bytes(head: &[u8]) -> Self {
        match Format::of(head) {
            Some(format) if format.is_supported() => Self::Image,
            Some(format) => Self::Unsupported(format.name()),
            None => Self::Other,
        }
    }
}

/// Whether an extension in lower case is of a type that comes with image sets and is not an image.
fn is_other(extension: &str) -> bool {
    const KNOWN: &str = "txt csv tsv json jsonl xml md rst html htm pdf doc docx xls xlsx yaml yml toml ini cfg log py \
        ipynb sh m mat npy npz pkl pickle h5 hdf5 parquet arrow safetensors pt pth onnx tfrecord lmdb \
        db sqlite cls zip tar gz tgz xz zst rar 7z mp4 mov avi";
    KNOWN.split(' ').any(|known| known == extension)
}

/// Whether a name in lower case is that of a file or folder that systems leave behind, besides all that begin with a dot.
fn is_junk(name: &str) -> bool {
    const KNOWN: &str = "__macosx|__pycache__|@eadir|#recycle|@recycle|lost+found|$recycle.bin|recycler|\
        system volume information|thumbs.db|ehthumbs.db|desktop.ini|picasa.ini|icon\r|_gsdata_";
    KNOWN.split('|').any(|known| known == name)
}

/// Whether a word in lower case, behind an image's name, says that the file is a mask of that image.
fn is_mask_word(word: &str) -> bool {
    const KNOWN: &str = "seg segm segmentation mask masks matte trimap gt groundtruth superpixels semantic instance \
        labelids parts";
    KNOWN.split(' ').any(|known| known == word)
}

/// The path up to the first part that is hidden, or that a system or an editor left behind.
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
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What follows the last dot of a file's name.
pub(super) fn extension(path: &str) -> Option<&str> {
    file_name(path).rsplit_once('.').map(|(_, extension)| extension)
}

/// The path without the extension.
fn stem(path: &str) -> &str {
    extension(path).map_or(path, |extension| &path[..path.len() - extension.len() - 1])
}

/// The path, without extension, of the image that this file would be a mask of: `a/1` of `a/1_mask.png`, `a/1.seg.png`,
/// `a/1-segmentation.png` and `a/1_mask_2.png`.
fn masked(path: &str) -> Option<&str> {
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

/// Sorts files by what they are. Returns the images in the order in which they came; `skipped` gets the others. `head` reads
/// the first [`HEAD`] bytes of a file, and is only asked where a name does not tell.
pub(crate) fn images<T>(
    files: Vec<(String, T)>,
    head: &dyn Fn(&str, &T) -> std::io::Result<Vec<u8>>,
    skipped: &mut Skipped,
) -> Vec<(String, T)> {
    let mut kinds: Vec<Kind> = files.iter().map(|(path, _)| Kind::of_name(path)).collect();
    // What cannot be read is not left out here: reading it later says why.
    let look = |at: usize| head(&files[at].0, &files[at].1).map_or(Kind::Image, |head| Kind::of_bytes(&head));
    let mut by_extension: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for at in 0..files.len() {
        match kinds[at] {
            Kind::Unknown => kinds[at] = look(at),
            Kind::Other => {
                by_extension.entry(extension(&files[at].0).unwrap_or_default()).or_default().push(at)
            }
            Kind::Image | Kind::Hidden | Kind::Unsupported(_) => {}
        }
    }
    for places in by_extension.into_values() {
        let (sample, rest) = places.split_at(places.len().min(SAMPLE));
        let images = |places: &[usize]| -> Vec<usize> {
            places.iter().copied().filter(|&at| look(at) == Kind::Image).collect()
        };
        let mut found = images(sample);
        if !found.is_empty() {
            found.extend(images(rest));
        }
        found.into_iter().for_each(|at| kinds[at] = Kind::Image);
    }
    let is_mask =
        masks(files.iter().zip(&kinds).filter(|(_, kind)| **kind == Kind::Image).map(|(file, _)| &*file.0));
    let mut images = Vec::with_capacity(files.len());
    for ((path, place), kind) in files.into_iter().zip(kinds) {
        match kind {
            Kind::Image if is_mask.contains(&path) => skipped.masks.push(path),
            Kind::Image => images.push((path, place)),
            Kind::Hidden => skipped.hide(&path),
            Kind::Unsupported(format) => skipped.unsupported.push((path, format)),
            Kind::Other | Kind::Unknown => skipped.others.push(path),
        }
    }
    images
}

/// Those of some images that are masks of others among them.
fn masks<'a>(images: impl Iterator<Item = &'a str> + Clone) -> HashSet<String> {
    let candidates: Vec<(&str, &str)> =
        images.clone().filter_map(|path| Some((path, masked(path)?))).collect();
    if candidates.is_empty() {
        return HashSet::new();
    }
    let stems: HashSet<&str> = images.map(stem).collect();
    let found = candidates.into_iter().filter(|(_, image)| stems.contains(image));
    found.map(|(path, _)| path.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        for name in ["1.jpg", "a/B.JPEG", "x.jfif", "x.Webp", "a.b.tiff", "mask.png", "seg.gif"] {
            assert_eq!(Kind::of_name(name), Kind::Image, "{name}");
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
            assert_eq!(Kind::of_name(name), Kind::Hidden, "{name}");
        }
        assert_eq!(Kind::of_name("cat/IMG_1.NEF"), Kind::Unsupported("camera raw"));
        assert_eq!(Kind::of_name("cat/labels.csv"), Kind::Other);
        for name in ["cat/1", "cat/IMG_1.HEIC", "a.b/1", "1.jpg?size=large", "1.001"] {
            assert_eq!(Kind::of_name(name), Kind::Unknown, "{name}");
        }
        assert_eq!(hidden_part("a/.git/b/c"), Some("a/.git"));
    }

    #[test]
    fn bytes_tell_what_a_name_does_not() {
        assert_eq!(Kind::of_bytes(&[0xff, 0xd8, 0xff, 0xe0]), Kind::Image);
        assert_eq!(Kind::of_bytes(b"BMW and other cars"), Kind::Other);
        assert_eq!(Kind::of_bytes(b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0"), Kind::Image);
        assert_eq!(Kind::of_bytes(b"\0\0\0\x1cftypavif"), Kind::Unsupported("AVIF"));
        assert_eq!(Kind::of_bytes(b"\0\0\0\x1cftypisom"), Kind::Other, "a video");
        assert_eq!(Kind::of_bytes(b""), Kind::Other);
    }

    fn sorted(files: &[(&str, &[u8])]) -> (Vec<String>, Skipped) {
        let mut skipped = Skipped::default();
        let files = files.iter().map(|&(path, bytes)| (path.to_owned(), bytes)).collect();
        let found = images(files, &|_, bytes| Ok(bytes.to_vec()), &mut skipped);
        (found.into_iter().map(|(path, _)| path).collect(), skipped)
    }

    #[test]
    fn masks_are_masks_only_beside_their_images() {
        let names = [
            "a/1.jpg",
            "a/1.seg.png",
            "a/1_mask.PNG",
            "a/1-segmentation.tif",
            "a/1_mask_2.png",
            "a/2_mask.png",
            "b/1_mask.png",
            "a/with_mask.jpg",
            "a/with.jpg",
            "a/mask.png",
            "a/1_2.png",
        ];
        let (found, skipped) = sorted(&names.map(|name| (name, b"".as_slice())));
        assert_eq!(skipped.masks, ["a/1.seg.png", "a/1_mask.PNG", "a/1-segmentation.tif", "a/1_mask_2.png"]);
        let rest = [
            "a/1.jpg",
            "a/2_mask.png",
            "b/1_mask.png",
            "a/with_mask.jpg",
            "a/with.jpg",
            "a/mask.png",
            "a/1_2.png",
        ];
        assert_eq!(found, rest);
    }

    #[test]
    fn only_files_whose_names_do_not_tell_are_opened() {
        let opened = std::cell::RefCell::new(Vec::new());
        let names = ["1.jpg", "2.png", "3", "4.txt", ".5", "6.heic", "7.dat"];
        let files = names.map(|name| (name.to_owned(), ())).to_vec();
        let head = |path: &str, (): &()| {
            opened.borrow_mut().push(path.to_owned());
            Ok(match path {
                "4.txt" => vec![0xff, 0xd8, 0xff],
                "6.heic" => b"\0\0\0\x1cftypheic".to_vec(),
                _ => b"text".to_vec(),
            })
        };
        let mut skipped = Skipped::default();
        let found = images(files, &head, &mut skipped);
        assert_eq!(
            found.iter().map(|(path, ())| path.as_str()).collect::<Vec<_>>(),
            ["1.jpg", "2.png", "4.txt"]
        );
        assert_eq!(*opened.borrow(), ["3", "6.heic", "7.dat", "4.txt"]);
        let notes = skipped.notes().join("\n");
        assert!(notes.contains("skipped 1 hidden or system file: .5"), "{notes}");
        assert!(
            notes.contains("skipped 2 files that are not images (1 without an extension, 1 .dat): 3, 7.dat"),
            "{notes}"
        );
        assert!(
            notes.contains(
                "skipped 1 HEIC image, a format that is not supported (convert to JPEG or PNG): 6.heic"
            ),
            "{notes}"
        );
    }

    /// Of many files of a known type only some are opened, unless one of those is an image.
    #[test]
    fn a_sample_of_a_known_type_stands_for_all() {
        let run = |image: usize| {
            let opened = std::cell::Cell::new(0);
            let files = (0..500).map(|i| (format!("{i:03}.txt"), i)).collect();
            let head = |_: &str, &i: &usize| {
                opened.set(opened.get() + 1);
                Ok(if i == image { vec![0xff, 0xd8, 0xff] } else { b"text".to_vec() })
            };
            let found = images(files, &head, &mut Skipped::default()).len();
            (found, opened.get())
        };
        assert_eq!(run(50), (1, 500));
        assert_eq!(run(1000), (0, 100));
    }
}
