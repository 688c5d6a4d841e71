//! The changes that a plan makes to the source folder itself, determined before any file is moved.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::copying::folded;
use super::mend::{ending_kept, mend};
use super::plan::{Action, FixPlan};
use super::record::{FileContents, exists};
use crate::data::own_files::SET_ASIDE;
use crate::data::source::{Dataset, Split};
use crate::{Error, Result};

/// An image that is changed in place.
pub(super) struct InPlaceChange<'a> {
    pub(super) split: &'a Split,
    pub(super) index: usize,
    /// Its path relative to the source.
    pub(super) path: String,
    /// The file that replaces it, relative to the source.
    pub(super) made: Option<(String, FileContents)>,
}

/// Iterates over the chain of targets of a symbolic link.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| {
        let target = std::fs::read_link(path).ok()?;
        let target = path.parent()?.join(target);
        Some(target.parent()?.canonicalize().ok()?.join(target.file_name()?))
    };
    // A cycle of links is not an image.
    std::iter::successors(next(&path.to_owned()), next).take(40)
}

impl FixPlan {
    /// Returns the changes to make in place, and the number of images that stay. Detects every possible error before a file is
    /// moved. `by_folders` is whether only class folders label the images, whatever their names.
    pub(super) fn changes<'a>(
        &self,
        dataset: &'a Dataset,
        by_folders: bool,
    ) -> Result<(Vec<InPlaceChange<'a>>, usize)> {
        let steps = self.by_file(dataset)?;
        let (mut changes, mut kept, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut names = BTreeSet::new();
        let all = dataset.splits.iter().flat_map(|split| (0..split.len()).map(move |i| (split, i)));
        for (split, index) in all.filter(|(split, index)| seen.insert(split.file(*index))) {
            let path = split.path(index);
            let Some(step) = steps.get(split.file(index)) else {
                kept.extend(path);
                continue;
            };
            let path = path
                .as_ref()
                .and_then(|path| path.strip_prefix(&self.source).ok()?.to_str())
                .ok_or_else(|| {
                    Error::data(format!("{}: the images are not files in a folder", self.source.display()))
                        .help("apply the plan to a new folder: `alexnet data fix PLAN OUT`")
                })?;
            self.check_movable(path)?;
            let made = match step.action {
                Action::LeaveOut => None,
                Action::Mend => {
                    let (bytes, ending) = mend(split, index)?;
                    let name = self.name_for_mended(path, ending, &mut names)?;
                    if name != path && !by_folders {
                        return Err(Error::data(format!(
                            "{path}: the repaired image would be named {name}, but the images of this source are labeled by their names"
                        ))
                        .help("apply the plan to a new folder: `alexnet data fix PLAN OUT`"));
                    }
                    Some((name, FileContents::of(&bytes)))
                }
            };
            changes.push(InPlaceChange { split, index, path: path.to_owned(), made });
        }
        self.check_links(&changes, &kept)?;
        // A link must be read before its target moves.
        changes.sort_by_key(|change| !self.source.join(&change.path).is_symlink());
        let images = seen.len() - changes.len();
        Ok((changes, images))
    }

    /// Checks that an image can be set aside without affecting others.
    fn check_movable(&self, path: &str) -> Result<()> {
        let help = "apply the plan to a new folder: `alexnet data fix PLAN OUT`";
        let mut folders = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        if let Some(link) = folders.find(|folder| self.source.join(folder).is_symlink()) {
            return Err(Error::data(format!(
                "{path}: {} is a link to a folder, which may be shared",
                link.display()
            ))
            .help(help));
        }
        let aside = self.source.join(SET_ASIDE).join(path);
        if exists(&aside) {
            return Err(Error::data(format!("{}: the file already exists", aside.display()))
                .help("move or delete it"));
        }
        Ok(())
    }

    /// Checks that no remaining image is a link to one that moves.
    fn check_links(&self, changes: &[InPlaceChange<'_>], kept: &[PathBuf]) -> Result<()> {
        let stays =
            |change: &&InPlaceChange<'_>| change.made.as_ref().is_some_and(|(name, _)| *name == change.path);
        let moved: HashMap<PathBuf, &str> = changes
            .iter()
            .filter(|change| !stays(change))
            .map(|change| (self.source.join(&change.path), change.path.as_str()))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        for image in kept {
            if let Some(lost) = links(image).find_map(|link| moved.get(&link)) {
                let shown = image.strip_prefix(&self.source).unwrap_or(image).display();
                return Err(Error::data(format!("{shown} is a link to {lost}, which would be set aside"))
                    .help("name the link in the plan instead of its target; or apply it to a new folder: `alexnet data fix PLAN OUT`"));
            }
        }
        Ok(())
    }

    /// Returns the name of a repaired image, which must replace neither another image nor another repaired one: `names`.
    fn name_for_mended(&self, before: &str, ending: &str, names: &mut BTreeSet<String>) -> Result<String> {
        if let Some(kept) = ending_kept(before, ending) {
            return Ok(kept);
        }
        let name = Path::new(before).with_extension(ending).to_string_lossy().into_owned();
        let why = match (exists(&self.source.join(&name)), names.insert(folded(&name))) {
            (false, true) => return Ok(name),
            (true, _) => "which already exists",
            (false, false) => "and another repaired image too",
        };
        Err(Error::data(format!("{before}: the repaired image would be named {name}, {why}"))
            .help("rename one of them; or apply the plan to a new folder: `alexnet data fix PLAN OUT`"))
    }
}
