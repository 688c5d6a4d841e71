//! Folders made by this program, in or next to the images: never classes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::kind::{FileKind, file_name};
use super::listed::ListedFile;
use crate::data::own_files::{
    FIX_RECORD, MANIFEST, RUN_COMMANDS, RUN_LOCK, RUN_METRICS, RUN_ORIGIN, RUN_RECIPE, SET_ASIDE,
    UNFINISHED_PACK,
};

/// What this program made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OwnFolder {
    Run,
    Packed,
    /// A copy made by `alexnet data fix`.
    Fixed,
}

impl OwnFolder {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Packed => "packed images",
            Self::Fixed => "copy made by `alexnet data fix`",
        }
    }
}

/// Finds folders made by this program, by the files in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnFolderMarks {
    /// The number of files of a run in each folder.
    runs: HashMap<String, usize>,
    others: BTreeMap<String, OwnFolder>,
}

impl OwnFolderMarks {
    /// Records a file, hidden or not.
    pub(crate) fn see(&mut self, path: &str) {
        // The source folder itself is what the user asked for, whatever is in it.
        let Some((folder, name)) = path.rsplit_once('/') else { return };
        match name {
            RUN_ORIGIN | RUN_RECIPE | RUN_COMMANDS | RUN_METRICS => {
                *self.runs.entry(folder.to_owned()).or_default() += 1;
            }
            MANIFEST | UNFINISHED_PACK => {
                self.others.insert(folder.to_owned(), OwnFolder::Packed);
            }
            FIX_RECORD if file_name(folder) != SET_ASIDE => {
                self.others.entry(folder.to_owned()).or_insert(OwnFolder::Fixed);
            }
            _ => {}
        }
    }

    /// Returns the outermost of these folders.
    fn folders(&self) -> BTreeMap<String, OwnFolder> {
        let runs = self
            .runs
            .iter()
            .filter(|&(_, &files)| files > 1)
            .map(|(folder, _)| (folder.clone(), OwnFolder::Run));
        let all: BTreeMap<String, OwnFolder> = self.others.clone().into_iter().chain(runs).collect();
        let outer =
            |folder: &str| !folder.match_indices('/').any(|(end, _)| all.contains_key(&folder[..end]));
        all.iter().filter(|(folder, _)| outer(folder)).map(|(folder, &made)| (folder.clone(), made)).collect()
    }
}
/// Removes files and folders made by this program, and returns those folders.
pub(crate) fn remove_own_folders<T>(
    files: &mut Vec<ListedFile<T>>,
    folders: &mut BTreeSet<String>,
    marks: &OwnFolderMarks,
) -> BTreeMap<String, OwnFolder> {
    let mut made = marks.folders();
    // A training run that was stopped at once leaves `runs/NAME-1` with only a lock file.
    let runs: Vec<&String> = folders.iter().filter(|folder| file_name(folder) == "runs").collect();
    let began = runs.into_iter().filter(|runs| {
        files.iter().filter(|file| is_below(&file.path, runs)).all(|file| file_name(&file.path) == RUN_LOCK)
    });
    made.extend(began.map(|runs| (runs.clone(), OwnFolder::Run)).collect::<Vec<_>>());
    if made.is_empty() {
        return made;
    }
    // A repaired copy is a copy only if the original exists.
    let mut images = files.iter().filter(|file| FileKind::of_name(&file.path) == FileKind::Image);
    if images.all(|file| is_in(&file.path, &made)) {
        made.retain(|_, made| *made != OwnFolder::Fixed);
    }
    files.retain(|file| !is_in(&file.path, &made));
    folders.retain(|path| !is_in(path, &made));
    // A folder that holds only these, such as `runs`, is not a class either.
    let above: BTreeSet<&str> =
        made.keys().flat_map(|path| path.match_indices('/').map(|(end, _)| &path[..end])).collect();
    folders.retain(|folder| {
        !above.contains(folder.as_str()) || files.iter().any(|file| is_below(&file.path, folder))
    });
    made
}

fn is_in(path: &str, made: &BTreeMap<String, OwnFolder>) -> bool {
    made.contains_key(path) || path.match_indices('/').any(|(end, _)| made.contains_key(&path[..end]))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_folders_made_by_this_program() {
        let paths = [
            "cat/1.jpg",
            "runs/small-1/run.json",
            "runs/small-1/recipe.toml",
            "runs/small-1/plots/a.png",
            "runs/small-2/recipe.toml",
            "runs/small-2/command.txt",
            "packed/pack.json",
            "dog/recipe.toml",
            "dog/1.jpg",
            "fixed/.fixed.json",
            "fixed/cat/1.jpg",
            "run.json",
            "recipe.toml",
        ];
        let mut marks = OwnFolderMarks::default();
        paths.iter().for_each(|path| marks.see(path));
        let mut files: Vec<ListedFile<()>> =
            paths.iter().map(|path| ListedFile { path: (*path).to_owned(), location: () }).collect();
        let folders = [
            "cat",
            "dog",
            "fixed",
            "fixed/cat",
            "packed",
            "runs",
            "runs/small-1",
            "runs/small-1/plots",
            "runs/small-2",
        ];
        let mut folders: BTreeSet<String> = folders.map(str::to_owned).into();
        let made = remove_own_folders(&mut files, &mut folders, &marks);
        let made: Vec<(&str, OwnFolder)> =
            made.iter().map(|(folder, &made)| (folder.as_str(), made)).collect();
        let runs = [("runs/small-1", OwnFolder::Run), ("runs/small-2", OwnFolder::Run)];
        assert_eq!(made, [[("fixed", OwnFolder::Fixed), ("packed", OwnFolder::Packed)], runs].concat());
        assert_eq!(folders.into_iter().collect::<Vec<_>>(), ["cat", "dog"]);
        assert_eq!(files.len(), 5);
    }
}
