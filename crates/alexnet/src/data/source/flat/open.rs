//! Opens a source with lists.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use super::choose::may_label;
use super::part::{By, Flat, Part, number};
use crate::data::problem::Findings;
use crate::data::source::dataset::Dataset;
use crate::data::source::ilsvrc::Devkit;
use crate::data::source::layout::{self, FoundLayout, Layout, SplitFolder};
use crate::data::source::listing::Listing;
use crate::data::source::lists::{List, NamedImages, may_be_list};
use crate::data::source::lookup::composed;
use crate::data::source::naming::stem;
use crate::data::source::row::Dropped;
use crate::data::source::split_names::{split_name, split_word};
use crate::data::source::text::Text;
use crate::{Error, Result};

/// Opens a folder in which not all images are in class folders; `None` if only folders label them.
///
/// # Errors
/// Returns an error if a list does not fit, or contradicts itself.
pub(in crate::data::source) fn open(
    root: &Path,
    listing: &mut Listing,
    findings: &mut Findings,
) -> Result<Option<Dataset>> {
    // Ambiguous folders are reported when class folders are read.
    let Ok(found) = layout::find(listing, &root.display().to_string()) else { return Ok(None) };
    let parts = parts(listing, &found);
    let may_label = |path: &&String| may_be_list(path) && is_near(path, &parts);
    let candidates = listing.skipped.others.iter().filter(may_label).cloned().collect();
    let candidates = without_texts_of_images(candidates, listing);
    // A broken kit matters only if nothing else labels the images.
    let numbered = listing.files.iter().any(|file| number(&file.path).is_some());
    let (kit, broken_kit) = match if numbered { Devkit::find(root) } else { Ok(None) } {
        Ok(kit) => (kit, None),
        Err(error) => (None, Some(error)),
    };
    if candidates.is_empty() && kit.is_none() && broken_kit.is_none() {
        return Ok(None);
    }
    let notes = found.notes;
    let mut source = Flat { root, listing, parts, lists: Vec::new(), kit, broken_kit, notes, findings };
    source.read_lists(&candidates);
    source.open(&candidates)
}

/// Returns the split folders, or the whole source without wrapping folders.
fn parts(listing: &Listing, found: &FoundLayout) -> Vec<Part> {
    let paths: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    let mut prefix = found.below.clone();
    match &found.layout {
        Layout::Splits(splits) => splits
            .iter()
            .map(|SplitFolder { folder, split }| Part::new(Some(split), format!("{prefix}{folder}/"), &paths))
            .collect(),
        Layout::Classes => loop {
            let below = paths.iter().filter_map(|path| path.strip_prefix(&prefix));
            let tops: BTreeSet<&str> =
                below.map(|path| path.split_once('/').map_or("", |(start, _)| start)).collect();
            match tops.iter().copied().collect::<Vec<_>>()[..] {
                [top] if !top.is_empty() => prefix = format!("{prefix}{top}/"),
                _ => return vec![Part::new(None, prefix, &paths)],
            }
        },
    }
}

/// Returns whether a list is in the source folder, in a folder that leads to a part, or directly in a part.
fn is_near(path: &str, parts: &[Part]) -> bool {
    let folder = path.rsplit_once('/').map_or(String::new(), |parts| format!("{}/", parts.0));
    folder.is_empty() || parts.iter().any(|part| part.prefix.starts_with(&folder))
}

/// Leaves out texts of single images, such as boxes or captions, which are next to their images and named like them. The only such
/// file of its kind may still be a list, and so may `train.txt` next to `train.jpg`.
fn without_texts_of_images(paths: Vec<String>, listing: &Listing) -> Vec<String> {
    if paths.len() < 2 {
        return paths;
    }
    let images = listing.files.iter().flat_map(|file| [file.path.as_str(), stem(&file.path)]);
    let images: HashSet<&str> = images.collect();
    let is_of_split = |stem: &str| split_name(stem.rsplit('/').next().unwrap_or(stem)).is_some();
    let is_of_image = |path: &&String| images.contains(stem(path)) && !is_of_split(stem(path));
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for path in paths.iter().filter(is_of_image) {
        *kinds.entry(ending(path)).or_default() += 1;
    }
    paths.iter().filter(|path| !is_of_image(path) || kinds[ending(path)] == 1).cloned().collect()
}

/// Returns what follows the stem of a name.
fn ending(path: &str) -> &str {
    &path[stem(path).len()..]
}

impl Flat<'_> {
    /// Reads each list with the images that it may name: those of the part that contains it, or of the split in its name.
    fn read_lists(&mut self, candidates: &[String]) {
        let parts = &self.parts;
        let paths: Vec<&str> = self.listing.files.iter().map(|file| file.path.as_str()).collect();
        let composed = composed(paths.iter().copied());
        let of = |parts: &[Part]| {
            let indices = parts.iter().flat_map(|part| &part.images).copied().collect();
            NamedImages::new(indices, &paths, &composed)
        };
        // Indexed once for all lists.
        let all: OnceCell<NamedImages<'_>> = OnceCell::new();
        let each: Vec<OnceCell<NamedImages<'_>>> = parts.iter().map(|_| OnceCell::new()).collect();
        let of_part = |at: usize| each[at].get_or_init(|| of(&parts[at..=at]));
        for path in candidates {
            let inside =
                parts.iter().position(|part| !part.prefix.is_empty() && path.starts_with(&part.prefix));
            let word = split_word(path.rsplit('/').next().unwrap_or(path));
            let of_split = || parts.iter().position(|part| part.split.is_some() && part.split == word);
            let images = match inside.or_else(of_split) {
                Some(part) => of_part(part),
                None => all.get_or_init(|| of(parts)),
            };
            let text = match Text::read(&self.root.join(path)) {
                Ok(text) => text,
                Err(error) => {
                    self.notes.push(format!("not used: {error}"));
                    continue;
                }
            };
            let read = |images: &NamedImages<'_>| List::of(&text, self.root, path, images);
            let mut list = read(images);
            // For names that occur in several splits, the training images are meant if all of them exist.
            let train = parts.iter().position(|part| part.split == Some("train"));
            if let (None, None, Some(train)) = (inside, word, train)
                && list.as_ref().is_some_and(|list| !list.is_whole())
                && let Some(only) = read(of_part(train)).filter(List::is_whole)
            {
                self.notes.push(format!(
                    "{path} is taken to list the images in {}, which has all of its files",
                    parts[train].prefix
                ));
                list = Some(only);
            }
            self.lists.extend(list);
        }
    }

    fn open(mut self, candidates: &[String]) -> Result<Option<Dataset>> {
        let mut trained: BTreeSet<String> = BTreeSet::new();
        // Folders of training images that lists label.
        let mut stores: BTreeSet<String> = BTreeSet::new();
        let mut how: Vec<By> = Vec::new();
        for part in &self.parts {
            let by = self.by(part, &trained, &stores)?;
            if matches!(by, By::Lists(_))
                && part.split == Some("train")
                && let Some(folders) = self.folders(part).filter(|folders| folders.len() > 1)
            {
                stores.extend(folders.into_iter().map(str::to_owned));
            }
            if matches!(by, By::Folders) && (part.split == Some("train") || part.split.is_none()) {
                trained.extend(
                    part.images.iter().filter_map(|&image| self.class_folder(part, image)).map(str::to_owned),
                );
            }
            how.push(by);
        }
        for (_, part) in how.iter().zip(&self.parts).filter(|(by, _)| matches!(by, By::Nothing)) {
            for (list, at) in self.lists.iter().zip(0..) {
                // Those that label another part are checked with it.
                let is_used = how.iter().any(|by| matches!(by, By::Lists(lists) if lists.contains(&at)));
                if !is_used && may_label(&self.parts, list, part) {
                    list.check(self.root, self.findings)?;
                }
            }
        }
        let unlabeled = how.iter().any(|by| matches!(by, By::Nothing));
        if let Some(error) = self.broken_kit.take().filter(|_| unlabeled) {
            return Err(error);
        }
        let listed = how.iter().any(|by| matches!(by, By::Lists(_) | By::Kit));
        if !listed {
            return self.nothing(&how, candidates).map_or(Ok(None), Err);
        }
        let labeled = self.labeled(&how);
        self.report_lists(&how, candidates)?;
        self.report_unlabeled(&how, &labeled);
        let dataset = self.dataset(labeled, &how, trained)?;
        Ok(Some(dataset))
    }

    /// Returns the error for lists that name no image; `None` if class folders are enough.
    fn nothing(&self, how: &[By], candidates: &[String]) -> Option<Error> {
        let loose = self.parts.first().is_some_and(|part| part.prefix.is_empty());
        let needed = loose
            && how.first().is_some_and(|by| matches!(by, By::Nothing))
            && self.parts.iter().any(|part| !part.images.is_empty());
        let list = self
            .lists
            .iter()
            .find(|list| list.said.is_empty() && !list.missing.is_empty())
            .filter(|_| needed && candidates.len() == 1)?;
        let Dropped { line, what: file } = list.missing.first()?;
        let images = self.parts.first().map_or("", |part| self.path(part.images[0]));
        Some(
            Error::data(format!(
                "{}: none of its files are in the folder; line {line} names `{file}`, the first image is {images}",
                self.root.join(&list.path).display()
            ))
            .help("use a list whose lines start with image names: FILE,CLASS"),
        )
    }
}
