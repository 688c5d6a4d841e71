//! Opens a source with lists.

use std::collections::BTreeSet;
use std::path::Path;

use super::choose::may_label;
use super::part::{By, Flat, Part, number};
use crate::data::problem::Findings;
use crate::data::source::dataset::Dataset;
use crate::data::source::ilsvrc::Devkit;
use crate::data::source::layout::{self, FoundLayout, Layout, SplitFolder};
use crate::data::source::listing::Listing;
use crate::data::source::lists::{ImagePath, List, may_be_list};
use crate::data::source::row::Dropped;
use crate::data::source::split_names::split_word;
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
    let candidates: Vec<String> = listing.skipped.others.iter().filter(may_label).cloned().collect();
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

impl Flat<'_> {
    /// Reads each list with the images that it may name: those of the part that contains it, or of the split in its name.
    fn read_lists(&mut self, candidates: &[String]) {
        for path in candidates {
            let inside =
                self.parts.iter().find(|part| !part.prefix.is_empty() && path.starts_with(&part.prefix));
            let word = split_word(path.rsplit('/').next().unwrap_or(path));
            let of_split = || self.parts.iter().find(|part| part.split.is_some() && part.split == word);
            let files = &self.listing.files;
            let of = |parts: &[Part]| -> Vec<ImagePath<'_>> {
                parts
                    .iter()
                    .flat_map(|part| &part.images)
                    .map(|&index| ImagePath { index, path: &files[index].path })
                    .collect()
            };
            let images = match inside.or_else(of_split) {
                Some(part) => of(std::slice::from_ref(part)),
                None => of(&self.parts),
            };
            let text = match Text::read(&self.root.join(path)) {
                Ok(text) => text,
                Err(error) => {
                    self.notes.push(format!("not used: {error}"));
                    continue;
                }
            };
            let read = |images: &[ImagePath<'_>]| List::of(&text, self.root, path, images);
            let mut list = read(&images);
            // For names that occur in several splits, the training images are meant if all of them exist.
            let train = self.parts.iter().find(|part| part.split == Some("train"));
            if let (None, None, Some(train)) = (inside, word, train)
                && list.as_ref().is_some_and(|list| !list.is_whole())
                && let Some(only) = read(&of(std::slice::from_ref(train))).filter(List::is_whole)
            {
                self.notes.push(format!(
                    "{path} is taken to list the images in {}, which has all of its files",
                    train.prefix
                ));
                list = Some(only);
            }
            self.lists.extend(list);
        }
    }

    fn open(mut self, candidates: &[String]) -> Result<Option<Dataset>> {
        let mut trained: BTreeSet<String> = BTreeSet::new();
        let mut how: Vec<By> = Vec::new();
        for part in &self.parts {
            let by = self.by(part, &trained)?;
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
