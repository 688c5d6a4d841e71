//! What a plan changes in the source's own folder, found out before a file is moved.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::plan::{Action, Plan, SET_ASIDE, ending_kept, mended};
use super::record::{Holds, is_there};
use crate::data::{Dataset, Split};
use crate::{Error, Result};

/// An image that is changed in place.
pub(super) struct Change<'a> {
    pub(super) split: &'a Split,
    pub(super) index: usize,
    /// Its file, below the source.
    pub(super) path: String,
    /// What is made of it: a file below the source.
    pub(super) made: Option<(String, Holds)>,
}

/// The paths that a symbolic link leads to, one after the other.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| {
        let target = std::fs::read_link(path).ok()?;
        let target = path.parent()?.join(target);
        Some(target.parent()?.canonicalize().ok()?.join(target.file_name()?))
    };
    // Links that lead to each other are no images.
    std::iter::successors(next(&path.to_owned()), next).take(40)
}

impl Plan {
    /// What is changed in place, and how many images are not. Everything that can be found wrong is found here, before a
    /// file is moved.
    pub(super) fn changes<'a>(&self, dataset: &'a Dataset) -> Result<(Vec<Change<'a>>, usize)> {
        let steps = self.by_file(dataset)?;
        let (mut changes, mut kept, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
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
                    Error::data(format!("{}: its images are not files of a folder", self.source.display()))
                        .help("carry the plan out into a new folder: `alexnet data fix PLAN OUT`")
                })?;
            self.check_movable(path)?;
            let made = match step.action {
                Action::LeaveOut => None,
                Action::Mend => {
                    let (bytes, ending) = mended(split, index)?;
                    Some((self.name_for_mended(path, ending)?, Holds::of(&bytes)))
                }
            };
            changes.push(Change { split, index, path: path.to_owned(), made });
        }
        self.check_links(&changes, &kept)?;
        // A link is read before what it leads to moves.
        changes.sort_by_key(|change| !self.source.join(&change.path).is_symlink());
        let images = seen.len() - changes.len();
        Ok((changes, images))
    }

    /// Whether an image can be set aside, and only it.
    fn check_movable(&self, path: &str) -> Result<()> {
        let help = "carry the plan out into a new folder: `alexnet data fix PLAN OUT`";
        let mut folders = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        if let Some(link) = folders.find(|folder| self.source.join(folder).is_symlink()) {
            return Err(Error::data(format!(
                "{path}: {} is a link to a folder, whose files may belong to others too",
                link.display()
            ))
            .help(help));
        }
        let aside = self.source.join(SET_ASIDE).join(path);
        if is_there(&aside) {
            return Err(Error::data(format!("{}: there is a file of that name already", aside.display()))
                .help("move it away, or delete it"));
        }
        Ok(())
    }

    /// No image that stays is a link to one that moves.
    fn check_links(&self, changes: &[Change<'_>], kept: &[PathBuf]) -> Result<()> {
        let stays = |change: &&Change<'_>| change.made.as_ref().is_some_and(|(name, _)| *name == change.path);
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
                    .help("in the plan, name the link instead of the file; or carry it out into a new folder: `alexnet data fix PLAN OUT`"));
            }
        }
        Ok(())
    }

    /// What an image is called when it is mended; it may not take the place of another.
    fn name_for_mended(&self, before: &str, ending: &str) -> Result<String> {
        if let Some(kept) = ending_kept(before, ending) {
            return Ok(kept);
        }
        let name = Path::new(before).with_extension(ending).to_string_lossy().into_owned();
        match is_there(&self.source.join(&name)) {
            false => Ok(name),
            true => Err(Error::data(format!(
                "{before}: mended it would be called {name}, which is there already"
            ))
            .help(
                "rename one of them, or carry the plan out into a new folder: `alexnet data fix PLAN OUT`",
            )),
        }
    }
}
