//! Finds the images that a list names: by full path, by a path on another machine, by name without folder or extension; and in both
//! Unicode forms of accented letters, since macOS decomposes those of file names.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::split_names::split_name;

/// Index of images by the ways in which a list may name them.
pub(super) struct Lookup<'a> {
    paths: Vec<&'a str>,
    exact: HashMap<&'a str, usize>,
    /// By file name; by file name without extension; and by both in lower case.
    by_name: HashMap<&'a str, Vec<usize>>,
    by_stem: HashMap<&'a str, Vec<usize>>,
    by_folded: HashMap<String, Vec<usize>>,
    /// The paths of all folders, and how they may end: `a/b`, and `a/b` or `b`.
    folders: HashSet<&'a str>,
    folder_ends: HashSet<&'a str>,
    /// The same images by their composed paths, if these differ.
    composed: Option<Box<Lookup<'a>>>,
}

/// Returns the paths with composed characters, or none if all of them are ASCII.
pub(super) fn composed<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    match paths.clone().all(str::is_ascii) {
        true => Vec::new(),
        false => paths.map(|path| path.nfc().collect()).collect(),
    }
}

/// The image that a name in a list refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// An image whose path matches everything in the list.
    Sure(usize),
    /// The only image of this name, although the folder differs or the list omits the extension.
    Likely(usize),
    /// Several images match equally well.
    Ambiguous,
    Nothing,
}

impl Match {
    /// How much a column of such names looks like a file column.
    pub(super) fn weight(self) -> usize {
        match self {
            Self::Sure(_) => 2,
            Self::Likely(_) | Self::Ambiguous => 1,
            Self::Nothing => 0,
        }
    }
}

impl<'a> Lookup<'a> {
    /// Indexes images by their paths, with `/` between the parts, and by the paths that [`composed`] returned for them, if any.
    pub(super) fn with_composed(paths: Vec<&'a str>, composed: Vec<&'a str>) -> Self {
        let by_composed = (!composed.is_empty()).then(|| Box::new(Self::new(composed)));
        Self { composed: by_composed, ..Self::new(paths) }
    }

    fn new(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let paths: Vec<&str> = paths.into_iter().collect();
        let mut all = Self {
            exact: paths.iter().zip(0..).map(|(&path, at)| (path, at)).collect(),
            by_name: HashMap::new(),
            by_stem: HashMap::new(),
            by_folded: HashMap::new(),
            folders: HashSet::new(),
            folder_ends: HashSet::new(),
            composed: None,
            paths,
        };
        for (at, path) in all.paths.iter().copied().enumerate() {
            let name = last(path);
            all.by_name.entry(name).or_default().push(at);
            all.by_stem.entry(stem(name)).or_default().push(at);
            for folded in [name.to_lowercase(), stem(name).to_lowercase()] {
                let places = all.by_folded.entry(folded).or_default();
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
            for (end, _) in path.rmatch_indices('/') {
                let folder = &path[..end];
                // Then those above it are there as well.
                if !all.folders.insert(folder) {
                    break;
                }
                all.folder_ends.insert(folder);
                all.folder_ends.extend(folder.match_indices('/').map(|(at, _)| &folder[at + 1..]));
            }
        }
        all
    }

    /// Finds an image by its name in a list. Backslashes, drive letters, `./` and the folders above the images are ignored. If no
    /// image or several have this name, the Unicode form of its letters is ignored too.
    pub(super) fn find(&self, listed: &str) -> Match {
        match (self.find_as_written(listed), &self.composed) {
            (Match::Nothing | Match::Ambiguous, Some(composed)) if !listed.is_ascii() => {
                composed.find_as_written(&listed.nfc().collect::<String>())
            }
            (found, _) => found,
        }
    }

    fn find_as_written(&self, listed: &str) -> Match {
        if let Some(&at) = self.exact.get(listed) {
            return Match::Sure(at);
        }
        let slashes = listed.replace('\\', "/");
        let parts: Vec<&str> =
            slashes.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..").collect();
        let Some((&name, folders)) = parts.split_last() else { return Match::Nothing };
        if let Some(&at) = self.exact.get(parts.join("/").as_str()) {
            return Match::Sure(at);
        }
        let exact = self.by_name.get(name);
        if let Some(places) = exact {
            return self.best(folders, places, true);
        }
        match self.by_stem.get(name).or_else(|| self.by_folded.get(&name.to_lowercase())) {
            Some(places) => self.best(folders, places, false),
            None => Match::Nothing,
        }
    }

    /// Returns the image with the best-matching folders among those with a matching name.
    fn best(&self, folders: &[&str], places: &[usize], whole_name: bool) -> Match {
        // The number of trailing folders that list and path share, and whether those are all folders of one of them.
        let shared = |&at: &usize| {
            let own = self.paths[at].split('/').rev().skip(1);
            let shared = own.zip(folders.iter().rev()).take_while(|(own, listed)| own == *listed).count();
            let all = shared == folders.len() || shared == self.paths[at].matches('/').count();
            all.then_some((shared, at))
        };
        let fits: Vec<(usize, usize)> = places.iter().filter_map(shared).collect();
        let most = fits.iter().map(|&(shared, _)| shared).max();
        let mut best = fits.iter().filter(|&&(shared, _)| Some(shared) == most).map(|&(_, at)| at);
        match (best.next(), best.next(), places) {
            (Some(at), None, _) | (None, _, &[at]) if self.is_elsewhere(folders, at) => Match::Nothing,
            (Some(at), None, _) if whole_name => Match::Sure(at),
            (Some(at), None, _) | (None, _, &[at]) => Match::Likely(at),
            (Some(_), Some(_), _) | (None, ..) => Match::Ambiguous,
        }
    }

    /// Returns whether an image only has the name of a missing one: the listed folders exist without it, or are of another split.
    fn is_elsewhere(&self, folders: &[&str], at: usize) -> bool {
        let mut own: Vec<&str> = self.paths[at].split('/').collect();
        own.pop();
        // Either path may start with folders that the other lacks.
        let is_listed =
            |own: &[&str]| own.iter().rev().zip(folders.iter().rev()).all(|(own, listed)| own == listed);
        if (1..=own.len()).any(|len| is_listed(&own[..len])) {
            return false;
        }
        let split = |folders: &[&str]| folders.iter().rev().copied().find_map(split_name);
        let of_splits = split(&own).zip(split(folders));
        let listed = folders.join("/");
        let mut inner = listed.match_indices('/').map(|(at, _)| &listed[at + 1..]);
        of_splits.is_some_and(|(own, listed)| own != listed)
            || self.folder_ends.contains(listed.as_str())
            || inner.any(|folder| self.folders.contains(folder))
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_images_by_many_kinds_of_names() {
        let lookup = Lookup::new([
            "train/1.jpg",
            "train/2.png",
            "val/1.jpg",
            "deep/a/3.JPG",
            "deep/b/3.JPG",
            "4.a.jpg",
        ]);
        for (listed, found) in [
            ("train/1.jpg", Match::Sure(0)),
            ("./train/1.jpg", Match::Sure(0)),
            ("/home/x/pets/val/1.jpg", Match::Sure(2)),
            ("C:\\pets\\val\\1.jpg", Match::Sure(2)),
            ("2.png", Match::Sure(1)),
            ("2", Match::Likely(1)),
            ("imgs/2.png", Match::Likely(1)),
            ("TRAIN/2.PNG", Match::Likely(1)),
            ("a/3", Match::Likely(3)),
            ("b/3.JPG", Match::Sure(4)),
            ("4.a", Match::Likely(5)),
            ("1.jpg", Match::Ambiguous),
            ("test/1.jpg", Match::Ambiguous),
            ("3.jpg", Match::Ambiguous),
            ("5.jpg", Match::Nothing),
            ("", Match::Nothing),
            ("/", Match::Nothing),
        ] {
            assert_eq!(lookup.find(listed), found, "{listed}");
        }
    }

    #[test]
    fn a_missing_image_is_not_one_of_another_folder() {
        let lookup = Lookup::new([
            "set/train/1.jpg",
            "set/train/part/2.jpg",
            "set/test/7.jpg",
            "set/photos/8.jpg",
            "9.jpg",
        ]);
        for (listed, found) in [
            // Folders that exist, with more folders above them or fewer.
            ("train/7.jpg", Match::Nothing),
            ("train/7", Match::Nothing),
            ("/home/x/set/train/8.jpg", Match::Nothing),
            ("set/train/9.jpg", Match::Nothing),
            ("photos/7.jpg", Match::Nothing),
            // Folders of another split.
            ("val/7.jpg", Match::Nothing),
            ("Training/8.jpg", Match::Likely(3)),
            ("Training/1.jpg", Match::Likely(0)),
            // Below the listed folder, and in one that does not exist.
            ("train/2.jpg", Match::Likely(1)),
            ("images/7.jpg", Match::Likely(2)),
            ("images/9.jpg", Match::Sure(4)),
            ("7.jpg", Match::Sure(2)),
        ] {
            assert_eq!(lookup.find(listed), found, "{listed}");
        }
    }

    #[test]
    fn finds_names_in_the_other_unicode_form() {
        // A composed letter, and a base letter with a combining mark.
        let (one, two) = ("B\u{e4}r", "Ba\u{308}r");
        let found = |paths: &[&str], listed: &str| {
            let composed = composed(paths.iter().copied());
            let composed = composed.iter().map(String::as_str).collect();
            Lookup::with_composed(paths.to_vec(), composed).find(listed)
        };
        let [nfc, nfd] = [one, two].map(|stem| format!("{stem}0.jpg"));
        for (disk, list) in [(&nfd, &nfc), (&nfc, &nfd)] {
            assert_eq!(found(&[disk, "1.jpg"], list), Match::Sure(0));
            assert_eq!(found(&[disk, "1.jpg"], &format!("/home/x/{list}")), Match::Sure(0));
            assert_eq!(found(&[disk, "1.jpg"], list.trim_end_matches(".jpg")), Match::Likely(0));
            assert_eq!(found(&[disk, list], list), Match::Sure(1));
        }
        // Folders.
        let [nfc, nfd] = [one, two].map(|folder| format!("{folder}/1.jpg"));
        assert_eq!(found(&["cat/1.jpg", &nfd], &nfc), Match::Sure(1));
        // Two images whose names differ only in the form; the list has a third one.
        let three = ["\u{e4}\u{e4}.jpg", "a\u{308}a\u{308}.jpg", "\u{e4}a\u{308}.jpg"];
        let either = [format!("x/{}", three[0]), format!("y/{}", three[1])];
        assert_eq!(found(&[&either[0], &either[1]], three[2]), Match::Ambiguous);
        assert_eq!(found(&["1.jpg", "2.jpg"], "\u{e4}.jpg"), Match::Nothing);
    }
}
