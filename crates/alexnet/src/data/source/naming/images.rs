//! Sorts files into images and skipped files.

use std::collections::{BTreeMap, HashSet};

use super::kind::{FileKind, extension, masked, stem};
use super::listed::ListedFile;
use super::skipped::{Skipped, UnsupportedFile};

/// The number of files opened per extension that is not an image's. If one of them is an image, all others are opened too.
const SAMPLE: usize = 100;

/// Sorts files by what they are. Returns the images in the original order; the others go to `skipped`. `head` reads the first
/// `HEAD` bytes of a file, and is only called if the name is not conclusive.
pub(crate) fn images<T>(
    files: Vec<ListedFile<T>>,
    head: &dyn Fn(&str, &T) -> std::io::Result<Vec<u8>>,
    skipped: &mut Skipped,
) -> Vec<ListedFile<T>> {
    let mut kinds: Vec<FileKind> = files.iter().map(|file| FileKind::of_name(&file.path)).collect();
    // Unreadable files are kept as images: reading them later reports the error.
    let look = |at: usize| {
        head(&files[at].path, &files[at].location).map_or(FileKind::Image, |head| FileKind::of_bytes(&head))
    };
    let mut by_extension: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for at in 0..files.len() {
        match kinds[at] {
            FileKind::Unknown => kinds[at] = look(at),
            FileKind::Other => {
                by_extension.entry(extension(&files[at].path).unwrap_or_default()).or_default().push(at)
            }
            FileKind::Image | FileKind::Hidden | FileKind::Unsupported(_) => {}
        }
    }
    for places in by_extension.into_values() {
        let (sample, rest) = places.split_at(places.len().min(SAMPLE));
        let images = |places: &[usize]| -> Vec<usize> {
            places.iter().copied().filter(|&at| look(at) == FileKind::Image).collect()
        };
        let mut found = images(sample);
        if !found.is_empty() {
            found.extend(images(rest));
        }
        found.into_iter().for_each(|at| kinds[at] = FileKind::Image);
    }
    let is_mask = masks(
        files.iter().zip(&kinds).filter(|(_, kind)| **kind == FileKind::Image).map(|(file, _)| &*file.path),
    );
    let mut images = Vec::with_capacity(files.len());
    for (file, kind) in files.into_iter().zip(kinds) {
        match kind {
            FileKind::Image if is_mask.contains(&file.path) => skipped.masks.push(file.path),
            FileKind::Image => images.push(file),
            FileKind::Hidden => skipped.hide(&file.path),
            FileKind::Unsupported(format) => {
                skipped.unsupported.push(UnsupportedFile { path: file.path, format })
            }
            FileKind::Other | FileKind::Unknown => skipped.others.push(file.path),
        }
    }
    images
}

/// Returns the images that are masks of others.
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
    use super::{ListedFile, Skipped, images};

    fn sorted(files: &[(&str, &[u8])]) -> (Vec<String>, Skipped) {
        let mut skipped = Skipped::default();
        let files = files
            .iter()
            .map(|&(path, bytes)| ListedFile { path: path.to_owned(), location: bytes })
            .collect();
        let found = images(files, &|_, bytes| Ok(bytes.to_vec()), &mut skipped);
        (found.into_iter().map(|file| file.path).collect(), skipped)
    }

    #[test]
    fn masks_are_masks_only_next_to_their_images() {
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
    fn only_files_with_inconclusive_names_are_opened() {
        let opened = std::cell::RefCell::new(Vec::new());
        let names = ["1.jpg", "2.png", "3", "4.txt", ".5", "6.heic", "7.dat"];
        let files = names.map(|name| ListedFile { path: name.to_owned(), location: () }).to_vec();
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
            found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
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

    /// Of many files of a known type only a sample is opened, unless it contains an image.
    #[test]
    fn a_sample_represents_all_files_of_a_type() {
        let run = |image: usize| {
            let opened = std::cell::Cell::new(0);
            let files = (0..500).map(|i| ListedFile { path: format!("{i:03}.txt"), location: i }).collect();
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
