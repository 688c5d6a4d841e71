//! Finds the images that a list names: by whole paths, by paths on another machine, by names without folders or endings.

use std::collections::HashMap;

/// Images by the ways in which a list may name them.
pub(super) struct Lookup<'a> {
    paths: Vec<&'a str>,
    exact: HashMap<&'a str, usize>,
    /// By the last part of the path; by that without its ending; and by both in small letters.
    by_name: HashMap<&'a str, Vec<usize>>,
    by_stem: HashMap<&'a str, Vec<usize>>,
    by_folded: HashMap<String, Vec<usize>>,
}

/// What a list's name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An image whose path fits all that the list says.
    Sure(usize),
    /// The only image of this name, in another folder than the list says, or whose ending the list leaves out.
    Likely(usize),
    /// Several images fit as well.
    Ambiguous,
    Nothing,
}

impl Found {
    /// How much a column of such names looks like one of files.
    pub(super) fn weight(self) -> usize {
        match self {
            Self::Sure(_) => 2,
            Self::Likely(_) | Self::Ambiguous => 1,
            Self::Nothing => 0,
        }
    }
}

impl<'a> Lookup<'a> {
    /// For the images with these paths, `/` between the parts.
    pub(super) fn new(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let paths: Vec<&str> = paths.into_iter().collect();
        let mut all = Self {
            exact: paths.iter().zip(0..).map(|(&path, at)| (path, at)).collect(),
            by_name: HashMap::new(),
            by_stem: HashMap::new(),
            by_folded: HashMap::new(),
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
        }
        all
    }

    /// The image that a list calls so. Windows' backslashes, drives, `./` and the folders above the images do not matter.
    pub(super) fn find(&self, listed: &str) -> Found {
        if let Some(&at) = self.exact.get(listed) {
            return Found::Sure(at);
        }
        let slashes = listed.replace('\\', "/");
        let parts: Vec<&str> =
            slashes.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..").collect();
        let Some((&name, folders)) = parts.split_last() else { return Found::Nothing };
        if let Some(&at) = self.exact.get(parts.join("/").as_str()) {
            return Found::Sure(at);
        }
        let exact = self.by_name.get(name);
        if let Some(places) = exact {
            return self.best(folders, places, true);
        }
        match self.by_stem.get(name).or_else(|| self.by_folded.get(&name.to_lowercase())) {
            Some(places) => self.best(folders, places, false),
            None => Found::Nothing,
        }
    }

    /// The image among some of the right name whose folders fit best.
    fn best(&self, folders: &[&str], places: &[usize], whole_name: bool) -> Found {
        // The folders that list and path share, counted from the file, and whether that is all of one of them.
        let shared = |at: usize| {
            let own = self.paths[at].split('/').rev().skip(1);
            let shared = own.zip(folders.iter().rev()).take_while(|(own, listed)| own == *listed).count();
            (shared, shared == folders.len() || shared == self.paths[at].matches('/').count())
        };
        let fits: Vec<(usize, usize)> = places
            .iter()
            .map(|&at| (shared(at), at))
            .filter(|((_, all), _)| *all)
            .map(|((n, _), at)| (n, at))
            .collect();
        let most = fits.iter().map(|&(shared, _)| shared).max();
        let mut best = fits.iter().filter(|&&(shared, _)| Some(shared) == most).map(|&(_, at)| at);
        match (best.next(), best.next(), places) {
            (Some(at), None, _) if whole_name => Found::Sure(at),
            (Some(at), None, _) | (None, _, &[at]) => Found::Likely(at),
            (Some(_), Some(_), _) | (None, ..) => Found::Ambiguous,
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |parts| parts.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_name_images_in_many_ways() {
        let lookup = Lookup::new([
            "train/1.jpg",
            "train/2.png",
            "val/1.jpg",
            "deep/a/3.JPG",
            "deep/b/3.JPG",
            "4.a.jpg",
        ]);
        for (listed, found) in [
            ("train/1.jpg", Found::Sure(0)),
            ("./train/1.jpg", Found::Sure(0)),
            ("/home/x/pets/val/1.jpg", Found::Sure(2)),
            ("C:\\pets\\val\\1.jpg", Found::Sure(2)),
            ("2.png", Found::Sure(1)),
            ("2", Found::Likely(1)),
            ("imgs/2.png", Found::Likely(1)),
            ("TRAIN/2.PNG", Found::Likely(1)),
            ("a/3", Found::Likely(3)),
            ("b/3.JPG", Found::Sure(4)),
            ("4.a", Found::Likely(5)),
            ("1.jpg", Found::Ambiguous),
            ("test/1.jpg", Found::Ambiguous),
            ("3.jpg", Found::Ambiguous),
            ("5.jpg", Found::Nothing),
            ("", Found::Nothing),
            ("/", Found::Nothing),
        ] {
            assert_eq!(lookup.find(listed), found, "{listed}");
        }
    }
}
